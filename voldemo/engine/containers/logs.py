"""A container's output on disk, in the format of Docker's json-file driver, and read back by lines."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

from voldemo.engine import clock
from voldemo.engine.errors import BadParameter, Failed
from voldemo.engine.filters import TRUE
from voldemo.engine.http import parse_int

PARTIAL = 16 << 10  # a longer line is written in pieces
BLOCK = 1 << 16
SIZE = re.compile(r"(\d{1,12})([kmgKMG]?)[bB]?")
UNITS = ["", "k", "m", "g"]
MOST_FILES = 1000


class Line(NamedTuple):
    stream: str
    text: bytes
    time: str


@dataclass(frozen=True)
class Wanted:
    stdout: bool = True
    stderr: bool = True
    since: int = 0
    until: int = 0
    tail: int = -1  # lines; -1: all
    follow: bool = False

    def takes(self, line: Line) -> bool:
        return self.stdout if line.stream == "stdout" else self.stderr


class Limits(NamedTuple):
    size: int = 0  # bytes a file may have; 0: no limit
    files: int = 1


NO_LIMITS = Limits()


def limits(config: dict[str, str]) -> Limits:
    """max-size and max-file of the json-file driver. What is wrong with them, Docker says at the start only."""
    text = config.get("max-size", "")
    match = SIZE.fullmatch(text)
    if text and match is None:
        raise wrong(f"invalid size: '{text}'")
    size = int(match[1]) << UNITS.index(match[2].lower()) * 10 if match else 0
    if match and not size:
        raise wrong("max-size must be a positive number")
    try:
        files = parse_int(config.get("max-file", "1"))
    except BadParameter as error:
        raise wrong(str(error)) from None
    if files < 1:
        raise wrong("max-file cannot be less than 1")
    if config.get("compress") in TRUE and not (size and files > 1):
        raise wrong("compress cannot be true when max-file is less than 2 or max-size is not set")
    return Limits(size, min(files, MOST_FILES) if size else 1)


def wrong(why: str) -> Failed:
    return Failed(f"failed to create task for container: failed to initialize logging driver: {why}")


def usable(config: dict[str, str]) -> Limits:
    """Of a container that may never have started."""
    try:
        return limits(config)
    except Failed:
        return NO_LIMITS


class LogFile:
    """Appended to while the container runs; whoever follows is woken. A full one makes room as PATH.1, PATH.2 ..."""

    def __init__(self, path: Path, most: Limits = NO_LIMITS) -> None:
        self.path = path
        self._most = most
        self._size = 0
        self._file = -1
        self._lost = False  # some of what this run said
        self._rest = {"stdout": b"", "stderr": b""}
        self._followers: set[asyncio.Event] = set()

    @property
    def open_now(self) -> bool:
        return self._file >= 0

    def begin(self) -> None:
        self._file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        self._size = os.fstat(self._file).st_size

    def _rotate(self) -> None:
        os.close(self._file)
        self._file = -1
        for number in range(self._most.files - 1, 0, -1):
            if self._numbered(number - 1).exists():
                self._numbered(number - 1).rename(self._numbered(number))
        self.path.unlink(missing_ok=True)
        self.begin()

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}") if number else self.path

    def write(self, stream: str, data: bytes) -> None:
        lines = (self._rest[stream] + data).split(b"\n")
        rest = lines.pop()
        entries = [encode(stream, line + b"\n") for line in lines]
        while len(rest) >= PARTIAL:
            entries.append(encode(stream, rest[:PARTIAL]))
            rest = rest[PARTIAL:]
        self._rest[stream] = rest
        self._append(entries)

    def _append(self, entries: list[str]) -> None:
        if not entries or self._file < 0:
            return
        try:
            for data in map(str.encode, entries) if self._most.size else ["".join(entries).encode()]:
                if self._most.size and self._size >= self._most.size:
                    self._rotate()
                self._write(data)
        except OSError as error:  # a full disk: the container goes on without its log, as with Docker
            if not self._lost:
                print(f"voldemo.engine: output is lost: {error.strerror}: {self.path}", file=sys.stderr, flush=True)
            self._lost = True
        self._wake()

    def _write(self, data: bytes) -> None:
        try:
            write_all(self._file, data)
        except OSError:
            os.ftruncate(self._file, self._size)  # no half line: the next would be a part of it
            raise
        self._size += len(data)

    def _wake(self) -> None:
        for event in self._followers:
            event.set()

    def end(self) -> None:
        """The run is over: what has no newline is written as it is, and followers are let go."""
        for stream, rest in self._rest.items():
            if rest:
                self._append([encode(stream, rest)])
            self._rest[stream] = b""
        if self._file >= 0:
            os.close(self._file)
        self._file = -1
        self._lost = False
        self._wake()

    async def read(self, wanted: Wanted) -> AsyncIterator[Line]:
        event = asyncio.Event()
        self._followers.add(event)
        try:
            async for line in self._lines(wanted, event):
                if wanted.until and moment(line) > wanted.until:
                    return
                if wanted.takes(line) and (not wanted.since or moment(line) >= wanted.since):
                    yield line
        finally:
            self._followers.discard(event)

    async def _lines(self, wanted: Wanted, event: asyncio.Event) -> AsyncIterator[Line]:
        if not self.path.exists():
            self.path.touch(0o640)
        with contextlib.ExitStack() as files:
            for file, offset in self._parts(files, wanted):
                file.seek(offset)
                async for line in whole_lines(file):
                    yield line
            while wanted.follow and self.open_now or event.is_set():
                if not event.is_set() and not await awake(event, wanted.until):
                    return
                event.clear()
                async for line in whole_lines(file):
                    yield line
                if not same(file, self.path):
                    file = files.enter_context(self.path.open("rb"))
                    event.set()

    def _parts(self, files: contextlib.ExitStack, wanted: Wanted) -> list[tuple[BinaryIO, int]]:
        """The files that hold what is wanted, oldest first, and where in each it begins."""
        found: list[tuple[BinaryIO, int]] = []
        left = wanted.tail
        for number in range(self._most.files):
            if not self._numbered(number).exists() or (found and left == 0):
                break
            file = files.enter_context(self._numbered(number).open("rb"))
            offset, left = tail_offset(file.fileno(), wanted, left)
            found.insert(0, (file, offset))
        return found


async def whole_lines(file: BinaryIO) -> AsyncIterator[Line]:
    """What is there now; a line that is not whole yet stays for the next time."""
    rest = b""
    while block := file.read(BLOCK):
        *whole, rest = (rest + block).split(b"\n")
        for line in whole:
            yield decode(line)
        await asyncio.sleep(0)
    file.seek(-len(rest), os.SEEK_CUR)


def same(file: BinaryIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:  # the container has been removed
        return True


async def awake(event: asyncio.Event, until: int) -> bool:
    if not until:
        return await event.wait()
    left = (until - time.time_ns()) / 10**9
    try:
        return await asyncio.wait_for(event.wait(), max(0.0, left))
    except TimeoutError:
        return False


def moment(line: Line) -> int:
    return clock.of_rfc3339(line.time) or 0


def write_all(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def encode(stream: str, text: bytes) -> str:
    entry = {"log": text.decode(errors="replace"), "stream": stream, "time": clock.now()}
    return json.dumps(entry, ensure_ascii=False, separators=(",", ":")) + "\n"


def decode(line: bytes) -> Line:
    """A line cut short by a crash is shown as it is rather than hidden."""
    try:
        entry = json.loads(line)
        return Line(entry["stream"], entry["log"].encode(errors="replace"), entry["time"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return Line("stderr", line + b"\n", clock.ZERO)


def tail_offset(file: int, wanted: Wanted, left: int) -> tuple[int, int]:
    """Where the last `left` wanted lines begin, and how many are still to be found in older files."""
    if left < 0:
        return 0, left
    size = os.fstat(file).st_size
    if left == 0:
        return size, 0
    for start, line in backwards(file, size):
        entry = decode(line)
        if wanted.takes(entry) and not (wanted.until and moment(entry) > wanted.until):
            left -= 1
            if left == 0:
                return start, 0
    return 0, left


def backwards(file: int, size: int) -> Iterator[tuple[int, bytes]]:
    """Whole lines from the end, each with where it starts."""
    end, rest = size, b""
    while end > 0:
        start = max(0, end - BLOCK)
        block = os.pread(file, end - start, start) + rest
        lines = block.split(b"\n")
        rest = lines.pop(0)
        at = start + len(block)
        for line in reversed(lines):
            at -= len(line)
            if line:
                yield at, line
            at -= 1
        end = start
    if rest:
        yield 0, rest
