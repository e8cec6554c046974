"""The three streams of a process: from its pipes or its terminal to whoever is attached, and back."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import socket
import struct
import termios
from asyncio import StreamReader, StreamWriter
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from voldemo.engine.containers.detach import Escape
from voldemo.engine.containers.stdio import STDERR, STDOUT, Stdio, pipes, resize, terminal, writable

BLOCK = 1 << 16
DRAIN = 2.0  # seconds that processes left behind may hold an exec's output open
PATIENCE = 1.0  # seconds a client has to read its headers
BACKLOG = 1 << 20  # a client this far behind makes the process wait
NAMES = {STDOUT: "stdout", STDERR: "stderr"}
HEADER = struct.Struct(">BxxxL")


def frame(number: int, data: bytes) -> bytes:
    return HEADER.pack(number, len(data)) + data


async def headers_read(writer: StreamWriter) -> None:
    """Wait, not for long, until a client has taken what was sent so far: the headers of a hijacked connection.

    docker-py reads what follows them from the bare socket, and loses what its HTTP reader has swallowed already.
    """
    connection = writer.get_extra_info("socket")
    if connection is None or connection.family != socket.AF_UNIX:
        return
    step, left = 0.0005, PATIENCE
    while left > 0 and unread(connection.fileno()):
        await asyncio.sleep(step)
        left -= step
        step = min(step * 2, 0.02)


def unread(descriptor: int) -> int:
    """Bytes that the other end of a unix socket has not read yet. The kernel has no event for it."""
    try:
        return struct.unpack("i", fcntl.ioctl(descriptor, termios.TIOCOUTQ, b"\0" * 4))[0]
    except OSError:
        return 0


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

    async def ready(self) -> None:
        """There is something to read, or nothing will come any more."""
        while not (self._blocks or self._ended):
            self._news.clear()
            await self._news.wait()

    async def next(self) -> tuple[int, bytes] | None:
        await self.ready()
        if not self._blocks:
            return None
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
class Streams:
    """Of one container or exec. Clients attach before it starts, and stay over a restart of the engine's making."""

    tty: bool = False
    open_stdin: bool = False
    stdin_once: bool = False
    log: Callable[[int, bytes], None] | None = None
    attachments: set[Attachment] = field(default_factory=set)
    size: tuple[int, int] = (0, 0)
    _sources: list[Source] = field(default_factory=list)
    _draining: bool = False
    _stdin: int = -1
    _terminal: int = -1
    _ready: asyncio.Event = field(default_factory=asyncio.Event)
    _input_lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def open(self) -> Stdio:
        return terminal(self.size) if self.tty else pipes(self.open_stdin)

    def begin(self, stdio: Stdio) -> None:
        """The process is there: from now on what it writes is delivered."""
        self._stdin, self._terminal = stdio.stdin, stdio.terminal
        self.resize(*self.size)  # a client may have asked for another one since open()
        if self._stdin >= 0:
            os.set_blocking(self._stdin, False)
        self._draining = False
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
        return not self._draining and any(attachment.behind > BACKLOG for attachment in self.attachments)

    def _resume(self) -> None:
        if not self._held():
            for source in self._sources:
                source.resume()

    async def finish(self) -> None:
        """The process has ended: deliver what is left, then let every client go, in its own time."""
        if self._sources:
            self._draining = True  # what a pipe holds is little: no slow client keeps the end waiting
            self._resume()
            waits = [asyncio.ensure_future(source.ended.wait()) for source in self._sources]
            _, late = await asyncio.wait(waits, timeout=DRAIN)
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

    async def feed(self, reader: StreamReader, escape: Escape | None = None) -> None:
        """A client's input to the process, from when there is one, until it types the keys of `escape`."""
        ready = self._ready
        await ready.wait()
        descriptor = self._stdin
        while data := await reader.read(BLOCK):
            if not await self._write(descriptor, escape.pass_on(data) if escape else data):
                return
            if escape and escape.found:
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
        self,
        attachment: Attachment,
        reader: StreamReader,
        writer: StreamWriter,
        stdin: bool,
        escape: Escape | None = None,
        framed: bool = False,
    ) -> None:
        """One hijacked connection, until the process ends, the client has gone, or asks to be let go."""
        feeding = asyncio.create_task(self.feed(reader, escape)) if stdin else None
        if feeding and escape:
            feeding.add_done_callback(lambda _: escape.found and self.detach(attachment))
        try:
            await self._send(attachment, writer, framed)
        finally:
            self.detach(attachment)
            if feeding:
                await stop(feeding)

    async def _send(self, attachment: Attachment, writer: StreamWriter, framed: bool) -> None:
        await attachment.ready()
        await headers_read(writer)
        while (block := await attachment.next()) is not None:
            number, data = block
            writer.write(frame(number, data) if framed else data)
            await writer.drain()


async def stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled() and isinstance(task.exception(), Exception):
        error = task.exception()
        if not isinstance(error, ConnectionError):
            raise error
