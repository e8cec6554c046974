"""Calls that make, move and remove names: mkdir, mknod, symlink, link, unlink, rmdir, rename."""

from __future__ import annotations

import errno
import os

from voldemo.engine import nodes
from voldemo.engine.runtime import descriptors, memory, owners, raw
from voldemo.engine.runtime.calls import EPERM, call, changing
from voldemo.engine.runtime.credentials import Credential, Owner
from voldemo.engine.runtime.descriptors import signed
from voldemo.engine.runtime.directory import Found
from voldemo.engine.runtime.raw import AT_FDCWD, EMPTY_PATH, fail
from voldemo.engine.runtime.task import Task

_REMOVE_DIRECTORY, _SYMLINK_FOLLOW = 0x200, 0x400
_EXCHANGE, _WHITEOUT, _NOREPLACE = 2, 4, 1


def _without_slash(path: bytes) -> bytes:
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
    return _mkdir(task, _new(task, AT_FDCWD, _without_slash(memory.string(task, path))), mode)


@call("mkdirat")
def mkdirat(task: Task, at: int, path: int, mode: int, *_: int) -> int:
    return _mkdir(task, _new(task, at, _without_slash(memory.string(task, path))), mode)


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
    if task.credential.uid not in (0, owner[0]):
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
        found = changing.existing(descriptors.find(task, at, path, False))
        return -errno.EISDIR if raw.kind(found.mode) == raw.DIRECTORY else -errno.ENOTDIR
    found = changing.existing(descriptors.find(task, at, path, False))
    if raw.kind(found.mode) == raw.DIRECTORY:
        changing.names(task, found, True)
        return -errno.EISDIR
    changing.names(task, found, True)
    _keep_hidden(task, found)
    os.unlink(found.name, dir_fd=found.directory.at)
    changing.content_changed(found)
    if raw.kind(found.mode) == raw.LINK:
        Credential.forget()
    return 0


def _keep_hidden(task: Task, found: Found) -> None:
    tree = task.world.tree
    if tree.hides(found.directory, found.name):
        tree.complete(found.directory)
        found.at = found.directory.at


def _rmdir(task: Task, at: int, path: bytes) -> int:
    last = path.rstrip(b"/").rpartition(b"/")[2]
    if last in (b".", b".."):
        return -errno.EINVAL if last == b"." else -errno.ENOTEMPTY
    found = changing.existing(descriptors.find(task, at, _without_slash(path), False))
    if raw.kind(found.mode) != raw.DIRECTORY:
        return -errno.ENOTDIR
    changing.names(task, found, True)
    tree = task.world.tree
    directory = tree.directory_of(task, found)
    _check_no_mounts(task, directory.path)
    tree.complete(directory)
    _keep_hidden(task, found)
    os.rmdir(found.name, dir_fd=found.directory.at)
    moved(task, directory.path)
    return 0


def _check_no_mounts(task: Task, path: bytes) -> None:
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


# -- renaming


def _rename(task: Task, old_at: int, old_path: bytes, new_at: int, new_path: bytes, flags: int) -> int:
    if flags & _WHITEOUT or flags & ~(_EXCHANGE | _NOREPLACE):
        return -errno.EINVAL
    old = changing.existing(descriptors.find(task, old_at, _without_slash(old_path), False))
    new = descriptors.find(task, new_at, _without_slash(new_path), False)
    if flags & _NOREPLACE and new.mode:
        return -errno.EEXIST
    if old.directory.mount is not new.directory.mount:
        _check_busy(old, new)
        return -errno.EXDEV
    changing.names(task, old, True)
    changing.names(task, new, bool(new.mode))
    return _rename_found(task, old, new, flags)


def _check_busy(old: Found, new: Found) -> None:
    for found in (old, new):
        if found.mode and found.mount is not found.directory.mount:
            raise fail(errno.EBUSY)


def _rename_found(task: Task, old: Found, new: Found, flags: int) -> int:
    tree = task.world.tree
    side = _side(old)
    for found in (old, new):
        if found.mode and raw.kind(found.mode) == raw.DIRECTORY:
            path = tree.directory_of(task, found).path
            _check_no_mounts(task, path)
            if found is old or flags & _EXCHANGE:
                tree.complete_all(task, found)
            else:
                tree.complete(tree.directory_of(task, found))
    _bring_up(task, old)
    _keep_hidden(task, old)
    if new.mode and flags & _EXCHANGE:
        _bring_up(task, new)
    _keep_hidden(task, new)
    raw.rename(old.directory.at, old.name, new.directory.at, new.name, flags)
    changing.content_changed(new)
    _after_rename(task, old, new, side)
    return 0


def _bring_up(task: Task, found: Found) -> None:
    """What is to be moved has to be in the upper tree."""
    if found.at != found.directory.at:
        task.world.tree.complete(found.directory)
        found.at = found.directory.at


def _side(found: Found) -> tuple[int, int] | None:
    if raw.kind(found.mode) in (raw.REGULAR, raw.DIRECTORY):
        return None
    return owners.of(found)[:2]


def _after_rename(task: Task, old: Found, new: Found, side: tuple[int, int] | None) -> None:
    if side is not None:
        owners.set_side(new.directory.at, new.name, *side, new.mount)
    kinds = {raw.kind(old.mode), raw.kind(new.mode)}
    if raw.DIRECTORY in kinds:
        moved(task, old.path)
        moved(task, new.path)
    elif raw.LINK in kinds:
        Credential.forget()


@call("rename")
def rename(task: Task, old: int, new: int, *_: int) -> int:
    return _rename(task, AT_FDCWD, memory.string(task, old), AT_FDCWD, memory.string(task, new), 0)


@call("renameat")
def renameat(task: Task, old_at: int, old: int, new_at: int, new: int, *_: int) -> int:
    return _rename(task, signed(old_at), memory.string(task, old), signed(new_at), memory.string(task, new), 0)


@call("renameat2")
def renameat2(task: Task, old_at: int, old: int, new_at: int, new: int, flags: int, *_: int) -> int:
    return _rename(task, signed(old_at), memory.string(task, old), signed(new_at), memory.string(task, new), flags)
