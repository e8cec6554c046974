"""Calls that change who owns a file, what may be done with it, and its times."""

from __future__ import annotations

import errno
import os
from struct import pack, unpack

from voldemo.engine import nodes
from voldemo.engine.runtime import descriptors, memory, owners, raw
from voldemo.engine.runtime.calls import EACCES, EPERM, call, changing
from voldemo.engine.runtime.credentials import CHOWN, FOWNER, WRITE, Owner
from voldemo.engine.runtime.directory import Found
from voldemo.engine.runtime.raw import AT_FDCWD, EMPTY_PATH, NOFOLLOW, fail
from voldemo.engine.runtime.task import Task

UNCHANGED = 0xFFFFFFFF


def _set(task: Task, found: Found, uid: int, gid: int, bits: int, flags: int) -> None:
    """Copies the file up first when it is a layer's; a directory is always the container's own."""
    tree = task.world.tree
    if found.magic:
        _set_nameless(found, uid, gid, bits, flags)
        return
    if found.mount.kind == "device":
        return  # believed, as for a terminal or a pipe
    if found.mount.kind in ("proc", "sys", "pts"):
        raise fail(errno.EPERM)
    tree.own(found)
    raw.stat(found.at, found.name)
    found.mode = raw.STAT32[raw.MODE]
    owners.set_owner(found, uid, gid, bits, flags & ~nodes.LAYER)
    if raw.kind(found.mode) == raw.DIRECTORY:
        tree.owner_changed(found.path)


def _set_nameless(found: Found, uid: int, gid: int, bits: int, flags: int) -> None:
    """An open file without a name. What is not a file of the container (a pipe, say) keeps what it has."""
    if flags & nodes.LAYER:
        raise fail(errno.EPERM)
    if not found.mount.recorded or raw.kind(found.mode) not in (raw.REGULAR, raw.DIRECTORY):
        return
    path = b"/proc/" + found.name
    real = nodes.real_mode(bits, raw.kind(found.mode) == raw.DIRECTORY)
    os.chmod(path, real)
    owners.set_record(path, found.mount, uid, gid, nodes.AS_ON_DISK if real == bits else bits, flags)


# -- chmod


def _chmod(task: Task, found: Found, mode: int) -> int:
    uid, gid, _, flags = changing.attributes(task, found)
    credential = task.credential
    if not credential.has(FOWNER) and credential.uid != uid:
        return EPERM
    bits = mode & 0o7777
    if credential.uid and not credential.within(gid):
        bits &= ~changing.SETGID
    if raw.kind(found.mode) == raw.LINK:
        return -errno.EOPNOTSUPP
    _set(task, found, uid, gid, bits, flags)
    return 0


@call("chmod")
def chmod(task: Task, path: int, mode: int, *_: int) -> int:
    return _chmod(task, descriptors.find(task, AT_FDCWD, memory.string(task, path)), mode)


@call("fchmod")
def fchmod(task: Task, descriptor: int, mode: int, *_: int) -> int:
    return _chmod(task, descriptors.named(task, descriptor), mode)


@call("fchmodat")
def fchmodat(task: Task, at: int, path: int, mode: int, *_: int) -> int:
    return _chmod(task, descriptors.find(task, at, memory.string(task, path)), mode)


@call("fchmodat2")
def fchmodat2(task: Task, at: int, path: int, mode: int, flags: int, *_: int) -> int:
    return _chmod(task, _at(task, at, path, flags), mode)


def _at(task: Task, at: int, path: int, flags: int) -> Found:
    name = memory.string(task, path) if path else b""
    if not name and (flags & EMPTY_PATH or not path):
        if descriptors.signed(at) == AT_FDCWD:
            return descriptors.find(task, at, b".")
        return descriptors.named(task, at)
    return descriptors.find(task, at, name, not flags & NOFOLLOW)


# -- chown


def _may_chown(task: Task, owner: Owner, uid: int, gid: int) -> bool:
    credential = task.credential
    if credential.has(CHOWN):
        return True
    return credential.uid == owner[0] == uid and (gid == owner[1] or credential.within(gid))


def _chown(task: Task, found: Found, uid: int, gid: int) -> int:
    owner = changing.attributes(task, found)
    uid, gid = uid & UNCHANGED, gid & UNCHANGED
    uid = owner[0] if uid == UNCHANGED else uid
    gid = owner[1] if gid == UNCHANGED else gid
    if not _may_chown(task, owner, uid, gid):
        return EPERM
    bits = owner[2] & 0o7777
    if raw.kind(found.mode) == raw.REGULAR and bits & 0o111:
        bits &= ~(changing.SETUID | changing.SETGID)
    if (uid, gid, bits) != (*owner[:2], owner[2] & 0o7777):
        _set(task, found, uid, gid, bits, owner[3])
    return 0


@call("chown")
def chown(task: Task, path: int, uid: int, gid: int, *_: int) -> int:
    return _chown(task, descriptors.find(task, AT_FDCWD, memory.string(task, path)), uid, gid)


@call("lchown")
def lchown(task: Task, path: int, uid: int, gid: int, *_: int) -> int:
    return _chown(task, descriptors.find(task, AT_FDCWD, memory.string(task, path), False), uid, gid)


@call("fchown")
def fchown(task: Task, descriptor: int, uid: int, gid: int, *_: int) -> int:
    return _chown(task, descriptors.named(task, descriptor), uid, gid)


@call("fchownat")
def fchownat(task: Task, at: int, path: int, uid: int, gid: int, flags: int, *_: int) -> int:
    return _chown(task, _at(task, at, path, flags), uid, gid)


# -- times


def _utime(task: Task, found: Found, times: bytes | None) -> int:
    owner = changing.attributes(task, found)
    credential = task.credential
    if not credential.has(FOWNER) and credential.uid != owner[0]:
        if times is not None:
            return EPERM
        if not credential.may(owner, WRITE):
            return EACCES
    if found.mount.kind in ("proc", "sys", "pts", "device"):
        return 0
    if found.magic:
        if owner[3] & nodes.LAYER:
            return EPERM
        raw.utimes(AT_FDCWD, b"/proc/" + found.name, times, 0)
        return 0
    task.world.tree.own(found)
    if found.name:
        raw.utimes(found.at, found.name, times)
    else:
        raw.utimes(AT_FDCWD, raw.path_of(found.at, b""), times, 0)
    return 0


@call("utimensat")
def utimensat(task: Task, at: int, path: int, times: int, flags: int, *_: int) -> int:
    value = memory.read(task, times, 32) if times else None
    return _utime(task, _at(task, at, path, flags), value)


def _microseconds(task: Task, address: int) -> bytes | None:
    if not address:
        return None
    access, access_us, change, change_us = unpack("<qqqq", memory.read(task, address, 32))
    if not (0 <= access_us < 1000000 and 0 <= change_us < 1000000):
        raise fail(errno.EINVAL)
    return pack("<qqqq", access, access_us * 1000, change, change_us * 1000)


@call("utime")
def utime(task: Task, path: int, times: int, *_: int) -> int:
    value = None
    if times:
        access, change = unpack("<qq", memory.read(task, times, 16))
        value = pack("<qqqq", access, 0, change, 0)
    return _utime(task, descriptors.find(task, AT_FDCWD, memory.string(task, path)), value)


@call("utimes")
def utimes(task: Task, path: int, times: int, *_: int) -> int:
    value = _microseconds(task, times)
    return _utime(task, descriptors.find(task, AT_FDCWD, memory.string(task, path)), value)


@call("futimesat")
def futimesat(task: Task, at: int, path: int, times: int, *_: int) -> int:
    return _utime(task, _at(task, at, path, 0), _microseconds(task, times))
