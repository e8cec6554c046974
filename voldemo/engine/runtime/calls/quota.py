"""Writes into a mount of limited size: cut to what fits, then refused. Only stopped for where there is such a mount."""

from __future__ import annotations

import errno
from struct import pack, unpack_from

from voldemo.engine.runtime import descriptors, memory, raw
from voldemo.engine.runtime.calls import Handler
from voldemo.engine.runtime.descriptors import signed
from voldemo.engine.runtime.numbers import NUMBER
from voldemo.engine.runtime.raw import AT_FDCWD, REGULAR
from voldemo.engine.runtime.task import Task

ENOSPC = -errno.ENOSPC
_APPEND = 0o2000
_MOST_VECTORS = 1024
_KEEP_SIZE, _PUNCH_HOLE = 1, 2


def _position(task: Task, descriptor: int) -> int:
    with open(b"/proc/%d/fdinfo/%d" % (task.pid, signed(descriptor)), "rb") as file:  # noqa: PTH123
        words = file.read().split()
    return raw.STAT64[raw.SIZE] if int(words[3], 8) & _APPEND else int(words[1])


def _room(task: Task, descriptor: int, count: int, position: int | None) -> int | None:
    """How many bytes of a write fit; None: not on a mount with a limit."""
    path = descriptors.path_of(task, descriptor)
    if raw.kind(raw.stat(AT_FDCWD, path, 0)) != REGULAR:
        return None
    mount = descriptors.mount_of(task, path)
    if mount is None or mount.quota is None:
        return None
    if position is None:
        position = _position(task, descriptor)
    return mount.quota.reserve(raw.STAT64[raw.INO], position, count)


def _write(task: Task, descriptor: int, count: int, count_index: int, position: int | None) -> int | None:
    room = _room(task, descriptor, count, position)
    if room is None or room == count:
        return None
    if room == 0:
        return ENOSPC
    task.argument(count_index, room)
    return None


def write(task: Task, descriptor: int, _: int, count: int, *__: int) -> int | None:
    return _write(task, descriptor, count, 2, None)


def pwrite64(task: Task, descriptor: int, _: int, count: int, position: int, *__: int) -> int | None:
    return _write(task, descriptor, count, 2, position)


def sendfile(task: Task, descriptor: int, _: int, __: int, count: int, *___: int) -> int | None:
    return _write(task, descriptor, count, 3, None)


def copy_file_range(task: Task, _: int, __: int, descriptor: int, position: int, count: int, *___: int) -> int | None:
    at = unpack_from("<Q", memory.read(task, position, 8))[0] if position else None
    return _write(task, descriptor, count, 4, at)


def splice(task: Task, _: int, __: int, descriptor: int, position: int, count: int, *___: int) -> int | None:
    at = unpack_from("<Q", memory.read(task, position, 8))[0] if position else None
    return _write(task, descriptor, count, 4, at)


def writev(task: Task, descriptor: int, vector: int, count: int, *_: int) -> int | None:
    return _vector(task, descriptor, vector, count, None)


def pwritev(task: Task, descriptor: int, vector: int, count: int, position: int, *_: int) -> int | None:
    return _vector(task, descriptor, vector, count, None if signed(position) == -1 else position)


def _vector(task: Task, descriptor: int, vector: int, count: int, position: int | None) -> int | None:
    count = min(count, _MOST_VECTORS)
    data = memory.read(task, vector, 16 * count) if count else b""
    parts = [unpack_from("<QQ", data, 16 * index) for index in range(count)]
    total = sum(length for _, length in parts)
    room = _room(task, descriptor, total, position)
    if room is None:
        return None
    if room == 0 and total:
        return ENOSPC
    task.point(1, b"".join(_cut(parts, room)) or bytes(16))
    return None


def _cut(parts: list[tuple[int, int]], room: int) -> list[bytes]:
    found = []
    for address, length in parts:
        length = min(length, room)
        room -= length
        found.append(pack("<QQ", address, length))
    return found


def fallocate(task: Task, descriptor: int, mode: int, offset: int, length: int, *_: int) -> int | None:
    if mode & _PUNCH_HOLE:
        return None
    room = _room(task, descriptor, length, offset)
    return None if room is None or room == length else ENOSPC


def ftruncate(task: Task, descriptor: int, length: int, *_: int) -> int | None:
    path = descriptors.path_of(task, descriptor)
    if raw.kind(raw.stat(AT_FDCWD, path, 0)) != REGULAR:
        return None
    size = raw.STAT64[raw.SIZE]
    mount = descriptors.mount_of(task, path)
    if mount is None or mount.quota is None:
        return None
    if length > size:
        return None if mount.quota.reserve(raw.STAT64[raw.INO], 0, length) == length else ENOSPC
    task.at_exit = lambda _task, _result: mount.quota.forget()
    return None


HANDLERS: dict[int, Handler] = {
    NUMBER[name]: handler
    for name, handler in {
        "write": write,
        "pwrite64": pwrite64,
        "writev": writev,
        "pwritev": pwritev,
        "pwritev2": pwritev,
        "fallocate": fallocate,
        "ftruncate": ftruncate,
        "sendfile": sendfile,
        "splice": splice,
        "copy_file_range": copy_file_range,
    }.items()
}
