"""GET /containers/json: one row per container, and which rows are asked for."""

from __future__ import annotations

import shlex
import time
from typing import TYPE_CHECKING, Any

from voldemo.engine import clock
from voldemo.engine.containers import sizes, view
from voldemo.engine.containers.ages import human
from voldemo.engine.containers.container import Container
from voldemo.engine.errors import BadParameter, NotFound
from voldemo.engine.filters import Filters

if TYPE_CHECKING:
    from voldemo.engine.daemon import Daemon

ALLOWED_TEXT = """
ancestor before exited expose health id is-task isolation label label! name network publish since status volume
"""
ALLOWED = frozenset(ALLOWED_TEXT.split())
STATES = ("created", "running", "paused", "restarting", "removing", "exited", "dead")
HEALTHS = ("none", "starting", "healthy", "unhealthy")
SAFE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%_-+=:,./")


def of(container: Container, size: bool = False) -> dict[str, Any]:
    host = {"NetworkMode": container.host["NetworkMode"]}
    row: dict[str, Any] = {
        "Id": container.id,
        "Names": [f"/{container.name}"],
        "Image": image_name(container),
        "ImageID": container.record.image,
        "Command": command(container),
        "Created": (clock.of_rfc3339(container.record.created) or 0) // clock.SECOND,
        "Ports": ports(container),
        "Labels": container.config["Labels"],
        "State": container.state.status,
        "Status": status(container),
        "HostConfig": host,
        "NetworkSettings": {"Networks": view.endpoints(container)},
        "Mounts": [point.view() for point in container.record.mounts if point.listed],
    }
    if size:
        row |= sizes.of(container)
    return row


def image_name(container: Container) -> str:
    """What it was called at create, unless that is another image by now."""
    name = container.config["Image"]
    image = container.daemon.store.images.find(name)
    return name if image is not None and image.id == container.record.image else container.record.image


def command(container: Container) -> str:
    argv = [*(container.config["Entrypoint"] or ()), *(container.config["Cmd"] or ())]
    first, rest = argv[:1], [word if word and SAFE.issuperset(word) else shlex.quote(word) for word in argv[1:]]
    return " ".join(first + rest)


def ports(container: Container) -> list[dict[str, Any]]:
    rows = []
    for port, places in container.ports.open_now.items():
        number, _, protocol = port.partition("/")
        entry = {"PrivatePort": int(number.partition("-")[0]), "Type": protocol}
        if not places:
            rows.append(entry)
        for place in places or []:
            rows.append({"IP": place["HostIp"], **entry, "PublicPort": int(place["HostPort"])})
    return rows


def status(container: Container) -> str:
    state = container.state
    now = time.time_ns()
    since = human((now - (clock.of_rfc3339(state.finished_at) or now)) / clock.SECOND)
    match state.status:
        case "created":
            return "Created"
        case "restarting":
            return f"Restarting ({state.exit_code}) {since} ago"
        case "paused":
            return f"Up {running_for(container)} (Paused)"
        case "running":
            health = (state.health or {}).get("Status")
            told = {"starting": " (health: starting)"}.get(health or "", f" ({health})" if health else "")
            return f"Up {running_for(container)}{told}"
        case "dead":
            return "Dead"
        case "removing":
            return "Removal In Progress"
        case _:
            return f"Exited ({state.exit_code}) {since} ago"


def running_for(container: Container) -> str:
    return human(container.ran_for())


class Selection:
    """What a client wants listed."""

    def __init__(self, daemon: Daemon, filters: Filters, every: bool) -> None:
        self._daemon = daemon
        self._filters = filters
        check(filters)
        self._every = every or any(key in filters for key in ("status", "exited", "before", "since"))
        self._codes = [int(code) for code in filters.get("exited", ())]
        self._before, self._since = self._created("before"), self._created("since")
        self._images = ancestors(daemon, filters["ancestor"]) if "ancestor" in filters else None

    def _created(self, key: str) -> int | None:
        times = [
            clock.of_rfc3339(self._daemon.containers.get(ref).record.created) for ref in self._filters.get(key, ())
        ]
        return times[0] if times else None

    def rows(self, size: bool, limit: int) -> list[dict[str, Any]]:
        chosen = [container for container in self._daemon.containers.list() if self._takes(container, limit)]
        return [of(container, size) for container in (chosen[:limit] if limit > 0 else chosen)]

    def _takes(self, container: Container, limit: int) -> bool:
        if not (self._every or limit > 0 or container.running):
            return False
        return self._is_so(container) and self._is_named(container) and self._uses(container)

    def _is_so(self, container: Container) -> bool:
        state = container.state
        health = (state.health or {}).get("Status", "none")
        if self._codes and (state.exit_code not in self._codes or state.running or state.status == "created"):
            return False
        created = clock.of_rfc3339(container.record.created) or 0
        if self._before is not None and created >= self._before:
            return False
        if self._since is not None and created <= self._since:
            return False
        return self._filters.any("status", state.status) and self._filters.any("health", health)

    def _is_named(self, container: Container) -> bool:
        filters = self._filters
        ids = filters.get("id")
        if ids is not None and not any(container.id.startswith(id) for id in ids):
            return False
        return filters.name("name", container.name, f"/{container.name}") and filters.labels(container.config["Labels"])

    def _uses(self, container: Container) -> bool:
        if self._images is not None and container.record.image not in self._images:
            return False
        wanted = self._filters.get("volume")
        if wanted is not None:
            places = {place for point in container.record.mounts for place in (point.name, point.destination)}
            if not places.intersection(wanted):
                return False
        return self._on_network(container) and self._has_port(container)

    def _on_network(self, container: Container) -> bool:
        wanted = self._filters.get("network")
        if wanted is None:
            return True
        ends = self._daemon.networks.of(container.id)
        return any(name in wanted or any(end.network.startswith(w) for w in wanted if w) for name, end in ends.items())

    def _has_port(self, container: Container) -> bool:
        for key, have in (("publish", published(container)), ("expose", container.config.get("ExposedPorts") or {})):
            wanted = self._filters.get(key)
            if wanted is not None and not any(port in have or f"{port}/tcp" in have for port in wanted):
                return False
        return True


def published(container: Container) -> set[str]:
    return {place["HostPort"] for places in container.ports.open_now.values() for place in places or []}


def check(filters: Filters) -> None:
    for value in filters.get("status", ()):
        if value not in STATES:
            raise BadParameter(f"invalid filter 'status={value}'")
    for value in filters.get("health", ()):
        if value not in HEALTHS:
            raise BadParameter(f"invalid filter 'health={value}'")
    for value in filters.get("exited", ()):
        if not value.lstrip("-").isdecimal() or len(value) > 10:
            raise BadParameter(f"invalid filter 'exited={value}'")


def ancestors(daemon: Daemon, references: list[str]) -> set[str]:
    """The images named, and all made on top of them."""
    parents = {image.id: image.parent for image in daemon.store.images.list()}
    found = {image.id for image in map(daemon.store.images.find, references) if image is not None}
    while more := {id for id, parent in parents.items() if parent in found} - found:
        found |= more
    return found


__all__ = ["ALLOWED", "NotFound", "Selection", "of"]
