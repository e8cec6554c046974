"""The union of a container's upper tree with the layers of its image, entry by entry (the rules are the store's)."""

from __future__ import annotations

import errno
import os
import struct

from voldemo.engine import nodes
from voldemo.engine.runtime import raw
from voldemo.engine.runtime.directory import OPEN, Directory

_OMIT = (1 << 30) - 2
TEMPORARY = b".wh..tmp."
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC


def times_of_stat() -> bytes:
    """Access and modification time of the node in raw.STAT, as utimensat takes them."""
    access, access_ns, change, change_ns = struct.unpack_from("<QQQQ", raw.STAT, 72)
    return struct.pack("<QQQQ", access, access_ns, change, change_ns)


def find(lowers: tuple[int, ...], name: bytes) -> tuple[int, int]:
    """The first layer that has `name`, and its mode; mode 0: no layer has it, or one hides it."""
    last = len(lowers) - 1
    for index, lower in enumerate(lowers):
        mode = raw.stat(lower, name)
        if mode:
            return lower, mode
        if index != last and len(name) < 252 and raw.stat(lower, nodes.WHITEOUT + name):
            break
    return -1, 0


def directories(lowers: tuple[int, ...], name: bytes) -> tuple[int, ...]:
    """The layers' directories that together are `name`, opened."""
    found = []
    for lower in lowers:
        mode = raw.stat(lower, name)
        if not mode:
            if len(name) < 252 and raw.stat(lower, nodes.WHITEOUT + name):
                break
            continue
        if raw.kind(mode) != raw.DIRECTORY:
            break
        found.append(os.open(name, OPEN, dir_fd=lower))
        if raw.stat(found[-1], nodes.OPAQUE):
            break
    return tuple(found)


class KeepTimes:
    """What the union does inside a directory is no change of it."""

    def __init__(self, at: int) -> None:
        self.at = at

    def __enter__(self) -> None:
        raw.stat(self.at, b"")
        self.times = times_of_stat()

    def __exit__(self, *_: object) -> None:
        raw.utimes(self.at, b".", self.times)


def _record(at: int, name: bytes) -> bytes | None:
    return bytes(raw.VALUE[: nodes.RECORD.size]) if raw.attribute(at, name, nodes.NAME) == nodes.RECORD.size else None


def _temporary() -> bytes:
    return TEMPORARY + os.urandom(8).hex().encode()


def materialise(directory: Directory, name: bytes, lower: int) -> None:
    """An empty placeholder for a directory that only the layers have."""
    with KeepTimes(directory.at):
        _placeholder(directory.at, name, lower)


def _placeholder(at: int, name: bytes, lower: int) -> None:
    mode = raw.stat(lower, name)
    times = times_of_stat()
    record = _record(lower, name)
    temporary = _temporary()
    os.mkdir(temporary, 0o700, dir_fd=at)
    path = raw.path_of(at, temporary)
    os.chmod(path, mode & 0o1777 | 0o700)
    if record is not None:
        uid, gid, bits, _ = nodes.RECORD.unpack(record)
        os.setxattr(path, nodes.NAME, nodes.RECORD.pack(uid, gid, bits, 0))
    raw.utimes(at, temporary, times)
    raw.rename(at, temporary, at, name)


def complete(directory: Directory) -> None:
    """Link in all that the layers have, so that from now on the directory shows all there is."""
    if directory.complete:
        return
    with KeepTimes(directory.at):
        for name, lower in _names(directory).items():
            _bring(directory.at, name, lower)
    path = raw.path_of(directory.at, b"")
    uid, gid, bits, flags = nodes.read(path + b"/.") or nodes.DEFAULT
    os.setxattr(path, nodes.NAME, nodes.RECORD.pack(uid, gid, bits, flags | nodes.COMPLETE))
    directory.complete = True


def _names(directory: Directory) -> dict[bytes, int]:
    """Names the layers show and the upper tree has not, with the layer each comes from."""
    found: dict[bytes, int] = {}
    hidden = set(list_names(directory.at))
    for lower in directory.lowers:
        names = list_names(lower)
        for name in names:
            if name not in hidden and not name.startswith(nodes.WHITEOUT):
                found[name] = lower
        hidden.update(found)
        hidden.update(name[len(nodes.WHITEOUT) :] for name in names if name.startswith(nodes.WHITEOUT))
    return found


def list_names(at: int) -> list[bytes]:
    descriptor = os.open(b".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=at)
    try:
        return [os.fsencode(name) for name in os.listdir(descriptor)]
    finally:
        os.close(descriptor)


def _bring(at: int, name: bytes, lower: int) -> None:
    kind = raw.kind(raw.stat(lower, name))
    if kind == raw.REGULAR:
        _link_or_copy(at, name, lower)
    elif kind == raw.DIRECTORY:
        _placeholder(at, name, lower)
    elif kind == raw.LINK:
        bring_link(at, name, lower)


def _link_or_copy(at: int, name: bytes, lower: int) -> None:
    try:
        os.link(name, name, src_dir_fd=lower, dst_dir_fd=at, follow_symlinks=False)
    except OSError as error:
        if error.errno not in (errno.EMLINK, errno.EPERM, errno.EXDEV, errno.EACCES):
            raise
        copy(lower, name, at, name)


def bring_link(at: int, name: bytes, lower: int) -> None:
    key = nodes.side_name(name)
    raw.stat(lower, name)
    times = times_of_stat()
    os.symlink(os.readlink(name, dir_fd=lower), name, dir_fd=at)
    raw.utimes(at, name, times)
    if len(key) <= 255 and raw.attribute(lower, b"", key) == nodes.SIDE_RECORD.size:
        uid, gid, _ = nodes.SIDE_RECORD.unpack(raw.VALUE[: nodes.SIDE_RECORD.size])
        raw.stat(at, name)
        value = nodes.SIDE_RECORD.pack(uid, gid, raw.STAT64[raw.INO] & 0xFFFFFFFF)
        os.setxattr(b"/proc/self/fd/%d" % at, key, value)


def copy(source: int, name: bytes, at: int, new: bytes, content: bool = True) -> None:
    """A file of a layer becomes one of the container, whole or not at all."""
    temporary = _temporary()
    old = os.open(name, _READ, dir_fd=source)
    try:
        fresh = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=at)
        try:
            _fill(old, fresh, content)
            raw.rename(at, temporary, at, new)
        except BaseException:
            os.unlink(temporary, dir_fd=at)
            raise
        finally:
            os.close(fresh)
    finally:
        os.close(old)


def _fill(old: int, fresh: int, content: bool) -> None:
    status = os.fstat(old)
    offset = 0
    while content and offset < status.st_size:
        sent = os.sendfile(fresh, old, offset, status.st_size - offset)
        if sent == 0:
            break
        offset += sent
    node = nodes.read(old) or nodes.DEFAULT
    if node._replace(flags=0) != nodes.DEFAULT:
        nodes.write(fresh, node._replace(flags=node.flags & ~nodes.LAYER))
    os.fchmod(fresh, status.st_mode & 0o7777)
    os.utime(fresh, ns=(status.st_atime_ns, status.st_mtime_ns))


def copy_up(directory: Directory, name: bytes, at: int, content: bool = True) -> None:
    """Before a change: the container gets its own copy of a layer's file."""
    with KeepTimes(directory.at):
        copy(at, name, directory.at, name, content)


COMPLETE = nodes.COMPLETE


def flags(at: int) -> int:
    return (nodes.read(raw.path_of(at, b".")) or nodes.DEFAULT).flags


def mark_complete(at: int, name: bytes, uid: int = 0, gid: int = 0, bits: int = nodes.AS_ON_DISK) -> None:
    """A directory that a process makes owes nothing to the layers."""
    os.setxattr(raw.path_of(at, name), nodes.NAME, nodes.RECORD.pack(uid, gid, bits, nodes.COMPLETE))
