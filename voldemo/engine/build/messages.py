"""The stream of a build, as the classic builder's clients read it."""

from __future__ import annotations

import json
from typing import Any

RED, RESET = "\x1b[91m", "\x1b[0m"


def message(**fields: Any) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode() + b"\r\n"


def stream(text: str) -> bytes:
    return message(stream=text)


def failure(text: str, code: int = 0) -> bytes:
    detail = {"code": code, "message": text} if code else {"message": text}
    return message(errorDetail=detail, error=text)
