"""Calls that reach other processes: only those of the container are there."""

from __future__ import annotations

import errno
import os
import signal as signals

from voldemo.engine.runtime import descriptors, memory
from voldemo.engine.runtime.calls import EPERM, call
from voldemo.engine.runtime.credentials import KILL, Credential
from voldemo.engine.runtime.descriptors import signed
from voldemo.engine.runtime.task import Task

ESRCH = -errno.ESRCH
LAST_SIGNAL = 64
_PROCESS, _GROUP = 0, 1


def _real(task: Task, pid: int) -> int:
    """1 is the container's first process, whatever its number really is."""
    return task.world.init if pid == 1 else pid


def _may_signal(sender: Credential, target: Task | None) -> bool:
    if sender.has(KILL) or target is None:
        return True
    return bool({sender.uids.real, sender.uids.effective} & {target.credential.uids.real, target.credential.uids.saved})


def _spared(task: Task, pid: int, number: int) -> bool:
    """From within, a container's first process can neither be killed nor stopped."""
    world = task.world
    return pid == world.init and not world.spec.init and number in (signals.SIGKILL, signals.SIGSTOP)


def _send(task: Task, pid: int, number: int) -> int:
    if not 0 <= number <= LAST_SIGNAL:
        return -errno.EINVAL
    world = task.world
    if not world.inside(pid):
        return ESRCH
    if not _may_signal(task.credential, world.tasks.get(pid)):
        return EPERM
    if pid in world.tasks and not _spared(task, pid, number):  # of the others, the number may be free any moment
        os.kill(pid, number)
    return 0


def _send_to_all(task: Task, pids: set[int], number: int) -> int:
    if not pids:
        return ESRCH
    results = [_send(task, pid, number) for pid in sorted(pids)]
    return 0 if 0 in results else results[0]


def _members(task: Task, group: int) -> set[int]:
    found = set()
    for pid in task.world.groups():
        try:
            if os.getpgid(pid) == group:
                found.add(pid)
        except ProcessLookupError:
            continue  # it ended just now
    return found


@call("kill")
def kill(task: Task, pid: int, number: int, *_: int) -> int | None:
    pid, number = signed(pid), signed(number)
    if pid == -1:
        return _send_to_all(task, task.world.groups() - {task.group, task.world.init}, number)
    if pid <= 0:
        return _send_to_all(task, _members(task, -pid if pid else os.getpgid(task.pid)), number)
    pid = _real(task, pid)
    if number == 0 or pid != task.group:
        return _send(task, pid, number)
    return _to_itself(task, pid, number)


def _to_itself(task: Task, pid: int, number: int) -> int | None:
    """The kernel runs it, for such a signal has to be there when the call returns."""
    if _spared(task, pid, number):
        return 0
    task.argument(0, pid)
    return None


@call("tkill")
def tkill(task: Task, thread: int, number: int, *_: int) -> int | None:
    return _thread(task, signed(thread), signed(number))


@call("tgkill")
def tgkill(task: Task, _: int, thread: int, number: int, *__: int) -> int | None:
    return _thread(task, signed(thread), signed(number))


def _thread(task: Task, thread: int, number: int) -> int | None:
    """The kernel runs it: the registers cannot be changed by others, and the thread is one of ours."""
    if thread not in task.world.tasks:
        return ESRCH
    target = task.world.tasks[thread]
    if not _may_signal(task.credential, target):
        return EPERM
    return 0 if _spared(task, target.group, number) else None


@call("rt_sigqueueinfo")
def rt_sigqueueinfo(task: Task, pid: int, number: int, *_: int) -> int | None:
    return _allowed(task, pid, number)


@call("rt_tgsigqueueinfo")
def rt_tgsigqueueinfo(task: Task, pid: int, _: int, number: int, *__: int) -> int | None:
    return _allowed(task, pid, number)


def _allowed(task: Task, pid: int, number: int) -> int | None:
    pid = signed(pid)
    if not task.world.inside(pid):
        return ESRCH
    if not _may_signal(task.credential, task.world.tasks.get(pid)):
        return EPERM
    return 0 if pid not in task.world.tasks or _spared(task, pid, signed(number)) else None


@call("pidfd_open")
def pidfd_open(task: Task, pid: int, *_: int) -> int | None:
    real = _real(task, signed(pid))
    if not task.world.inside(real):
        return ESRCH
    if real != signed(pid):
        task.argument(0, real)
    return None


@call("pidfd_send_signal")
def pidfd_send_signal(task: Task, descriptor: int, number: int, *_: int) -> int | None:
    """A handle may have come from elsewhere: from a socket, of who listens there."""
    text = b"".join(line[4:] for line in descriptors.about(task, descriptor) if line.startswith(b"Pid:"))
    if not text:
        return -errno.EBADF
    return _allowed(task, int(text), number)


@call("sched_setparam", "sched_setscheduler", "sched_setaffinity", "sched_setattr", "prlimit64")
def of_process(task: Task, pid: int, *_: int) -> int | None:
    return None if signed(pid) == 0 or signed(pid) in task.world.tasks else ESRCH


@call("get_robust_list")
def get_robust_list(task: Task, pid: int, *_: int) -> int | None:
    return None if signed(pid) in (0, task.pid) else EPERM


@call("setpriority", "ioprio_set")
def setpriority(task: Task, which: int, who: int, *_: int) -> int | None:
    """Of one process of the container. Groups and users may hold others, too."""
    ours = signed(who) == 0 or signed(who) in task.world.tasks
    if signed(which) in (_PROCESS, _GROUP):
        return None if ours else ESRCH
    return EPERM


@call("fcntl")
def fcntl_setown(task: Task, _: int, __: int, owner: int, *___: int) -> int | None:
    """F_SETOWN: signals to whom? Only to processes, or groups of processes, of the container."""
    number = signed(owner)
    if number == 0 or abs(number) in task.world.tasks:
        return None
    return ESRCH


@call("uname")
def uname(task: Task, buffer: int, *_: int) -> int:
    names = os.uname()
    fields = (names.sysname, task.world.hostname, names.release, names.version, names.machine, "(none)")
    text = b"".join((field if isinstance(field, bytes) else field.encode())[:64].ljust(65, b"\0") for field in fields)
    memory.write(task, buffer, text)
    return 0
