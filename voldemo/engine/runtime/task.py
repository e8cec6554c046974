"""A thread of the container, as the tracer knows it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from voldemo.engine.runtime.credentials import Credential
from voldemo.engine.runtime.ptrace import ARGUMENTS, WORD, registers
from voldemo.engine.runtime.scratch import Space

if TYPE_CHECKING:
    from voldemo.engine.runtime.world import World


class Place:
    """What CLONE_FS shares: working directory and umask. `path` is None when it has to be asked for again."""

    __slots__ = ("path", "umask")

    def __init__(self, path: bytes | None, umask: int) -> None:
        self.path, self.umask = path, umask


class Task:
    __slots__ = (
        "world",
        "pid",
        "group",
        "memory",
        "place",
        "credential",
        "capabilities",
        "keep_capabilities",
        "program",
        "space",
        "new",
        "unborn",
        "restore",
        "at_exit",
        "held",
        "slots",
        "executing",
        "injection",
    )

    def __init__(self, world: World, pid: int, credential: Credential, place: Place, space: Space) -> None:
        self.world = world
        self.pid = self.group = pid
        self.memory = -1
        self.credential, self.place, self.space = credential, place, space
        everything = Credential.bounding if credential.uid == 0 else 0
        self.capabilities = (everything, everything, 0)  # effective, permitted, inheritable
        self.keep_capabilities = False
        self.program = b"/"
        self.new = True  # its first stop has not been seen
        self.unborn = False  # still a copy of the tracer, with its memory and its files
        self.restore: list[tuple[int, int]] = []
        self.at_exit: Callable[[Task, int], int | None] | None = None
        self.held: list[int] = []  # descriptors the kernel needs until the call is over
        self.slots: list[tuple[Space, int]] = []
        self.executing: tuple | None = None
        self.injection: tuple | None = None

    def child(self, pid: int) -> Task:
        task = Task(self.world, pid, self.credential, Place(self.place.path, self.place.umask), Space())
        task.capabilities, task.keep_capabilities = self.capabilities, self.keep_capabilities
        task.program = self.program
        return task

    def argument(self, index: int, value: int) -> None:
        """Change an argument of the call that is about to run; it is put back at its end."""
        register = ARGUMENTS[index]
        self.restore.append((register, registers[register]))
        registers[register] = value & WORD

    def point(self, index: int, data: bytes) -> int:
        """Let an argument point at `data`, where no thread of the container can change it."""
        address = self.space.place(self, data)
        self.argument(index, address)
        return address

    def pin(self, name: bytes, at: int) -> bytes:
        """What a number of an open file stands for now, kept until the call is over: a thread may give the number to
        another file. The name below /proc it has from now on; it still begins with whose it is."""
        self.held.append(os.open(name, os.O_PATH | os.O_CLOEXEC, dir_fd=at))
        return b"%s/../self/fd/%d" % (name.split(b"/", 1)[0], self.held[-1])

    def hold(self, descriptor: int) -> bytes:
        """Keep a descriptor until the call has run; the path by which the kernel finds it for this process."""
        self.held.append(descriptor)
        return b"/proc/%d/fd/%d" % (self.world.tracer, descriptor)

    @property
    def rewritten(self) -> bool:
        return bool(self.restore or self.at_exit or self.held or self.slots)

    def release(self) -> None:
        """The call is over, or the process is."""
        for descriptor in self.held:
            os.close(descriptor)
        for space, slot in self.slots:
            space.free(slot)
        self.held.clear()
        self.slots.clear()
        self.restore.clear()
        self.at_exit = None

    def close_memory(self) -> None:
        if self.memory >= 0:
            os.close(self.memory)
            self.memory = -1

    def end(self) -> None:
        self.release()
        self.close_memory()
