"""Working directory, umask, and what is watched."""

from __future__ import annotations

import errno
import os

from voldemo.engine.runtime import descriptors, memory, raw
from voldemo.engine.runtime.calls import EACCES, call, changing
from voldemo.engine.runtime.credentials import EXECUTE
from voldemo.engine.runtime.raw import AT_FDCWD, DIRECTORY, kind
from voldemo.engine.runtime.task import Task

_DONT_FOLLOW = 0x02000000


@call("chdir")
def chdir(task: Task, path: int, *_: int) -> int | None:
    found = changing.existing(descriptors.find(task, AT_FDCWD, memory.string(task, path)))
    if kind(found.mode) != DIRECTORY:
        return -errno.ENOTDIR
    if found.magic:
        return EACCES
    if not task.credential.may(changing.owner_of(found), EXECUTE):
        return EACCES
    directory = task.world.tree.directory_of(task, found)
    descriptor = _of_proc(found.at, found.name) if found.mount.kind == "proc" else os.dup(directory.at)
    task.point(0, task.hold(descriptor) + b"\0")
    known = None if directory.mount.shared or found.mount.kind == "proc" else directory.path

    def done(task: Task, result: int) -> None:
        if result == 0:
            task.place.path = known

    task.at_exit = done
    return None


def _of_proc(at: int, name: bytes) -> int:
    return os.open(name or b".", os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=at)


@call("fchdir")
def fchdir(task: Task, descriptor: int, *_: int) -> int | None:
    if task.world.reverse.find(descriptors.text_of(descriptors.path_of(task, descriptor))) is None:
        return -errno.ENOTDIR

    def done(task: Task, _: int) -> None:
        task.place.path = None

    task.at_exit = done
    return None


@call("umask")
def umask(task: Task, mask: int, *_: int) -> int:
    old, task.place.umask = task.place.umask, mask & 0o777
    return old


@call("inotify_add_watch")
def inotify_add_watch(task: Task, _: int, path: int, mask: int, *__: int) -> int | None:
    found = changing.existing(descriptors.find(task, AT_FDCWD, memory.string(task, path), not mask & _DONT_FOLLOW))
    if found.magic or found.mount.kind == "proc":
        return EACCES
    tree = task.world.tree
    if kind(found.mode) == DIRECTORY:
        descriptor = os.dup(tree.directory_of(task, found).at)
    else:
        tree.own(found)  # a layer's file never changes: what is watched has to be what will
        with raw.Pinned(found.at, found.name) as node:
            descriptor = os.dup(node.descriptor)
    task.point(1, task.hold(descriptor) + b"\0")
    task.argument(2, mask & ~_DONT_FOLLOW)
    return None
