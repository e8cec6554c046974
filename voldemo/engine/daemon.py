"""The engine without its HTTP: the store, the runtime, and the containers between them."""

from __future__ import annotations

from pathlib import Path

from voldemo.engine.builtin import Builtin
from voldemo.engine.containers.collection import Containers
from voldemo.engine.containers.mounting import Mounter
from voldemo.engine.containers.tmpfs import Folders
from voldemo.engine.events import Events
from voldemo.engine.networks import Networks
from voldemo.engine.registry import Registries
from voldemo.engine.runtime.launcher import Runtime
from voldemo.engine.store import Store


class Daemon:
    store: Store
    networks: Networks
    mounter: Mounter
    builtin: Builtin

    def __init__(self, root: Path, registries: Registries | None = None) -> None:
        self.root = root
        self.registries = registries or Registries()
        self.closing = False
        self.events = Events()
        self.runtime = Runtime(root)
        self.containers = Containers(self)

    async def open(self) -> None:
        """Raises one sentence when this machine or this folder will not do."""
        self.store = Store.open(self.root)
        try:
            await self._open()
        except BaseException:
            self.store.close()
            raise

    async def _open(self) -> None:
        await self.runtime.open()
        try:
            self._folders = Folders(self.store.root)
            self._folders.open()
            self.mounter = Mounter(self.store, self._folders)
            self.networks = Networks(self.store.networks, self.events)
            self.builtin = Builtin(self.store)
            await self.containers.open()
        except BaseException:
            await self.runtime.close()
            raise

    async def close(self) -> None:
        self.closing = True
        await self.containers.close()
        await self.runtime.close()
        self._folders.close()
        self.store.close()
