"""Calls that open: the tracer finds, checks and creates, the kernel opens exactly that inode for the process."""

from __future__ import annotations

import errno
import os

from voldemo.engine import nodes
from voldemo.engine.runtime import descriptors, memory, owners, raw
from voldemo.engine.runtime.calls import EACCES, EPERM, call, changing
from voldemo.engine.runtime.calls.names import heirs
from voldemo.engine.runtime.credentials import EXECUTE, READ, WRITE
from voldemo.engine.runtime.descriptors import signed
from voldemo.engine.runtime.directory import Found
from voldemo.engine.runtime.numbers import NUMBER
from voldemo.engine.runtime.proc_texts import in_memory
from voldemo.engine.runtime.ptrace import ORIG_RAX, registers
from voldemo.engine.runtime.raw import AT_FDCWD, BLOCK, CHARACTER, DIRECTORY, LINK, REGULAR, fail, kind
from voldemo.engine.runtime.task import Task

CREAT, EXCL, TRUNC, PATH = os.O_CREAT, os.O_EXCL, os.O_TRUNC, os.O_PATH
DIRECTORY_ONLY, NOFOLLOW, TMPFILE = os.O_DIRECTORY, os.O_NOFOLLOW, os.O_TMPFILE
_DONE = CREAT | EXCL | NOFOLLOW  # what the tracer has seen to, so that the kernel need not
_TRIES = 8
HERE = (b".", b"./")


class Wish:
    """What the caller of open wants."""

    __slots__ = ("flags", "mode", "temporary", "create", "path_only", "read", "write")

    def __init__(self, flags: int, mode: int) -> None:
        self.flags, self.mode = flags, mode
        self.path_only = bool(flags & PATH)
        self.temporary = flags & TMPFILE == TMPFILE and not self.path_only
        self.create = bool(flags & CREAT) and not self.temporary and not self.path_only
        self.read = flags & 3 != 1
        self.write = not self.path_only and bool(flags & 3 or flags & TRUNC)

    @property
    def follow(self) -> bool:
        return not (self.flags & NOFOLLOW or (self.create and self.flags & EXCL))

    @property
    def wanted(self) -> int:
        return (READ if self.read else 0) | (WRITE if self.write else 0)


class Moved(Exception):
    """Somebody else changed the name between the look and the hold: look again."""


def _open(task: Task, at: int, path: bytes, wish: Wish) -> int:
    """A descriptor of the tracer's for what is to be opened. May change wish.flags to what is left to do."""
    for _ in range(_TRIES):
        found = descriptors.find(task, at, path, wish.follow)
        try:
            if found.mode:
                return _existing(task, found, wish)
            if not wish.create:
                raise fail(errno.ENOENT)
            if path.endswith(b"/"):
                raise fail(errno.EISDIR)
            return _create(task, found, wish)
        except (FileExistsError, Moved):
            if wish.create and wish.flags & EXCL:
                raise fail(errno.EEXIST) from None
    raise fail(errno.EAGAIN)


def _existing(task: Task, found: Found, wish: Wish) -> int:
    if wish.create and wish.flags & EXCL:
        raise fail(errno.EEXIST)
    _check_kind(found, wish)
    if not wish.path_only:
        _check_access(task, found, wish)
    if found.mount.kind == "proc" and not found.magic:
        return _special(task, found, wish)
    if wish.temporary:
        return _temporary(task, found, wish)
    if not found.magic:
        _prepare(task, found, wish)
    if wish.flags & TRUNC:
        changing.content_changed(found)
    return _hold(task, found)


def _check_kind(found: Found, wish: Wish) -> None:
    what = kind(found.mode)
    if what == DIRECTORY:
        if wish.create or (wish.write and not wish.temporary):
            raise fail(errno.EISDIR)
        if wish.temporary and not wish.write:
            raise fail(errno.EINVAL)
    elif wish.flags & DIRECTORY_ONLY or wish.temporary:
        raise fail(errno.ENOTDIR)
    elif what == LINK and not wish.path_only:
        raise fail(errno.ELOOP)
    elif what in (CHARACTER, BLOCK) and not wish.path_only and not found.magic and found.mount.kind != "device":
        raise fail(errno.EPERM)


def _check_access(task: Task, found: Found, wish: Wish) -> None:
    if wish.write and kind(found.mode) in (REGULAR, DIRECTORY):
        if found.mount.kind == "proc" and not found.magic:
            _check_proc_write(task, found)
        found.mount.writable()
    elif task.credential.overrides and not found.magic:
        return
    owner = changing.owner_of(found)
    if found.magic and wish.write and owner[3] & nodes.LAYER:
        raise fail(errno.EACCES)
    wanted = WRITE | EXECUTE if wish.temporary else wish.wanted
    if not task.credential.may(owner, wanted):
        raise fail(errno.EACCES)


def _check_proc_write(task: Task, found: Found) -> None:
    if not task.world.special.proc.may_write(found):
        raise fail(errno.EROFS if found.name.startswith(b"sys/") else errno.EACCES)


def _special(task: Task, found: Found, wish: Wish) -> int:
    proc = task.world.special.proc
    if b"/ns/" in found.name:
        raise fail(errno.EACCES)
    if not wish.path_only and kind(found.mode) == DIRECTORY and not found.name:
        return proc.listing()
    if not wish.path_only and kind(found.mode) == REGULAR and not wish.write:
        text = proc.content(found)
        if text is not None:
            return in_memory(text)
    return os.open(found.name or b".", PATH | NOFOLLOW | os.O_CLOEXEC, dir_fd=found.at)


def _prepare(task: Task, found: Found, wish: Wish) -> None:
    tree = task.world.tree
    if wish.write and kind(found.mode) == REGULAR:
        tree.own(found, content=not wish.flags & TRUNC)
    elif kind(found.mode) == DIRECTORY and not wish.path_only:
        tree.complete(tree.directory_of(task, found))


def _hold(task: Task, found: Found) -> int:
    if found.magic:
        return os.open(found.name, PATH | os.O_CLOEXEC, dir_fd=found.at)
    if found.name:
        try:
            descriptor = os.open(found.name, PATH | NOFOLLOW | os.O_CLOEXEC, dir_fd=found.at)
        except FileNotFoundError:
            raise Moved from None
    else:
        descriptor = os.dup(found.at)
    if kind(raw.stat(descriptor, b"")) != kind(found.mode):
        os.close(descriptor)
        raise Moved
    task.world.mount_of[raw.identity()] = found.mount
    return descriptor


# -- making files


def _create(task: Task, found: Found, wish: Wish) -> int:
    parent = changing.names(task, found)
    descriptor = _born(task, found, parent, found.name, wish, CREAT | EXCL | NOFOLLOW)
    wish.flags &= ~(TRUNC | DIRECTORY_ONLY)
    return descriptor


def _born(task: Task, found: Found, parent: owners.Owner, name: bytes, wish: Wish, how: int) -> int:
    """A new file with its owner. It is open for writing here until the process has it."""
    uid, gid = heirs(task, parent)
    bits = wish.mode & 0o7777 & ~task.place.umask
    real = nodes.real_mode(bits, False)
    at = found.directory.at if name != b"." else found.at
    descriptor = os.open(name, how | os.O_RDWR | os.O_CLOEXEC, real, dir_fd=at)
    mount = found.mount
    if (uid, gid) != (0, 0) or real != bits or mount.real_owners:
        owners.set_record(descriptor, mount, uid, gid, nodes.AS_ON_DISK if real == bits else bits, 0)
    raw.stat(descriptor, b"")
    task.world.mount_of[raw.identity()] = mount
    return descriptor


def _temporary(task: Task, found: Found, wish: Wish) -> int:
    tree = task.world.tree
    directory = tree.directory_of(task, found)
    parent = owners.of_directory(directory)
    place = Found(directory, b"", directory.at, found.mode, directory.mount)
    descriptor = _born(task, place, parent, b".", wish, TMPFILE | wish.flags & EXCL)
    wish.flags &= ~TMPFILE
    return descriptor


# -- the calls


def _run(task: Task, at: int, path: int, path_index: int, wish: Wish) -> None:
    name = memory.string(task, path)
    if wish.path_only and wish.flags & NOFOLLOW and _hold_link(task, at, name, path_index):
        return
    if name in HERE and at == AT_FDCWD and descriptors.is_removed(task):
        task.point(path_index, b".\0")  # empty for ever, and nowhere in the tree: the kernel's own
        return
    descriptor = _open(task, at, name, wish)
    task.point(path_index, task.hold(descriptor) + b"\0")
    task.argument(path_index + 1, wish.flags & ~_DONE)


def _hold_link(task: Task, at: int, path: bytes, path_index: int) -> bool:
    """O_PATH of a symbolic link itself: only by its name, in the directory we hold."""
    found = descriptors.find(task, at, path, False)
    if kind(found.mode) != LINK or found.mount.kind == "proc":
        return False
    task.point(path_index, task.hold(os.dup(found.at)) + b"/" + found.name + b"\0")
    return True


@call("open")
def open_(task: Task, path: int, flags: int, mode: int, *_: int) -> None:
    _run(task, AT_FDCWD, path, 0, Wish(flags, mode))


@call("openat")
def openat(task: Task, at: int, path: int, flags: int, mode: int, *_: int) -> None:
    _run(task, signed(at), path, 1, Wish(flags, mode))


@call("creat")
def creat(task: Task, path: int, mode: int, *_: int) -> None:
    task.restore.append((ORIG_RAX, registers[ORIG_RAX]))
    registers[ORIG_RAX] = NUMBER["open"]
    _run(task, AT_FDCWD, path, 0, Wish(CREAT | TRUNC | os.O_WRONLY, mode))


@call("truncate")
def truncate(task: Task, path: int, length: int, *_: int) -> int:
    if length >> 63:
        return -errno.EINVAL
    found = changing.existing(descriptors.find(task, AT_FDCWD, memory.string(task, path)))
    if kind(found.mode) == DIRECTORY:
        return -errno.EISDIR
    if kind(found.mode) != REGULAR:
        return -errno.EINVAL
    found.mount.writable()
    if not task.credential.may(changing.owner_of(found), WRITE):
        return EACCES
    if found.magic or found.mount.kind in ("proc", "sys"):
        return EPERM
    task.world.tree.own(found)
    _fits(found, length)
    with raw.Pinned(found.at, found.name) as node:
        os.truncate(node.path, length)
    changing.content_changed(found)
    return 0


def _fits(found: Found, length: int) -> None:
    if found.mount.quota is not None:
        raw.stat(found.at, found.name)
        if found.mount.quota.reserve(raw.STAT64[raw.INO], 0, length) < length:
            raise fail(errno.ENOSPC)
