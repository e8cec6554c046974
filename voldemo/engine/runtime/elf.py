"""As much of ELF as it takes to know which loader a program asks for, and to make a copy ask for another."""

from __future__ import annotations

import errno
import os
from struct import error as StructError
from struct import pack, unpack_from
from typing import NamedTuple

from voldemo.engine.runtime.raw import fail

_X86_64, _INTERPRETER = 62, 3
_MOST_HEADERS = 512


class Image(NamedTuple):
    """What execve makes of a file's first bytes."""

    kind: str  # script, static, dynamic, unknown
    interpreter: bytes = b""
    argument: bytes | None = None  # of a script
    header: int = 0  # offset of the program header that names the interpreter


UNKNOWN = Image("unknown")


def read(descriptor: int) -> Image:
    start = os.pread(descriptor, 4096, 0)
    if start[:2] == b"#!":
        return _script(start)
    if start[:6] != b"\x7fELF\x02\x01":
        return UNKNOWN
    try:
        return _elf(descriptor, start)
    except StructError:
        return UNKNOWN


def _script(start: bytes) -> Image:
    line = start[2:256].split(b"\n", 1)[0].split(b"\0", 1)[0].strip(b" \t")
    if not line:
        return UNKNOWN
    words = line.replace(b"\t", b" ").split(b" ", 1)
    return Image("script", words[0], words[1].strip(b" ") if len(words) > 1 else None)


def _elf(descriptor: int, start: bytes) -> Image:
    machine = unpack_from("<H", start, 18)[0]
    offset = unpack_from("<Q", start, 32)[0]
    size, count = unpack_from("<HH", start, 54)
    if machine != _X86_64 or size != 56 or count > _MOST_HEADERS:
        return UNKNOWN
    headers = os.pread(descriptor, size * count, offset)
    for index in range(count):
        if unpack_from("<I", headers, index * size)[0] == _INTERPRETER:
            place, length = unpack_from("<Q16xQ", headers, index * size + 8)
            name = os.pread(descriptor, min(length, 4096), place).split(b"\0", 1)[0]
            return Image("dynamic", name, header=offset + index * size)
    return Image("static")


def set_interpreter(descriptor: int, image: Image, path: bytes) -> None:
    """Let a copy of the program ask for the loader at `path`: its name goes to the end, where nothing is."""
    end = os.fstat(descriptor).st_size
    name = path + b"\0"
    if image.header + 56 > end:
        raise fail(errno.ENOEXEC)
    os.pwrite(descriptor, name, end)
    os.pwrite(descriptor, pack("<Q", end), image.header + 8)
    os.pwrite(descriptor, pack("<QQ", len(name), len(name)), image.header + 32)
