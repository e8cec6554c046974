"""/build and /images/create as docker's own SDK uses them."""

from __future__ import annotations

import io
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import docker
import pytest

from engine.build.conftest import tar_of
from engine.server.raw import Loop
from voldemo.engine.builtin import Builtin
from voldemo.engine.events import Events
from voldemo.engine.registry import Registries
from voldemo.engine.routes import build, images, pull
from voldemo.engine.store import Store, Union


@pytest.fixture(scope="module")
def daemon() -> Iterator[SimpleNamespace]:
    root = Path(tempfile.mkdtemp(prefix="vd-build-"))
    store = Store.open(root)
    users = SimpleNamespace(image_users=dict)
    yield SimpleNamespace(store=store, events=Events(), containers=users, builtin=None, registries=Registries())
    store.close()
    shutil.rmtree(root)


@pytest.fixture(scope="module")
def client(daemon):
    with Loop([images.routes, build.routes, pull.routes], daemon) as loop:

        async def builtin() -> Builtin:
            return Builtin(daemon.store)

        daemon.builtin = loop.call(builtin())
        with closing(docker.DockerClient(f"unix://{loop.socket}", version="1.47")) as client:
            yield client


def test_a_base_image_that_is_built_in_is_made(client, daemon):
    """The first test here: nobody has asked for it before."""
    assert daemon.store.images.list() == []
    image, _ = client.images.build(fileobj=io.BytesIO(b"FROM busybox:1.37\nENV A=b\n"))
    assert "A=b" in image.attrs["Config"]["Env"]


def test_what_is_built_in_can_be_pulled(client):
    image = client.images.pull("busybox:1.37")
    assert image.tags == ["busybox:1.37"]
    said = list(client.api.pull("busybox", "1.37", stream=True, decode=True))
    assert said[-1]["status"] == "Status: Image is up to date for busybox:1.37"


def test_what_no_registry_has_is_said_in_a_sentence(client):
    with pytest.raises(docker.errors.NotFound, match="names no registry and this engine has none to ask"):
        client.images.pull("nope:1")


def test_another_platform(client):
    with pytest.raises(docker.errors.NotFound, match="this engine runs linux/amd64"):
        client.images.pull("busybox:1.37", platform="linux/arm64")


def test_build_by_the_sdk(client, daemon):
    client.images.pull("busybox:1.37")
    context = io.BytesIO(tar_of({"Dockerfile": b"FROM busybox:1.37\nCOPY f /f\n", "f": b"1"}))
    image, said = client.images.build(fileobj=context, custom_context=True, tag="made:1", labels={"a": "b"})
    assert image.tags == ["made:1"]
    assert image.labels["a"] == "b"
    assert {"stream": "Successfully tagged made:1\n"} in list(said)
    assert Union(None, daemon.store.images.get("made:1").trees).read_file("/f") == b"1"


def test_quiet_says_the_id_alone(client):
    context = io.BytesIO(tar_of({"Dockerfile": b"FROM busybox:1.37\nENV A=quiet\n"}))
    said = list(client.api.build(fileobj=context, custom_context=True, quiet=True, decode=True))
    (line,) = said
    assert client.images.get(line["stream"].strip()).id == line["stream"].strip()


def test_quiet_says_all_when_it_fails(client):
    context = io.BytesIO(tar_of({"Dockerfile": b"FROM busybox:1.37\nCOPY no /x\n"}))
    said = list(client.api.build(fileobj=context, custom_context=True, quiet=True, decode=True))
    assert said[0]["stream"].startswith("Step 1/2")
    assert "COPY failed" in said[-1]["error"]


def test_a_dockerfile_of_another_name(client):
    context = tar_of({"docker/x": b"FROM busybox:1.37\nENV A=b\n"})
    client.images.build(fileobj=io.BytesIO(context), custom_context=True, dockerfile="docker/x")
    with pytest.raises(docker.errors.APIError, match="Cannot locate specified Dockerfile: nope"):
        client.images.build(fileobj=io.BytesIO(context), custom_context=True, dockerfile="nope")


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"version": "2"}, "BuildKit is not part of this engine"),
        ({"remote": "https://example.org/x.git"}, "remote build context is not part of this engine"),
        ({"squash": "1"}, "Squashing"),
    ],
)
def test_what_is_absent_is_said(client, query, said):
    answer = client.api._post(client.api._url("/build"), params=query, data=b"")
    assert answer.status_code == 501
    assert said in answer.json()["message"]


@pytest.mark.parametrize(
    "query",
    [{"buildargs": "{"}, {"buildargs": "[1]"}, {"labels": '{"a": 1}'}, {"t": "Not A Name"}, {"memory": "x"}],
)
def test_what_is_wrong_is_refused(client, query):
    answer = client.api._post(client.api._url("/build"), params=query, data=b"")
    assert answer.status_code == 400


def test_nothing_of_a_refused_build_stays(client, daemon):
    client.api._post(client.api._url("/build"), data=b"no tar" * 500)
    assert list((daemon.store.root / "tmp").iterdir()) == []


def test_import(client, daemon):
    said = client.api.import_image_from_data(tar_of({"f": b"1"}), repository="imported", tag="1", changes=["CMD a"])
    id = json.loads(said)["status"]
    image = daemon.store.images.get("imported:1")
    assert image.id == id
    assert image.config["config"]["Cmd"] == ["/bin/sh", "-c", "a"]
    assert [step["comment"] for step in image.config["history"]] == ["Imported from -"]


def test_import_of_an_address(client):
    answer = client.api._post(client.api._url("/images/create"), params={"fromSrc": "http://example.org/x.tar"})
    assert answer.status_code == 501


def test_push_without_a_registry(client):
    client.images.get("imported:1").tag("mine:1")
    said = [json.loads(line) for line in client.images.push("mine", tag="1").splitlines()]
    assert "names no registry" in said[-1]["error"]
    with pytest.raises(docker.errors.NotFound, match="An image does not exist locally with the tag: other"):
        client.images.push("other", tag="1")


def test_prune_of_the_build_cache(client):
    assert client.api.prune_builds() == {"CachesDeleted": None, "SpaceReclaimed": 0}


def test_login_needs_a_registry(client):
    with pytest.raises(docker.errors.APIError, match="knows no registry by itself"):
        client.api._raise_for_status(client.api._post_json(client.api._url("/auth"), data={"username": "a"}))
