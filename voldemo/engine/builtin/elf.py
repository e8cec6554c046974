"""Which shared libraries a program needs, read from its ELF header: no program is run to find out."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from voldemo.engine.builtin.host import Host, join

HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
SEGMENT = struct.Struct("<IIQQQQQQ")
DYNAMIC = struct.Struct("<qQ")
LOAD, DYNAMIC_SEGMENT, INTERPRETER = 1, 2, 3
NEEDED, STRINGS, RPATH, RUNPATH = 1, 5, 15, 29
CLASS_64_LITTLE = b"\x7fELF\x02\x01"
MULTIARCH = ("/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib64", "/usr/lib64", "/lib", "/usr/lib")


@dataclass(frozen=True)
class Needs:
    interpreter: str = ""
    libraries: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()  # where its own header says to look


def needs(data: bytes) -> Needs | None:
    """None: not an ELF file of this machine's kind, a script for one."""
    try:
        return _needs(data) if data.startswith(CLASS_64_LITTLE) else None
    except (struct.error, ValueError, OverflowError):
        return None


def _needs(data: bytes) -> Needs:
    fields = HEADER.unpack_from(data)
    offset, size, count = fields[5], fields[9], fields[10]
    segments = [SEGMENT.unpack_from(data, offset + size * index) for index in range(count)]
    interpreter = ""
    entries: list[tuple[int, int]] = []
    for kind, _, start, _, _, length, *_ in segments:
        if kind == INTERPRETER:
            interpreter = data[start : start + length].rstrip(b"\0").decode()
        elif kind == DYNAMIC_SEGMENT:
            entries = [DYNAMIC.unpack_from(data, at) for at in range(start, start + length, DYNAMIC.size)]
    table = next((value for tag, value in entries if tag == STRINGS), 0)
    strings = _offset(segments, table)
    names = tuple(_string(data, strings + value) for tag, value in entries if tag == NEEDED)
    paths = (_string(data, strings + value) for tag, value in entries if tag in (RPATH, RUNPATH))
    return Needs(interpreter, names, tuple(folder for path in paths for folder in path.split(":")))


def _offset(segments: Iterable[tuple[int, ...]], address: int) -> int:
    for kind, _, offset, start, _, length, *_ in segments:
        if kind == LOAD and start <= address < start + length:
            return address - start + offset
    return 0


def _string(data: bytes, at: int) -> str:
    return data[at : data.index(b"\0", at)].decode()


class Libraries:
    """What `ldd` would list, as paths of the host."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._folders = [*configured(host), *MULTIARCH]
        self._seen: set[str] = set()

    def of(self, path: str) -> Iterator[str]:
        """The files that `path` needs to run and that were not named before."""
        file = self._host.follow(path)
        if file in self._seen or not self._host.is_file(file) or not self._host.readable(file):
            return
        self._seen.add(file)
        data = self._host.read(file)
        if data.startswith(b"#!"):
            yield from self._chain(data[2 : data.find(b"\n")].decode(errors="replace").split()[:1])
            return
        found = needs(data)
        if found is not None:
            yield from self._chain([found.interpreter] if found.interpreter else [])
            folders = [folder.replace("$ORIGIN", file.rpartition("/")[0]) for folder in found.folders]
            yield from self._chain(filter(None, (self._find(name, folders) for name in found.libraries)))

    def _chain(self, paths: Iterable[str]) -> Iterator[str]:
        for path in paths:
            yield path
            yield from self.of(path)

    def _find(self, name: str, folders: list[str]) -> str | None:
        places = (join(folder, name) for folder in [*folders, *self._folders])
        return next(filter(self._host.is_file, places), None)


def configured(host: Host) -> list[str]:
    texts = [
        host.text(f"/etc/ld.so.conf.d/{name}") for name in host.names("/etc/ld.so.conf.d") if name.endswith(".conf")
    ]
    return [line.strip() for text in texts for line in text.splitlines() if line.startswith("/")]
