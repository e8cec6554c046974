"""The second fence: what a tracer and all it starts may touch at all, held by the kernel.

The tracer already keeps a container to its own files. Should it ever translate a path wrongly, this stops the damage.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from collections.abc import Iterable
from struct import pack

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG = 1
_PATH_BENEATH = 1

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1, 1 << 1, 1 << 2, 1 << 3
_REMOVE_AND_MAKE = sum(1 << bit for bit in range(4, 13))
REFER, TRUNCATE, IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15

READ = EXECUTE | READ_FILE | READ_DIR
DEVICE = READ_FILE | WRITE_FILE | READ_DIR | IOCTL_DEV
# A link may not carry a file to where more is allowed with it: a layer's file can be linked into a container's tree
# only if writing were allowed here too. Nothing can be made or removed in a layer all the same.
LINKABLE = READ | WRITE_FILE | TRUNCATE | IOCTL_DEV | REFER
WHOLE = LINKABLE | _REMOVE_AND_MAKE
_OF_A_FILE = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV

_KNOWN_SINCE = ((1, (1 << 13) - 1), (2, REFER), (3, TRUNCATE), (5, IOCTL_DEV))
_NETWORK_SINCE, _SCOPES_SINCE = 4, 6
_SCOPE_ABSTRACT_SOCKETS, _SCOPE_SIGNALS = 1, 2
USABLE_SINCE = 2  # the first one forbids every rename and link from one directory to another

_syscall = ctypes.PyDLL(None, use_errno=True).syscall
_syscall.restype = ctypes.c_long
_long = ctypes.c_long


def abi() -> int:
    """0: this kernel has none, or is told not to."""
    return max(_syscall(_long(_CREATE_RULESET), None, ctypes.c_size_t(0), _long(_VERSION_FLAG)), 0)


def fence(grants: Iterable[tuple[bytes, int]]) -> int:
    """Hold this process to `grants`, (path, rights) each, for good. Returns the ABI it is held by, 0 when by none."""
    level = abi()
    if level < USABLE_SINCE:
        return 0
    handled = sum(rights for since, rights in _KNOWN_SINCE if since <= level)
    ruleset = _create(handled, level)
    try:
        for path, rights in grants:
            _allow(ruleset, path, rights & handled)
        _call(_RESTRICT_SELF, _long(ruleset), _long(0))
    finally:
        os.close(ruleset)
    return level


def _create(handled: int, level: int) -> int:
    attributes = pack("<Q", handled)
    if level >= _NETWORK_SINCE:
        attributes += pack("<Q", 0)
    if level >= _SCOPES_SINCE:
        attributes += pack("<Q", _SCOPE_ABSTRACT_SOCKETS | _SCOPE_SIGNALS)
    return _call(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), _long(0))


def _allow(ruleset: int, path: bytes, rights: int) -> None:
    beneath = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not stat.S_ISDIR(os.fstat(beneath).st_mode):
            rights &= _OF_A_FILE
        _call(_ADD_RULE, _long(ruleset), _long(_PATH_BENEATH), pack("<Qi", rights, beneath), _long(0))
    finally:
        os.close(beneath)


def _call(number: int, *arguments: object) -> int:
    result = _syscall(_long(number), *arguments)
    if result < 0:
        error = ctypes.get_errno() or errno.EINVAL
        raise OSError(error, os.strerror(error))
    return result
