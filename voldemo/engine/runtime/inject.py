"""After an exec: the new address space gets its scratch pages, by one system call made in the process's name."""

from __future__ import annotations

import errno
import os
import signal as signals
from struct import iter_unpack

from voldemo.engine.runtime import memory, ptrace, scratch
from voldemo.engine.runtime.raw import fail
from voldemo.engine.runtime.task import Task

_VDSO, _EXECFN = 33, 31  # AT_SYSINFO_EHDR, AT_EXECFN
_VDSO_SIZE = 8192
_SYSCALL = b"\x0f\x05"


class Injector:
    def __init__(self) -> None:
        self._offset = 0  # of a syscall instruction in the vdso, which is the same for all

    def begin(self, task: Task, called: bytes) -> None:
        """At the exec event. The rest happens at the stops that follow."""
        auxiliary = _auxiliary(task)
        _name(task, auxiliary.get(_EXECFN, 0), called)
        task.injection = (self._instruction(task, auxiliary.get(_VDSO, 0)), None, [])
        ptrace.resume_to_exit(task.pid)

    def _instruction(self, task: Task, vdso: int) -> int:
        if not self._offset:
            self._offset = memory.read(task, vdso, _VDSO_SIZE).find(_SYSCALL)
        if not vdso or self._offset < 0:
            raise fail(errno.ENOEXEC)
        return vdso + self._offset

    def stopped(self, task: Task, signal: int, event: int) -> bool:
        """A stop on the way. True: the pages are there, and the process as it was, still stopped."""
        assert task.injection is not None
        address, saved, waiting = task.injection
        if saved is None and signal == ptrace.SYSCALL_STOP:
            ptrace.get_registers(task.pid)
            task.injection = (address, ptrace.saved_registers(), waiting)
            scratch.registers_for_mmap(address)
            ptrace.set_registers(task.pid)
            ptrace.single_step(task.pid)
            return False
        if saved is not None and signal == signals.SIGTRAP and not event:
            return self._finish(task, saved, waiting)
        if not event:
            waiting.append(signal)
        (ptrace.resume_to_exit if saved is None else ptrace.single_step)(task.pid)
        return False

    def _finish(self, task: Task, saved: bytes, waiting: list[int]) -> bool:
        ptrace.get_registers(task.pid)
        result = ptrace.registers[ptrace.RAX]
        ptrace.restore_registers(saved)
        ptrace.set_registers(task.pid)
        task.injection = None
        if result != scratch.START:
            print("inject", hex(result), file=__import__("sys").stderr)
            waiting.append(signals.SIGKILL)
        for signal in waiting:
            os.kill(task.pid, signal)
        return True


def _auxiliary(task: Task) -> dict[int, int]:
    with open(b"/proc/%d/auxv" % task.pid, "rb") as file:  # noqa: PTH123
        data = file.read()
    return dict(iter_unpack("<QQ", data[: len(data) // 16 * 16]))


def _name(task: Task, address: int, called: bytes) -> None:
    """Loaders and programs ask how they were called: by the container's path, not by ours."""
    if not address:
        return
    if len(memory.string(task, address)) >= len(called):
        memory.write(task, address, called + b"\0")
