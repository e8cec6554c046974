"""The three streams of a process: from its pipes or its terminal to whoever is attached, and back."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import struct
import termios
from asyncio import StreamReader, StreamWriter
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

BLOCK = 1 << 16
BACKLOG = 1 << 20  # a client this far behind makes the process wait
STDOUT, STDERR = 1, 2
NAMES = {STDOUT: "stdout", STDERR: "stderr"}
HEADER = struct.Struct(">BxxxL")


def frame(number: int, data: bytes) -> bytes:
    return HEADER.pack(number, len(data)) + data


class Attachment:
    """One client's view of the output: what came since it attached, in order, to the end."""

    def __init__(self, wanted: frozenset[int], drained: Callable[[], None]) -> None:
        self._wanted = wanted
        self._drained = drained
        self._blocks: deque[tuple[int, bytes]] = deque()
        self._news = asyncio.Event()
        self._ended = False
        self.behind = 0

    def put(self, number: int, data: bytes) -> None:
        if number in self._wanted and not self._ended:
            self._blocks.append((number, data))
            self.behind += len(data)
            self._news.set()

    def end(self) -> None:
        self._ended = True
        self._news.set()

    async def next(self) -> tuple[int, bytes] | None:
        while not self._blocks:
            if self._ended:
                return None
            self._news.clear()
            await self._news.wait()
        number, data = self._blocks.popleft()
        self.behind -= len(data)
        self._drained()
        return number, data


class Source:
    """One end of a pipe, or a terminal, read as long as nobody is too far behind."""

    def __init__(self, descriptor: int, deliver: Callable[[bytes], None], held: Callable[[], bool]) -> None:
        self._descriptor = descriptor
        self._deliver = deliver
        self._held = held
        self._loop = asyncio.get_running_loop()
        self._reading = False
        self.ended = asyncio.Event()
        os.set_blocking(descriptor, False)
        self.resume()

    def resume(self) -> None:
        if not self._reading and not self.ended.is_set():
            self._reading = True
            self._loop.add_reader(self._descriptor, self._ready)

    def _pause(self) -> None:
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self._descriptor)

    def _ready(self) -> None:
        try:
            data = os.read(self._descriptor, BLOCK)
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno != errno.EIO:  # a terminal nobody holds any more
                raise
            data = b""
        if not data:
            self.close()
            return
        self._deliver(data)
        if self._held():
            self._pause()

    def close(self) -> None:
        if self.ended.is_set():
            return
        self._pause()
        os.close(self._descriptor)
        self.ended.set()


@dataclass
class Stdio:
    """The child's ends, and ours."""

    child: tuple[int, int, int]
    outputs: dict[int, int]  # stream number -> our end
    stdin: int = -1  # our end; of a terminal a descriptor of its own
    terminal: int = -1

    def close_child(self) -> None:
        for descriptor in set(self.child):
            os.close(descriptor)

    def close_ours(self) -> None:
        for descriptor in {*self.outputs.values(), self.stdin} - {-1}:
            os.close(descriptor)


def pipes(stdin: bool) -> Stdio:
    read_in, write_in = os.pipe() if stdin else (os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC), -1)
    read_out, write_out = os.pipe()
    read_err, write_err = os.pipe()
    return Stdio((read_in, write_out, write_err), {STDOUT: read_out, STDERR: read_err}, write_in)


def terminal(size: tuple[int, int]) -> Stdio:
    master, slave = os.openpty()
    resize(master, *size)
    return Stdio((slave, slave, slave), {STDOUT: master}, os.dup(master), master)


def resize(master: int, height: int, width: int) -> None:
    if height and width:
        fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))


@dataclass
class Streams:
    """Of one container or exec. Clients attach before it starts, and stay over a restart of the engine's making."""

    tty: bool = False
    open_stdin: bool = False
    stdin_once: bool = False
    log: Callable[[int, bytes], None] | None = None
    attachments: set[Attachment] = field(default_factory=set)
    size: tuple[int, int] = (0, 0)
    _sources: list[Source] = field(default_factory=list)
    _stdin: int = -1
    _terminal: int = -1
    _ready: asyncio.Event = field(default_factory=asyncio.Event)
    _input_lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def open(self) -> Stdio:
        return terminal(self.size) if self.tty else pipes(self.open_stdin)

    def begin(self, stdio: Stdio) -> None:
        """The process is there: from now on what it writes is delivered."""
        self._stdin, self._terminal = stdio.stdin, stdio.terminal
        if self._stdin >= 0:
            os.set_blocking(self._stdin, False)
        self._sources = [self._source(number, descriptor) for number, descriptor in stdio.outputs.items()]
        self._ready.set()

    def _source(self, number: int, descriptor: int) -> Source:
        return Source(descriptor, lambda data: self._deliver(number, data), self._held)

    def _deliver(self, number: int, data: bytes) -> None:
        if self.log:
            self.log(number, data)
        for attachment in self.attachments:
            attachment.put(number, data)

    def _held(self) -> bool:
        return any(attachment.behind > BACKLOG for attachment in self.attachments)

    def _resume(self) -> None:
        if not self._held():
            for source in self._sources:
                source.resume()

    async def finish(self, patience: float | None = None) -> None:
        """The process has ended: deliver what is left, then let every client go."""
        if self._sources:
            waits = [asyncio.ensure_future(source.ended.wait()) for source in self._sources]
            _, late = await asyncio.wait(waits, timeout=patience)
            for task in late:
                task.cancel()
        self.end()

    def end(self) -> None:
        for source in self._sources:
            source.close()
        self._sources = []
        self._terminal = -1
        self.close_stdin()
        self._ready = asyncio.Event()
        for attachment in self.attachments:
            attachment.end()
        self.attachments = set()

    def close_stdin(self) -> None:
        if self._stdin >= 0:
            asyncio.get_running_loop().remove_writer(self._stdin)
            os.close(self._stdin)
            self._stdin = -1

    def attach(self, wanted: frozenset[int]) -> Attachment:
        attachment = Attachment(wanted, self._resume)
        self.attachments.add(attachment)
        return attachment

    def detach(self, attachment: Attachment) -> None:
        attachment.end()
        self.attachments.discard(attachment)
        self._resume()

    def resize(self, height: int, width: int) -> None:
        self.size = (height, width)
        if self._terminal >= 0:
            resize(self._terminal, height, width)

    async def feed(self, reader: StreamReader) -> None:
        """A client's input to the process, from when there is one."""
        ready = self._ready
        await ready.wait()
        descriptor = self._stdin
        while data := await reader.read(BLOCK):
            if not await self._write(descriptor, data):
                return
        if not self.tty and (self.stdin_once or self.log is None) and self._stdin == descriptor:
            self.close_stdin()

    async def _write(self, descriptor: int, data: bytes) -> bool:
        view = memoryview(data)
        async with self._input_lock:
            while view:
                if descriptor < 0 or self._stdin != descriptor:
                    return False
                try:
                    view = view[os.write(descriptor, view) :]
                except BlockingIOError:
                    await writable(descriptor)
                except OSError:  # the process closed it, or has gone
                    return False
        return True

    async def serve(
        self, attachment: Attachment, reader: StreamReader, writer: StreamWriter, stdin: bool, first: bytes = b""
    ) -> None:
        """One hijacked connection, until the process ends or the client has gone."""
        feeding = asyncio.create_task(self.feed(reader)) if stdin else None
        try:
            writer.write(first)
            await self._send(attachment, writer)
        finally:
            self.detach(attachment)
            if feeding:
                await stop(feeding)

    async def _send(self, attachment: Attachment, writer: StreamWriter) -> None:
        while (block := await attachment.next()) is not None:
            number, data = block
            writer.write(data if self.tty else frame(number, data))
            await writer.drain()


async def stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled() and isinstance(task.exception(), Exception):
        error = task.exception()
        if not isinstance(error, ConnectionError):
            raise error


async def writable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    event = asyncio.Event()
    loop.add_writer(descriptor, event.set)
    try:
        await event.wait()
    finally:
        loop.remove_writer(descriptor)


Handler = Callable[[StreamReader, StreamWriter], Awaitable[None]]
