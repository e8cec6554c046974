"""How owner, group and mode of a file are kept when no file can be given away: in an extended attribute.

Written by the store (unpacking a layer) and by the runtime (chown in a container), read by both. The real mode always
leaves the engine's own user its way in: u+rwx for directories, u+rw for files. So only what differs is written down.
"""

from __future__ import annotations

import errno
import os
import stat
from struct import Struct
from typing import NamedTuple

NAME = b"user.voldemo"
RECORD = Struct("<IIII")  # uid, gid, permission bits or AS_ON_DISK, flags
AS_ON_DISK = 0xFFFFFFFF

LAYER = 1  # the inode belongs to an image layer: copy it before any change to content or attributes
COMPLETE = 2  # a directory of a container's upper tree that shows all there is: the layers below no longer count

WHITEOUT = b".wh."  # as in an image's tar: ".wh.NAME" hides NAME of the layers below
OPAQUE = b".wh..wh..opq"  # in a directory: nothing of the layers below shows


class Node(NamedTuple):
    uid: int = 0
    gid: int = 0
    mode: int = AS_ON_DISK
    flags: int = 0


DEFAULT = Node()


def read(path: bytes | int) -> Node | None:
    """What is written down for a file or directory (`path` may be an open descriptor); None: nothing is."""
    try:
        value = os.getxattr(path, NAME) if isinstance(path, int) else os.getxattr(path, NAME, follow_symlinks=False)
    except OSError as error:
        if error.errno in (errno.ENODATA, errno.EOPNOTSUPP, errno.EPERM):
            return None
        raise
    return Node(*RECORD.unpack(value)) if len(value) == RECORD.size else None


def write(path: bytes | int, node: Node) -> None:
    follow = isinstance(path, int)
    os.setxattr(path, NAME, RECORD.pack(*node), follow_symlinks=follow)


def real_mode(mode: int, directory: bool) -> int:
    """The permission bits the file itself gets. setuid and setgid are never real; sticky is harmless."""
    return (mode & 0o1777) | (0o700 if directory else 0o600)


def give(path: bytes, uid: int, gid: int, mode: int, flags: int = 0) -> None:
    """Set owner, group, permission bits and flags of a regular file or a directory that is ours."""
    directory = stat.S_ISDIR(os.lstat(path).st_mode)
    real = real_mode(mode, directory)
    os.chmod(path, real)
    write(path, Node(uid, gid, AS_ON_DISK if real == mode else mode, flags))


def side_name(name: bytes) -> bytes:
    """Links, sockets and fifos carry no attribute of the user's: theirs is kept on their directory under this name."""
    return NAME + b"." + name


SIDE_RECORD = Struct(
    "<III"
)  # uid, gid, low 32 bits of the inode number, so that a stale record is told from a true one
