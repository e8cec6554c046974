"""What happened, in Docker's shape: kept for a while, and told to everybody who listens."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from voldemo.engine.clock import SECOND
from voldemo.engine.filters import Filters

WITH_STATUS = frozenset({"container", "image"})  # clients older than Actor read `status`, `id` and `from` of these
BY_NAME = ("container", "volume", "network", "plugin", "daemon")


@dataclass(frozen=True, slots=True)
class Event:
    type: str
    action: str
    id: str
    attributes: dict[str, str]
    nanoseconds: int

    def view(self) -> dict[str, Any]:
        shown: dict[str, Any] = {}
        if self.type in WITH_STATUS:
            shown = {"status": self.action, "id": self.id}
        if self.type == "container":
            shown["from"] = self.attributes.get("image", "")
        actor = {"ID": self.id, "Attributes": self.attributes}
        shown |= {"Type": self.type, "Action": self.action, "Actor": actor, "scope": "local"}
        return shown | {"time": self.nanoseconds // SECOND, "timeNano": self.nanoseconds}

    def line(self) -> bytes:
        return json.dumps(self.view(), separators=(",", ":")).encode() + b"\n"


class Events:
    """A log of the last `limit` events. Listeners hold their place in it, so that a slow one costs no memory."""

    def __init__(self, limit: int = 4096) -> None:
        self._log: deque[Event] = deque(maxlen=limit)
        self._count = 0  # of all events ever; the log ends with number `_count - 1`
        self._last = 0
        self._listeners: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}
        self._lock = threading.Lock()

    @property
    def listeners(self) -> int:
        return len(self._listeners)

    def emit(self, type: str, action: str, id: str, /, **attributes: str) -> None:
        """From any thread."""
        with self._lock:
            self._last = max(time.time_ns(), self._last + 1)
            self._log.append(Event(type, action, id, attributes, self._last))
            self._count += 1
            listeners = list(self._listeners.items())
        here = running_loop()
        for wake, loop in listeners:
            if loop is here:
                wake.set()
            else:
                loop.call_soon_threadsafe(wake.set)

    def stream(self, since: int | None, until: int | None, filters: Filters) -> AsyncIterator[bytes]:
        """JSON lines, from `since` (else from this very call, not from the first read) to `until` (else for ever)."""
        wake = asyncio.Event()
        with self._lock:
            place = self._count if since is None and until is None else self._count - len(self._log)
            self._listeners[wake] = asyncio.get_running_loop()
        return Listener(self, wake, place, since or 0, until, filters)

    def after(self, place: int) -> tuple[list[Event], int] | None:
        """What came since, and the place after it. None: some of it is not kept any more."""
        with self._lock:
            missed = self._count - place
            if missed > len(self._log):
                return None
            return [self._log[index] for index in range(len(self._log) - missed, len(self._log))], self._count

    def forget(self, wake: asyncio.Event) -> None:
        self._listeners.pop(wake, None)


class Listener(AsyncIterator[bytes]):
    """A class, not a generator: one that was never started must still be taken off the list."""

    def __init__(
        self, events: Events, wake: asyncio.Event, place: int, since: int, until: int | None, filters: Filters
    ) -> None:
        self._events = events
        self._wake = wake
        self._place = place
        self._since = since
        self._until = until
        self._filters = filters

    async def __anext__(self) -> bytes:
        while True:
            self._wake.clear()
            news = self._events.after(self._place)
            if news is None:  # it read too slowly for what happens here
                raise StopAsyncIteration
            events, self._place = news
            lines = b"".join([event.line() for event in events if self._wants(event)])
            if lines:
                return lines
            await self._wait()

    def _wants(self, event: Event) -> bool:
        in_time = self._since <= event.nanoseconds and (self._until is None or event.nanoseconds <= self._until)
        return in_time and wanted(event, self._filters)

    async def _wait(self) -> None:
        left = None if self._until is None else (self._until - time.time_ns()) / SECOND
        if left is not None and left <= 0:
            raise StopAsyncIteration
        try:
            async with asyncio.timeout(left):
                await self._wake.wait()
        except TimeoutError:
            return  # once more through what came in the last moment

    async def aclose(self) -> None:
        self._events.forget(self._wake)


def running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def wanted(event: Event, filters: Filters) -> bool:
    if not filters:
        return True
    action, colon, _ = event.action.partition(":")  # "exec_create: sh -c …" is asked for as exec_create
    return (
        filters.any("type", event.type)
        and filters.any("scope", "local")
        and (filters.any("event", event.action) or bool(colon) and filters.any("event", action))
        and filters.labels(event.attributes)
        and all(begins(event, filters[key]) for key in BY_NAME if key in filters)
        and of_image(event, filters)
    )


def begins(event: Event, names: list[str]) -> bool:
    name = event.attributes.get("name", "")
    return any(event.id.startswith(wanted) or name.startswith(wanted) for wanted in names)


def of_image(event: Event, filters: Filters) -> bool:
    if "image" not in filters:
        return True
    name = event.attributes.get("image" if event.type == "container" else "name", "")
    return any(filters.any("image", text) for text in (event.id, name, name.rpartition(":")[0] or name))
