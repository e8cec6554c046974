"""A process on its way to its program: forked, held until it is traced, filtered, run."""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import signal
import termios
from struct import Struct

from voldemo.engine.runtime import scratch
from voldemo.engine.runtime.filter import Filter
from voldemo.engine.runtime.ptrace import libc
from voldemo.engine.runtime.spec import Limit, Program

_FAILURE = Struct("<ii")
_STAGES = ("cwd", "exec", "setup")
_PR_SET_CHILD_SUBREAPER = 36
_LIBRARY_SIGNALS = (32, 33)  # the C library keeps them to itself, and from signal()
_NR_SIGACTION, _DEFAULT_ACTION = 13, bytes(32)
_REPORT = 3  # the only descriptor beside stdio, gone at the exec


class Child:
    def __init__(
        self, program: Program, path: bytes, stdio: tuple[int, int, int], filter_: Filter, subreaper: bool
    ) -> None:
        self._go_read, self._go_write = os.pipe()
        self._failure_read, self._failure_write = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            self._become(program, path, stdio, filter_, subreaper)
        os.close(self._go_read)
        os.close(self._failure_write)

    def go(self) -> None:
        os.write(self._go_write, b"g")
        os.close(self._go_write)

    def abandon(self) -> None:
        """It sees the end of its pipe, and ends."""
        os.close(self._go_write)
        os.waitpid(self.pid, 0)
        self.close()

    def failure(self) -> tuple[int, str]:
        data = os.read(self._failure_read, _FAILURE.size)
        self.close()
        if len(data) < _FAILURE.size:
            return errno.EIO, "setup"
        number, stage = _FAILURE.unpack(data)
        return number, _STAGES[stage]

    def close(self) -> None:
        os.close(self._failure_read)

    # -- in the new process: nothing may be imported any more, the container's files are all it sees

    def _become(
        self, program: Program, path: bytes, stdio: tuple[int, int, int], filter_: Filter, subreaper: bool
    ) -> None:
        stage = 2
        try:
            os.close(self._go_write)
            if os.read(self._go_read, 1) != b"g":
                os._exit(125)
            _set_up(stdio, self._failure_write, program.tty, subreaper)
            arguments = [os.fsencode(argument) for argument in program.argv]
            environment = _environment(program)
            scratch.map_here()
            filter_.install()
            stage = 0
            os.chdir(program.cwd or "/")
            stage = 1
            os.execve(path, arguments, environment)
        except BaseException as error:
            number = error.errno if isinstance(error, OSError) and error.errno else errno.EIO
            os.write(_REPORT, _FAILURE.pack(number, stage))
        finally:
            os._exit(127)


def _environment(program: Program) -> dict[bytes, bytes]:
    entries = (os.fsencode(entry).partition(b"=") for entry in program.env)
    return {name: value for name, equals, value in entries if equals and name}


def _set_up(stdio: tuple[int, int, int], report: int, tty: bool, subreaper: bool) -> None:
    os.setsid()
    _arrange(stdio, report)
    if tty:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    if subreaper:
        libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    for number in range(1, signal.NSIG):
        if number in _LIBRARY_SIGNALS:
            libc.syscall(_NR_SIGACTION, number, _DEFAULT_ACTION, None, 8)
        elif number not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    _restore_limits()


def _arrange(stdio: tuple[int, int, int], report: int) -> None:
    """Nothing of the tracer's stays open: a descriptor that slipped through would be a way out."""
    high = [fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 10) for descriptor in (*stdio, report)]
    for target, descriptor in enumerate(high):
        os.dup2(descriptor, target, inheritable=target < _REPORT)
    os.closerange(_REPORT + 1, 1 << 30)


LIMITS: dict[int, tuple[int, int]] = {resource.RLIMIT_NOFILE: resource.getrlimit(resource.RLIMIT_NOFILE)}
_NO_DUMP = 1  # less than any file of the kernel's could be; and for a program that takes dumps it means "none", 0 not


def limit(limits: tuple[Limit, ...]) -> None:
    """Of every program from now on; never beyond what the engine itself has."""
    for each in limits:
        what = getattr(resource, f"RLIMIT_{each.name.upper()}", None)
        if what is not None:
            _, most = resource.getrlimit(what)
            hard = _least(each.hard, most)
            LIMITS[what] = (_least(each.soft, hard), hard)


def _least(first: int, second: int) -> int:
    return min(first, second, key=lambda each: float("inf") if each == resource.RLIM_INFINITY else each)


def _restore_limits() -> None:
    for what, limits in LIMITS.items():
        resource.setrlimit(what, limits)
    _leave_no_core()


def _leave_no_core() -> None:
    """The kernel would write it by the host's paths, through a mount that is read-only here, or give it to a program
    of the host's."""
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    most = _NO_DUMP if most == resource.RLIM_INFINITY else min(_NO_DUMP, most)
    resource.setrlimit(resource.RLIMIT_CORE, (most, most))
