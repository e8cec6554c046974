"""Addresses of sockets: unix ones are paths of the container, "any" and loopback are its own loopback address."""

from __future__ import annotations

import errno
import os
import socket
from struct import pack, pack_into, unpack, unpack_from
from typing import NamedTuple

from voldemo.engine.runtime import descriptors, memory, owners, raw
from voldemo.engine.runtime.calls import call, changing, internet
from voldemo.engine.runtime.calls.names import heirs
from voldemo.engine.runtime.credentials import WRITE
from voldemo.engine.runtime.descriptors import signed
from voldemo.engine.runtime.directory import Found
from voldemo.engine.runtime.numbers import NUMBER
from voldemo.engine.runtime.ptrace import ORIG_RAX, registers
from voldemo.engine.runtime.raw import AT_FDCWD, SOCKET, fail, kind
from voldemo.engine.runtime.task import Task

UNIX, INET, INET6 = socket.AF_UNIX, internet.INET, internet.INET6
MOST = 128
_HEADER = 56  # struct msghdr
_ENTRY = 64  # struct mmsghdr


class Address(NamedTuple):
    data: bytes
    found: Found | None = None  # a unix socket with a path


def _read(task: Task, address: int, length: int) -> bytes:
    length = signed(length)
    if not 0 <= length <= MOST:
        raise fail(errno.EINVAL)
    return memory.read(task, address, length) if length else b""


def _family(data: bytes) -> int:
    return unpack_from("<H", data)[0] if len(data) >= 2 else 0


# -- unix


def _abstract(task: Task, data: bytes) -> bytes:
    """Names without a path are the machine's: each container gets its own by a prefix."""
    prefix = _prefix(task)
    name = data[3:]
    if len(name) + len(prefix) > 107:
        raise fail(errno.EINVAL)
    return data[:3] + prefix + name


def _prefix(task: Task) -> bytes:
    return os.fsencode(task.world.spec.id[:12]) + b":"


def _unix(task: Task, data: bytes, making: bool) -> Address:
    if len(data) <= 2:
        return Address(data)
    if data[2] == 0:
        return Address(_abstract(task, data))
    path = data[2:].split(b"\0", 1)[0]
    found = descriptors.find(task, AT_FDCWD, path, not making)
    if making:
        if found.mode:
            raise fail(errno.EADDRINUSE)
        changing.names(task, found)
        found.at = os.dup(found.directory.at)  # still there when the call is over, whatever becomes of the directory
        place = task.hold(found.at) + b"/" + found.name
    else:
        place = task.hold(_socket(task, found))
    text = b"\1\0" + place + b"\0"
    if len(text) > 110:
        raise fail(errno.ENAMETOOLONG)
    return Address(text, found)


def _socket(task: Task, found: Found) -> int:
    """The very socket that was looked at."""
    changing.existing(found)
    if found.magic or kind(found.mode) != SOCKET:
        raise fail(errno.ECONNREFUSED)
    if not task.credential.may(changing.owner_of(found), WRITE):
        raise fail(errno.EACCES)
    with raw.Pinned(found.at, found.name) as node:
        if kind(node.mode) != SOCKET:
            raise fail(errno.ECONNREFUSED)
        return os.dup(node.descriptor)


def _translated(task: Task, data: bytes, making: bool = False, only6: bool = False) -> Address:
    family = _family(data)
    if family == UNIX:
        return _unix(task, data, making)
    if family == INET:
        return Address(internet.inet(task, data))
    if family == INET6:
        return Address(internet.inet6(task, data, only6 if making else internet.listens_only6(task, data)))
    return Address(data)


# -- the calls


def _rewrite(task: Task, pointer: int, length: int, index: int, making: bool = False, only6: bool = False) -> Address:
    """Always a copy, changed or not: another thread could turn one address into another after the look at it."""
    data = _read(task, pointer, length)
    address = _translated(task, data, making, only6)
    if address.data:
        task.point(index, address.data)
    else:
        task.argument(index, 0)
    task.argument(index + 1, len(address.data))
    return address


@call("connect")
def connect(task: Task, _: int, pointer: int, length: int, *__: int) -> int | None:
    address = _rewrite(task, pointer, length, 1)

    def done(_: Task, result: int) -> int | None:
        return -errno.ECONNREFUSED if result == -errno.EADDRNOTAVAIL else None

    if _family(address.data) == INET6:
        task.at_exit = done
    return None


@call("bind")
def bind(task: Task, descriptor: int, pointer: int, length: int, *_: int) -> int | None:
    only6 = internet.is_only6(task, descriptor)
    address = _rewrite(task, pointer, length, 1, True, only6)
    found = address.found
    owner = heirs(task, owners.of_directory(found.directory)) if found else (0, 0)
    path = memory.read(task, pointer, signed(length))[2:].split(b"\0", 1)[0] if found else b""

    def done(task: Task, result: int) -> int | None:
        if result == 0 and found is not None:
            task.world.bound[address.data[2:-1]] = path
            _socket_made(task, found, *owner)
        if result == 0 and _family(address.data) == INET6:
            internet.bound(task, address.data, only6)
        return None

    task.at_exit = done
    return None


def _socket_made(task: Task, found: Found, uid: int, gid: int) -> None:
    found.mode = raw.stat(found.at, found.name)
    if kind(found.mode) == SOCKET:
        owners.set_owner(found, uid, gid, 0o777 & ~task.place.umask, 0)


@call("sendto")
def sendto(task: Task, _: int, __: int, ___: int, ____: int, pointer: int, length: int) -> int | None:
    if not pointer:
        return None
    _rewrite(task, pointer, length, 4)
    return None


def _header(task: Task, pointer: int) -> bytes:
    """A copy of a message header, its address a copy in turn."""
    header = bytearray(memory.read(task, pointer, _HEADER))
    name, length = unpack_from("<QI", header)
    if name and length:
        address = _translated(task, _read(task, name, length))
        place = task.space.place(task, address.data)
        pack_into("<QI", header, 0, place, len(address.data))
    return bytes(header)


@call("sendmsg")
def sendmsg(task: Task, _: int, pointer: int, *__: int) -> int | None:
    task.point(1, _header(task, pointer))
    return None


@call("sendmmsg")
def sendmmsg(task: Task, _: int, vector: int, count: int, flags: int, *__: int) -> int | None:
    """One message at a time, which the call may do anyway."""
    if not count & 0xFFFFFFFF:
        return 0
    task.restore.append((ORIG_RAX, registers[ORIG_RAX]))
    registers[ORIG_RAX] = NUMBER["sendmsg"]
    task.point(1, _header(task, vector))
    task.argument(2, flags)

    def done(task: Task, result: int) -> int | None:
        if result < 0:
            return None
        memory.write(task, vector + _HEADER, pack("<I", result))
        return 1

    task.at_exit = done
    return None


# -- addresses told back


def _virtual(task: Task, data: bytes) -> bytes:
    prefix = _prefix(task)
    if data[2:3] == b"\0":
        return data[:3] + data[3 + len(prefix) :] if data[3:].startswith(prefix) else data
    path = data[2:].split(b"\0", 1)[0]
    mapped = task.world.bound.get(path)
    return b"\1\0" + mapped + b"\0" if mapped else data[:2]


@call("getsockname", "getpeername")
def name_of_socket(task: Task, _: int, pointer: int, length_pointer: int, *__: int) -> int | None:
    (room,) = unpack("<I", memory.read(task, length_pointer, 4))

    def done(task: Task, result: int) -> int | None:
        if result == 0 and room >= 2:
            _tell(task, pointer, length_pointer, room)
        return None

    task.at_exit = done
    return None


def _tell(task: Task, pointer: int, length_pointer: int, room: int) -> None:
    (length,) = unpack("<I", memory.read(task, length_pointer, 4))
    data = memory.read(task, pointer, min(length, room, MOST))
    if _family(data) == INET6:
        virtual = internet.told(task, data)
    elif _family(data) == UNIX and len(data) >= 3:
        virtual = _virtual(task, data)
    else:
        return
    memory.write(task, pointer, virtual[:room])
    memory.write(task, length_pointer, pack("<I", len(virtual)))


@call("getsockopt")
def peer_credentials(task: Task, _: int, __: int, ___: int, pointer: int, *____: int) -> int | None:
    """SO_PEERCRED: the ids the container knows."""

    def done(task: Task, result: int) -> int | None:
        if result == 0:
            (pid,) = unpack("<i", memory.read(task, pointer, 4))
            peer = task.world.tasks.get(pid)
            uid, gid = (peer.credential.uids.effective, peer.credential.gids.effective) if peer else (0, 0)
            memory.write(task, pointer + 4, pack("<II", uid, gid))
        return None

    task.at_exit = done
    return None


@call("ioctl")
def terminal_number(task: Task, descriptor: int, *_: int) -> None:
    """TIOCGPTN: a terminal this container has made is one it may open. Its number is the kernel's word: the answer in
    the process's memory could be another thread's."""
    for line in descriptors.about(task, descriptor):
        if line.startswith(b"tty-index:"):
            task.world.special.devices.allow(int(line.split()[1]))
