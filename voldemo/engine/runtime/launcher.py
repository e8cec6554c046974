"""Containers for the engine: start, wait, exec, signal. The work is done in tracers; here are their handles."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
from pathlib import Path

from voldemo.engine import errors
from voldemo.engine.runtime import control, probe, programs
from voldemo.engine.runtime.container import Container, Process
from voldemo.engine.runtime.parent import WarmParent
from voldemo.engine.runtime.probe import Refused
from voldemo.engine.runtime.processes import ProcessRow, Usage
from voldemo.engine.runtime.spec import ExecFailed, Exit, Spec

__all__ = ["Container", "ExecFailed", "Exit", "Process", "ProcessRow", "Refused", "Runtime", "Usage"]

MOST_CACHED = 1 << 30  # bytes of programs made ready to run, kept from one start of the engine to the next
Stdio = tuple[int, int, int]


class Runtime:
    landlock_abi = 0

    def __init__(self, folder: Path) -> None:
        self._exe_cache = folder / "exe"
        self._parent: WarmParent | None = None
        self._opening = asyncio.Lock()
        self._numbers = itertools.count(1)
        self._containers: dict[int, Container] = {}
        self._mourning: set[asyncio.Task[None]] = set()
        self._none_left = asyncio.Event()

    async def open(self) -> None:
        probe.machine()
        self._exe_cache.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe.folder(self._exe_cache)
        await asyncio.to_thread(programs.trim, os.fsencode(self._exe_cache), MOST_CACHED)
        await self._warm()

    async def close(self) -> None:
        self._none_left.clear()
        for container in self._containers.values():
            container.signal(signal.SIGKILL)
        if self._containers:
            await self._none_left.wait()
        if self._parent:
            await self._parent.close()
            self._parent = None

    async def start(self, spec: Spec, stdio: Stdio) -> Container:
        """`stdio` are the program's own ends; the caller closes its copies."""
        parent = await self._warm()
        number = next(self._numbers)
        ours, theirs = control.pair()
        container = self._containers[number] = Container(spec, ours)
        try:
            with theirs:
                await parent.channel.send({"start": number}, [theirs.fileno(), *stdio])
            await container.begin()
        except ConnectionError as error:
            container.abandon()
            self._gone(number)
            raise errors.Failed("the container could not be started: the engine's helper process ended") from error
        except BaseException:
            container.abandon()
            raise
        return container

    async def _warm(self) -> WarmParent:
        """The one that is there, or a new one if it was killed."""
        async with self._opening:
            if self._parent and not self._parent.channel.open:
                await self._parent.close()
                self._parent = None
            if self._parent is None:
                self._parent = WarmParent(self._exe_cache, self._gone, self._lost)
                self.landlock_abi = await self._parent.ready()
            return self._parent

    def _gone(self, number: int) -> None:
        container = self._containers.pop(number, None)
        if container:
            container.gone()
        if not self._containers:
            self._none_left.set()

    def _lost(self) -> None:
        """The kernel kills the tracers of a warm parent that died, and what they trace. Nobody else reports it."""
        for number in list(self._containers):
            task = asyncio.ensure_future(self._mourn(number))
            self._mourning.add(task)
            task.add_done_callback(self._mourning.discard)

    async def _mourn(self, number: int) -> None:
        container = self._containers.get(number)
        if container:
            await container.tracer_ended()
        self._gone(number)
