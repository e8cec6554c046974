"""Can this machine run containers our way? If not: one sentence with the reason and what to do."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
import tempfile
from pathlib import Path
from struct import pack

from voldemo.engine.errors import Failed
from voldemo.engine.runtime import prctl, ptrace

_INSTEAD = "or use Docker or Podman instead"
_OLDEST_KERNEL = (4, 8)
_YAMA = Path("/proc/sys/kernel/yama/ptrace_scope")
_YAMA_ADMIN_ONLY = 2
_ATTRIBUTE = "user.voldemo.probe"

_NR_GETPPID = 110
_ARCH_X86_64 = 0xC000003E
_ALLOW, _TRACE, _ERRNO = 0x7FFF0000, 0x7FF00000, 0x50000
_LOAD, _JUMP_EQUAL, _RETURN = 0x20, 0x15, 0x06
_PR_SET_SECCOMP, _FILTER_MODE = 22, 2
_ANSWER = 0x7E57
_WALL = 0x40000000


class Refused(Failed):
    """This machine does not allow it. The text is one sentence: why, and what to do."""


def machine() -> None:
    system = os.uname()
    if not sys.platform.startswith("linux") or system.machine != "x86_64":
        raise Refused(f"the built-in engine runs on Linux x86-64 only, not on {system.machine}: use Docker or Podman")
    version = tuple(int(part) for part in system.release.split("-")[0].split(".")[:2])
    if version < _OLDEST_KERNEL:
        raise Refused(f"the built-in engine needs Linux 4.8 or newer, not {system.release}: use Docker or Podman")


def folder(path: Path) -> None:
    """Can programs be kept in it and run, and owners be written beside files?"""
    with tempfile.NamedTemporaryFile(dir=path) as file:
        try:
            os.setxattr(file.fileno(), _ATTRIBUTE, b"x")
        except OSError as error:
            why = "keeps no extended attributes for users" if error.errno == errno.EOPNOTSUPP else error.strerror
            raise Refused(f"the file system of {path} {why}: choose a folder on a local disk, {_INSTEAD}") from error
        Path(file.name).chmod(0o700)
        if not os.access(file.name, os.X_OK):
            raise Refused(f"no program may run from {path} (mounted noexec): choose another folder, {_INSTEAD}")


def tracing() -> str:
    """ "" or why not. Tries it for real: seize a child, write to its memory, answer one of its system calls.

    Forks, so for a process with one thread.
    """
    try:
        works = _try()
    except OSError as error:
        return _refusal(error.strerror)
    return "" if works else _refusal("traced system calls do not come through")


def _refusal(reason: str) -> str:
    if _YAMA.exists() and int(_YAMA.read_text()) >= _YAMA_ADMIN_ONLY:
        return f"this machine lets no program trace another (kernel.yama.ptrace_scope): set it to 1 or 0, {_INSTEAD}"
    return f"this machine lets no program trace another (ptrace: {reason}): allow it in the seccomp profile, {_INSTEAD}"


def _try() -> bool:
    word = ctypes.c_ulong(0)
    go, ready = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(ready)
        _ask(go, word)
    os.close(go)
    try:
        ptrace.seize(child)
        os.write(ready, b"x")
        return _answer(child, ctypes.addressof(word))
    finally:
        os.close(ready)  # a child that still waits for it ends


def _ask(go: int, word: ctypes.c_ulong) -> None:
    try:
        if os.read(go, 1):
            prctl.no_new_privileges()
            _trace_getppid()
            if os.getppid() == _ANSWER and word.value == _ANSWER:
                os._exit(0)
    finally:
        os._exit(1)


def _trace_getppid() -> None:
    steps = (
        (_LOAD, 0, 0, 4),
        (_JUMP_EQUAL, 1, 0, _ARCH_X86_64),
        (_RETURN, 0, 0, _ERRNO | errno.ENOSYS),
        (_LOAD, 0, 0, 0),
        (_JUMP_EQUAL, 0, 1, _NR_GETPPID),
        (_RETURN, 0, 0, _TRACE),
        (_RETURN, 0, 0, _ALLOW),
    )
    code = ctypes.create_string_buffer(b"".join(pack("HBBI", *step) for step in steps))
    program = ctypes.create_string_buffer(pack("HxxxxxxQ", len(steps), ctypes.addressof(code)))
    if ptrace.libc.prctl(_PR_SET_SECCOMP, _FILTER_MODE, program, 0, 0):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _answer(child: int, address: int) -> bool:
    while True:
        _, status = os.waitpid(child, _WALL)
        if not os.WIFSTOPPED(status):
            return os.waitstatus_to_exitcode(status) == 0
        if status >> 16 == ptrace.EVENT_SECCOMP:
            _skip_with_answer(child, address)
        ptrace.resume(child)


def _skip_with_answer(child: int, address: int) -> None:
    ptrace.get_registers(child)
    ptrace.registers[ptrace.ORIG_RAX] = ptrace.WORD
    ptrace.registers[ptrace.RAX] = _ANSWER
    ptrace.set_registers(child)
    memory = os.open(f"/proc/{child}/mem", os.O_RDWR | os.O_CLOEXEC)
    try:
        os.pwrite(memory, _ANSWER.to_bytes(8, "little"), address)
    finally:
        os.close(memory)
