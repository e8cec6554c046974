"""POST /containers/create: from what a client asks for to a record, its volumes and its networks."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from voldemo.engine import bridge, clock, fields, members
from voldemo.engine.containers import config as configuration
from voldemo.engine.containers import hostconfig, initial, mounts
from voldemo.engine.containers.container import SHORT, Container
from voldemo.engine.containers.record import Record
from voldemo.engine.errors import BadParameter, EngineError, NotFound
from voldemo.engine.ids import new_id
from voldemo.engine.store import Image, Union, Volume

if TYPE_CHECKING:
    from voldemo.engine.daemon import Daemon

PRIVILEGED = "Privileged mode gives no more rights here: this engine runs without root, and so do its containers."
DEVICES = "Devices are not given to containers by this engine: it runs without root."
NO_LIMIT = "This engine has no cgroups: of all limits only that of memory is kept."
LIMITS = ("NanoCpus", "CpuQuota", "CpuShares", "CpusetCpus", "PidsLimit", "BlkioWeight")


async def create(daemon: Daemon, body: dict[str, Any], name: str) -> tuple[Container, list[str]]:
    if not body:
        raise BadParameter(configuration.NO_CONFIG)
    host_body = fields.obj(body, "HostConfig")
    networking = fields.obj(fields.obj(body, "NetworkingConfig"), "EndpointsConfig")
    asked = configuration.requested(body)
    configuration.check_host(host_body)
    image = await image_of(daemon, asked["Image"])
    config = configuration.merge(asked, image.config.get("config") or {})
    id = new_id()
    layers = [layer.diff_id for layer in image.layers]
    with daemon.containers.reserve(name, id) as reserved, daemon.store.layers.held(layers):
        config["Hostname"] = config["Hostname"] or id[:SHORT]
        host = hostconfig.complete(host_body)
        check_network(host, networking)
        record = Record(id, reserved, clock.now(), image.id, config, host, layers)
        await furnish(daemon, record, image)
        try:
            container = await settle(daemon, record, networking)
        except BaseException:
            await abandon(daemon, record)
            raise
    return container, warnings(host)


async def image_of(daemon: Daemon, reference: str) -> Image:
    if not reference:
        raise BadParameter("invalid reference format")
    if daemon.store.images.find(reference) is None:
        await daemon.builtin.provide(reference)
    return daemon.store.images.get(reference)


def check_network(host: dict[str, Any], networking: dict[str, Any]) -> None:
    mode = host["NetworkMode"]
    if mode.startswith("container:") and not mode.partition(":")[2]:
        raise BadParameter("invalid container format container:<name|id>")
    for name, endpoint in networking.items():
        if not isinstance(endpoint or {}, dict):
            raise fields.refuse(endpoint, f"EndpointsConfig.{name}", "network.EndpointSettings")
        members.check(endpoint or {})


async def furnish(daemon: Daemon, record: Record, image: Image) -> None:
    """Its mounts; volumes that do not exist are made. Nothing of it stays if something is refused."""
    plan = mounts.Plan(daemon.store, lambda volume: told(daemon, "create", volume), record.host["VolumeDriver"])
    requested = mounts.requested(record.host)
    try:
        mounts.from_others(plan, record.host["VolumesFrom"] or [], donor(daemon))
        for point in requested:
            if point.kind == "image":
                point.source = (await image_of(daemon, point.name)).id
            await bridge.whole(asyncio.to_thread(plan.add, point))
        volumes, tmpfs = record.config["Volumes"] or {}, record.host.get("Tmpfs") or {}
        await bridge.whole(asyncio.to_thread(mounts.of_image, plan, volumes, Union(None, image.trees), tmpfs))
    except BaseException:
        mounts.undo(plan, lambda volume: told(daemon, "destroy", volume))
        raise
    record.mounts = list(plan.points.values())


def donor(daemon: Daemon) -> Any:
    def find(name: str) -> Record:
        try:
            return daemon.containers.get(name).record
        except NotFound as error:
            raise BadParameter(str(error)) from None

    return find


def told(daemon: Daemon, action: str, volume: Volume) -> None:
    daemon.events.emit("volume", action, volume.name, driver=volume.driver)


async def settle(daemon: Daemon, record: Record, networking: dict[str, Any]) -> Container:
    """On disk, with its volumes filled, on its networks: only now it exists."""
    check_links(daemon, record)
    await bridge.whole(asyncio.to_thread(daemon.store.containers.put, record.id, record.save()))
    upper = daemon.store.containers.upper(record.id)
    trees = [daemon.store.layers.get(digest).path for digest in reversed(record.layers)]
    root = Union(upper, trees)
    await bridge.whole(asyncio.to_thread(initial.make, root))
    if any(point.kind == "volume" and point.copy for point in record.mounts):
        await bridge.whole(bridge.run(mounts.populate, record.mounts, root, daemon.store))
    join(daemon, record, networking)
    container = Container(daemon, record)
    daemon.containers.add(container)
    container.tell("create")
    return container


def check_links(daemon: Daemon, record: Record) -> None:
    for link in record.host["Links"] or []:
        name = link.partition(":")[0]
        try:
            daemon.containers.get(name)
        except NotFound as error:
            raise BadParameter(f"could not get container for {name}: {error}") from None


def join(daemon: Daemon, record: Record, networking: dict[str, Any]) -> None:
    mode = record.host["NetworkMode"]
    if mode.startswith("container:"):
        daemon.networks.address(record.id, record.name)
        return
    wanted: dict[str, dict[str, Any]] = {name: endpoint or {} for name, endpoint in networking.items()}
    if mode == "bridge" and "default" in wanted:
        wanted["bridge"] = wanted.pop("default")
    for name in dict.fromkeys((mode, *wanted)):
        endpoint = wanted.get(name, {})
        daemon.networks.join(name, record.id, record.name, endpoint.get("Aliases") or (), endpoint)


async def abandon(daemon: Daemon, record: Record) -> None:
    """It was refused half-way: as if it had never been asked for."""
    daemon.networks.forget(record.id)
    if daemon.store.containers.find(record.id) is not None:
        await bridge.whole(asyncio.to_thread(daemon.store.containers.remove, record.id))
    for point in record.mounts:
        if point.anonymous and daemon.store.volumes.find(point.name) is not None:
            try:
                daemon.store.volumes.remove(point.name)
            except EngineError:
                continue


def warnings(host: dict[str, Any]) -> list[str]:
    said = []
    if host["Privileged"]:
        said.append(PRIVILEGED)
    if host["Devices"] or host["DeviceRequests"]:
        said.append(DEVICES)
    if any(host[name] for name in LIMITS):
        said.append(NO_LIMIT)
    return said
