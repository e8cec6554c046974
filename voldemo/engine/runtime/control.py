"""What engine, warm parent and tracers say to each other: one JSON object a packet, descriptors beside it."""

from __future__ import annotations

import array
import json
import os
import socket
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from voldemo.engine.runtime.spec import Limit, Mount, Program, Spec, User

_PACKET = 32 * 1024
_BODY_LIMIT = 16 * 1024 * 1024
_IN_A_FILE = b"+"  # too long for a packet: the last descriptor is a file that holds it
_MOST_DESCRIPTORS = 8

Message = dict[str, Any]


def pair() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def send(to: socket.socket, message: Message, descriptors: Sequence[int] = ()) -> None:
    body = json.dumps(message).encode()
    if len(body) <= _PACKET:
        _send(to, body, descriptors)
        return
    file = _file_with(body)
    try:
        _send(to, _IN_A_FILE, [*descriptors, file])
    finally:
        os.close(file)


def receive(source: socket.socket) -> tuple[Message, list[int]] | None:
    """None: nobody is there any more. Raises BlockingIOError when a non-blocking socket has nothing."""
    try:
        body, descriptors = _receive(source)
    except ConnectionError:
        return None
    if not body:
        return None
    if body == _IN_A_FILE:
        body = _content(descriptors.pop())
    return json.loads(body), descriptors


def close(descriptors: Sequence[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def _send(to: socket.socket, body: bytes, descriptors: Sequence[int]) -> None:
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
    to.sendmsg([body], rights, socket.MSG_NOSIGNAL)


def _receive(source: socket.socket) -> tuple[bytes, list[int]]:
    room = socket.CMSG_SPACE(_MOST_DESCRIPTORS * array.array("i").itemsize)
    body, ancillary, flags, _ = source.recvmsg(_PACKET + 1, room, socket.MSG_CMSG_CLOEXEC)
    descriptors = array.array("i")
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            descriptors.frombytes(data[: len(data) - len(data) % descriptors.itemsize])
    if flags & (socket.MSG_CTRUNC | socket.MSG_TRUNC):
        close(descriptors)
        raise ValueError("a packet was cut short")
    return body, list(descriptors)


def _file_with(body: bytes) -> int:
    file = os.memfd_create("message", os.MFD_CLOEXEC)
    with open(file, "wb", closefd=False) as out:
        out.write(body)
    return file


def _content(file: int) -> bytes:
    try:
        size = os.fstat(file).st_size
        if size > _BODY_LIMIT:
            raise ValueError("a message is too long")
        return os.pread(file, size, 0)
    finally:
        os.close(file)


def pack(value: Spec | Program) -> Message:
    return asdict(value)


def unpack_spec(value: Message) -> Spec:
    parts = {
        "program": unpack_program(value["program"]),
        "layers": tuple(value["layers"]),
        "mounts": tuple(Mount(**mount) for mount in value["mounts"]),
        "limits": tuple(Limit(**limit) for limit in value["limits"]),
    }
    return Spec(**(value | parts))


def unpack_program(value: Message) -> Program:
    user = value["user"]
    parts = {
        "argv": tuple(value["argv"]),
        "env": tuple(value["env"]),
        "user": User(user["uid"], user["gid"], tuple(user["groups"])),
    }
    return Program(**(value | parts))
