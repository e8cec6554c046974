"""What a stop of a process means, and how it goes on."""

from __future__ import annotations

import errno
import os
import signal as signals
import sys
import traceback

from voldemo.engine.runtime import ptrace
from voldemo.engine.runtime.calls import (
    HANDLERS,
    Handler,
    execve,
    ids,
    ipc,
    names,
    others,
    owners,
    places,
    quota,
    renaming,
    sockets,
    stat,
)
from voldemo.engine.runtime.calls import open as opening
from voldemo.engine.runtime.credentials import Credential
from voldemo.engine.runtime.inject import Injector
from voldemo.engine.runtime.ptrace import ORIG_RAX, RAX, WORD, registers
from voldemo.engine.runtime.scratch import Space
from voldemo.engine.runtime.task import Task
from voldemo.engine.runtime.world import World

MODULES = (execve, ids, ipc, names, opening, others, owners, places, quota, renaming, sockets, stat)  # they register
WALL = 0x40000000
NR_FORK, NR_VFORK = 57, 58
CLONE_VM, CLONE_FS, CLONE_THREAD = 0x100, 0x200, 0x10000
STOPPING = (signals.SIGSTOP, signals.SIGTSTP, signals.SIGTTIN, signals.SIGTTOU)
HARMLESS = (signals.SIGCHLD, signals.SIGCONT, signals.SIGURG, signals.SIGWINCH, signals.SIGSTOP)
FAULTS = (signals.SIGSEGV, signals.SIGBUS, signals.SIGILL, signals.SIGFPE, signals.SIGTRAP, signals.SIGSYS)


class Events:
    def __init__(self, world: World, has_quota: bool) -> None:
        self.world = world
        self.handlers = {**HANDLERS, **(quota.HANDLERS if has_quota else {})}
        self.injector = Injector()
        self.early: set[int] = set()  # children that stopped before their parent's event
        self.ended: dict[int, int] = {}
        self.executed: set[int] = set()
        self.paused = False
        self.dying = False  # whatever still stops, or is only now born, is killed
        self.parked: dict[int, int] = {}  # stopped by pause(), and the signal that had stopped them before, if any

    def step(self) -> bool:
        """Deal with one stop; False when there is none."""
        try:
            pid, status = os.waitpid(-1, os.WNOHANG | WALL)
        except ChildProcessError:
            return False
        if pid == 0:
            return False
        self.handle(pid, status)
        return True

    def handle(self, pid: int, status: int) -> None:
        if status & 0xFF != 0x7F:
            self._gone(pid, status)
            return
        if self.dying:
            _kill(pid)
            return
        task = self.world.tasks.get(pid)
        if task is None:
            self.early.add(pid)
            return
        event, signal = status >> 16, status >> 8 & 0xFF
        self._stop(task, event, signal)
        if self.paused and task.pid not in self.parked:
            ptrace.interrupt(task.pid)  # again: any other stop takes a pending one away

    def _stop(self, task: Task, event: int, signal: int) -> None:
        if event == ptrace.EVENT_SECCOMP:
            self._call(task)
        elif task.injection is not None:
            if self.injector.stopped(task, signal, event):
                ptrace.resume(task.pid)
        elif signal == ptrace.SYSCALL_STOP:
            self._call_over(task)
        elif event:
            self._event(task, event, signal)
        else:
            self._signal(task, signal)

    def is_running(self, task: Task) -> bool:
        return task.pid in self.executed

    # -- calls

    def _call(self, task: Task) -> None:
        if not ptrace.get_registers(task.pid):
            return
        handler = self.handlers.get(registers[ORIG_RAX])
        if handler is None:
            ptrace.resume(task.pid)
            return
        result = self._answer(handler, task)
        if result is not None:
            self._skip(task, result)
        elif task.rewritten:
            ptrace.set_registers(task.pid)
            ptrace.resume_to_exit(task.pid)
        else:
            ptrace.resume(task.pid)
        self.world.tree.trim()

    def _answer(self, handler: Handler, task: Task) -> int | None:
        r = registers
        try:
            return handler(task, r[14], r[13], r[12], r[7], r[9], r[8])
        except OSError as error:
            return -(error.errno or errno.EIO)
        except Exception:  # a fault of ours must end in a refusal, and be seen
            traceback.print_exc(file=sys.stderr)
            return -errno.EIO

    def _skip(self, task: Task, result: int) -> None:
        for register, value in reversed(task.restore):
            registers[register] = value
        task.executing = None
        task.release()
        registers[ORIG_RAX] = WORD
        registers[RAX] = result & WORD
        ptrace.set_registers(task.pid)
        ptrace.resume(task.pid)

    def _call_over(self, task: Task) -> None:
        if not ptrace.get_registers(task.pid):
            return
        result = registers[RAX]
        if result >> 63:
            result -= 1 << 64
        for register, value in reversed(task.restore):
            registers[register] = value
        changed = self._finish(task, result)
        if changed is not None:
            registers[RAX] = changed & WORD
        task.executing = None
        task.release()
        ptrace.set_registers(task.pid)
        ptrace.resume(task.pid)

    def _finish(self, task: Task, result: int) -> int | None:
        if task.at_exit is None:
            return None
        try:
            return task.at_exit(task, result)
        except OSError as error:
            return -(error.errno or errno.EIO)

    # -- births, execs, ends

    def _event(self, task: Task, event: int, signal: int) -> None:
        if event in (ptrace.EVENT_FORK, ptrace.EVENT_VFORK, ptrace.EVENT_CLONE):
            self._born(task)
        elif event == ptrace.EVENT_EXEC:
            self._executed(task)
        elif event == ptrace.EVENT_STOP:
            self._stopped(task, signal)
        else:
            ptrace.resume(task.pid)

    def _born(self, task: Task) -> None:
        pid = ptrace.event_message(task.pid)
        flags = self._flags(task)
        child = task.child(pid)
        if flags & CLONE_VM:
            child.space = task.space
        if flags & CLONE_FS:
            child.place = task.place
        if flags & CLONE_THREAD:
            child.group = task.group
        self.world.tasks[pid] = child
        if pid in self.early:
            self.early.discard(pid)
            self._stopped(child, 0)
        ptrace.resume(task.pid)

    def _flags(self, task: Task) -> int:
        ptrace.get_registers(task.pid)
        number = registers[ORIG_RAX]
        if number in (NR_FORK, NR_VFORK):
            return CLONE_VM if number == NR_VFORK else 0
        return registers[ptrace.ARGUMENTS[0]]

    def _executed(self, task: Task) -> None:
        task = self._leader(task)
        program, credential, called = task.executing or (task.program, task.credential, b"")
        task.release()
        task.close_memory()
        task.executing = None
        task.program, task.credential, task.space = program, credential, Space()
        task.keep_capabilities = task.unborn = False
        everything = Credential.bounding if credential.uid == 0 else 0
        task.capabilities = (everything, everything, 0)
        self.executed.add(task.pid)
        try:
            self.injector.begin(task, called)
        except OSError:
            traceback.print_exc(file=sys.stderr)
            _kill(task.pid)

    def _leader(self, task: Task) -> Task:
        """The thread that called exec gets the number of the first one, whose end nobody reports."""
        former = ptrace.event_message(task.pid)
        if former == task.pid or former not in self.world.tasks:
            return task
        caller = self.world.tasks.pop(former)
        task.end()
        caller.close_memory()
        caller.pid = caller.group = task.pid
        self.world.tasks[task.pid] = caller
        return caller

    def _gone(self, pid: int, status: int) -> None:
        self.early.discard(pid)
        self.parked.pop(pid, None)
        self.executed.discard(pid)
        task = self.world.tasks.pop(pid, None)
        if task is not None:
            task.end()
        code = os.waitstatus_to_exitcode(status)
        if task is not None and task.group == pid:
            self.ended[pid] = code if code >= 0 else 128 - code

    # -- signals and stops

    def _signal(self, task: Task, signal: int) -> None:
        if task.group == self.world.init and not self.world.spec.init and self._unheard(task, signal):
            signal = 0
        ptrace.resume(task.pid, signal)

    def _unheard(self, task: Task, signal: int) -> bool:
        """The first process of a container only gets signals it has a handler for, and those of its own faults."""
        if signal in HARMLESS or (signal in FAULTS and ptrace.signal_code(task.pid) > 0):
            return False
        return not _has_handler(task.pid, signal)

    def _stopped(self, task: Task, signal: int) -> None:
        first, task.new = task.new, False
        if self.paused:
            self.parked[task.pid] = 0 if first else signal
        elif signal in STOPPING and not first:
            ptrace.listen(task.pid)
        else:
            ptrace.resume(task.pid)

    def pause(self) -> None:
        self.paused = True
        for task in list(self.world.tasks.values()):
            if task.pid not in self.parked:
                ptrace.interrupt(task.pid)

    def kill_all(self) -> None:
        self.dying = True
        self.paused = False
        for pid in (*self.world.tasks, *self.early):
            _kill(pid)

    @property
    def all_parked(self) -> bool:
        return all(pid in self.parked for pid in self.world.tasks)

    def unpause(self) -> None:
        self.paused = False
        parked, self.parked = self.parked, {}
        for pid, signal in parked.items():
            if signal in STOPPING:
                ptrace.listen(pid)
            else:
                ptrace.resume(pid)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signals.SIGKILL)
    except ProcessLookupError:
        return  # somebody was faster


def _has_handler(pid: int, signal: int) -> bool:
    with open(b"/proc/%d/status" % pid, "rb") as file:  # noqa: PTH123
        for line in file:
            if line.startswith(b"SigCgt:"):
                return bool(int(line.split()[1], 16) >> (signal - 1) & 1)
    return False
