"""RUN: a real container of the image so far, and the layer of what it changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from voldemo.engine import bridge
from voldemo.engine.build.messages import RED, RESET
from voldemo.engine.containers import ending, starting
from voldemo.engine.containers.create import create
from voldemo.engine.errors import EngineError
from voldemo.engine.store import Layer

if TYPE_CHECKING:
    from voldemo.engine.containers.container import Container
    from voldemo.engine.daemon import Daemon

OUTPUTS = frozenset({1, 2})
SHORT = 12


class NonZero(EngineError):
    def __init__(self, command: Sequence[str], code: int) -> None:
        super().__init__(f"The command '{' '.join(command)}' returned a non-zero code: {code}")
        self.code = code


@dataclass(frozen=True)
class Limits:
    memory: int = 0
    memory_swap: int = 0
    network: str = ""
    shm_size: int = 0
    extra_hosts: tuple[str, ...] = ()

    def host_config(self) -> dict[str, Any]:
        host: dict[str, Any] = {"Memory": self.memory, "MemorySwap": self.memory_swap, "ShmSize": self.shm_size}
        host |= {"NetworkMode": self.network, "ExtraHosts": list(self.extra_hosts)}
        return {name: value for name, value in host.items() if value}


@dataclass(frozen=True)
class Leave:
    """Which containers stay behind: --rm and --force-rm."""

    after_success: bool
    after_failure: bool


class Run:
    def __init__(self, daemon: Daemon, config: dict[str, Any], limits: Limits, leave: Leave) -> None:
        self._daemon = daemon
        self._body = {**config, "HostConfig": limits.host_config()}
        self._leave = leave
        self.layer: Layer | None = None

    async def run(self) -> AsyncIterator[str]:
        """What the stream shows; `layer` is there afterwards."""
        container, _ = await create(self._daemon, self._body, "")
        removing = not self._leave.after_failure
        try:
            yield f" ---> Running in {container.id[:SHORT]}\n"
            async for text in self._output(container):
                yield text
            code = container.state.exit_code
            if code == 0:
                async with container.lock:  # nobody starts it again while its files become the layer's
                    self.layer = await bridge.run(self._commit, container)
                removing = not self._leave.after_success
        except (GeneratorExit, asyncio.CancelledError):
            removing = True  # nobody waits any more: nothing half-done stays
            raise
        finally:
            if removing:
                await self._daemon.containers.finish(ending.remove(container, force=True, volumes=True))
        if removing:
            yield f" ---> Removed intermediate container {container.id[:SHORT]}\n"
        if code:
            raise NonZero(self._body["Cmd"], code)

    async def _output(self, container: Container) -> AsyncIterator[str]:
        attachment = container.streams.attach(OUTPUTS)
        ended = container.next_end()
        try:
            await starting.start(container)
            while (block := await attachment.next()) is not None:
                number, data = block
                text = data.decode(errors="replace")
                yield f"{RED}{text}{RESET}" if number == 2 else text
            await ended
        finally:
            ended.cancel()
            container.streams.detach(attachment)

    def _commit(self, container: Container) -> Layer:
        store = self._daemon.store
        upper = store.containers.upper(container.id)
        return store.layers.add_changes(upper, container.layers, running=container.handle is not None)
