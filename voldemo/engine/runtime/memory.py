"""The memory of a stopped process, through /proc/PID/mem (process_vm_readv is refused in many pods)."""

from __future__ import annotations

import errno
import os
from os import pread, pwrite
from typing import TYPE_CHECKING

from voldemo.engine.runtime.raw import fail

if TYPE_CHECKING:
    from voldemo.engine.runtime.task import Task

PATH_MAX = 4096
_PAGE = 4096
_TOP = 1 << 47


def opened(task: Task) -> int:
    if task.memory < 0:
        task.memory = os.open(b"/proc/%d/mem" % task.pid, os.O_RDWR | os.O_CLOEXEC)
    return task.memory


def read(task: Task, address: int, size: int) -> bytes:
    """Exactly `size` bytes."""
    if not 0 < address < _TOP:
        raise fail(errno.EFAULT)
    try:
        data = pread(opened(task), size, address)
    except OSError:
        raise fail(errno.EFAULT) from None
    if len(data) != size:
        raise fail(errno.EFAULT)
    return data


def write(task: Task, address: int, data: bytes | bytearray | memoryview) -> None:
    if not 0 < address < _TOP:
        raise fail(errno.EFAULT)
    try:
        written = pwrite(opened(task), data, address)
    except OSError:
        raise fail(errno.EFAULT) from None
    if written != len(data):
        raise fail(errno.EFAULT)


def string(task: Task, address: int) -> bytes:
    """A path: up to its zero byte, refused when there is none within PATH_MAX."""
    if not 0 < address < _TOP:
        raise fail(errno.EFAULT)
    try:
        data = pread(opened(task), 256, address)  # short at the end of a mapping
    except OSError:
        raise fail(errno.EFAULT) from None
    end = data.find(0)
    if end >= 0:
        return data[:end]
    return _long_string(task, address)


def _long_string(task: Task, address: int) -> bytes:
    found = bytearray()
    while len(found) < PATH_MAX:
        part = read(task, address, _PAGE - address % _PAGE)
        end = part.find(0)
        if end >= 0:
            found += part[:end]
            break
        found += part
        address += len(part)
    if len(found) >= PATH_MAX:
        raise fail(errno.ENAMETOOLONG)
    return bytes(found)
