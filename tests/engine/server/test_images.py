"""/images: lists, names, removal, and tars both ways."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import docker
import pytest

from engine.server.conftest import Container, Daemon
from engine.server.raw import Client, request
from voldemo.engine.store import Entry, Image


@pytest.fixture(autouse=True)
def _clean(daemon: Daemon) -> Iterator[None]:
    yield
    daemon.containers.all.clear()
    for image in daemon.store.images.list():
        if daemon.store.images.find(image.id):
            daemon.store.images.remove(image.id, force=True)


def image(daemon: Daemon, *tags: str, content: bytes = b"content", created: int = 1, **config: object) -> Image:
    layer = daemon.store.layers.add_entries([Entry(b"f", "file", 0o644, source=content)])
    history = [{"created_by": "ADD f", "created": f"2024-01-{created:02}T00:00:00Z"}]
    history.append({"created_by": "CMD x", "empty_layer": True})
    return daemon.store.images.create(
        {
            "architecture": "amd64",
            "os": "linux",
            "created": f"2024-01-{created:02}T00:00:00Z",
            "config": {"Cmd": ["x"], **config},
            "rootfs": {"type": "layers", "diff_ids": [layer.diff_id]},
            "history": history,
        },
        tags,
    )


def listed(api: Client, **filters: object) -> list[str]:
    answer = api.ask("GET", f"/v1.47/images/json?filters={quote(json.dumps(filters))}")
    assert answer.status == 200, answer.body
    return [row["RepoTags"][0] if row["RepoTags"] else "-" for row in answer.json]


def test_a_row_of_the_list(api: Client, daemon: Daemon) -> None:
    made = image(daemon, "one:1", Labels={"a": "b"})
    (row,) = api.ask("GET", "/v1.47/images/json").json
    assert row == {
        "Containers": -1,
        "Created": 1704067200,
        "Id": made.id,
        "Labels": {"a": "b"},
        "ParentId": "",
        "RepoDigests": [],
        "RepoTags": ["one:1"],
        "SharedSize": -1,
        "Size": len(b"content"),
    }
    image(daemon, "two:1", created=2)
    assert {row["SharedSize"] for row in api.ask("GET", "/v1.47/images/json?shared-size=1").json} == {len(b"content")}


def test_list_filters(api: Client, daemon: Daemon) -> None:
    image(daemon, "lib/one:1", created=1, Labels={"tier": "hot"})
    image(daemon, "two:latest", created=2)
    image(daemon, created=3)
    assert listed(api) == ["-", "two:latest", "lib/one:1"]
    assert listed(api, dangling=["true"]) == ["-"]
    assert listed(api, dangling={"false": True}) == ["two:latest", "lib/one:1"]
    assert listed(api, label=["tier=hot"]) == ["lib/one:1"]
    assert listed(api, before=["two"]) == ["lib/one:1"]
    assert listed(api, since=["two"]) == ["-"]
    assert listed(api, until=["2024-01-01"]) == ["lib/one:1"]
    for pattern in ("two", "two:latest", "t*", "t?o", "[st]wo"):
        assert listed(api, reference=[pattern]) == ["two:latest"]
    assert listed(api, reference=["*"]) == ["two:latest"]
    assert listed(api, reference=["*/*:1"]) == ["lib/one:1"]


def test_steps_of_a_build_show_only_when_all_is_asked_for(api: Client, daemon: Daemon) -> None:
    step = image(daemon)
    config = {
        **step.config,
        "created": "2024-02-01T00:00:00Z",
        "history": [*step.config["history"], {"created_by": "X"}],
    }
    built = daemon.store.images.create(config, ["built:1"], parent=step.id)
    assert listed(api) == ["built:1"]
    assert [row["Id"] for row in api.ask("GET", "/v1.47/images/json?all=1").json] == [built.id, step.id]
    assert [row["Id"] for row in api.ask("GET", "/v1.47/images/built:1/history").json] == [
        built.id,
        step.id,
        "<missing>",
    ]


@pytest.mark.parametrize(
    ("filters", "status", "text"),
    [
        ({"nome": ["x"]}, 400, "invalid filter 'nome'"),
        ({"dangling": ["maybe"]}, 400, "invalid filter 'dangling=[maybe]'"),
        ({"before": ["nope"]}, 404, "No such image: nope:latest"),
    ],
)
def test_wrong_filters(api: Client, filters: dict, status: int, text: str) -> None:
    answer = api.ask("GET", f"/v1.47/images/json?filters={quote(json.dumps(filters))}")
    assert (answer.status, answer.message) == (status, text)


def test_inspect_and_history(api: Client, daemon: Daemon) -> None:
    made = image(daemon, "a/b/c:1")
    for ref in ("a/b/c:1", made.id, made.id[7:19]):
        found = api.ask("GET", f"/v1.47/images/{ref}/json").json
        assert (found["Id"], found["RepoTags"], found["Config"]["Cmd"]) == (made.id, ["a/b/c:1"], ["x"])
        assert found["RootFS"] == {"Type": "layers", "Layers": [made.layers[0].diff_id]}
        assert found["GraphDriver"]["Data"]["UpperDir"] == str(made.layers[0].path)
    newest, oldest = api.ask("GET", "/v1.47/images/a/b/c:1/history").json
    assert (newest["Id"], newest["CreatedBy"], newest["Size"], newest["Tags"]) == (made.id, "CMD x", 0, ["a/b/c:1"])
    assert (oldest["Id"], oldest["CreatedBy"], oldest["Size"], oldest["Created"]) == (
        "<missing>",
        "ADD f",
        7,
        1704067200,
    )
    for path in ("nope/json", "nope/history"):
        answer = api.ask("GET", f"/v1.47/images/{path}")
        assert (answer.status, answer.message) == (404, "No such image: nope:latest")


def test_tag(api: Client, daemon: Daemon) -> None:
    made = image(daemon, "one:1")
    assert api.ask("POST", "/v1.47/images/one:1/tag?repo=two&tag=2").status == 201
    assert api.ask("POST", f"/v1.47/images/{made.id}/tag?repo=three").status == 201
    assert daemon.store.images.get(made.id).tags == ("one:1", "three:latest", "two:2")
    assert api.ask("POST", "/v1.47/images/nope/tag?repo=two").status == 404
    for query in ("repo=A/B", "repo=", "repo=a&tag=%20", ""):
        answer = api.ask("POST", f"/v1.47/images/one:1/tag?{query}")
        assert answer.status == 400
        assert answer.message.startswith("invalid reference format")


def test_remove(api: Client, daemon: Daemon) -> None:
    made = image(daemon, "one:1", "two:2")
    daemon.containers.all = [Container("c" * 64, "c", image=made.id)]
    assert api.ask("DELETE", "/v1.47/images/two:2").json == [{"Untagged": "two:2"}]
    refused = api.ask("DELETE", "/v1.47/images/one:1")
    assert refused.status == 409
    assert refused.message.startswith("conflict: unable to remove repository reference")
    daemon.containers.all.clear()
    rows = api.ask("DELETE", "/v1.47/images/one:1").json
    assert rows[:2] == [{"Untagged": "one:1"}, {"Deleted": made.id}]
    assert api.ask("DELETE", "/v1.47/images/one:1").message == "No such image: one:1"


def test_prune(api: Client, daemon: Daemon) -> None:
    named, nameless, used = image(daemon, "one:1"), image(daemon, content=b"x" * 1000), image(daemon, created=9)
    daemon.containers.all = [Container("c" * 64, "c", image=used.id)]
    gone = api.ask("POST", "/v1.47/images/prune").json
    assert {"Deleted": nameless.id} in gone["ImagesDeleted"]
    assert gone["SpaceReclaimed"] == 1000
    assert api.ask("POST", "/v1.47/images/prune").json == {"ImagesDeleted": None, "SpaceReclaimed": 0}
    gone = api.ask("POST", "/v1.47/images/prune?filters=%7B%22dangling%22:%5B%22false%22%5D%7D").json
    assert gone["ImagesDeleted"][:2] == [{"Untagged": "one:1"}, {"Deleted": named.id}]
    assert (
        api.ask("POST", "/v1.47/images/prune?filters=%7B%22name%22:%5B%22x%22%5D%7D").message == "invalid filter 'name'"
    )


def test_events(api: Client, daemon: Daemon, sdk: docker.DockerClient) -> None:
    made = image(daemon, "one:1")
    heard = sdk.events(decode=True, filters={"type": "image"})
    api.ask("POST", "/v1.47/images/one:1/tag?repo=two")
    api.ask("DELETE", f"/v1.47/images/{made.id}?force=1")
    said = [next(heard) for _ in range(4)]
    heard.close()
    assert [event["Action"] for event in said] == ["tag", "untag", "untag", "delete"]
    assert {event["Actor"]["ID"] for event in said} == {made.id}
    assert said[0]["Actor"]["Attributes"]["name"] == "two:latest"


def test_save_and_load(api: Client, daemon: Daemon) -> None:
    made = image(daemon, "lib/one:1", content=os.urandom(3_000_000))
    saved = api.ask("GET", "/v1.47/images/lib/one:1/get")
    assert saved.headers["content-type"] == "application/x-tar"
    with tarfile.open(fileobj=io.BytesIO(saved.body)) as tar:
        assert "manifest.json" in tar.getnames()
    assert api.ask("GET", "/v1.47/images/get?names=lib/one:1").body == saved.body
    daemon.store.images.remove("lib/one:1")
    api.send(
        request("POST", "/v1.47/images/load?quiet=1", Content_Type="application/x-tar", Transfer_Encoding="chunked")
    )
    for at in range(0, len(saved.body), 50_000):
        block = saved.body[at : at + 50_000]
        api.send(b"%x\r\n%b\r\n" % (len(block), block))
    api.send(b"0\r\n\r\n")
    assert api.answer().json == {"stream": "Loaded image: lib/one:1\n"}
    assert daemon.store.images.get("lib/one:1").id == made.id


def test_what_cannot_be_saved_or_loaded(api: Client, daemon: Daemon) -> None:
    for path in ("get?names=nope", "nope/get"):
        answer = api.ask("GET", f"/v1.47/images/{path}")
        assert (answer.status, answer.message) == (404, "No such image: nope")
    for body in (b"", b"x" * 2000, b"\x1f\x8b" + b"x" * 100):
        answer = api.ask("POST", "/v1.47/images/load", body, Content_Type="application/x-tar")
        assert answer.status == 200
        assert answer.json["error"] == answer.json["errorDetail"]["message"] != ""


def test_a_client_that_leaves_while_it_loads(api: Client, daemon: Daemon, engine, capfd: pytest.CaptureFixture) -> None:
    whole = io.BytesIO()
    made = image(daemon, "one:1", content=os.urandom(2_000_000))
    for block in daemon.store.images.save([made.id]):
        whole.write(block)
    daemon.store.images.remove(made.id, force=True)
    for part in (100, 700_000):
        with Client(engine.socket) as client:
            client.send(request("POST", "/images/load", Content_Length=str(len(whole.getvalue()))))
            client.send(whole.getvalue()[:part])
    assert api.ask("GET", "/v1.47/images/json").json == []
    assert capfd.readouterr().err == ""


def test_the_clients(sdk: docker.DockerClient, daemon: Daemon, cli, tmp_path: Path) -> None:
    made = image(daemon, "one:1")
    assert sdk.images.get("one:1").id == made.id
    cli("save", "one:1", "--output", str(tmp_path / "one.tar"))
    assert cli("rmi", "one:1").splitlines()[:2] == ["Untagged: one:1", f"Deleted: {made.id}"]
    assert cli("load", "--input", str(tmp_path / "one.tar")) == "Loaded image: one:1"
    assert cli("images", "--quiet", "--no-trunc") == made.id
    assert "CMD x" in cli("history", "one:1")
    assert cli("system", "df", "--format", "{{.TotalCount}}").splitlines()[0] == "1"
    assert sdk.images.prune()["ImagesDeleted"] is None
