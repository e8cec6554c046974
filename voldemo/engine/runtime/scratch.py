"""Where rewritten arguments lie: pages of the process that it can read, but neither write nor map anew.

They start at the lowest address that can be mapped at all, so the filter has one rule: hands off below END.
One slot per call under way, because the threads of a process share its memory.
"""

from __future__ import annotations

import ctypes
import errno
import os
from typing import TYPE_CHECKING

from voldemo.engine.runtime import memory, ptrace
from voldemo.engine.runtime.raw import fail

if TYPE_CHECKING:
    from voldemo.engine.runtime.task import Task


def _lowest() -> int:
    with open("/proc/sys/vm/mmap_min_addr", encoding="ascii") as file:  # noqa: PTH123
        return max(0x10000, -(-int(file.read()) // 4096) * 4096)


START = _lowest()
SLOT = 1024
SLOTS = 512
LARGE = 1 << 19  # for argument lists of scripts
LARGES = 2  # the end stays below 0x200000, where the lowest of common programs begin
SIZE = SLOT * SLOTS + LARGE * LARGES
END = START + SIZE

PROT_READ = 1
MAP_FLAGS = 0x2 | 0x20 | 0x4000 | 0x100000  # PRIVATE, ANONYMOUS, NORESERVE, FIXED_NOREPLACE
NR_MMAP = 9


class Space:
    """The slots of one address space."""

    __slots__ = ("used", "used_large")

    def __init__(self) -> None:
        self.used = 0
        self.used_large = 0

    def place(self, task: Task, data: bytes) -> int:
        slot = self._take(len(data))
        task.slots.append((self, slot))
        address = START + slot * SLOT if slot < SLOTS else START + SLOTS * SLOT + (slot - SLOTS) * LARGE
        _write(task, address, data)
        return address

    def _take(self, size: int) -> int:
        if size <= SLOT:
            free = ~self.used & (self.used + 1)
            if free >> SLOTS:
                raise fail(errno.EAGAIN)
            self.used |= free
            return free.bit_length() - 1
        free = ~self.used_large & (self.used_large + 1)
        if size > LARGE or free >> LARGES:
            raise fail(errno.E2BIG if size > LARGE else errno.EAGAIN)
        self.used_large |= free
        return SLOTS + free.bit_length() - 1

    def free(self, slot: int) -> None:
        if slot < SLOTS:
            self.used &= ~(1 << slot)
        else:
            self.used_large &= ~(1 << (slot - SLOTS))


def _write(task: Task, address: int, data: bytes) -> None:
    try:
        if os.pwrite(memory.opened(task), data, address) == len(data):
            return
    except OSError:
        pass  # a kernel that forbids writing to read-only pages this way still lets ptrace do it
    padded = data + bytes(-len(data) % 8)
    for offset in range(0, len(padded), 8):
        ptrace.poke(task.pid, address + offset, int.from_bytes(padded[offset : offset + 8], "little"))


def map_here() -> None:
    """In the child of spawn(), which has no other way to get it before its first program."""
    mmap = ptrace.libc.mmap
    mmap.restype = ctypes.c_void_p
    mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
    if mmap(START, SIZE, PROT_READ, MAP_FLAGS, -1, 0) != START:
        raise fail(ctypes.get_errno() or errno.ENOMEM)


def registers_for_mmap(syscall_address: int) -> None:
    """Set the registers of a stopped process so that its next step maps the scratch pages."""
    registers = ptrace.registers
    for register, value in zip(ptrace.ARGUMENTS, (START, SIZE, PROT_READ, MAP_FLAGS, ptrace.WORD, 0), strict=True):
        registers[register] = value
    registers[ptrace.RAX] = NR_MMAP
    registers[ptrace.ORIG_RAX] = ptrace.WORD
    registers[ptrace.RIP] = syscall_address
