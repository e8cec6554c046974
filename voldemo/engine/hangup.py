"""Told when a client has gone for good, which is not the same as having no more to say.

asyncio reports both as end of file. epoll tells them apart, and reports a hang-up even where nothing is asked for.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable
from contextlib import suppress

Callback = Callable[[], None]


class Hangups:
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._epoll = select.epoll()
        self._callbacks: dict[int, Callback] = {}
        loop.add_reader(self._epoll.fileno(), self._ready)

    def watch(self, descriptor: int, callback: Callback) -> None:
        self._callbacks[descriptor] = callback
        self._epoll.register(descriptor, 0)

    def forget(self, descriptor: int, callback: Callback) -> None:
        # The number may belong to a newer connection by now: only what is still ours is let go.
        if self._callbacks.get(descriptor) is callback:
            del self._callbacks[descriptor]
            with suppress(OSError):
                self._epoll.unregister(descriptor)

    def _ready(self) -> None:
        for descriptor, _ in self._epoll.poll(0):
            callback = self._callbacks.get(descriptor)
            if callback is None:
                continue
            self.forget(descriptor, callback)
            callback()

    def close(self) -> None:
        self._loop.remove_reader(self._epoll.fileno())
        self._epoll.close()
