"""Calls that make, move and remove names: mkdir, mknod, symlink, link, unlink, rmdir, rename."""

from __future__ import annotations

import errno
import os

from voldemo.engine import nodes
from voldemo.engine.runtime import descriptors, memory, owners, raw
from voldemo.engine.runtime.calls import EPERM, call, changing
from voldemo.engine.runtime.credentials import FOWNER, Credential, Owner
from voldemo.engine.runtime.directory import Found
from voldemo.engine.runtime.raw import AT_FDCWD, EMPTY_PATH, fail
from voldemo.engine.runtime.task import Task

_REMOVE_DIRECTORY, _SYMLINK_FOLLOW = 0x200, 0x400


def without_slash(path: bytes) -> bytes:
    return path.rstrip(b"/") or path[:1]


def _new(task: Task, at: int, path: bytes) -> Found:
    """A name to be made. It must be no link's, not even a dangling one's."""
    return changing.absent(descriptors.find(task, at, path, False))


def heirs(task: Task, directory: Owner) -> tuple[int, int]:
    """Who owns what is made in this directory."""
    setgid = directory[2] & changing.SETGID
    return task.credential.uid, directory[1] if setgid else task.credential.gid


# -- making


def _mkdir(task: Task, found: Found, mode: int) -> int:
    parent = changing.names(task, found)
    uid, gid = heirs(task, parent)
    bits = mode & 0o1777 & ~task.place.umask | parent[2] & changing.SETGID
    directory = found.directory
    os.mkdir(found.name, 0o700, dir_fd=directory.at)
    found.mode = raw.DIRECTORY | 0o700
    owners.set_owner(found, uid, gid, bits, nodes.COMPLETE if directory.mount.kind == "root" else 0)
    return 0


@call("mkdir")
def mkdir(task: Task, path: int, mode: int, *_: int) -> int:
    return _mkdir(task, _new(task, AT_FDCWD, without_slash(memory.string(task, path))), mode)


@call("mkdirat")
def mkdirat(task: Task, at: int, path: int, mode: int, *_: int) -> int:
    return _mkdir(task, _new(task, at, without_slash(memory.string(task, path))), mode)


def _mknod(task: Task, at: int, path: bytes, mode: int) -> int:
    kind = raw.kind(mode) or raw.REGULAR
    found = _new(task, at, path)
    if kind in (raw.CHARACTER, raw.BLOCK):
        return EPERM
    if kind not in (raw.REGULAR, raw.FIFO, raw.SOCKET):
        return -errno.EINVAL
    uid, gid = heirs(task, changing.names(task, found))
    bits = mode & 0o7777 & ~task.place.umask
    os.mknod(found.name, kind | nodes.real_mode(bits, False), dir_fd=found.directory.at)
    changing.content_changed(found)
    found.mode = kind | nodes.real_mode(bits, False)
    owners.set_owner(found, uid, gid, bits, 0)
    return 0


@call("mknod")
def mknod(task: Task, path: int, mode: int, *_: int) -> int:
    return _mknod(task, AT_FDCWD, memory.string(task, path), mode & 0xFFFF)


@call("mknodat")
def mknodat(task: Task, at: int, path: int, mode: int, *_: int) -> int:
    return _mknod(task, at, memory.string(task, path), mode & 0xFFFF)


def _symlink(task: Task, target: bytes, at: int, path: bytes) -> int:
    if not target:
        return -errno.ENOENT
    found = _new(task, at, path)
    uid, gid = heirs(task, changing.names(task, found))
    os.symlink(target, found.name, dir_fd=found.directory.at)
    owners.set_side(found.directory.at, found.name, uid, gid, found.mount)
    return 0


@call("symlink")
def symlink(task: Task, target: int, path: int, *_: int) -> int:
    return _symlink(task, memory.string(task, target), AT_FDCWD, memory.string(task, path))


@call("symlinkat")
def symlinkat(task: Task, target: int, at: int, path: int, *_: int) -> int:
    return _symlink(task, memory.string(task, target), at, memory.string(task, path))


# -- hard links


def _link(task: Task, old: Found, at: int, path: bytes) -> int:
    changing.existing(old)
    if raw.kind(old.mode) == raw.DIRECTORY:
        return EPERM
    new = _new(task, at, path)
    if new.directory.mount is not old.mount:
        return -errno.EXDEV
    changing.names(task, new)
    if old.magic:
        return _link_nameless(old, new)
    _may_link(task, old)
    task.world.tree.own(old)
    uid, gid, _, _ = owners.of(old)
    os.link(old.name, new.name, src_dir_fd=old.at, dst_dir_fd=new.directory.at, follow_symlinks=False)
    if raw.kind(old.mode) != raw.REGULAR:
        owners.set_side(new.directory.at, new.name, uid, gid, new.mount)
    return 0


def _may_link(task: Task, old: Found) -> None:
    """As with protected_hardlinks: a file one could not open for writing is not one's to link."""
    owner = changing.owner_of(old)
    if not task.credential.has(FOWNER) and task.credential.uid != owner[0]:
        safe = raw.kind(owner[2]) == raw.REGULAR and not owner[2] & changing.SETUID
        if not safe or not task.credential.may(owner, 6):
            raise fail(errno.EPERM)


def _link_nameless(old: Found, new: Found) -> int:
    """A file made with O_TMPFILE gets its name."""
    if changing.owner_of(old)[3] & nodes.LAYER:
        raise fail(errno.ENOENT)
    os.link(b"/proc/" + old.name, new.name, dst_dir_fd=new.directory.at, follow_symlinks=True)
    changing.content_changed(new)
    return 0


@call("link")
def link(task: Task, old: int, new: int, *_: int) -> int:
    found = descriptors.find(task, AT_FDCWD, memory.string(task, old), False)
    return _link(task, found, AT_FDCWD, memory.string(task, new))


@call("linkat")
def linkat(task: Task, old_at: int, old: int, new_at: int, new: int, flags: int, *_: int) -> int:
    name = memory.string(task, old)
    if not name and flags & EMPTY_PATH:
        found = descriptors.named(task, old_at)
    else:
        found = descriptors.find(task, old_at, name, bool(flags & _SYMLINK_FOLLOW))
    return _link(task, found, new_at, memory.string(task, new))


# -- removing


def _unlink(task: Task, at: int, path: bytes) -> int:
    if path.endswith(b"/"):
        found = changing.removable(descriptors.find(task, at, path, False))
        return -errno.EISDIR if raw.kind(found.mode) == raw.DIRECTORY else -errno.ENOTDIR
    found = changing.removable(descriptors.find(task, at, path, False))
    if raw.kind(found.mode) == raw.DIRECTORY:
        changing.names(task, found, True)
        return -errno.EISDIR
    changing.names(task, found, True)
    keep_hidden(task, found)
    os.unlink(found.name, dir_fd=found.directory.at)
    changing.content_changed(found)
    if raw.kind(found.mode) == raw.LINK:
        Credential.forget()
    return 0


def keep_hidden(task: Task, found: Found) -> None:
    tree = task.world.tree
    if tree.hides(found.directory, found.name):
        tree.complete(found.directory)
        found.at = found.directory.at


def _rmdir(task: Task, at: int, path: bytes) -> int:
    last = path.rstrip(b"/").rpartition(b"/")[2]
    if last in (b".", b".."):
        return -errno.EINVAL if last == b"." else -errno.ENOTEMPTY
    found = changing.removable(descriptors.find(task, at, without_slash(path), False))
    changing.names(task, found, True)
    if raw.kind(found.mode) != raw.DIRECTORY:
        return -errno.ENOTDIR
    tree = task.world.tree
    directory = tree.directory_of(task, found)
    check_no_mounts(task, directory.path)
    tree.complete(directory)
    keep_hidden(task, found)
    os.rmdir(found.name, dir_fd=found.directory.at)
    moved(task, directory.path)
    return 0


def check_no_mounts(task: Task, path: bytes) -> None:
    if any(target.startswith(path + b"/") for target in task.world.tree.mounts):
        raise fail(errno.EBUSY)


def moved(task: Task, path: bytes) -> None:
    """A directory is no longer at `path`: whoever works in it has to look where it is now."""
    task.world.tree.drop(path)
    for other in task.world.tasks.values():
        other.place.path = None


@call("unlink")
def unlink(task: Task, path: int, *_: int) -> int:
    return _unlink(task, AT_FDCWD, memory.string(task, path))


@call("rmdir")
def rmdir(task: Task, path: int, *_: int) -> int:
    return _rmdir(task, AT_FDCWD, memory.string(task, path))


@call("unlinkat")
def unlinkat(task: Task, at: int, path: int, flags: int, *_: int) -> int:
    remove = _rmdir if flags & _REMOVE_DIRECTORY else _unlink
    return remove(task, at, memory.string(task, path))
