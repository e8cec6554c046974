"""A container's output on disk, in the format of Docker's json-file driver, and read back by lines."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from voldemo.engine import clock

PARTIAL = 16 << 10  # a longer line is written in pieces
BLOCK = 1 << 16
FLUSH = 1 << 16


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


class LogFile:
    """Appended to while the container runs; whoever follows is woken."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = -1
        self._rest = {"stdout": b"", "stderr": b""}
        self._followers: set[asyncio.Event] = set()

    @property
    def open_now(self) -> bool:
        return self._file >= 0

    def begin(self) -> None:
        self._file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)

    def write(self, stream: str, data: bytes) -> None:
        lines = (self._rest[stream] + data).split(b"\n")
        rest = lines.pop()
        text = "".join(encode(stream, line + b"\n") for line in lines)
        while len(rest) >= PARTIAL:
            text += encode(stream, rest[:PARTIAL])
            rest = rest[PARTIAL:]
        self._rest[stream] = rest
        self._append(text)

    def _append(self, text: str) -> None:
        if text and self._file >= 0:
            write_all(self._file, text.encode())
            self._wake()

    def _wake(self) -> None:
        for event in self._followers:
            event.set()

    def end(self) -> None:
        """The run is over: what has no newline is written as it is, and followers are let go."""
        for stream, rest in self._rest.items():
            if rest:
                self._append(encode(stream, rest))
            self._rest[stream] = b""
        if self._file >= 0:
            os.close(self._file)
        self._file = -1
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
        with self.path.open("rb") as file:
            file.seek(tail_offset(file.fileno(), wanted))
            rest = b""
            while True:
                event.clear()
                ended = not self.open_now
                while block := file.read(BLOCK):
                    *whole, rest = (rest + block).split(b"\n")
                    for line in whole:
                        yield decode(line)
                    await asyncio.sleep(0)
                if ended or not wanted.follow:
                    return
                if not await awake(event, wanted.until):
                    return


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


def tail_offset(file: int, wanted: Wanted) -> int:
    """Where the last `tail` wanted lines begin."""
    if wanted.tail < 0:
        return 0
    size = os.fstat(file).st_size
    left = wanted.tail
    if left == 0:
        return size
    for start, line in backwards(file, size):
        entry = decode(line)
        if wanted.takes(entry) and not (wanted.until and moment(entry) > wanted.until):
            left -= 1
            if left == 0:
                return start
    return 0


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
