"""Calls that look at a file: stat and its family, access, readlink, statfs."""

from __future__ import annotations

import errno
from struct import pack_into

from voldemo.engine import nodes
from voldemo.engine.runtime import descriptors, memory, owners, raw
from voldemo.engine.runtime.calls import EACCES, ENOENT, call
from voldemo.engine.runtime.calls.changing import existing, owner_of
from voldemo.engine.runtime.credentials import WRITE, Owner
from voldemo.engine.runtime.descriptors import signed
from voldemo.engine.runtime.directory import Found
from voldemo.engine.runtime.mounts import MountPoint
from voldemo.engine.runtime.raw import AT_FDCWD, EMPTY_PATH, NOFOLLOW, STAT, STAT32, STAT64, fail
from voldemo.engine.runtime.task import Task

EACCESS = 0x200  # AT_EACCESS
MODE, UID, GID = raw.MODE, raw.UID, raw.GID
_OVERLAY, _TMPFS = 0x794C7630, 0x01021994


def _owner(found: Found) -> Owner:
    if found.magic:
        return owners.of_path(b"/proc/" + found.name, found.mount)
    return owners.owner(found.at, found.name, found.mount)


def _tell(task: Task, owner: Owner, mount: MountPoint | None, address: int) -> int:
    uid, gid, mode, flags = owner
    if mount is not None:
        STAT64[raw.DEV] = mount.device
    STAT32[MODE], STAT32[UID], STAT32[GID] = mode, uid, gid
    if flags & nodes.LAYER:
        STAT64[raw.NLINK] = 1
    memory.write(task, address, STAT[: raw.STAT_SIZE])
    return 0


def _stat(task: Task, found: Found, address: int) -> int:
    if not found.mode:
        return ENOENT
    return _tell(task, _owner(found), _mount(found), address)


def _mount(found: Found) -> MountPoint | None:
    """None for a pipe and its like, which lie on no mount of the container."""
    return None if found.magic and found.mount.kind == "proc" else found.mount


@call("stat")
def stat(task: Task, path: int, buffer: int, *_: int) -> int:
    return _stat(task, descriptors.find(task, AT_FDCWD, memory.string(task, path)), buffer)


@call("lstat")
def lstat(task: Task, path: int, buffer: int, *_: int) -> int:
    return _stat(task, descriptors.find(task, AT_FDCWD, memory.string(task, path), False), buffer)


@call("fstat")
def fstat(task: Task, descriptor: int, buffer: int, *_: int) -> int:
    path = descriptors.path_of(task, descriptor)
    if not raw.stat(AT_FDCWD, path, 0):
        return -errno.EBADF
    mount = descriptors.mount_of(task, path)
    return _tell(task, _open_owner(task, path, mount), mount, buffer)


def _open_owner(task: Task, path: bytes, mount: MountPoint | None) -> Owner:
    if mount is None or raw.kind(STAT32[MODE]) not in (raw.REGULAR, raw.DIRECTORY):
        return descriptors.owner_outside(task)
    return owners.of_path(path, mount)


@call("newfstatat")
def newfstatat(task: Task, at: int, path: int, buffer: int, flags: int, *_: int) -> int:
    name = memory.string(task, path) if path or not flags & EMPTY_PATH else b""
    if not name:
        if not flags & EMPTY_PATH:
            return ENOENT
        if signed(at) != AT_FDCWD:
            return fstat(task, at, buffer)
        name = b"."
    return _stat(task, descriptors.find(task, at, name, not flags & NOFOLLOW), buffer)


@call("statx")
def statx(task: Task, at: int, path: int, flags: int, mask: int, buffer: int, *_: int) -> int:
    name = memory.string(task, path) if path or not flags & EMPTY_PATH else b""
    if not name:
        if not flags & EMPTY_PATH:
            return ENOENT
        if signed(at) != AT_FDCWD:
            return _statx_open(task, at, mask, buffer)
        name = b"."
    found = existing(descriptors.find(task, at, name, not flags & NOFOLLOW))
    owner = _owner(found)
    raw.statx(found.at, found.name, 0 if found.magic else raw.HERE, mask)
    return _tell_statx(task, owner, _mount(found), buffer)


def _statx_open(task: Task, descriptor: int, mask: int, buffer: int) -> int:
    path = descriptors.path_of(task, descriptor)
    if not raw.stat(AT_FDCWD, path, 0):
        return -errno.EBADF
    mount = descriptors.mount_of(task, path)
    owner = _open_owner(task, path, mount)
    raw.statx(AT_FDCWD, path, 0, mask)
    return _tell_statx(task, owner, mount, buffer)


def _tell_statx(task: Task, owner: Owner, mount: MountPoint | None, buffer: int) -> int:
    uid, gid, mode, flags = owner
    STAT32[5], STAT32[6] = uid, gid
    pack_into("<H", STAT, 28, mode & 0xFFFF)
    if flags & nodes.LAYER:
        STAT32[4] = 1
    if mount is not None:
        STAT32[34], STAT32[35] = 0, mount.device
    memory.write(task, buffer, STAT)
    return 0


# -- access


def _access(task: Task, found: Found, wanted: int, real: bool) -> int:
    if not found.mode:
        return ENOENT
    if wanted & WRITE and found.mount.read_only and raw.kind(found.mode) in (raw.REGULAR, raw.DIRECTORY, raw.LINK):
        return -errno.EROFS
    credential = task.credential.real() if real else task.credential
    return 0 if not wanted or credential.may(owner_of(found), wanted) else EACCES


@call("access")
def access(task: Task, path: int, wanted: int, *_: int) -> int:
    return _access(task, descriptors.find(task, AT_FDCWD, memory.string(task, path)), wanted & 7, True)


@call("faccessat")
def faccessat(task: Task, at: int, path: int, wanted: int, *_: int) -> int:
    return _access(task, descriptors.find(task, at, memory.string(task, path)), wanted & 7, True)


@call("faccessat2")
def faccessat2(task: Task, at: int, path: int, wanted: int, flags: int, *_: int) -> int:
    name = memory.string(task, path)
    if not name and flags & EMPTY_PATH:
        return _access(task, descriptors.named(task, at), wanted & 7, not flags & EACCESS)
    found = descriptors.find(task, at, name, not flags & NOFOLLOW)
    return _access(task, found, wanted & 7, not flags & EACCESS)


# -- readlink


def _readlink(task: Task, found: Found, buffer: int, size: int) -> int:
    size = signed(size)
    if not found.mode:
        return ENOENT
    if raw.kind(found.mode) != raw.LINK or size <= 0:
        return -errno.EINVAL
    tree = task.world.tree
    target = task.world.special.proc.read_link(found) if found.mount.kind == "proc" else tree.link_target(task, found)
    target = target[:size]
    memory.write(task, buffer, target)
    return len(target)


@call("readlink")
def readlink(task: Task, path: int, buffer: int, size: int, *_: int) -> int:
    return _readlink(task, descriptors.find(task, AT_FDCWD, memory.string(task, path), False), buffer, size)


@call("readlinkat")
def readlinkat(task: Task, at: int, path: int, buffer: int, size: int, *_: int) -> int:
    name = memory.string(task, path)
    found = descriptors.find(task, at, name, False) if name else descriptors.named(task, at)
    return _readlink(task, found, buffer, size)


@call("getcwd")
def getcwd(task: Task, buffer: int, size: int, *_: int) -> int:
    text = (descriptors.working_directory(task) or b"/") + b"\0"
    if len(text) > size:
        return -errno.ERANGE
    memory.write(task, buffer, text)
    return len(text)


# -- statfs


def _statfs(task: Task, mount: MountPoint | None, path: bytes, buffer: int) -> int:
    answer = raw.statfs(path)
    view = memoryview(answer).cast("Q")
    if mount is not None and mount.kind == "root":
        view[0] = _OVERLAY
    if mount is not None and mount.quota is not None:
        free = mount.quota.free
        view[0], view[1], view[2], view[3], view[4] = _TMPFS, 4096, mount.quota.total, free, free
    memory.write(task, buffer, view.cast("B"))
    return 0


@call("statfs")
def statfs(task: Task, path: int, buffer: int, *_: int) -> int:
    found = existing(descriptors.find(task, AT_FDCWD, memory.string(task, path)))
    place = b"/proc/" + found.name if found.magic else raw.path_of(found.at, found.name)
    return _statfs(task, found.mount, place, buffer)


@call("fstatfs")
def fstatfs(task: Task, descriptor: int, buffer: int, *_: int) -> int:
    path = descriptors.path_of(task, descriptor)
    if not raw.stat(AT_FDCWD, path, 0):
        raise fail(errno.EBADF)
    return _statfs(task, descriptors.mount_of(task, path), path, buffer)
