"""The warm parent: a small interpreter with the runtime imported. Each container's tracer is forked from it."""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import sys
import traceback
from socket import socket

from voldemo.engine.runtime import control, landlock, prctl, probe
from voldemo.engine.runtime.processes import children
from voldemo.engine.runtime.session import Session

_WALL = 0x40000000


def main(descriptor: int, engine_pid: int, exe_cache: str) -> None:
    prctl.die_with(engine_pid)
    prctl.adopt_orphans()
    engine = socket(fileno=descriptor)
    refusal = probe.tracing()
    if refusal:
        control.send(engine, {"refused": refusal})
        return
    control.send(engine, {"ready": landlock.abi()})
    gc.collect()
    gc.freeze()  # what is there now is shared with every tracer: the collector must not touch it
    with contextlib.suppress(ConnectionError):  # the engine is gone: so is our purpose, and the tracers end with us
        _Warm(engine, exe_cache).serve()


class _Warm:
    def __init__(self, engine: socket, exe_cache: str) -> None:
        self.engine = engine
        self.exe_cache = exe_cache
        self.tracers: dict[int, int] = {}  # pid -> the engine's number of the container
        self.ended: list[int] = []  # numbers of tracers that ended, while something they traced may still be there
        self.wake, self.waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(self.waker)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def serve(self) -> None:
        poll = select.poll()
        poll.register(self.engine, select.POLLIN)
        poll.register(self.wake, select.POLLIN)
        while True:
            ready = [descriptor for descriptor, _ in poll.poll()]
            if self.wake in ready:
                self._empty()
                self._reap()
            if self.engine.fileno() in ready and not self._take():
                return

    def _empty(self) -> None:
        try:
            while os.read(self.wake, 4096):
                pass
        except BlockingIOError:
            return

    def _take(self) -> bool:
        received = control.receive(self.engine)
        if received is None:
            return False
        wish, descriptors = received
        try:
            self._start(wish["start"], descriptors)
        finally:
            control.close(descriptors)
        return True

    def _start(self, number: int, descriptors: list[int]) -> None:
        try:
            pid = os.fork()
        except OSError:  # no process to be had: as if its tracer had ended at once
            self.ended.append(number)
            self._report()
            return
        if pid == 0:
            self._become_tracer(descriptors)
        self.tracers[pid] = number

    def _become_tracer(self, descriptors: list[int]) -> None:
        status = 1
        try:
            parent = os.getppid()
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            control.close([self.wake, self.waker])
            self.engine.close()
            prctl.die_with(parent)
            session = Session(socket(fileno=descriptors[0]), self.exe_cache)
            session.run(tuple(descriptors[1:]))
            status = 0
        except BaseException:
            traceback.print_exc(file=sys.stderr)
        finally:
            os._exit(status)

    def _reap(self) -> None:
        while True:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG | _WALL)
            except ChildProcessError:
                break
            if not pid:
                break
            if pid in self.tracers:
                self.ended.append(self.tracers.pop(pid))
        self._report()

    def _report(self) -> None:
        """A tracer that was killed leaves its tree to us, dying. It counts as gone when the last of them is."""
        if not self.ended or set(children(os.getpid())) - self.tracers.keys():
            return
        for number in self.ended:
            control.send(self.engine, {"gone": number})
        self.ended.clear()
