"""Tars that want out, and such as claim what they do not hold, by every way a client can send one.

What a tar brings stays in its container or its image; what cannot be done is said in one line; nothing half-done stays.
"""

from __future__ import annotations

import gzip
import json
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from engine.conformance.lab import cli_environment, until
from engine.embedded import Engine
from engine.faults import half_made, tar_of
from engine.registry.conftest import digest, registry  # noqa: F401 (a fixture)
from engine.store.made import directory, entry, hardlink, symlink, tar

BUSYBOX = "busybox:1.37"
CLAIM = 10 << 30
ONE_FILE = 1024  # bytes of a tar that holds one small file, and does not end there
Docker = Callable[..., subprocess.CompletedProcess[bytes]]


def device(name: str):
    return entry(name, type=tarfile.CHRTYPE, devmajor=1, devminor=3)


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine(images=("busybox-1.37.tar",)) as engine:
        yield engine


@pytest.fixture(scope="module")
def docker(engine, tmp_path_factory) -> Docker:
    environment = cli_environment(engine.url, tmp_path_factory.mktemp("docker-config"))

    def run(*words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(["docker", *words], env=environment, input=stdin, capture_output=True)

    return run


@pytest.fixture(autouse=True)
def nothing_stays(engine, docker) -> Iterator[None]:
    yield
    docker("rm", "-f", "box")
    docker("rmi", "-f", "evil")
    until(lambda: not half_made(engine.folder / "root"))
    assert docker("images", "-q").stdout.count(b"\n") == 1
    assert docker("ps", "-aq").stdout == b""
    assert engine.said().count("\n") == 1, engine.said()


@pytest.fixture
def outside(engine) -> Iterator[Path]:
    """A file of the host's that they are after, and a place where nothing may appear."""
    folder = engine.folder / "outside"
    folder.mkdir()
    (folder / "prize").write_text("untouched")
    yield folder
    assert [path.name for path in folder.iterdir()] == ["prize"]
    assert (folder / "prize").read_text() == "untouched"
    (folder / "prize").unlink()
    folder.rmdir()


def image(layer: bytes, packed: bytes = b"") -> bytes:
    """docker save's tar."""
    config = json.dumps(
        {"architecture": "amd64", "os": "linux", "config": {"Cmd": ["true"]}}
        | {"rootfs": {"type": "layers", "diff_ids": [f"sha256:{sha256(layer).hexdigest()}"]}}
    ).encode()
    name = f"{sha256(config).hexdigest()}.json"
    manifest = json.dumps([{"Config": name, "RepoTags": ["evil:latest"], "Layers": ["layer.tar"]}]).encode()
    return tar_of({name: config, "layer.tar": packed or layer, "manifest.json": manifest})


def load(docker: Docker, data: bytes) -> subprocess.CompletedProcess[bytes]:
    return docker("load", stdin=image(data))


def bring_in(docker: Docker, data: bytes) -> subprocess.CompletedProcess[bytes]:
    return docker("import", "-", "evil", stdin=data)


def copy(docker: Docker, data: bytes) -> subprocess.CompletedProcess[bytes]:
    docker("create", "--name=box", "--network=none", BUSYBOX, "true")
    return docker("cp", "-", "box:/tmp", stdin=data)


def build(docker: Docker, data: bytes) -> subprocess.CompletedProcess[bytes]:
    lines = f"FROM {BUSYBOX}\nCOPY . /tmp/\n".encode()
    return docker("build", "-t", "evil", "-", stdin=tar_of({"Dockerfile": lines})[:ONE_FILE] + data)


def add(docker: Docker, data: bytes) -> subprocess.CompletedProcess[bytes]:
    """ADD unpacks a tar that is in the context."""
    lines = f"FROM {BUSYBOX}\nADD a.tar /tmp/\n".encode()
    return docker("build", "-t", "evil", "-", stdin=tar_of({"Dockerfile": lines, "a.tar": data}))


WAYS = (load, bring_in, copy, build, add)


def up(path: Path) -> str:
    return "../" * 30 + str(path)[1:]


CLIMBERS = {
    "..": lambda out: tar(entry(up(out / "new"), b"x")),
    ".. later": lambda out: tar(directory("d"), entry("d/" + up(out / "new"), b"x")),
    "absolute": lambda out: tar(entry(str(out / "prize"), b"x")),
    "through a link": lambda out: tar(symlink("d", str(out)), entry("d/new", b"x")),
    "through a link that climbs": lambda out: tar(symlink("d", up(out)), entry("d/new", b"x")),
    "through a link to a link": lambda out: tar(symlink("c", up(out)), symlink("d", "c"), entry("d/new", b"x")),
    "over a link": lambda out: tar(symlink("f", str(out / "prize")), entry("f", b"x")),
    "a directory over a link": lambda out: tar(symlink("d", str(out)), directory("d", 0o777), entry("d/new", b"x")),
    "a hard link": lambda out: tar(hardlink("f", up(out / "prize")), entry("f", b"x")),
    "a hard link, absolute": lambda out: tar(hardlink("f", str(out / "prize")), entry("f", b"x")),
    "a hard link to a link": lambda out: tar(symlink("s", str(out / "prize")), hardlink("f", "s"), entry("f", b"x")),
    "a device": lambda out: tar(device("null"), entry("null", b"x")),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("climber", CLIMBERS.values(), ids=CLIMBERS)
def test_what_wants_out_stays_in(docker, outside, way, climber):
    one_line(way(docker, climber(outside)))


def one_line(done: subprocess.CompletedProcess[bytes]) -> bytes:
    """What went wrong, if anything did: no traceback, and no silence."""
    assert b"Traceback" not in done.stdout + done.stderr
    said = done.stderr.replace(b"DEPRECATED: The legacy builder", b"\0").partition(b"\0")[0].strip()
    if done.returncode:
        told = [line for line in done.stderr.splitlines() if line and b"legacy builder" not in line]
        assert told, done
        return told[-1]
    return said


@pytest.mark.parametrize("way", WAYS)
def test_a_file_that_claims_ten_gigabytes(docker, way):
    """Its header says so; a few bytes follow."""
    header = entry("big", b"")[0]
    header.size = CLAIM
    said = one_line(way(docker, header.tobuf() + bytes(1024)))
    assert b"unexpected EOF" in said or b"no space left on device" in said


@pytest.mark.parametrize("packed", [False, True])
def test_a_pulled_layer_that_claims_ten_gigabytes(docker, registry, packed):  # noqa: F811
    header = entry("big", b"")[0]
    header.size = CLAIM
    data = header.tobuf() + bytes(1024)
    blob = gzip.compress(data) if packed else data
    layer = registry.blob(blob) if packed else registry.blob(blob, size=CLAIM)
    config = registry.blob(
        json.dumps(
            {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [digest(data)]}}
        ).encode()
    )
    registry.manifest({"schemaVersion": 2, "config": config, "layers": [layer]}, "1")
    done = docker("pull", f"127.0.0.1:{registry.port}/thing:1")
    assert done.returncode == 1
    assert b"unexpected EOF" in one_line(done)
