"""Addresses of the internet: "any" and the machine's loopback are addresses of the container's own.

All of them are IPv4, for the machine has only one loopback address of IPv6. A socket for both families gets the
container's address mapped into IPv6; one for IPv6 only gets its twin, so that both families have all ports.
"""

from __future__ import annotations

import socket
from struct import unpack, unpack_from

from voldemo.engine.runtime import descriptors, memory
from voldemo.engine.runtime.calls import call
from voldemo.engine.runtime.descriptors import signed
from voldemo.engine.runtime.task import Task

INET, INET6 = socket.AF_INET, socket.AF_INET6
_MOST = 20000
_LOOPBACK = b"\x7f\0\0\1"
_ANY = bytes(4)
_ANY6, _LOOPBACK6 = bytes(16), bytes(15) + b"\1"
_MAPPED = bytes(10) + b"\xff\xff"


def inet(task: Task, data: bytes) -> bytes:
    if len(data) >= 16 and data[4:8] in (_ANY, _LOOPBACK):
        return data[:4] + _own(task, data[4:8]) + data[8:]
    return data


def inet6(task: Task, data: bytes, twin: bool) -> bytes:
    """`twin`: it is for IPv6 only."""
    address = data[8:24]
    if len(data) < 24:
        return data
    if task.world.spec.address and address in (_ANY6, _LOOPBACK6):
        own = _twin(task) if twin else _own(task, _LOOPBACK)
    elif address in (_MAPPED + _ANY, _MAPPED + _LOOPBACK):
        own = _own(task, address[12:])
    else:
        return data
    return data[:8] + _MAPPED + own + data[24:]


def _own(task: Task, address: bytes) -> bytes:
    own = task.world.spec.address
    return socket.inet_aton(own) if own else address


def _twin(task: Task) -> bytes:
    own = socket.inet_aton(task.world.spec.address)
    return own[:1] + bytes([own[1] + 1]) + own[2:]


# -- sockets for IPv6 only


def is_only6(task: Task, descriptor: int) -> bool:
    return descriptors.text_of(descriptors.path_of(task, descriptor)) in task.world.only6


def listens_only6(task: Task, data: bytes) -> bool:
    return port(data) in task.world.ports6


def bound(task: Task, data: bytes, only6: bool) -> None:
    if only6:
        task.world.ports6.add(port(data))
    else:
        task.world.ports6.discard(port(data))


def port(data: bytes) -> int:
    return unpack_from(">H", data, 2)[0]


def told(task: Task, data: bytes) -> bytes:
    """An address that the kernel tells a program about its own socket. Its port may have been unknown until now."""
    if len(data) < 24 or not task.world.spec.address or data[8:24] != _MAPPED + _twin(task):
        return data
    task.world.ports6.add(port(data))
    return data[:8] + _LOOPBACK6 + data[24:]


@call("setsockopt")
def only_ipv6(task: Task, descriptor: int, _: int, __: int, pointer: int, length: int, *___: int) -> None:
    """IPV6_V6ONLY: noted, for the kernel's own socket must be able to take an address of ours."""
    if not task.world.spec.address or signed(length) < 4:
        return
    wanted = unpack("<i", memory.read(task, pointer, 4))[0] != 0
    task.point(3, bytes(4))
    task.argument(4, 4)

    def done(task: Task, result: int) -> None:
        if result == 0:
            _note(task.world.only6, descriptors.text_of(descriptors.path_of(task, descriptor)), wanted)

    task.at_exit = done


def _note(only6: set[bytes], name: bytes, wanted: bool) -> None:
    if not wanted:
        only6.discard(name)
        return
    if len(only6) > _MOST:
        only6.clear()
    only6.add(name)
