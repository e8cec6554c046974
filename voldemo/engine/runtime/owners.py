"""Owner, group and permission bits as the container sees them, kept as `nodes` says."""

from __future__ import annotations

import errno
import os
from struct import unpack_from
from typing import TYPE_CHECKING

from voldemo.engine import nodes
from voldemo.engine.runtime import raw
from voldemo.engine.runtime.credentials import Owner

if TYPE_CHECKING:
    from voldemo.engine.runtime.directory import Directory, Found
    from voldemo.engine.runtime.mounts import MountPoint

_SIZE = nodes.RECORD.size
_SIDE_SIZE = nodes.SIDE_RECORD.size


def owner(at: int, name: bytes, mount: MountPoint) -> Owner:
    """Of the node whose stat has just been made: it needs raw.STAT."""
    mode = raw.STAT32[raw.MODE]
    kind = mode & 0o170000
    if mount.recorded:
        if kind in (raw.REGULAR, raw.DIRECTORY):
            if raw.attribute(at, name, nodes.NAME) == _SIZE:
                return _of_record(mode, kind)
        elif name:
            found = _of_side_record(at, name, mode)
            if found is not None:
                return found
    return _unrecorded(name, mount, mode)


def _unrecorded(name: bytes, mount: MountPoint, mode: int) -> Owner:
    if mount.real_owners:
        return raw.STAT32[raw.UID], raw.STAT32[raw.GID], mode, 0
    if mount.owner_of is not None:
        return *mount.owner_of(name), mode, 0
    return 0, 0, mode, 0


def _of_record(mode: int, kind: int) -> Owner:
    uid, gid, bits, flags = unpack_from("<IIII", raw.VALUE)
    return uid, gid, mode if bits == nodes.AS_ON_DISK else kind | bits & 0o7777, flags


def _of_side_record(at: int, name: bytes, mode: int) -> Owner | None:
    if raw.attribute(at, b"", nodes.side_name(name)) != _SIDE_SIZE:
        return None
    uid, gid, inode = unpack_from("<III", raw.VALUE)
    return (uid, gid, mode, 0) if inode == raw.STAT64[raw.INO] & 0xFFFFFFFF else None


def of_path(path: bytes, mount: MountPoint) -> Owner:
    """The same for an open file, by its /proc path; a socket or pipe there has no name, so no record either."""
    mode = raw.STAT32[raw.MODE]
    kind = mode & 0o170000
    if mount.recorded and kind in (raw.REGULAR, raw.DIRECTORY) and raw.attribute_of_path(path, nodes.NAME) == _SIZE:
        return _of_record(mode, kind)
    return _unrecorded(path[6:], mount, mode)


def of(found: Found) -> Owner:
    raw.stat(found.at, found.name)
    return owner(found.at, found.name, found.mount)


def of_directory(directory: Directory) -> Owner:
    """Remembered where nobody else can change it."""
    if directory.owner is not None:
        return directory.owner
    raw.stat(directory.at, directory.prefix)
    answer = owner(directory.at, directory.prefix, directory.mount)
    if not directory.mount.shared:
        directory.owner = answer
    return answer


def set_owner(found: Found, uid: int, gid: int, bits: int, flags: int) -> None:
    """Write down who owns a node and what its permission bits are; the real ones keep our own way in open."""
    kind = raw.kind(found.mode)
    if kind == raw.LINK:
        set_side(found.at, found.name, uid, gid, found.mount)
        return
    with raw.Pinned(found.at, found.name) as node:
        if raw.kind(node.mode) != kind:
            raise raw.fail(errno.ESTALE)
        if kind in (raw.REGULAR, raw.DIRECTORY):
            _write(node, found.mount, uid, gid, bits, flags)
            return
        os.chmod(node.path, bits & 0o777)
    set_side(found.at, found.name, uid, gid, found.mount)


def _write(node: raw.Pinned, mount: MountPoint, uid: int, gid: int, bits: int, flags: int) -> None:
    real = nodes.real_mode(bits, raw.kind(node.mode) == raw.DIRECTORY)
    if node.mode & 0o7777 != real:
        os.chmod(node.path, real)
    set_record(node.path, mount, uid, gid, nodes.AS_ON_DISK if real == bits else bits, flags)


def set_record(path: bytes | int, mount: MountPoint, uid: int, gid: int, bits: int, flags: int) -> None:
    if (uid, gid, bits, flags) == (0, 0, nodes.AS_ON_DISK, 0) and not mount.real_owners:
        _remove(path)
    else:
        os.setxattr(path, nodes.NAME, nodes.RECORD.pack(uid, gid, bits, flags))


def _remove(path: bytes | int) -> None:
    try:
        os.removexattr(path, nodes.NAME)
    except OSError as error:
        if error.errno != errno.ENODATA:
            raise


def set_side(at: int, name: bytes, uid: int, gid: int, mount: MountPoint) -> None:
    """A link, socket or fifo carries no attribute of its own. Where even the directory cannot, root owns it."""
    key = nodes.side_name(name)
    if len(key) > 255 or not name:
        return
    had = raw.attribute(at, b"", key) >= 0
    if had or (uid, gid) != (0, 0) or mount.real_owners:
        raw.stat(at, name)
        value = nodes.SIDE_RECORD.pack(uid, gid, raw.STAT64[raw.INO] & 0xFFFFFFFF)
        os.setxattr(b"/proc/self/fd/%d" % at, key, value)
