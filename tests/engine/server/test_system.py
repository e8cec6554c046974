"""/_ping, /version, /info and how the clients see them."""

from __future__ import annotations

import docker
import pytest

from engine.server.raw import Client


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_ping_is_where_clients_learn_the_version(api: Client, method: str) -> None:
    answer = api.ask(method, "/_ping")
    assert answer.status == 200
    wanted = {"api-version": "1.47", "ostype": "linux", "docker-experimental": "false", "builder-version": "1"}
    assert wanted.items() <= answer.headers.items()
    assert answer.body == (b"OK" if method == "GET" else b"")


def test_the_sdk_negotiates(sdk: docker.DockerClient) -> None:
    assert sdk.ping()
    assert sdk.version()["ApiVersion"] == sdk.api._version == "1.47"
    info = sdk.info()
    assert info["OSType"] == "linux"
    assert info["Plugins"]["Volume"] == ["local"]
    assert info["MemTotal"] > 0


def test_the_cli_negotiates(cli) -> None:
    assert "1.47" in cli("version", "--format", "{{.Client.APIVersion}} {{.Server.APIVersion}}").split()
    assert "Server Version: " in cli("info")
    assert cli("system", "df").splitlines()[0].split() == ["TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"]


def test_usage_of_nothing(api: Client) -> None:
    df = api.ask("GET", "/v1.47/system/df").json
    assert df == {"LayersSize": 0, "Images": [], "Containers": [], "Volumes": [], "BuildCache": []}
    wrong = api.ask("GET", "/v1.47/system/df?type=image&type=foo")
    assert (wrong.status, wrong.message) == (400, "unknown object type: foo")


def test_what_is_not_there_says_so(api: Client) -> None:
    for method, path in [("GET", "/swarm"), ("POST", "/session"), ("POST", "/plugins/pull")]:
        answer = api.ask(method, f"/v1.47{path}")
        assert answer.status == 501
        assert "is not part of this engine: " in answer.message or "are not part of this engine: " in answer.message
