"""What the tracer gives away of its own rights, for its processes inherit what is left."""

from __future__ import annotations

import ctypes
import os
from struct import pack

from voldemo.engine.runtime.ptrace import libc

_CHOWN, _DAC_OVERRIDE, _FOWNER, _FSETID, _KILL, _NET_BIND = 0, 1, 3, 4, 5, 10
KEPT = 1 << _CHOWN | 1 << _DAC_OVERRIDE | 1 << _FOWNER | 1 << _FSETID | 1 << _KILL | 1 << _NET_BIND
_VERSION = 0x20080522
_LAST = 40
_PR_CAPBSET_DROP = 24


def drop_capabilities() -> None:
    """Root's power over the machine is none of a container's business. Others have nothing to drop."""
    if os.geteuid() != 0:
        return
    for capability in range(_LAST + 1):
        if not KEPT >> capability & 1:
            libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
    header = ctypes.create_string_buffer(pack("<Ii", _VERSION, 0))
    data = ctypes.create_string_buffer(pack("<6I", KEPT, KEPT, 0, 0, 0, 0))
    if libc.capset(header, data):
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
