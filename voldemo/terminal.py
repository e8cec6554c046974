"""Plain text for a terminal: a table that lines up although Hangul is two columns wide, and a question."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Iterable, Sequence

YES = {"y", "yes", "예", "네", "ㅛ"}  # the last one is the y key of a Korean keyboard


def table(rows: Iterable[Sequence[str]]) -> str:
    """Columns two spaces apart."""
    rows = list(rows)
    widths = [max(map(width, column)) for column in zip(*rows, strict=True)]
    return "\n".join(_line(row, widths) for row in rows)


def _line(row: Sequence[str], widths: list[int]) -> str:
    padded = (text + " " * (wide - width(text)) for text, wide in zip(row, widths, strict=True))
    return "  ".join(padded).rstrip()


def width(text: str) -> int:
    """How many terminal columns `text` takes."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def agreed(question: str) -> bool:
    """Ask on the terminal; anything but a yes is a no."""
    print(question, end=" ", flush=True)
    return unicodedata.normalize("NFC", sys.stdin.readline()).strip().lower() in YES
