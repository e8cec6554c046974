"""What a descriptor of a process stands for, in the container's terms."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from voldemo.engine.runtime import raw
from voldemo.engine.runtime.credentials import Owner
from voldemo.engine.runtime.directory import Found
from voldemo.engine.runtime.raw import AT_FDCWD, fail

if TYPE_CHECKING:
    from voldemo.engine.runtime.mounts import MountPoint
    from voldemo.engine.runtime.task import Task

_DELETED = b" (deleted)"


def signed(value: int) -> int:
    value &= 0xFFFFFFFF
    return value - (1 << 32) if value >> 31 else value


def path_of(task: Task, descriptor: int) -> bytes:
    return b"/proc/%d/fd/%d" % (task.pid, signed(descriptor))


def about(task: Task, descriptor: int) -> list[bytes]:
    """The lines of its fdinfo; none when it is not open."""
    try:
        with open(b"/proc/%d/fdinfo/%d" % (task.pid, signed(descriptor)), "rb", buffering=0) as file:  # noqa: PTH123
            return file.read().splitlines()
    except FileNotFoundError:
        return []


def text_of(path: bytes) -> bytes:
    try:
        return os.readlink(path)
    except OSError:
        raise fail(errno.EBADF) from None


def working_directory(task: Task) -> bytes:
    """Canonical path; asked again where others may move it."""
    place = task.place
    if place.path is None:
        text = os.readlink(b"/proc/%d/cwd" % task.pid)
        mapped = task.world.reverse.find(text)
        if mapped is None or text.endswith(_DELETED):
            raise fail(errno.ENOENT)
        path, mount = mapped
        if mount.shared:
            return path
        place.path = path
    return place.path


def is_removed(task: Task) -> bool:
    """The working directory: a process can stand in one that is gone."""
    try:
        return os.stat(b"/proc/%d/cwd" % task.pid).st_nlink == 0  # noqa: PTH116
    except OSError:
        return False


def base(task: Task, descriptor: int) -> bytes:
    """Canonical path of the directory a relative path starts from."""
    if signed(descriptor) == AT_FDCWD:
        return working_directory(task)
    text = text_of(path_of(task, descriptor))
    if text[:1] != b"/":
        raise fail(errno.ENOTDIR)
    mapped = task.world.reverse.find(text)
    if mapped is None or text.endswith(_DELETED):
        raise fail(errno.ENOENT)
    return mapped[0]


def find(task: Task, descriptor: int, path: bytes, follow: bool = True) -> Found:
    if not path:
        raise fail(errno.ENOENT)
    if path[:1] == b"/":
        return task.world.tree.find(task, path, follow)
    return task.world.tree.find(task, path, follow, base(task, descriptor))


def owner_outside(task: Task) -> Owner:
    """Of a pipe, a socket, a file in memory: whoever asks. Needs raw.STAT."""
    return task.credential.uid, task.credential.gid, raw.STAT32[raw.MODE], 0


def mount_of(task: Task, path: bytes) -> MountPoint | None:
    """Of an open file whose stat is in raw.STAT: remembered by inode since it was opened."""
    identity = raw.identity()
    remembered = task.world.mount_of
    if identity in remembered:
        return remembered[identity]
    if len(remembered) > 20000:
        remembered.clear()
    mapped = task.world.reverse.find(text_of(path))
    mount = remembered[identity] = mapped[1] if mapped else None
    return mount


def named(task: Task, descriptor: int) -> Found:
    """For a change through a descriptor: the name the file has in the tree; without one, the open file itself."""
    path = _pinned(task, descriptor)
    text = text_of(path)
    mapped = task.world.reverse.find(text)
    mode = raw.stat(AT_FDCWD, path, 0)
    identity = raw.identity()
    if mapped and mapped[1].kind != "proc" and raw.kind(mode) != raw.LINK:
        from_root = Root(task)
        try:
            found = task.world.tree.find(from_root, mapped[0] or b"/", False)
        except OSError:
            found = None
        if found is not None and found.mode and raw.stat(found.at, found.name) and raw.identity() == identity:
            return found
    return _nameless(task, path, mode, mapped[1] if mapped else None)


def _pinned(task: Task, descriptor: int) -> bytes:
    try:
        return b"/proc/" + task.pin(path_of(task, descriptor)[6:], task.world.special.proc.at)
    except FileNotFoundError:
        raise fail(errno.EBADF) from None


def _nameless(task: Task, path: bytes, mode: int, mount: MountPoint | None) -> Found:
    proc = task.world.special.proc
    found = Found(proc.mount.directory, path[6:], proc.at, mode, mount or proc.mount)  # type: ignore[arg-type]
    found.magic = True
    return found


class Root:
    """A task's place in the world, with nobody's permissions checked: its descriptor is permission enough."""

    __slots__ = ("world", "pid", "group", "credential")

    def __init__(self, task: Task) -> None:
        from_credentials = task.world.superuser
        self.world, self.pid, self.group, self.credential = task.world, task.pid, task.group, from_credentials
