"""One function per system call. It returns what the call returns, or None to let the kernel run it."""

from __future__ import annotations

import errno
from collections.abc import Callable

from voldemo.engine.runtime.numbers import NUMBER
from voldemo.engine.runtime.task import Task

Handler = Callable[..., int | None]
HANDLERS: dict[int, Handler] = {}

ENOENT, EACCES, EPERM = -errno.ENOENT, -errno.EACCES, -errno.EPERM


def call(*names: str) -> Callable[[Handler], Handler]:
    """The handler of these system calls: (task, six arguments as the registers hold them)."""

    def register(handler: Handler) -> Handler:
        for name in names:
            HANDLERS[NUMBER[name]] = handler
        return handler

    return register


__all__ = ["EACCES", "ENOENT", "EPERM", "HANDLERS", "Handler", "Task", "call"]
