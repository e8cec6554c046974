"""The keys that let go of a terminal and leave its process running: ctrl-p ctrl-q, unless a client names others."""

from __future__ import annotations

DEFAULT = b"\x10\x11"
CONTROL = {f"ctrl-{chr(code + 96)}": code for code in range(1, 27)}
CONTROL |= {"ctrl-@": 0, "ctrl-[": 27, "ctrl-\\": 28, "ctrl-]": 29, "ctrl-^": 30, "ctrl-_": 31, "DEL": 127}


def parse(text: str) -> bytes:
    """`ctrl-a,b` -> b"\\x01b". ValueError if one of them is no key."""
    if not text:
        return DEFAULT
    codes = [CONTROL.get(name, ord(name) if len(name) == 1 and name.isascii() else -1) for name in text.split(",")]
    return bytes(codes)


class Escape:
    """Looks for the keys in what a client types, however it comes apart; what may begin them waits."""

    def __init__(self, keys: bytes) -> None:
        self._keys = keys
        self._held = b""
        self.found = False

    def pass_on(self, data: bytes) -> bytes:
        """What the process is to read now. Nothing that follows the keys."""
        data = self._held + data
        before, self.found = data.partition(self._keys)[0], self._keys in data
        size = 0 if self.found else self._beginning(data)
        self._held = before[len(before) - size :]
        return before[: len(before) - size]

    def _beginning(self, data: bytes) -> int:
        """How much of the keys the end of `data` may be."""
        return next(size for size in range(len(self._keys) - 1, -1, -1) if data.endswith(self._keys[:size]))
