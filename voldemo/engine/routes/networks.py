"""/networks"""

from __future__ import annotations

from typing import Any

from voldemo.engine import clock, fields, members
from voldemo.engine.errors import BadParameter, Forbidden, NotFound, Unsupported
from voldemo.engine.filters import Filters
from voldemo.engine.http import Empty, Json, Request, Response
from voldemo.engine.members import PREDEFINED, SUBNET, Network
from voldemo.engine.router import Routes

routes = Routes()
LIST_FILTERS = ("driver", "type", "name", "id", "label", "label!", "dangling", "scope")
PRUNE_FILTERS = ("label", "label!", "until")
SWARM = (
    'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm '
    "and try again."
)


def view(daemon: Any, network: Network, inside: bool) -> dict[str, Any]:
    return {"Id": network.id, **network.record, "Containers": containers(daemon, network) if inside else {}}


def containers(daemon: Any, network: Network) -> dict[str, Any]:
    return {
        member.id: {
            "Name": member.name,
            "EndpointID": endpoint.id,
            "MacAddress": "",
            "IPv4Address": f"{member.address}/{SUBNET.prefixlen}",
            "IPv6Address": "",
        }
        for member, endpoint in daemon.networks.ends(network)
        if endpoint.up
    }


@routes.get("/networks")
async def list_networks(daemon: Any, request: Request) -> Response:
    filters = request.filters(LIST_FILTERS)
    check_type(filters)
    found = [network for network in daemon.networks.list() if listed(daemon, network, filters)]
    return Json([view(daemon, network, inside=False) for network in found])


def check_type(filters: Filters) -> None:
    for value in filters.get("type", ()):
        if value not in ("builtin", "custom"):
            raise BadParameter(f"invalid filter: 'type'='{value}'")


def listed(daemon: Any, network: Network, filters: Filters) -> bool:
    kind = "builtin" if network.predefined else "custom"
    return (
        filters.name("name", network.name)
        and filters.name("id", network.id)
        and filters.any("driver", network.driver)
        and filters.any("scope", "local")
        and filters.any("type", kind)
        and filters.labels(network.record["Labels"])
        and ("dangling" not in filters or filters.flag("dangling") is unused(daemon, network))
    )


def unused(daemon: Any, network: Network) -> bool:
    return not network.predefined and not daemon.networks.ends(network)


@routes.post("/networks/create")
async def create(daemon: Any, request: Request) -> Response:
    body = await request.json()
    name, driver = fields.text(body, "Name"), fields.text(body, "Driver") or "bridge"
    if not name:
        raise BadParameter("invalid name: name is empty")
    if name in PREDEFINED:
        raise Forbidden(f"operation is not permitted on predefined {name} network ")
    check_driver(driver)
    network = daemon.networks.create(
        name,
        driver,
        internal=fields.boolean(body, "Internal"),
        attachable=fields.boolean(body, "Attachable"),
        options=fields.mapping(body, "Options"),
        labels=fields.mapping(body, "Labels"),
    )
    return Json({"Id": network.id, "Warning": ""}, 201)


def check_driver(driver: str) -> None:
    if driver == "overlay":
        raise Forbidden(SWARM)
    if driver in ("host", "null"):
        raise Forbidden(f'only one instance of "{driver}" network is allowed')
    if driver in ("macvlan", "ipvlan"):
        raise Unsupported(
            f"The network driver {driver} is not part of this engine: containers share the host's network."
        )
    if driver != "bridge":
        raise NotFound(f'plugin "{driver}" not found')


@routes.get("/networks/{id:path}")
async def inspect(daemon: Any, request: Request, id: str) -> Response:
    return Json(view(daemon, daemon.networks.get(id), inside=True))


@routes.delete("/networks/{id:path}")
async def remove(daemon: Any, request: Request, id: str) -> Response:
    daemon.networks.remove(daemon.networks.get(id))
    return Empty()


@routes.post("/networks/{id}/connect")
async def connect(daemon: Any, request: Request, id: str) -> Response:
    body = await request.json()
    container = daemon.containers.get(fields.text(body, "Container"))
    config = fields.obj(body, "EndpointConfig")
    members.check(config)
    network = daemon.networks.get(id)
    if network.driver != "bridge":
        raise Forbidden(f"container cannot be connected to {network.name} network")
    daemon.networks.connect(network, container.id, container.name, container.running, config)
    return Empty(200)


@routes.post("/networks/{id}/disconnect")
async def disconnect(daemon: Any, request: Request, id: str) -> Response:
    body = await request.json()
    container = daemon.containers.get(fields.text(body, "Container"))
    fields.boolean(body, "Force")
    network = daemon.networks.get(id)
    if network.driver == "host":
        raise Forbidden("container cannot be disconnected from host network")
    daemon.networks.leave(network.id, container.id)
    return Empty(200)


@routes.post("/networks/prune")
async def prune(daemon: Any, request: Request) -> Response:
    filters = request.filters(PRUNE_FILTERS)
    before = until(filters)
    deleted = []
    for network in daemon.networks.list():
        made = clock.parse(network.record["Created"])
        if unused(daemon, network) and filters.labels(network.record["Labels"]) and (before is None or made <= before):
            daemon.networks.remove(network)
            deleted.append(network.name)
    daemon.events.emit("network", "prune", "", reclaimed="0")
    return Json({"NetworksDeleted": deleted or None})


def until(filters: Filters) -> int | None:
    values = filters.get("until")
    if not values:
        return None
    if len(values) > 1:
        raise BadParameter("more than one until filter specified")
    return clock.moment(values[0])
