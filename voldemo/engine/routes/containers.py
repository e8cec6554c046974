"""/containers: what is done to containers, and what is told of them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

from voldemo.engine import bridge, clock
from voldemo.engine.containers import config, ending, sizes, starting, stats, summary, top, view
from voldemo.engine.containers.container import Container, Ended
from voldemo.engine.containers.create import create
from voldemo.engine.errors import BadParameter, EngineError
from voldemo.engine.http import Empty, Json, Request, Response, Stream
from voldemo.engine.router import Routes

routes = Routes()
PRUNE_FILTERS = ("label", "label!", "until")
UPDATABLE = ("Memory", "MemorySwap", "MemoryReservation", "CpuShares", "CpuPeriod", "CpuQuota", "CpusetCpus")
UPDATABLE += ("CpusetMems", "NanoCpus", "PidsLimit", "BlkioWeight", "CpuRealtimePeriod", "CpuRealtimeRuntime")


@routes.post("/containers/create")
async def create_container(daemon: Any, request: Request) -> Response:
    body = await request.json()
    container, warnings = await create(daemon, body, request.text("name"))
    return Json({"Id": container.id, "Warnings": warnings}, 201)


@routes.get("/containers/json")
async def list_containers(daemon: Any, request: Request) -> Response:
    filters = request.filters(summary.ALLOWED)
    selection = summary.Selection(daemon, filters, request.bool("all"))
    size, limit = request.bool("size"), request.int("limit")
    if size:
        return Json(await bridge.run(selection.rows, True, limit))
    return Json(selection.rows(False, limit))


@routes.get("/containers/{id}/json")
async def inspect(daemon: Any, request: Request, id: str) -> Response:
    container = daemon.containers.get(id)
    if request.bool("size"):
        return Json(await bridge.run(view.inspect, container, True))
    return Json(view.inspect(container))


@routes.post("/containers/{id}/start")
async def start(daemon: Any, request: Request, id: str) -> Response:
    container = daemon.containers.get(id)
    try:
        await starting.start(container)
    except EngineError:
        # Only a start that was tried and failed; and then nobody waits any more.
        if container.host["AutoRemove"] and container.state.error and not container.running:
            await ending.remove(container, force=True, volumes=True)
        raise
    return Empty()


def timeout(request: Request) -> int | None:
    return request.int("t") if request.text("t") else None


def asked_signal(request: Request) -> int:
    text = request.text("signal")
    return ending.signals.parse(text) if text else 0


@routes.post("/containers/{id}/stop")
async def stop(daemon: Any, request: Request, id: str) -> Response:
    await ending.stop(daemon.containers.get(id), timeout(request), asked_signal(request))
    return Empty()


@routes.post("/containers/{id}/restart")
async def restart(daemon: Any, request: Request, id: str) -> Response:
    await ending.restart_now(daemon.containers.get(id), timeout(request), asked_signal(request))
    return Empty()


@routes.post("/containers/{id}/kill")
async def kill(daemon: Any, request: Request, id: str) -> Response:
    await ending.kill(daemon.containers.get(id), request.text("signal"), id)
    return Empty()


@routes.post("/containers/{id}/pause")
async def pause(daemon: Any, request: Request, id: str) -> Response:
    await ending.pause(daemon.containers.get(id))
    return Empty()


@routes.post("/containers/{id}/unpause")
async def unpause(daemon: Any, request: Request, id: str) -> Response:
    await ending.unpause(daemon.containers.get(id))
    return Empty()


@routes.post("/containers/{id}/rename")
async def rename(daemon: Any, request: Request, id: str) -> Response:
    await daemon.containers.rename(daemon.containers.get(id), request.text("name"))
    return Empty()


@routes.post("/containers/{id}/resize")
async def resize(daemon: Any, request: Request, id: str) -> Response:
    container: Container = daemon.containers.get(id)
    height, width = size_of(request)
    container.must_run()
    container.streams.resize(height, width)
    container.tell("resize", height=str(height), width=str(width))
    return Empty(200)


def size_of(request: Request) -> tuple[int, int]:
    numbers = []
    for name, word in (("h", "height"), ("w", "width")):
        text = request.text(name)
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise BadParameter(f'invalid resize {word} "{text}": invalid syntax')
        numbers.append(min(int(text), 65535))
    return numbers[0], numbers[1]


@routes.post("/containers/{id}/wait")
async def wait(daemon: Any, request: Request, id: str) -> Response:
    condition = request.text("condition")
    waiting = daemon.containers.get(id).wait(condition)

    async def answer() -> AsyncIterator[bytes]:
        yield encode(await waiting)

    return Stream(answer())


def encode(ended: Ended) -> bytes:
    shown: dict[str, Any] = {"StatusCode": ended.code}
    if ended.error:
        shown["Error"] = {"Message": ended.error}
    return json.dumps(shown).encode() + b"\n"


@routes.delete("/containers/{id}")
async def remove(daemon: Any, request: Request, id: str) -> Response:
    container = daemon.containers.get(id)
    if request.bool("link"):
        raise BadParameter("Conflict, cannot remove the default name link of the container")
    await ending.remove(container, request.bool("force"), request.bool("v"), id)
    return Empty()


@routes.post("/containers/{id}/update")
async def update(daemon: Any, request: Request, id: str) -> Response:
    container: Container = daemon.containers.get(id)
    body = await request.json()
    config.check_host(body)
    changed = {name: body[name] for name in UPDATABLE if body.get(name)}
    memory, swap = changed.get("Memory", 0), changed.get("MemorySwap") or container.host["MemorySwap"]
    if 0 < swap < memory:
        text = (
            "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time"
        )
        raise BadParameter(f"Cannot update container {container.id}: {text}")
    policy = body.get("RestartPolicy") or {}
    if policy.get("Name"):
        if container.host["AutoRemove"] and policy["Name"] != "no":
            raise BadParameter("Restart policy cannot be updated because AutoRemove is enabled for the container")
        changed["RestartPolicy"] = {"Name": policy["Name"], "MaximumRetryCount": policy.get("MaximumRetryCount") or 0}
    container.record.host |= changed
    await container.save()
    container.tell("update")
    return Json({"Warnings": None})


@routes.get("/containers/{id}/top")
async def list_processes(daemon: Any, request: Request, id: str) -> Response:
    return Json(await top.top(daemon.containers.get(id), request.text("ps_args", "-ef")))


@routes.get("/containers/{id}/stats")
async def statistics(daemon: Any, request: Request, id: str) -> Response:
    container = daemon.containers.get(id)
    if request.bool("stream", True):
        return Stream(stats.stream(container))
    return Json(await stats.once(container, request.bool("one-shot")))


@routes.get("/containers/{id}/changes")
async def changes(daemon: Any, request: Request, id: str) -> Response:
    container: Container = daemon.containers.get(id)
    kinds = {"C": 0, "A": 1, "D": 2}
    found = await bridge.run(container.root().changes, GENERATED)
    return Json([{"Path": change.path, "Kind": kinds[change.kind]} for change in found])


GENERATED = ("/etc/hosts", "/etc/hostname", "/etc/resolv.conf")  # the engine's own, as Docker hides its own


@routes.post("/containers/prune")
async def prune(daemon: Any, request: Request) -> Response:
    filters = request.filters(PRUNE_FILTERS)
    until = min((moment(text) for text in filters.get("until", ())), default=None)
    deleted, reclaimed = [], 0
    for container in daemon.containers.list():
        created = clock.of_rfc3339(container.record.created) or 0
        if container.running or not filters.labels(container.config["Labels"]) or (until and created >= until):
            continue
        size = await bridge.run(sizes.of, container)
        if await removed(container):
            deleted.append(container.id)
            reclaimed += size.get("SizeRw", 0)
    daemon.events.emit("container", "prune", "", reclaimed=str(reclaimed))
    return Json({"ContainersDeleted": deleted or None, "SpaceReclaimed": reclaimed})


async def removed(container: Container) -> bool:
    """One that was started or taken by another client in the meantime stays."""
    try:
        await ending.remove(container, force=False, volumes=False)
    except EngineError:
        return False
    return True


def moment(text: str) -> int:
    value = clock.moment(text)
    if value is None:
        raise BadParameter(f'parsing time "{text[:100]}" as "2006-01-02": cannot parse "{text[:100]}" as "2006"')
    return value
