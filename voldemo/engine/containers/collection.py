"""All containers: found by name or id, brought back when the engine starts, ended when it stops."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from voldemo.engine import clock, errors
from voldemo.engine.containers import ending, names, restart, starting, summary
from voldemo.engine.containers.container import Container
from voldemo.engine.containers.exec import Exec
from voldemo.engine.containers.record import Record
from voldemo.engine.runtime.launcher import Container as Handle
from voldemo.engine.store.files import intact

if TYPE_CHECKING:
    from voldemo.engine.daemon import Daemon

KILLED = 137
EXECS_KEPT = 1000  # ended ones, for clients that ask for the exit code later
ATTEMPTS = 10


class Containers:
    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        self._known: dict[str, Container] = {}
        self._names: dict[str, str] = {}
        self._execs: dict[str, Exec] = {}
        self._unfinished: set[asyncio.Task[None]] = set()

    def list(self) -> list[Container]:
        """Newest first."""
        return list(reversed(self._known.values()))

    def get(self, ref: str) -> Container:
        ref = ref.removeprefix("/")
        found = self._known.get(ref) or self._known.get(self._names.get(ref, ""))
        if found is None and ref:
            begun = [container for id, container in self._known.items() if id.startswith(ref)]
            if len(begun) > 1:
                raise errors.BadParameter(f"Multiple IDs found with provided prefix: {ref}")
            found = begun[0] if begun else None
        if found is None:
            raise errors.NotFound(f"No such container: {ref}")
        return found

    def add(self, container: Container) -> None:
        self._known[container.id] = container
        self._names[container.name] = container.id

    @contextmanager
    def reserve(self, name: str, id: str) -> Iterator[str]:
        """A name is taken from before the container exists, and free again if it does not come to be."""
        name = self._take(name, id)
        try:
            yield name
        finally:
            if id not in self._known:
                del self._names[name]

    def _take(self, name: str, id: str) -> str:
        if name:
            name = names.check(name)
            self._check_free(name)
        else:
            attempts = (names.generate(number) for number in range(ATTEMPTS))
            name = next((each for each in attempts if each not in self._names), id[:12])
        self._names[name] = id
        return name

    def _check_free(self, name: str) -> None:
        if name in self._names:
            text = f'The container name "/{name}" is already in use by container "{self._names[name]}"'
            raise errors.Conflict(
                f"Conflict. {text}. You have to remove (or rename) that container to be able to reuse that name."
            )

    async def rename(self, container: Container, name: str) -> None:
        if not name:
            raise errors.BadParameter("Neither old nor new names may be empty")
        if name.removeprefix("/") == container.name:
            raise errors.BadParameter("Renaming a container with the same name as its current name")
        try:
            new = names.check(name)
        except errors.BadParameter as error:
            text = str(error).replace("name (", "name (/", 1) if not name.startswith("/") else str(error)
            raise errors.BadParameter(f"Error when allocating new name: {text}") from None
        try:
            self._check_free(new)
        except errors.Conflict as error:
            raise errors.Conflict(f"Error when allocating new name: {error}") from None
        old = container.name
        self._names[new] = container.id
        container.record.name = new
        del self._names[old]
        await container.save()
        self.daemon.networks.renamed(container.id, new)
        container.tell("rename", oldName=f"/{old}")

    # What happens to them

    async def watch(self, container: Container, handle: Handle) -> None:
        try:
            await ending.watch(container, handle)
        except errors.EngineError as error:
            print(f"voldemo.engine: container {container.id}: {error}", file=sys.stderr, flush=True)

    async def forget(self, container: Container, volumes: bool) -> None:
        """The last step of a removal. Its files go to the trash at once, and from there in their own time."""
        store = self.daemon.store
        await asyncio.to_thread(self.daemon.mounter.release, container.record)
        await asyncio.to_thread(store.containers.remove, container.id)
        self.daemon.networks.forget(container.id)
        self._known.pop(container.id, None)
        self._names.pop(container.name, None)
        for exec in list(self._execs.values()):
            if exec.container is container:
                del self._execs[exec.id]
        if volumes:
            await self._remove_anonymous(container)
        container.tell("destroy")
        container.removed()

    async def _remove_anonymous(self, container: Container) -> None:
        used = self.volume_users()
        for point in container.record.mounts:
            if point.anonymous and point.name not in used and self.daemon.store.volumes.find(point.name):
                await asyncio.to_thread(self.daemon.store.volumes.remove, point.name)
                self.daemon.events.emit("volume", "destroy", point.name, driver=point.driver)

    def keep_exec(self, made: Exec) -> None:
        self._execs[made.id] = made
        for id in [id for id, each in self._execs.items() if each.done.is_set()][:-EXECS_KEPT]:
            del self._execs[id]

    def exec(self, id: str) -> Exec:
        found = self._execs.get(id)
        if found is None:
            raise errors.NotFound(f"No such exec instance: {id}")
        return found

    # What others ask

    def volume_users(self) -> dict[str, list[str]]:
        users: dict[str, list[str]] = {}
        for container in self._known.values():
            for name in dict.fromkeys(point.name for point in container.record.mounts if point.kind == "volume"):
                users.setdefault(name, []).append(container.id)
        return users

    def image_users(self) -> dict[str, list[Container]]:
        users: dict[str, list[Container]] = {}
        for container in self._known.values():
            images = {container.record.image} | {p.source for p in container.record.mounts if p.kind == "image"}
            for image in images:
                users.setdefault(image, []).append(container)
        return users

    def summaries(self, size: bool = True) -> list[dict[str, Any]]:
        return [summary.of(container, size) for container in self.list()]

    def counts(self) -> dict[str, int]:
        states = [container.state.status for container in self._known.values()]
        paused = states.count("paused")
        running = states.count("running") + states.count("restarting")
        return {"running": running, "paused": paused, "stopped": len(states) - running - paused}

    def hosts_changed(self, ids: set[str]) -> None:
        for id in ids:
            container = self._known.get(id)
            if container is not None and container.handle is not None:
                starting.write_hosts(container)

    # The engine's own start and end

    async def open(self) -> None:
        records = [self._load(id, saved) for id, saved in self.daemon.store.containers.all().items()]
        for record in sorted(records, key=lambda each: clock.of_rfc3339(each.created) or 0):
            self.add(Container(self.daemon, record))
        for container in list(self._known.values()):
            await self._recover(container)
        self.daemon.networks.on_change(self.hosts_changed)
        for container in list(self._known.values()):
            if restart.at_opening(container):
                await self._start_again(container)

    def _load(self, id: str, saved: dict[str, Any]) -> Record:
        place = self.daemon.store.containers.folder(id)
        with intact(place / "record.json", place):
            return Record.load(saved)

    async def _recover(self, container: Container) -> None:
        """Its processes died with the engine that ran it."""
        state = container.state
        if state.running or state.status == "removing":
            state.status, state.exit_code, state.pid, state.finished_at = "exited", KILLED, 0, clock.now()
            await container.save()
        if container.host["AutoRemove"]:  # one that was never started, too: so does Docker
            await ending.remove(container, force=True, volumes=True)

    async def _start_again(self, container: Container) -> None:
        try:
            await starting.start(container)
        except errors.EngineError as error:
            print(f"voldemo.engine: container {container.id} not started: {error}", file=sys.stderr, flush=True)

    async def finish(self, work: Coroutine[Any, Any, None]) -> None:
        """What comes to its end though whoever waits for it goes away, and before the engine does."""
        task = asyncio.create_task(work)
        self._unfinished.add(task)
        task.add_done_callback(self._unfinished.discard)
        await asyncio.shield(task)

    async def close(self) -> None:
        """As dockerd does: all are asked to end, then made to."""
        running = [container for container in self._known.values() if container.running]
        stops = [ending.stop_running(container, None, by_hand=False) for container in running]
        await asyncio.gather(*stops)
        endings = [each.ending for each in self._known.values() if each.ending and not each.ending.done()]
        await asyncio.gather(*endings)
        if self._unfinished:
            await asyncio.wait(self._unfinished)
