"""What a layer's tar holds besides the files' content, kept so that the very same tar can be written again.

`skeleton` is a compressed row of raw bytes and of pointers (file number, where, how much); `names` says where under
the layer's folder each file stands, as it was moved when a later entry of the same tar took its place.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from struct import Struct

from voldemo.engine.errors import Failed

HEAD = Struct("<BIQQ")  # kind, file number, offset, length
RAW, CONTENT = 0, 1
PIECE = 1 << 18


class Skeleton:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = (folder / "skeleton").open("xb")
        self._compress = zlib.compressobj(1)
        self._raw: list[bytes] = []
        self._waiting = 0

    def raw(self, data: bytes) -> None:
        self._raw.append(data)
        self._waiting += len(data)
        if self._waiting > PIECE:
            self._flush_raw()

    def content(self, number: int, offset: int, length: int) -> None:
        self._flush_raw()
        self._put(HEAD.pack(CONTENT, number, offset, length))

    def _flush_raw(self) -> None:
        if self._raw:
            self._put(HEAD.pack(RAW, 0, 0, self._waiting) + b"".join(self._raw))
            self._raw, self._waiting = [], 0

    def _put(self, data: bytes) -> None:
        self._file.write(self._compress.compress(data))

    def finish(self, names: list[bytes]) -> None:
        self._flush_raw()
        self._file.write(self._compress.flush())
        self._file.close()
        (self._folder / "names").write_bytes(zlib.compress(b"\0".join(names), 1))

    def close(self) -> None:
        self._file.close()


class _Compressed:
    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._inner = zlib.decompressobj()
        self._data = b""

    def read(self, size: int) -> bytes:
        while len(self._data) < size and (more := self._more()):
            self._data += more
        data, self._data = self._data[:size], self._data[size:]
        return data

    def _more(self) -> bytes:
        while not self._inner.eof:
            data = self._inner.unconsumed_tail or self._file.read(PIECE)
            if not data:
                break
            if out := self._inner.decompress(data, PIECE):
                return out
        return b""

    def close(self) -> None:
        self._file.close()


def assemble(folder: Path) -> Iterator[bytes]:
    """The tar again. A file that is no longer what it was is told, never passed over."""
    names = zlib.decompress((folder / "names").read_bytes()).split(b"\0")
    skeleton = _Compressed(folder / "skeleton")
    base = os.fsencode(folder)
    try:
        while head := skeleton.read(HEAD.size):
            kind, number, offset, length = HEAD.unpack(head)
            if kind == CONTENT:
                yield from _content(base + b"/" + names[number], offset, length)
            else:
                yield skeleton.read(length)
    finally:
        skeleton.close()


def _content(path: bytes, offset: int, length: int) -> Iterator[bytes]:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        while length:
            data = os.pread(descriptor, min(PIECE, length), offset)
            if not data:
                raise Failed("a layer of the image is damaged: a file in it is shorter than it was")
            yield data
            offset += len(data)
            length -= len(data)
    finally:
        os.close(descriptor)
