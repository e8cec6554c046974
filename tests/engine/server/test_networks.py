"""/networks, and who knows whose name."""

from __future__ import annotations

import json
import time
from pathlib import Path
from urllib.parse import quote

import pytest

from engine.server.conftest import Container, Daemon
from engine.server.raw import Answer, Client
from voldemo.engine.errors import NotFound
from voldemo.engine.events import Events
from voldemo.engine.networks import Networks
from voldemo.engine.store import Store


@pytest.fixture(autouse=True)
def _clean(daemon: Daemon) -> None:
    for container in daemon.containers.all:
        daemon.networks.forget(container.id)
    daemon.containers.all.clear()
    for network in daemon.networks.list():
        if not network.predefined:
            daemon.networks.remove(network)


def post(api: Client, path: str, **body: object) -> Answer:
    return api.ask("POST", f"/v1.47{path}", json.dumps(body).encode(), Content_Type="application/json")


def listed(api: Client, **filters: object) -> list[str]:
    answer = api.ask("GET", f"/v1.47/networks?filters={quote(json.dumps(filters))}")
    return sorted(network["Name"] for network in answer.json)


def container(daemon: Daemon, letter: str, *networks: str, running: bool = True) -> Container:
    made = Container(letter * 64, f"name-{letter}", running)
    daemon.containers.all.append(made)
    for network in networks:
        daemon.networks.join(network, made.id, made.name)
    if running:
        daemon.networks.up(made.id)
    return made


def test_three_are_always_there_and_say_what_they_are(api: Client) -> None:
    assert listed(api) == ["bridge", "host", "none"]
    bridge = api.ask("GET", "/networks/bridge").json
    assert (bridge["Driver"], bridge["Scope"], bridge["Containers"]) == ("bridge", "local", {})
    assert "shares the host's network" in bridge["Options"]["voldemo.network"]
    assert api.ask("GET", "/networks/none").json["Driver"] == "null"


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        ({}, 400, "invalid name: name is empty"),
        ({"Name": 1}, 400, "invalid JSON: json: cannot unmarshal number into Go struct field Name of type string"),
        ({"Name": "bridge"}, 403, "operation is not permitted on predefined bridge network "),
        ({"Name": "x", "Driver": "nope"}, 404, 'plugin "nope" not found'),
        ({"Name": "x", "Driver": "host"}, 403, 'only one instance of "host" network is allowed'),
        ({"Name": "x", "Driver": "overlay"}, 403, "This node is not a swarm manager."),
        ({"Name": "x", "Driver": "macvlan"}, 501, "The network driver macvlan is not part of this engine: "),
    ],
)
def test_what_is_refused(api: Client, body: dict, status: int, text: str) -> None:
    answer = post(api, "/networks/create", **body)
    assert answer.status == status
    assert answer.message.startswith(text)


def test_a_network_is_made_found_and_removed(api: Client) -> None:
    made = post(api, "/networks/create", Name="net", Labels={"a": "b"}, Internal=True, Options={"o": "1"})
    assert (made.status, made.json["Warning"]) == (201, "")
    id = made.json["Id"]
    for ref in ("net", id, id[:12]):
        found = api.ask("GET", f"/networks/{ref}").json
        assert (found["Id"], found["Labels"], found["Internal"]) == (id, {"a": "b"}, True)
    again = post(api, "/networks/create", Name="net")
    assert (again.status, again.message) == (409, "network with name net already exists")
    assert api.ask("DELETE", "/networks/net").status == 204
    assert api.ask("DELETE", "/networks/net").message == "network net not found"
    predefined = api.ask("DELETE", "/networks/host")
    assert (predefined.status, predefined.message) == (403, "host is a pre-defined network and cannot be removed")


def test_list_filters(api: Client, daemon: Daemon) -> None:
    id = post(api, "/networks/create", Name="net-a", Labels={"a": "b"}).json["Id"]
    post(api, "/networks/create", Name="net-b")
    container(daemon, "a", "net-b")
    assert listed(api, name=["net"]) == ["net-a", "net-b"]
    assert listed(api, name={"net-a": True}) == ["net-a"]
    assert listed(api, label=["a=b"]) == ["net-a"]
    assert listed(api, id=[id[:20]]) == ["net-a"]
    assert listed(api, type=["custom"]) == ["net-a", "net-b"]
    assert listed(api, driver=["null"]) == ["none"]
    assert listed(api, dangling=["true"]) == ["net-a"]
    assert api.ask("GET", "/networks?filters=%7B%22nome%22:%5B%22x%22%5D%7D").message == "invalid filter 'nome'"


def test_a_running_container_shows_and_keeps_its_network(api: Client, daemon: Daemon) -> None:
    post(api, "/networks/create", Name="net")
    used = container(daemon, "a", "net")
    (end,) = api.ask("GET", "/networks/net").json["Containers"].values()
    assert end["Name"] == used.name
    assert end["IPv4Address"] == f"{daemon.networks.address(used.id)}/16"
    answer = api.ask("DELETE", "/networks/net")
    text = f'network net has active endpoints (name:"{used.name}" id:"{end["EndpointID"][:12]}")'
    assert (answer.status, answer.message) == (403, f"error while removing network: {text}")
    daemon.networks.down(used.id)
    assert api.ask("GET", "/networks/net").json["Containers"] == {}
    assert api.ask("DELETE", "/networks/net").status == 204


def test_connect_and_disconnect(api: Client, daemon: Daemon) -> None:
    post(api, "/networks/create", Name="net")
    one, two = container(daemon, "a", "bridge"), container(daemon, "b", "net")
    config = {"Aliases": ["web"]}
    assert post(api, "/networks/net/connect", Container=one.name, EndpointConfig=config).status == 200
    again = post(api, "/networks/net/connect", Container=one.id)
    assert (again.status, again.message) == (403, f"endpoint with name {one.name} already exists in network net")
    (_, names) = daemon.networks.hosts(two.id)[1]
    assert names == [one.name, one.id[:12], "web"]
    assert post(api, "/networks/net/disconnect", Container=one.name, Force=True).status == 200
    gone = post(api, "/networks/net/disconnect", Container=one.name)
    assert (gone.status, gone.message) == (500, f"container {one.id} is not connected to network net")
    assert post(api, "/networks/net/connect", Container="nope").message == "No such container: nope"
    assert post(api, "/networks/nope/connect", Container=one.id).message == "network nope not found"


def test_prune_takes_what_no_container_has(api: Client, daemon: Daemon) -> None:
    post(api, "/networks/create", Name="spare", Labels={"a": ""})
    post(api, "/networks/create", Name="used")
    container(daemon, "a", "used", running=False)
    assert post(api, "/networks/prune?filters=%7B%22label%22:%5B%22b%22%5D%7D").json == {"NetworksDeleted": None}
    assert post(api, "/networks/prune?filters=%7B%22until%22:%5B%221h%22%5D%7D").json == {"NetworksDeleted": None}
    assert post(api, "/networks/prune").json == {"NetworksDeleted": ["spare"]}


def test_events(daemon: Daemon, api: Client) -> None:
    post(api, "/networks/create", Name="net")
    used = container(daemon, "a", "net")
    daemon.networks.down(used.id)
    daemon.networks.forget(used.id)
    api.ask("DELETE", "/networks/net")
    answer = api.ask("GET", f"/events?since=0&until={time.time():.9f}")
    said = [
        event
        for event in map(json.loads, answer.body.splitlines())
        if event["Actor"]["Attributes"].get("name") == "net"
    ]
    assert [event["Action"] for event in said][-4:] == ["create", "connect", "disconnect", "destroy"]
    assert said[-3]["Actor"]["Attributes"] == {"container": used.id, "name": "net", "type": "bridge"}


def test_only_user_defined_networks_know_names(daemon: Daemon, api: Client) -> None:
    post(api, "/networks/create", Name="net")
    a, b, c = container(daemon, "a", "bridge", "net"), container(daemon, "b", "net"), container(daemon, "c", "bridge")
    assert [names[0] for _, names in daemon.networks.hosts(a.id)] == [a.name, b.name]
    assert [names[0] for _, names in daemon.networks.hosts(c.id)] == [c.name]
    assert daemon.networks.hosts("unknown") == []


def test_those_who_know_a_name_are_told_of_its_coming_and_going(daemon: Daemon, api: Client) -> None:
    post(api, "/networks/create", Name="net")
    one = container(daemon, "a", "net")
    told: list[set[str]] = []
    daemon.networks.on_change(told.append)
    two = container(daemon, "b", "net")
    daemon.networks.renamed(two.id, "other")
    daemon.networks.down(two.id)
    daemon.networks.on_change(lambda _: None)
    assert told == [{one.id, two.id}, {one.id, two.id}, {one.id}]


def test_a_network_that_is_not_there_is_missed_at_the_start(daemon: Daemon, api: Client) -> None:
    waiting = container(daemon, "a", "later", running=False)
    with pytest.raises(NotFound, match="network later not found"):
        daemon.networks.up(waiting.id)
    id = post(api, "/networks/create", Name="later").json["Id"]
    daemon.networks.up(waiting.id)
    view = daemon.networks.of(waiting.id)["later"].view()
    assert (view["NetworkID"], view["IPAddress"]) == (id, daemon.networks.address(waiting.id))


def test_all_of_it_outlives_the_engine(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "root")
    networks = Networks(store.networks, Events())
    kept = networks.create("net", labels={"a": "b"})
    networks.join("net", "a" * 64, "one", ["web"])
    networks.join("bridge", "a" * 64, "one")
    address = networks.address("a" * 64)
    store.close()
    store = Store.open(tmp_path / "root")
    again = Networks(store.networks, Events())
    assert sorted(network.name for network in again.list()) == ["bridge", "host", "net", "none"]
    assert again.get("net").id == kept.id
    assert again.address("a" * 64) == address
    assert again.of("a" * 64)["net"].aliases == ["web"]
    assert again.address("b" * 64) != address
    again.forget("a" * 64)
    assert again.of("a" * 64) == {}
    store.close()


def test_every_container_has_an_address_of_its_own(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "root")
    networks = Networks(store.networks, Events())
    addresses = {networks.address(f"{number:064}") for number in range(300)}
    assert len(addresses) == 300
    assert all(address.startswith("127.77.") for address in addresses)
    networks.forget(f"{5:064}")
    assert networks.address("x") not in addresses
    store.close()
