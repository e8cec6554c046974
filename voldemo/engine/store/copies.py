"""Copying one file's content or a whole directory of a container."""

# Names of files in a container are bytes, which pathlib cannot hold.
# ruff: noqa: PTH102, PTH211

from __future__ import annotations

import os
import stat

from voldemo.engine import nodes
from voldemo.engine.store.files import room
from voldemo.engine.store.view import Found, View

READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
PIECE = 1 << 20


def copy_content(source: int, target: int) -> None:
    """As much as there is now: a file that grows while it is copied would never end."""
    left = os.fstat(source).st_size
    while left and (data := os.read(source, min(PIECE, left))):
        left -= len(data)
        while data:
            data = data[os.write(target, data) :]


def copy_file(found: Found, place: bytes, flags: int = 0) -> None:
    source = os.open(found.real, READ)
    try:
        target = os.open(place, NEW, 0o600)
        try:
            copy_content(source, target)
            real = nodes.real_mode(found.mode, False)
            os.fchmod(target, real)
            mode = nodes.AS_ON_DISK if real == found.mode else found.mode
            nodes.write(target, nodes.Node(found.uid, found.gid, mode, flags))
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


def copy_directory(view: View, found: Found, place: bytes) -> None:
    """All that `found` shows, into the directory `place`, with owners, modes and times; no devices, no sockets."""
    pending = [(found, place)]
    done: list[tuple[Found, bytes]] = []
    copied: dict[tuple[int, int], bytes] = {}
    with room():
        while pending:
            folder, target = pending.pop()
            nodes.give(target, folder.uid, folder.gid, folder.mode)
            done.append((folder, target))
            for name in view.names(folder):
                child = view.child(folder, name)
                if child is None:
                    continue
                if child.is_dir:
                    os.mkdir(target + b"/" + name, 0o700)
                    pending.append((child, target + b"/" + name))
                else:
                    _copy_one(child, target + b"/" + name, copied)
        for folder, target in reversed(done):
            os.utime(target, ns=(folder.mtime_ns, folder.mtime_ns))


def _copy_one(child: Found, place: bytes, copied: dict[tuple[int, int], bytes]) -> None:
    inode = (child.stat.st_dev, child.stat.st_ino)
    if child.stat.st_nlink > 1 and inode in copied:
        os.link(copied[inode], place, follow_symlinks=False)
        return
    if stat.S_ISREG(child.stat.st_mode):
        copy_file(child, place)
    elif child.kind in ("symlink", "fifo"):
        copy_special(child, place)
    else:
        return
    copied[inode] = place
