"""Sleeping until a process stops or the engine speaks, missing neither: both come as signals, both are blocked."""

from __future__ import annotations

import fcntl
import os
import select
import signal

_SIGNALS = {signal.SIGCHLD, signal.SIGIO}


class Wakeup:
    def __init__(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        self._poll = select.poll()

    def watch(self, descriptor: int) -> None:
        fcntl.fcntl(descriptor, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(descriptor, fcntl.F_SETFL, fcntl.fcntl(descriptor, fcntl.F_GETFL) | os.O_ASYNC | os.O_NONBLOCK)
        self._poll.register(descriptor, select.POLLIN)

    def is_readable(self, descriptor: int) -> bool:
        """Or hung up."""
        return any(ready == descriptor for ready, _ in self._poll.poll(0))

    def wait(self, seconds: float | None = None) -> bool:
        """Has the engine spoken?"""
        if seconds is None:
            return signal.sigwait(_SIGNALS) == signal.SIGIO
        received = signal.sigtimedwait(_SIGNALS, max(seconds, 0))
        return received is not None and received.si_signo == signal.SIGIO
