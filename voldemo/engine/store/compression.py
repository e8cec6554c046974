"""A layer's tar may come plain or compressed; which, its first bytes say."""

from __future__ import annotations

import bz2
import io
import lzma
import zlib
from typing import BinaryIO

from voldemo.engine.errors import BadParameter, Unsupported

PIECE = 1 << 16
ZSTD = b"\x28\xb5\x2f\xfd"


class _Gzip:
    """zlib's own decompressor with `zlib.decompressobj`'s limit of output, told of as bz2 and lzma tell it."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(31)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    def decompress(self, data: bytes, size: int) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, size)


KINDS = ((b"\x1f\x8b", _Gzip), (b"BZh", bz2.BZ2Decompressor), (b"\xfd7zXZ\x00", lzma.LZMADecompressor))
BROKEN = (OSError, EOFError, zlib.error, lzma.LZMAError, ValueError)


class _Decompressed(io.RawIOBase):
    """Never more in memory than was asked for, whatever a bomb would like."""

    def __init__(self, stream: BinaryIO, first: bytes, kind: type) -> None:
        self._stream = stream
        self._kind = kind
        self._inner = kind()
        self._input = first

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        data = self._some(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _some(self, size: int) -> bytes:
        while True:
            if self._inner.eof and not self._another():
                return b""
            if self._inner.needs_input and not self._input:
                self._input = self._stream.read(PIECE)
                if not self._input:
                    raise BadParameter("unexpected EOF")
            data, self._input = self._input, b""
            out = self._decompress(data, size)
            if out:
                return out

    def _decompress(self, data: bytes, size: int) -> bytes:
        try:
            return self._inner.decompress(data, size)
        except BROKEN as error:
            raise BadParameter(f"the compressed archive is damaged: {error}") from error

    def _another(self) -> bool:
        """Several compressed streams in a row are one; what follows that is none, gzip itself ignores too."""
        data = self._inner.unused_data or self._stream.read(PIECE)
        if not any(data.startswith(magic) for magic, kind in KINDS if kind is self._kind):
            return False
        self._inner, self._input = self._kind(), data
        return True


def open_stream(stream: BinaryIO) -> BinaryIO:
    """`stream` as the plain tar it holds."""
    first = stream.read(PIECE)
    if first.startswith(ZSTD):
        raise Unsupported("zstd-compressed layers are not supported by this engine: use gzip or no compression")
    for magic, kind in KINDS:
        if first.startswith(magic):
            return io.BufferedReader(_Decompressed(stream, first, kind), 1 << 18)
    return io.BufferedReader(_Plain(stream, first), 1 << 18)


class _Plain(io.RawIOBase):
    def __init__(self, stream: BinaryIO, first: bytes) -> None:
        self._stream = stream
        self._first = first

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        data = self._first[: len(buffer)] or self._stream.read(len(buffer))
        self._first = self._first[len(buffer) :]
        buffer[: len(data)] = data
        return len(data)
