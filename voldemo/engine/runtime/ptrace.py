"""ptrace, and the registers of the process that is stopped: one buffer, filled by one call, no object per stop."""

from __future__ import annotations

import ctypes
import os

# PyDLL keeps the interpreter's lock: there is one thread, and letting go of it costs more than most of these calls.
libc = ctypes.PyDLL(None, use_errno=True)

_ptrace = libc.ptrace
_ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_ptrace.restype = ctypes.c_long

CONT, KILL, SINGLESTEP, GETREGS, SETREGS, SYSCALL = 7, 8, 9, 12, 13, 24
GETEVENTMSG, GETSIGINFO, SEIZE, INTERRUPT, LISTEN = 0x4201, 0x4202, 0x4206, 0x4207, 0x4208
POKEDATA = 5

EVENT_FORK, EVENT_VFORK, EVENT_CLONE, EVENT_EXEC, EVENT_SECCOMP, EVENT_STOP = 1, 2, 3, 4, 7, 128
SYSCALL_STOP = 0x85  # SIGTRAP | 0x80, by TRACESYSGOOD
OPTIONS = 0x100000 | 1 | 2 | 4 | 8 | 16 | 128  # EXITKILL, TRACESYSGOOD, FORK, VFORK, CLONE, EXEC, SECCOMP

_buffer = bytearray(27 * 8)
_anchor = (ctypes.c_char * len(_buffer)).from_buffer(_buffer)
_address = ctypes.addressof(_anchor)
registers = memoryview(_buffer).cast("Q")

RAX, ORIG_RAX, RIP, RSP = 10, 15, 16, 19
ARGUMENTS = (14, 13, 12, 7, 9, 8)  # rdi rsi rdx r10 r8 r9
WORD = (1 << 64) - 1

_message = ctypes.c_ulong()
_message_address = ctypes.addressof(_message)
_siginfo = (ctypes.c_int * 32)()


def get_registers(pid: int) -> bool:
    """False: it was killed meanwhile, and its end will be reported."""
    return _ptrace(GETREGS, pid, None, _address) == 0


def set_registers(pid: int) -> None:
    _ptrace(SETREGS, pid, None, _address)


def saved_registers() -> bytes:
    return bytes(_buffer)


def restore_registers(saved: bytes) -> None:
    _buffer[:] = saved


def resume(pid: int, signal: int = 0) -> None:
    """A process that was killed meanwhile is no error: its end is reported like any other's."""
    _ptrace(CONT, pid, None, signal)


def resume_to_exit(pid: int) -> None:
    _ptrace(SYSCALL, pid, None, None)


def single_step(pid: int) -> None:
    _ptrace(SINGLESTEP, pid, None, None)


def listen(pid: int) -> None:
    _ptrace(LISTEN, pid, None, None)


def interrupt(pid: int) -> None:
    _ptrace(INTERRUPT, pid, None, None)


def event_message(pid: int) -> int:
    _ptrace(GETEVENTMSG, pid, None, _message_address)
    return _message.value


def signal_code(pid: int) -> int:
    """si_code of the signal a process is about to get: above 0 the kernel itself sent it."""
    _ptrace(GETSIGINFO, pid, None, ctypes.addressof(_siginfo))
    return _siginfo[2]


def seize(pid: int) -> None:
    if _ptrace(SEIZE, pid, None, OPTIONS):
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def poke(pid: int, address: int, word: int) -> None:
    if _ptrace(POKEDATA, pid, address, word):
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
