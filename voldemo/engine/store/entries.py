"""A layer from a list, for images that are made here."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from voldemo.engine.errors import Failed
from voldemo.engine.store import tars
from voldemo.engine.store.tarheader import Member


@dataclass(frozen=True)
class Entry:
    name: bytes
    kind: str = "file"  # file, dir, symlink, hardlink, fifo
    mode: int = 0o755
    uid: int = 0
    gid: int = 0
    mtime: int = 0  # seconds
    link: bytes = b""
    source: bytes | Path | None = None


def members(wanted: Iterable[Entry]) -> Iterator[tuple[Member, Iterable[bytes]]]:
    for entry in wanted:
        size = _size(entry.source) if entry.kind == "file" else 0
        member = Member(entry.name, entry.kind, entry.mode, entry.uid, entry.gid, entry.mtime * 10**9, size, entry.link)
        yield member, _content(entry, size)


def _size(source: bytes | Path | None) -> int:
    return source.stat().st_size if isinstance(source, Path) else len(source or b"")


def _content(entry: Entry, size: int) -> Iterator[bytes]:
    if not isinstance(entry.source, Path):
        yield entry.source or b""
        return
    with entry.source.open("rb") as file:
        while size:
            data = file.read(min(tars.PIECE, size))
            if not data:
                raise Failed(f"{entry.source} became shorter while it was read")
            size -= len(data)
            yield data


class _Stream(io.RawIOBase):
    """An iterator of bytes as a file to read."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._data = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        while not self._data:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._data = piece
        data, self._data = self._data[: len(buffer)], self._data[len(buffer) :]
        buffer[: len(data)] = data
        return len(data)


def stream(wanted: Iterable[tuple[Member, Iterable[bytes]]]) -> BinaryIO:
    return readable(tars.write(wanted))


def readable(pieces: Iterator[bytes]) -> BinaryIO:
    return io.BufferedReader(_Stream(pieces), tars.PIECE)
