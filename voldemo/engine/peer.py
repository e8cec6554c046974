"""The engine's address: a unix socket of its own user, at which only that user (and root) is served."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from voldemo.engine.errors import Conflict, Failed

CREDENTIALS = struct.Struct("iII")  # struct ucred: pid, uid, gid
BACKLOG = 512
PATH_LIMIT = 107  # sun_path, without its final zero


def uid_of(connection: socket.socket) -> int:
    data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
    return CREDENTIALS.unpack(data)[1]


def may_use(connection: socket.socket) -> bool:
    return uid_of(connection) in (os.geteuid(), 0)


def listen(path: Path) -> socket.socket:
    """Bind `path`, in place of a socket that nobody answers at."""
    if len(os.fsencode(path)) > PATH_LIMIT:
        raise Failed(f"the socket path {path} is longer than the {PATH_LIMIT} bytes a socket path may have")
    try:
        with alone_in(path.parent):
            remove_stale(path)
            return bind(path)
    except OSError as error:
        raise Failed(f"cannot listen at {path}: {(error.strerror or str(error)).lower()}") from None


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Of two engines that start at once, one sees the other's socket."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def remove_stale(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise Conflict(f"{path} is there and is not a socket: it is left alone")
    if answers(path):
        raise Conflict(f"another engine is running at {path}: stop it, or use another socket")
    path.unlink()


def answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)  # a backlog that is full is a living engine too, and no reason to wait
        return probe.connect_ex(str(path)) not in (errno.ECONNREFUSED, errno.ENOENT)


def bind(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)  # the mode is right from the first moment
    try:
        listener.bind(str(path))
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    finally:
        os.umask(before)
    return listener


def identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.lstat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def remove(path: Path, known: tuple[int, int] | None) -> None:
    """Only the socket that was bound, not one that has taken its place."""
    if known is not None and identity(path) == known:
        with suppress(FileNotFoundError):
            path.unlink()
