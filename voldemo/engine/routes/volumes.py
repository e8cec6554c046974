"""/volumes"""

from __future__ import annotations

from typing import Any

from voldemo.engine import bridge, fields
from voldemo.engine.errors import BadParameter, Conflict, NotFound
from voldemo.engine.filters import FALSE, TRUE, Filters
from voldemo.engine.http import Empty, Json, Request, Response
from voldemo.engine.router import Routes
from voldemo.engine.store.volumes import Volume

routes = Routes()
LIST_FILTERS = ("name", "label", "label!", "dangling", "driver")
PRUNE_FILTERS = ("label", "label!", "all")
PRUNE_ANONYMOUS_ONLY = (1, 42)  # before it, prune took named volumes too
Users = dict[str, list[str]]  # volume name -> ids of the containers that have it


def view(volume: Volume) -> dict[str, Any]:
    return {
        "CreatedAt": volume.created,
        "Driver": volume.driver,
        "Labels": volume.labels or None,
        "Mountpoint": str(volume.path),
        "Name": volume.name,
        "Options": volume.options or None,
        "Scope": "local",
    }


@routes.post("/volumes/create")
async def create(daemon: Any, request: Request) -> Response:
    body = await request.json()
    name = fields.text(body, "Name")
    driver = fields.text(body, "Driver", "local")
    options, labels = fields.mapping(body, "DriverOpts") or {}, fields.mapping(body, "Labels") or {}
    known = bool(name) and daemon.store.volumes.find(name) is not None
    volume = daemon.store.volumes.create(name, driver, options, labels)
    if not known:
        daemon.events.emit("volume", "create", volume.name, driver=volume.driver)
    return Json(view(volume), 201)


@routes.get("/volumes")
async def list_volumes(daemon: Any, request: Request) -> Response:
    filters = read_filters(request, LIST_FILTERS)
    dangling = filters.flag("dangling") if "dangling" in filters else None
    users = daemon.containers.volume_users() if dangling is not None else {}
    found = [view(volume) for volume in daemon.store.volumes.list() if listed(volume, filters, dangling, users)]
    return Json({"Volumes": found, "Warnings": None})


def read_filters(request: Request, allowed: tuple[str, ...]) -> Filters:
    try:
        return request.filters(allowed)
    except BadParameter as error:
        text = str(error)
        raise BadParameter(f"error reading volume filters: {text}" if text == "invalid filter" else text) from None


def listed(volume: Volume, filters: Filters, dangling: bool | None, users: Users) -> bool:
    if not filters:
        return True
    return (
        filters.name("name", volume.name)
        and filters.any("driver", volume.driver)
        and filters.labels(volume.labels)
        and (dangling is None or dangling is (volume.name not in users))
    )


@routes.get("/volumes/{name:path}")
async def inspect(daemon: Any, request: Request, name: str) -> Response:
    return Json(view(daemon.store.volumes.get(name)))


@routes.delete("/volumes/{name:path}")
async def remove(daemon: Any, request: Request, name: str) -> Response:
    volume = daemon.store.volumes.find(name)
    if volume is None:
        daemon.store.volumes.remove(name, force=request.bool("force"))
        return Empty()
    users = daemon.containers.volume_users().get(name)
    if users:
        raise Conflict(f"remove {name}: volume is in use - [{', '.join(users)}]")
    drop(daemon, volume)
    return Empty()


def drop(daemon: Any, volume: Volume) -> None:
    daemon.store.volumes.remove(volume.name)
    daemon.events.emit("volume", "destroy", volume.name, driver=volume.driver)


@routes.post("/volumes/prune")
async def prune(daemon: Any, request: Request) -> Response:
    filters = read_filters(request, PRUNE_FILTERS)
    named_too = takes_named(filters, request.version)
    wanted = [
        volume
        for volume in daemon.store.volumes.list()
        if (named_too or volume.anonymous) and filters.labels(volume.labels)
    ]
    deleted, reclaimed = await drop_unused(daemon, wanted)
    daemon.events.emit("volume", "prune", "", reclaimed=str(reclaimed))
    return Json({"VolumesDeleted": deleted, "SpaceReclaimed": reclaimed})


def takes_named(filters: Filters, version: tuple[int, int]) -> bool:
    values = filters.get("all", ["true"] if version < PRUNE_ANONYMOUS_ONLY else ["false"])
    if len(values) != 1:
        raise BadParameter("invalid filter 'all': only one value is expected")
    if values[0] not in TRUE | FALSE:
        raise BadParameter(f"invalid filter 'all': strconv.ParseBool: parsing \"{values[0]}\": invalid syntax")
    return values[0] in TRUE


async def drop_unused(daemon: Any, volumes: list[Volume]) -> tuple[list[str], int]:
    users = daemon.containers.volume_users()
    unused = [volume for volume in volumes if volume.name not in users]
    sizes = await bridge.run(lambda: [size(daemon, volume) for volume in unused])
    deleted, reclaimed = [], 0
    users = daemon.containers.volume_users()  # again: a container may have come while the sizes were taken
    for volume, weight in zip(unused, sizes, strict=True):
        if volume.name not in users and daemon.store.volumes.find(volume.name) is volume:
            drop(daemon, volume)
            deleted.append(volume.name)
            reclaimed += weight
    return deleted, reclaimed


def size(daemon: Any, volume: Volume) -> int:
    try:
        return daemon.store.volumes.size(volume.name)
    except NotFound:  # removed since
        return 0
