"""The ends of a process's three streams: pipes, or one terminal."""

from __future__ import annotations

import asyncio
import fcntl
import os
import struct
import termios
from dataclasses import dataclass

STDOUT, STDERR = 1, 2


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


async def writable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    event = asyncio.Event()
    loop.add_writer(descriptor, event.set)
    try:
        await event.wait()
    finally:
        loop.remove_writer(descriptor)
