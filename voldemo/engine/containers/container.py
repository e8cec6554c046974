"""One container: its record, its streams, its process while it runs, and who waits for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from voldemo.engine import clock
from voldemo.engine.containers.logs import LogFile, usable
from voldemo.engine.containers.ports import Ports
from voldemo.engine.containers.record import Record, State
from voldemo.engine.containers.streams import NAMES, Streams
from voldemo.engine.errors import BadParameter, Conflict, NotFound
from voldemo.engine.runtime.launcher import Container as Handle
from voldemo.engine.runtime.spec import Mount
from voldemo.engine.store import Union

if TYPE_CHECKING:
    from voldemo.engine.containers.exec import Exec
    from voldemo.engine.containers.health import Monitor
    from voldemo.engine.daemon import Daemon

SHORT = 12
CONDITIONS = ("", "not-running", "next-exit", "removed")


class Ended(NamedTuple):
    code: int
    error: str = ""


class Container:
    def __init__(self, daemon: Daemon, record: Record) -> None:
        self.daemon = daemon
        self.record = record
        self.folder: Path = daemon.store.containers.folder(record.id)
        self.lock = asyncio.Lock()  # held while the state changes, never while it is waited for
        self.handle: Handle | None = None
        self.mounts: tuple[Mount, ...] = ()  # while it runs
        self.execs: dict[str, Exec] = {}
        self.ports = Ports()
        self.monitor: Monitor | None = None
        self.restarting: asyncio.Task[None] | None = None
        self.ending: asyncio.Task[None] | None = None
        self.untold = False  # a run has ended, and not everybody knows
        self.backoff = 0.0  # seconds before the next start of the restart policy's
        self.removing = False
        self.gone: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()
        self._ends: set[asyncio.Future[Ended]] = set()
        self._saving = asyncio.Lock()
        self.log = LogFile(self.folder / f"{record.id}-json.log", usable(self.host["LogConfig"]["Config"]))
        self.streams = Streams(
            tty=self.config["Tty"],
            open_stdin=self.config["OpenStdin"],
            stdin_once=self.config["StdinOnce"],
            log=self._log if self.host["LogConfig"]["Type"] != "none" else None,
        )

    @property
    def id(self) -> str:
        return self.record.id

    @property
    def name(self) -> str:
        return self.record.name

    @property
    def state(self) -> State:
        return self.record.state

    @property
    def config(self) -> dict[str, Any]:
        return self.record.config

    @property
    def host(self) -> dict[str, Any]:
        return self.record.host

    @property
    def running(self) -> bool:
        return self.state.running

    @property
    def settled(self) -> bool:
        """Not running, and whoever listens has been told so."""
        return not self.running and not self.untold

    @property
    def layers(self) -> list[Path]:
        """Topmost first. They stay as long as the container names them, whatever becomes of the image."""
        return [self.daemon.store.layers.get(digest).path for digest in reversed(self.record.layers)]

    def root(self, mounts: tuple[Mount, ...] = ()) -> Union:
        try:
            return Union(self.daemon.store.containers.upper(self.id), self.layers, mounts)
        except FileNotFoundError:  # it is being removed, or was since the client asked
            raise NotFound(f"No such container: {self.id}") from None

    def _log(self, number: int, data: bytes) -> None:
        self.log.write(NAMES[number], data)

    async def save(self) -> None:
        async with self._saving:
            await asyncio.to_thread(self.daemon.store.containers.put, self.id, self.record.save())

    def tell(self, action: str, **attributes: str) -> None:
        labels = self.config["Labels"]
        known = {"image": self.config["Image"], "name": self.name}
        self.daemon.events.emit("container", action, self.id, **{**labels, **attributes, **known})

    def tell_volumes(self, action: str) -> None:
        for point in self.record.mounts:
            if point.kind == "volume":
                more = {"destination": point.destination, "propagation": point.propagation} if action == "mount" else {}
                if more:
                    more["read/write"] = str(point.writable).lower()
                self.daemon.events.emit("volume", action, point.name, container=self.id, driver=point.driver, **more)

    def must_run(self) -> Handle:
        if self.handle is None or self.state.status not in ("running", "paused"):
            raise Conflict(self.not_running())
        return self.handle

    def not_running(self) -> str:
        if self.state.status == "restarting":
            return f"Container {self.id} is restarting, wait until the container is running"
        return f"container {self.id} is not running"

    def ended(self) -> None:
        """Whoever waits for the end of a run is told."""
        self.untold = False
        result = Ended(self.state.exit_code, self.state.error)
        for waiter in self._ends:
            if not waiter.done():
                waiter.set_result(result)
        self._ends.clear()

    def removed(self) -> None:
        self.streams.end()
        if not self.gone.done():
            self.gone.set_result(Ended(self.state.exit_code))
        self.ended()

    def wait(self, condition: str) -> Awaitable[Ended]:
        """What is waited for is fixed by the time this returns, not when it is awaited."""
        if condition not in CONDITIONS:
            raise BadParameter(f'invalid condition: "{condition}"')
        if condition == "removed":
            return asyncio.shield(self.gone)
        if condition != "next-exit" and self.settled:
            done = asyncio.get_running_loop().create_future()
            done.set_result(Ended(self.state.exit_code, self.state.error))
            return done
        return self.next_end()

    def next_end(self) -> asyncio.Future[Ended]:
        waiter = asyncio.get_running_loop().create_future()
        self._ends.add(waiter)
        waiter.add_done_callback(self._ends.discard)
        return waiter

    async def not_running_any_more(self) -> None:
        while not self.settled:
            await self.next_end()

    def ran_for(self) -> float:
        started = clock.of_rfc3339(self.state.started_at) or 0
        return (time.time_ns() - started) / clock.SECOND
