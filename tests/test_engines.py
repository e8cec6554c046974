"""What is told about an engine comes from the engine. Those that are not here answer by what they were seen to say."""

from types import SimpleNamespace

import pytest

from voldemo.engines import Engine, api, describe, measured, url


def stub(version: dict | None = None, info: dict | None = None) -> SimpleNamespace:
    """An engine by its /version and /info, reduced to what tells one from another."""
    version = {"Version": "28.5.2", "ApiVersion": "1.51", "Components": [{"Name": "Engine"}]} | (version or {})
    info = {"Driver": "overlay2", "DriverStatus": [["Backing Filesystem", "extfs"]]} | (info or {})
    api = SimpleNamespace(base_url="http+docker://localhost", voldemo_url="unix:///engine.sock")
    return SimpleNamespace(version=lambda: version, info=lambda: info, api=api)


def test_the_real_engine(client):
    engine, version, info = describe(client), client.version(), client.info()
    assert engine.version == version["Version"]
    assert engine.api == version["ApiVersion"]
    assert engine.driver == info["Driver"]
    assert engine.where == url(client)
    assert api(client) == tuple(int(part) for part in client.api.api_version.split("."))
    assert engine.asdict()["where"] == engine.where


@pytest.mark.parametrize(
    ("version", "info", "name"),
    [
        ({}, {}, "Docker Engine"),
        ({}, {"SecurityOptions": ["name=seccomp,profile=builtin", "name=rootless"]}, "Docker Engine, rootless"),
        ({}, {"OperatingSystem": "Docker Desktop"}, "Docker Desktop"),
        ({"Components": [{"Name": "Podman Engine"}, {"Name": "Conmon"}]}, {}, "Podman"),
        ({"Components": None}, {"SecurityOptions": None}, "Docker Engine"),
    ],
)
def test_its_name(version, info, name):
    assert describe(stub(version, info)).name == name


@pytest.mark.parametrize(
    ("status", "store"),
    [
        ([["driver-type", "io.containerd.snapshotter.v1"]], "containerd"),
        ([["Backing Filesystem", "extfs"], ["Native Overlay Diff", "true"]], "graph driver"),
        (None, "graph driver"),
    ],
)
def test_who_keeps_the_layers(status, store):
    assert describe(stub(info={"DriverStatus": status})).store == store


def test_it_reads_as_one_phrase():
    engine = Engine("Docker Engine", "28.5.2", "1.51", "overlay2", "graph driver", "unix:///engine.sock")
    assert str(engine) == "Docker Engine 28.5.2 (API 1.51, overlay2, graph driver)"


def test_a_frame_carries_the_engine_it_was_measured_on(client):
    frame = measured(client, [{"a": 1}, {"a": 2}])
    assert frame.a.tolist() == [1, 2]
    assert frame.attrs["engine"] == str(describe(client))


def test_the_address_is_the_one_given_rather_than_the_sdks_own():
    assert url(stub()) == "unix:///engine.sock"
