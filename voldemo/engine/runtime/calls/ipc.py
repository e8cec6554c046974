"""System V memory, semaphores and queues belong to the whole machine: a container gets its own by hashed keys,
and reaches by number only what it got that way."""

from __future__ import annotations

import ctypes
import errno
import hashlib
import os

from voldemo.engine.runtime.calls import Handler, call
from voldemo.engine.runtime.descriptors import signed
from voldemo.engine.runtime.ptrace import libc
from voldemo.engine.runtime.task import Task

_PRIVATE, _REMOVE = 0, 0
_INFO = {"shm": (3, 14), "sem": (3, 19), "msg": (3, 12)}  # IPC_INFO and the kind's own: limits only
_BY_INDEX = {"shm": (13, 15), "sem": (18, 20), "msg": (11, 13)}  # SHM_STAT, SHM_STAT_ANY and their like: anybody's
KINDS = {"shmget": "shm", "semget": "sem", "msgget": "msg"}


def _key(task: Task, key: int) -> int:
    """Never 0, which would be private."""
    text = b"%s:%d" % (os.fsencode(task.world.spec.id), key & 0xFFFFFFFF)
    return int.from_bytes(hashlib.sha256(text).digest()[:4], "little") & 0x7FFFFFFF | 0x40000000


def _getter(kind: str) -> Handler:
    def get(task: Task, key: int, *_: int) -> int | None:
        if key & 0xFFFFFFFF != _PRIVATE:
            task.argument(0, _key(task, key))

        def done(task: Task, result: int) -> int | None:
            if result >= 0:
                task.world.ipc.add((kind, result))
            return None

        task.at_exit = done
        return None

    return get


def _user(kind: str) -> Handler:
    def use(task: Task, number: int, *_: int) -> int | None:
        return None if (kind, signed(number)) in task.world.ipc else -errno.EINVAL

    return use


def _control(kind: str, command_index: int) -> Handler:
    def control(task: Task, *arguments: int) -> int | None:
        command, owned = signed(arguments[command_index]), (kind, signed(arguments[0]))
        if command in _INFO[kind]:
            return None
        if owned not in task.world.ipc or command in _BY_INDEX[kind]:
            return -errno.EINVAL
        if command == _REMOVE:  # the number may be somebody else's next
            task.at_exit = lambda task, result: None if result else task.world.ipc.discard(owned)
        return None

    return control


for _name, _kind in KINDS.items():
    call(_name)(_getter(_kind))
call("shmat")(_user("shm"))
call("msgsnd", "msgrcv")(_user("msg"))
call("semop", "semtimedop")(_user("sem"))
call("shmctl")(_control("shm", 1))
call("msgctl")(_control("msg", 1))
call("semctl")(_control("sem", 2))


@call("shmdt")
def shmdt(*_: object) -> None:
    """It names an address of its own; stopping for it is not worth a rule of its own."""


def remove_all(ipc: set[tuple[str, int]]) -> None:
    """What a container leaves behind would stay until the machine is started anew."""
    for kind, number in ipc:
        if kind == "shm":
            libc.shmctl(number, _REMOVE, None)
        elif kind == "msg":
            libc.msgctl(number, _REMOVE, None)
        else:
            libc.semctl(number, 0, _REMOVE, ctypes.c_long(0))
    ipc.clear()
