"""What the clients show while they wait: one JSON object a line."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

Write = Callable[[bytes], object]
INTERVAL = 0.1  # seconds between two bars of one layer


def line(**message: Any) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode() + b"\r\n"


class Progress:
    def __init__(self, write: Write) -> None:
        self._write = write
        self._last: dict[str, float] = {}

    def say(self, **message: Any) -> None:
        self._write(line(**message))

    def status(self, status: str, id: str = "") -> None:
        if id:
            self.say(status=status, progressDetail={}, id=id)
        else:
            self.say(status=status)

    def bar(self, status: str, id: str, current: int, total: int) -> None:
        now = time.monotonic()
        if current < total and now - self._last.get(id, 0) < INTERVAL:
            return
        self._last[id] = now
        detail = {"current": current, "total": total}
        self.say(status=status, progressDetail=detail, progress=drawn(current, total), id=id)

    def error(self, text: str, code: int | None = None) -> None:
        detail: dict[str, Any] = {"message": text} if code is None else {"code": code, "message": text}
        self.say(errorDetail=detail, error=text)


def drawn(current: int, total: int) -> str:
    width = 50 * current // total if total else 50
    bar = "=" * width + ">" + " " * (50 - width) if width < 50 else "=" * 50 + ">"
    return f"[{bar}] {human(current):>8}/{human(total)}"


def human(size: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.4g}{unit}"
        size /= 1000
    return f"{size:.4g}TB"
