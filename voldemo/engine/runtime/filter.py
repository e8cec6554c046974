"""The seccomp filter: which calls run, which stop for the tracer, which are refused without a stop."""

from __future__ import annotations

import ctypes
import errno
from struct import pack

from voldemo.engine.runtime import scratch
from voldemo.engine.runtime.numbers import BY_ARGUMENTS, EMULATED, LET_THROUGH, NUMBER, QUOTA, REFUSED
from voldemo.engine.runtime.ptrace import libc
from voldemo.engine.runtime.raw import fail

ALLOW, TRACE, ERRNO = 0x7FFF0000, 0x7FF00000, 0x00050000
_X86_64 = 0xC000003E
_LOAD, _AND, _EQUAL, _ANY_BIT, _AT_LEAST, _RETURN = 0x20, 0x54, 0x15, 0x45, 0x35, 0x06
_NR, _ARCH = 0, 4
_SECCOMP, _SET_FILTER = 317, 1
_SPEC_ALLOW = 4  # as Docker does: without it, kernels before 5.16 slow every filtered process down

Instruction = tuple[int, int, int, int]
Block = list[Instruction]

MAP_FIXED, MREMAP_FIXED, SHM_REMAP = 0x10, 2, 0o40000
CLONE_REFUSED = 0x00800000 | 0x00020000 | 0x7E000000  # UNTRACED, and every namespace
NEW_LISTENER = 8  # a listener of its own could answer "go on" in our place
FAMILIES = (1, 2, 10, 16)  # unix, inet, inet6, netlink
PRCTL_TRACED = (4, 7, 8, 23, 24, 27, 28, 47)  # dumpable, keepcaps, bounding set, securebits, ambient set
PRCTL_REFUSED = (35, 62, 0x59616D61)  # PR_SET_MM, PR_SCHED_CORE (of any process of this user), PR_SET_PTRACER
IOCTL_REFUSED = (0x5412, 0x541C, 0x541D, 0x8901, 0x8902)  # TIOCSTI, TIOCLINUX, TIOCCONS, FIOSETOWN, SIOCSPGRP
TIOCGPTN = 0x80045430
IOCTL_FILES = (0x94, 0x66, 0x58, 0x76)  # flags, versions, snapshots: changes that need no descriptor open for writing
IOCTL_GETFLAGS = 0x80086601
IOCTL_CLONE = (0x40049409, 0x4020940D)  # FICLONE, FICLONERANGE: the target has to be open for writing
F_SETOWN, F_SETOWN_EX = 8, 15
F_SETLEASE = 1024  # on a layer's file it would make other containers wait, or the engine
SO_PEERCRED = (1, 17)
IPV6_V6ONLY = (41, 26)


def _low(argument: int) -> Instruction:
    return _LOAD, 0, 0, 16 + 8 * argument


def _high(argument: int) -> Instruction:
    return _LOAD, 0, 0, 20 + 8 * argument


def _give(value: int) -> Instruction:
    return _RETURN, 0, 0, value


def _deny(number: int) -> Instruction:
    return _give(ERRNO | number)


def _if_equal(argument: int, values: tuple[int, ...], verdict: Instruction) -> Block:
    block = [_low(argument)]
    for value in values:
        block += [(_EQUAL, 0, 1, value), verdict]
    return block


def _if_bits(argument: int, bits: int, then: Block) -> Block:
    return [_low(argument), (_ANY_BIT, 0, len(then), bits), *then]


def _if_scratch(argument: int) -> Block:
    """Refuse when an address is below the end of the scratch pages."""
    return [
        _high(argument),
        (_EQUAL, 0, 3, 0),
        _low(argument),
        (_AT_LEAST, 1, 0, scratch.END),
        _deny(errno.EPERM),
    ]


def _ioctl(quota: bool) -> Block:
    allow, trace = _give(ALLOW), _give(TRACE)
    harmless = (IOCTL_GETFLAGS,) if quota else (IOCTL_GETFLAGS, *IOCTL_CLONE)
    block = _if_equal(1, IOCTL_REFUSED, _deny(errno.EPERM))
    block += _if_equal(1, (TIOCGPTN,), trace) + _if_equal(1, harmless, allow)
    block += [_low(1), (_AND, 0, 0, 0xFF00)]
    for kind in IOCTL_FILES:
        block += [(_EQUAL, 0, 1, kind << 8), _deny(errno.ENOTTY)]
    return [*block, allow]


def _by_arguments(quota: bool) -> dict[str, Block]:
    allow, trace, no = _give(ALLOW), _give(TRACE), _deny(errno.EPERM)
    touching = [*_if_scratch(0), allow]
    level, option = SO_PEERCRED
    level6, option6 = IPV6_V6ONLY
    return {
        "mmap": [*_if_bits(3, MAP_FIXED, _if_scratch(0)), allow],
        "mprotect": touching,
        "munmap": touching,
        "madvise": touching,
        "pkey_mprotect": touching,
        "remap_file_pages": touching,
        "mremap": [*_if_scratch(0), *_if_bits(3, MREMAP_FIXED, _if_scratch(4)), allow],
        "shmat": [*_if_bits(2, SHM_REMAP, [no]), trace],
        "ioctl": _ioctl(quota),
        "fcntl": [*_if_equal(1, (F_SETOWN_EX, F_SETLEASE), no), *_if_equal(1, (F_SETOWN,), trace), allow],
        "sendto": [_low(4), (_EQUAL, 0, 3, 0), _high(4), (_EQUAL, 0, 1, 0), allow, trace],
        "getsockopt": [_low(1), (_EQUAL, 0, 3, level), _low(2), (_EQUAL, 0, 1, option), trace, allow],
        "setsockopt": [_low(1), (_EQUAL, 0, 3, level6), _low(2), (_EQUAL, 0, 1, option6), trace, allow],
        "socket": [*_if_equal(0, FAMILIES, allow), _deny(errno.EAFNOSUPPORT)],
        "clone": [*_if_bits(0, CLONE_REFUSED, [no]), allow],
        "prctl": [*_if_equal(0, PRCTL_REFUSED, no), *_if_equal(0, PRCTL_TRACED, trace), allow],
        "seccomp": [*_if_bits(1, NEW_LISTENER, [_deny(errno.EINVAL)]), allow],
    }


def _for(number: int, block: Block) -> Block:
    return [(_EQUAL, 0, len(block), number), *block]


def program(quota: bool) -> list[Instruction]:
    code: Block = [(_LOAD, 0, 0, _ARCH), (_EQUAL, 1, 0, _X86_64), _deny(errno.ENOSYS), (_LOAD, 0, 0, _NR)]
    for name, block in _by_arguments(quota).items():
        code += _for(BY_ARGUMENTS[name], block)
    traced = set(EMULATED.values()) | ({NUMBER[name] for name in QUOTA} if quota else set())
    if quota:
        code += _for(LET_THROUGH["io_setup"], [_deny(errno.ENOSYS)])
    for number in sorted(traced):
        code += _for(number, [_give(TRACE)])
    for number in sorted(set(LET_THROUGH.values()) - traced):
        code += _for(number, [_give(ALLOW)])
    for error, names in REFUSED.items():
        for number in names.values():
            code += _for(number, [_deny(error)])
    return [*code, _deny(errno.ENOSYS)]


class Filter:
    """Built once, before the fork: the child only hands it to the kernel."""

    def __init__(self, quota: bool) -> None:
        code = program(quota)
        self._code = ctypes.create_string_buffer(b"".join(pack("<HBBI", *each) for each in code))
        self._program = ctypes.create_string_buffer(pack("<HxxxxxxQ", len(code), ctypes.addressof(self._code)))

    def install(self) -> None:
        if libc.prctl(38, 1, 0, 0, 0) or libc.syscall(_SECCOMP, _SET_FILTER, _SPEC_ALLOW, self._program):
            raise fail(ctypes.get_errno())
