"""/volumes as Docker 28 does it."""

from __future__ import annotations

import json
from urllib.parse import quote

import docker
import pytest

from engine.server.conftest import Container, Daemon
from engine.server.raw import Answer, Client


@pytest.fixture(autouse=True)
def _clean(daemon: Daemon) -> None:
    daemon.containers.all.clear()
    for volume in daemon.store.volumes.list():
        daemon.store.volumes.remove(volume.name)


def create(api: Client, **body: object) -> Answer:
    return api.ask("POST", "/v1.47/volumes/create", json.dumps(body).encode(), Content_Type="application/json")


def listed(api: Client, **filters: object) -> list[str]:
    answer = api.ask("GET", f"/v1.47/volumes?filters={quote(json.dumps(filters))}")
    return sorted(volume["Name"] for volume in answer.json["Volumes"])


def prune(api: Client, version: str = "1.47", **filters: object) -> Answer:
    return api.ask("POST", f"/v{version}/volumes/prune?filters={quote(json.dumps(filters))}")


def test_a_named_volume(api: Client, daemon: Daemon) -> None:
    made = create(api, Name="data", Labels={"a": "b"})
    assert made.status == 201
    path = daemon.store.root / "volumes/data/_data"
    created = made.json["CreatedAt"]
    assert made.json == {
        "CreatedAt": created,
        "Driver": "local",
        "Labels": {"a": "b"},
        "Mountpoint": str(path),
        "Name": "data",
        "Options": None,
        "Scope": "local",
    }
    assert (len(created), created[-1]) == (20, "Z")
    assert path.is_dir()
    assert api.ask("GET", "/volumes/data").json == made.json


def test_the_same_name_again_is_the_same_volume(api: Client, daemon: Daemon) -> None:
    first = create(api, Name="data", Labels={"a": "b"})
    again = create(api, Name="data", Labels={"other": ""}, Driver="local")
    assert (again.status, again.json) == (201, first.json)


def test_without_a_name_it_is_anonymous(api: Client) -> None:
    made = create(api).json
    assert len(made["Name"]) == 64
    assert made["Labels"] == {"com.docker.volume.anonymous": ""}


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        (
            {"Name": "a"},
            400,
            "create a: volume name is too short, names should be at least two alphanumeric characters",
        ),
        ({"Name": 3}, 400, "invalid JSON: json: cannot unmarshal number into Go struct field Name of type string"),
        ({"Name": "ok", "Labels": {"a": 1}}, 400, "invalid JSON: json: cannot unmarshal number into Go struct field"),
        ({"Name": "ok", "Labels": []}, 400, "invalid JSON: json: cannot unmarshal array into Go struct field"),
        ({"Name": "a/b"}, 400, 'create a/b: "a/b" includes invalid characters for a local volume name, only'),
        ({"Name": "../../up"}, 400, 'create ../../up: "../../up" includes invalid characters'),
        ({"Name": "ok\n"}, 400, "create ok\n: "),
        ({"Name": "ok", "DriverOpts": {"foo": "x"}}, 400, 'create ok: invalid option: "foo"'),
        ({"Name": "ok", "Driver": "nfs"}, 404, 'create ok: error looking up volume plugin nfs: plugin "nfs" not found'),
    ],
)
def test_what_docker_refuses(api: Client, body: dict, status: int, text: str) -> None:
    answer = create(api, **body)
    assert answer.status == status
    assert answer.message.startswith(text)
    assert listed(api) == []


def test_list_filters(api: Client, daemon: Daemon) -> None:
    create(api, Name="hot-1", Labels={"tier": "hot"})
    create(api, Name="hot-2", Labels={"tier": "hot", "keep": ""})
    create(api, Name="cold", Labels={"tier": "cold"})
    daemon.containers.all = [Container("c" * 64, "c", volumes=["cold"])]
    assert listed(api) == ["cold", "hot-1", "hot-2"]
    assert listed(api, name=["hot"]) == listed(api, name={"hot": True}) == ["hot-1", "hot-2"]
    assert listed(api, name=["^hot-1$", "cold"]) == ["cold", "hot-1"]
    assert listed(api, label=["tier=hot", "keep"]) == ["hot-2"]
    assert listed(api, label=["tier"]) == ["cold", "hot-1", "hot-2"]
    assert listed(api, dangling=["true"]) == listed(api, dangling={"1": True}) == ["hot-1", "hot-2"]
    assert listed(api, dangling=["false"]) == ["cold"]
    assert listed(api, driver=["local"]) == ["cold", "hot-1", "hot-2"]
    assert listed(api, driver=["nfs"]) == []


@pytest.mark.parametrize(
    ("filters", "text"),
    [
        ('{"nome":["x"]}', "invalid filter 'nome'"),
        ('{"dangling":["maybe"]}', "invalid filter 'dangling=[maybe]'"),
        ('{"name":"x"}', "error reading volume filters: invalid filter"),
        ("x", "error reading volume filters: invalid filter"),
        ('["name"]', "error reading volume filters: invalid filter"),
        ('{"name":' * 50_000, "error reading volume filters: invalid filter"),
    ],
)
def test_wrong_filters_are_refused(api: Client, filters: str, text: str) -> None:
    answer = api.ask("GET", f"/volumes?filters={quote(filters)}")
    assert (answer.status, answer.status == 400 and answer.message) == (400, text) or answer.status == 431


def test_remove(api: Client, daemon: Daemon) -> None:
    create(api, Name="data")
    assert api.ask("DELETE", "/volumes/data").status == 204
    again = api.ask("DELETE", "/volumes/data")
    assert (again.status, again.message) == (404, "get data: no such volume")
    assert api.ask("DELETE", "/volumes/data?force=1").status == 204
    assert api.ask("GET", "/volumes/data").message == "get data: no such volume"


@pytest.mark.parametrize("force", ["", "?force=true"])
def test_a_volume_in_use_stays(api: Client, daemon: Daemon, force: str) -> None:
    create(api, Name="data")
    daemon.containers.all = [Container(x * 64, x, running=False, volumes=["data"]) for x in "ab"]
    answer = api.ask("DELETE", f"/volumes/data{force}")
    users = f"[{'a' * 64}, {'b' * 64}]"
    assert (answer.status, answer.message) == (409, f"remove data: volume is in use - {users}")


def test_prune_takes_unused_anonymous_ones(api: Client, daemon: Daemon) -> None:
    create(api, Name="named")
    nameless, used = create(api).json, create(api).json
    (daemon.store.volumes.get(nameless["Name"]).path / "f").write_bytes(b"x" * 12345)
    daemon.containers.all = [Container("c" * 64, "c", volumes=[used["Name"]])]
    assert prune(api).json == {"VolumesDeleted": [nameless["Name"]], "SpaceReclaimed": 12345}
    assert prune(api).json == {"VolumesDeleted": [], "SpaceReclaimed": 0}
    assert listed(api) == sorted(["named", used["Name"]])


def test_prune_of_all_and_of_old_clients(api: Client) -> None:
    create(api, Name="one")
    assert prune(api, all=["true"]).json["VolumesDeleted"] == ["one"]
    create(api, Name="two")
    assert prune(api, version="1.41").json["VolumesDeleted"] == ["two"]


def test_prune_filters(api: Client) -> None:
    create(api, Name="hot", Labels={"tier": "hot"})
    create(api, Name="cold", Labels={"tier": "cold"})
    assert prune(api, all={"1": True}, label=["tier=hot"]).json["VolumesDeleted"] == ["hot"]
    assert prune(api, all=["true"], **{"label!": ["tier=cold"]}).json["VolumesDeleted"] == []
    wrong = prune(api, all=["maybe"])
    assert wrong.message == "invalid filter 'all': strconv.ParseBool: parsing \"maybe\": invalid syntax"
    assert prune(api, name=["x"]).message == "invalid filter 'name'"


def test_prune_leaves_what_a_container_took_meanwhile(
    api: Client, daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = create(api).json["Name"]
    users = iter([{}, {name: ["c" * 64]}])
    monkeypatch.setattr(daemon.containers, "volume_users", lambda: next(users))
    assert prune(api).json == {"VolumesDeleted": [], "SpaceReclaimed": 0}


def test_events(api: Client, sdk: docker.DockerClient) -> None:
    with_events = sdk.events(decode=True, filters={"type": "volume"})
    create(api, Name="data")
    create(api, Name="data")
    api.ask("DELETE", "/volumes/data")
    prune(api)
    said = [next(with_events) for _ in range(3)]
    assert [event["Action"] for event in said] == ["create", "destroy", "prune"]
    assert said[0]["Actor"] == {"ID": "data", "Attributes": {"driver": "local"}}
    assert said[2]["Actor"] == {"ID": "", "Attributes": {"reclaimed": "0"}}
    with_events.close()


def test_usage(api: Client, daemon: Daemon) -> None:
    create(api, Name="data")
    create(api, Name="memory", DriverOpts={"type": "tmpfs", "device": "tmpfs"})
    (daemon.store.volumes.get("data").path / "f").write_bytes(b"x" * 100)
    daemon.containers.all = [Container(x * 64, x, volumes=["data"]) for x in "ab"]
    df = api.ask("GET", "/v1.47/system/df?type=volume").json
    assert [(row["Name"], row["UsageData"]) for row in df["Volumes"]] == [("data", {"RefCount": 2, "Size": 100})]
    assert (df["Images"], df["Containers"], df["BuildCache"]) == (None, None, None)


def test_the_sdk_and_the_cli(sdk: docker.DockerClient, cli) -> None:
    assert cli("volume", "create", "--label", "a=b", "by-cli") == "by-cli"
    assert sdk.volumes.get("by-cli").attrs["Labels"] == {"a": "b"}
    assert json.loads(cli("volume", "inspect", "by-cli"))[0]["Name"] == "by-cli"
    assert cli("volume", "ls", "--filter", "label=a=b", "--quiet") == "by-cli"
    assert cli("volume", "prune", "--all", "--force") == "Deleted Volumes:\nby-cli\n\nTotal reclaimed space: 0B"
    with pytest.raises(docker.errors.NotFound, match="get by-cli: no such volume"):
        sdk.volumes.get("by-cli")
