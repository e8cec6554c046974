"""Copying one file's content or a whole directory of a container."""

# Names of files in a container are bytes, which pathlib cannot hold.
# ruff: noqa: PTH101, PTH102, PTH208, PTH211

from __future__ import annotations

import errno
import os
import stat

from voldemo.engine import nodes
from voldemo.engine.store.files import room
from voldemo.engine.store.pins import Folder
from voldemo.engine.store.view import Found, View

READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
PIECE = 1 << 20


def open_file(path: bytes) -> int:
    """Raises FileNotFoundError too when a link has taken its place: something runs there."""
    try:
        return os.open(path, READ)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise FileNotFoundError(error.errno, error.strerror) from None


def copy_content(source: int, target: int) -> None:
    """As much as there is now: a file that grows while it is copied would never end."""
    left = os.fstat(source).st_size
    while left and (data := os.read(source, min(PIECE, left))):
        left -= len(data)
        while data:
            data = data[os.write(target, data) :]


def give(descriptor: int, uid: int, gid: int, mode: int, flags: int = 0) -> None:
    """As nodes.give, for an open file."""
    real = nodes.real_mode(mode, False)
    os.fchmod(descriptor, real)
    nodes.write(descriptor, nodes.Node(uid, gid, nodes.AS_ON_DISK if real == mode else mode, flags))


def copy_file(found: Found, place: bytes, flags: int = 0) -> None:
    source = open_file(found.real)
    try:
        target = os.open(place, NEW, 0o600)
        try:
            copy_content(source, target)
            give(target, found.uid, found.gid, found.mode, flags)
            os.utime(target, ns=(found.mtime_ns, found.mtime_ns))
        finally:
            os.close(target)
    finally:
        os.close(source)


def copy_special(found: Found, place: bytes) -> None:
    """A link or a fifo."""
    if found.is_link:
        os.symlink(found.link, place)
    else:
        os.mkfifo(place, nodes.real_mode(found.mode, False))
    os.utime(place, ns=(found.mtime_ns, found.mtime_ns), follow_symlinks=False)
    own_special(place, found.uid, found.gid)


def own_special(place: bytes, uid: int, gid: int) -> None:
    from voldemo.engine.store.unpack import OPEN_DIRECTORY, give_link

    folder, _, name = place.rpartition(b"/")
    above = os.open(folder, OPEN_DIRECTORY)
    try:
        give_link(above, name, uid, gid)
    finally:
        os.close(above)


def copy_directory(view: View, found: Found, target: Folder) -> None:
    """All that `found` shows, into the directory, with owners, modes and times; no devices, no sockets."""
    pending = [(found, target)]
    done: list[tuple[Found, Folder]] = []
    copied: dict[tuple[int, int], tuple[Folder, bytes]] = {}
    with room():
        while pending:
            folder, into = pending.pop()
            nodes.give(into.path, folder.uid, folder.gid, folder.mode)
            done.append((folder, into))
            for name in view.names(folder):
                child = view.child(folder, name)
                if child is not None and child.is_dir:
                    os.mkdir(into.at(name), 0o700)
                    pending.append((child, into.enter(name)))
                elif child is not None:
                    _copy_one(child, into, name, copied)
        for folder, into in reversed(done):
            os.utime(into.path, ns=(folder.mtime_ns, folder.mtime_ns))


def _copy_one(child: Found, into: Folder, name: bytes, copied: dict[tuple[int, int], tuple[Folder, bytes]]) -> None:
    inode = (child.stat.st_dev, child.stat.st_ino)
    place = into.at(name)
    if child.stat.st_nlink > 1 and inode in copied:
        first, called = copied[inode]
        os.link(first.at(called), place, follow_symlinks=False)
        return
    if stat.S_ISREG(child.stat.st_mode):
        copy_file(child, place)
    elif child.kind in ("symlink", "fifo"):
        copy_special(child, place)
    else:
        return
    copied[inode] = (into, name)
