"""Networks as far as Compose needs them: names that find each other.

Nothing is isolated. Every container shares the host's network and has a loopback address of its own; a network is a
list of who knows whose name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from voldemo.engine.errors import Conflict, Failed, Forbidden, NotFound
from voldemo.engine.events import Events
from voldemo.engine.ids import new_id
from voldemo.engine.members import PREDEFINED, SHORT, Addresses, Endpoint, Member, Network, definition
from voldemo.engine.store.files import intact


class Records(Protocol):
    def put(self, id: str, record: dict[str, Any]) -> None: ...
    def remove(self, id: str) -> None: ...
    def all(self) -> Mapping[str, dict[str, Any]]: ...
    def folder(self, id: str) -> Path: ...


class Networks:
    def __init__(self, records: Records, events: Events) -> None:
        self._records = records
        self._events = events
        self._networks: dict[str, Network] = {}
        self._members: dict[str, Member] = {}
        self._addresses = Addresses()
        self._changed: Callable[[set[str]], None] = lambda _: None
        for id, record in records.all().items():
            with intact(records.folder(id) / "record.json", records.folder(id)):
                self._load(id, record)
        for name, driver in PREDEFINED.items():
            if self.find(name) is None:
                self._keep(Network(new_id(), definition(name, driver)))

    def _load(self, id: str, record: dict[str, Any]) -> None:
        if "Container" not in record:
            for missing in definition("", "").keys() - record.keys():
                raise KeyError(missing)
            self._networks[id] = Network(id, record)
            return
        self._addresses.take(record["Address"])
        self._members[id] = Member.of_record(id, record)

    def _keep(self, network: Network) -> None:
        self._records.put(network.id, network.record)
        self._networks[network.id] = network

    def on_change(self, callback: Callable[[set[str]], None]) -> None:
        """Told the ids of containers to whom other names are known now."""
        self._changed = callback

    def list(self) -> list[Network]:
        return list(self._networks.values())

    def find(self, ref: str) -> Network | None:
        """By id, by name, by the start of an id: in this order, as Docker does."""
        found = self._networks.get(ref) or next((n for n in self._networks.values() if n.name == ref), None)
        if found or not ref:
            return found
        begun = [network for network in self._networks.values() if network.id.startswith(ref)]
        return begun[0] if len(begun) == 1 else None

    def get(self, ref: str) -> Network:
        network = self.find(ref)
        if network is None:
            raise NotFound(f"network {ref} not found")
        return network

    def create(self, name: str, driver: str = "bridge", **more: Any) -> Network:
        if any(network.name == name for network in self._networks.values()):
            raise Conflict(f"network with name {name} already exists")
        network = Network(new_id(), definition(name, driver, **more))
        self._keep(network)
        self._tell("create", network)
        return network

    def remove(self, network: Network) -> None:
        if network.predefined:
            raise Forbidden(f"{network.name} is a pre-defined network and cannot be removed")
        active = [f'name:"{member.name}" id:"{e.id[:SHORT]}"' for member, e in self.ends(network) if e.up]
        if active:
            text = f"network {network.name} has active endpoints ({', '.join(active)})"
            raise Forbidden(f"error while removing network: {text}")
        self._records.remove(network.id)
        del self._networks[network.id]
        self._tell("destroy", network)

    def _tell(self, action: str, network: Network, **attributes: str) -> None:
        known = {"name": network.name, "type": network.driver}
        self._events.emit("network", action, network.id, **attributes, **known)

    def ends(self, network: Network) -> list[tuple[Member, Endpoint]]:
        return [(member, member.endpoints[network.id]) for member in self._in(network.id)]

    def _in(self, network: str) -> Iterable[Member]:
        return [member for member in self._members.values() if network in member.endpoints]

    def address(self, container: str, name: str = "") -> str:
        known = container in self._members
        member = self._member(container, name)
        if not known:
            self._records.put(container, member.record())
        return member.address

    def _member(self, container: str, name: str) -> Member:
        member = self._members.get(container)
        if member is None:
            member = self._members[container] = Member(container, name, self._addresses.free())
        if name and name != member.name:
            member.rename(name)
        return member

    def join(
        self,
        ref: str,
        container: str,
        name: str,
        aliases: Iterable[str] = (),
        config: Mapping[str, Any] | None = None,
    ) -> Endpoint:
        """A network that is not there is no reason to refuse: `up` will, as Docker does when it starts a container."""
        network = self.find("bridge" if ref == "default" else ref)
        key, shown = (network.id, network.name) if network else (ref, ref)
        member = self._member(container, name)
        if key in member.endpoints:
            raise Forbidden(f"endpoint with name {member.name} already exists in network {shown}")
        endpoint = member.add(key, shown, list(aliases), dict(config or {}), resolved=network is not None)
        self._records.put(container, member.record())
        return endpoint

    def connect(self, network: Network, container: str, name: str, running: bool, config: Mapping[str, Any]) -> None:
        """`docker network connect`: at once, if the container runs."""
        self.join(network.id, container, name, config.get("Aliases") or (), config)
        if running:
            self._raise(self._members[container], network.id)
            self._changed(self._peers(container))

    def leave(self, ref: str, container: str) -> None:
        network = self.get(ref)
        member = self._members.get(container)
        if member is None or network.id not in member.endpoints:
            raise Failed(f"container {container} is not connected to network {network.name}")
        peers = self._peers(container)
        endpoint = member.endpoints.pop(network.id)
        self._records.put(container, member.record())
        if endpoint.up:
            self._tell("disconnect", network, container=container)
        self._changed(peers)

    def renamed(self, container: str, name: str) -> None:
        member = self._members.get(container)
        if member is not None:
            member.rename(name)
            self._records.put(container, member.record())
            self._changed(self._peers(container))

    def forget(self, container: str) -> None:
        """It is removed."""
        self.down(container)
        member = self._members.pop(container, None)
        if member is not None:
            self._addresses.give_back(member.address)
            self._records.remove(container)

    def up(self, container: str) -> None:
        member = self._members.get(container)
        if member is None:
            return
        for key in list(member.endpoints):
            self._resolve(member, key)
        for key in member.endpoints:
            self._raise(member, key)
        self._changed(self._peers(container))

    def _resolve(self, member: Member, key: str) -> None:
        if key in self._networks:
            return
        network = self.get(key)
        endpoint = member.endpoints.pop(key)
        endpoint.network, endpoint.name, endpoint.resolved = network.id, network.name, True
        member.endpoints[network.id] = endpoint
        self._records.put(member.id, member.record())

    def _raise(self, member: Member, key: str) -> None:
        endpoint = member.endpoints[key]
        if not endpoint.up:
            endpoint.up = True
            self._tell("connect", self._networks[key], container=member.id)

    def down(self, container: str) -> None:
        member = self._members.get(container)
        if member is None:
            return
        peers = self._peers(container)
        for endpoint in member.endpoints.values():
            network = self._networks.get(endpoint.network)
            if endpoint.up and network is not None:
                self._tell("disconnect", network, container=container)
            endpoint.up = False
        self._changed(peers - {container})

    def of(self, container: str) -> dict[str, Endpoint]:
        member = self._members.get(container)
        return {endpoint.name: endpoint for endpoint in member.endpoints.values()} if member else {}

    def _peers(self, container: str) -> set[str]:
        """Running containers that know this one's name, itself included."""
        keys = [key for key in self._members[container].endpoints if self._resolves_names(key)]
        others = {m.id for m in self._members.values() for k in keys if k in m.endpoints and m.endpoints[k].up}
        return others | {container}

    def _resolves_names(self, key: str) -> bool:
        return key in self._networks and not self._networks[key].predefined

    def hosts(self, container: str) -> list[tuple[str, list[str]]]:
        """Whom a container finds by name: address and names, itself first."""
        me = self._members.get(container)
        if me is None:
            return []
        rows = {container: self._row(me, me)}
        for id in sorted(self._peers(container)):
            if id != container:
                rows[id] = self._row(self._members[id], me)
        return list(rows.values())

    def _row(self, member: Member, seen_by: Member) -> tuple[str, list[str]]:
        shared = [e for key, e in member.endpoints.items() if key in seen_by.endpoints and self._resolves_names(key)]
        names = [*member.names, *(alias for end in shared for alias in end.aliases)]
        return member.address, list(dict.fromkeys(names))
