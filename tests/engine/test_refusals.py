"""Where the engine cannot start, `voldemo engine start` says so in one line: what, where, and what to do about it."""

from __future__ import annotations

import errno
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from docker import DockerClient

from engine.forbidden import command
from engine.mounted import ROOT, fill, mounted

PTRACE = 101
SETXATTR, LSETXATTR, FSETXATTR = 188, 189, 190
INSTEAD = "use Docker or Podman instead"


@pytest.fixture
def home() -> Iterator[Path]:
    """A home of voldemo's, whose engine is ended afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="vd-"))  # a socket's path must stay short
    yield folder / "home"
    voldemo(folder / "home", "stop")
    shutil.rmtree(folder)


def voldemo(home: Path, what: str, forbidden: dict[int, int] | None = None) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "voldemo", "engine", what]
    environment = os.environ | {"VOLDEMO_HOME": str(home), "VOLDEMO_LANG": "en", "TMPDIR": str(home.parent)}
    return subprocess.run(
        command(forbidden, *words) if forbidden else words, env=environment, capture_output=True, text=True
    )


def start(home: Path, **options: dict[int, int]) -> str:
    """The address it answers at."""
    done = voldemo(home, "start", **options)
    assert (done.returncode, done.stderr) == (0, "")
    return re.search(r"DOCKER_HOST=(\S+)", done.stdout)[1]


def refusal(home: Path, **options: dict[int, int]) -> str:
    done = voldemo(home, "start", **options)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done.stderr
    assert not (home / "engine.sock").is_socket(), "a socket is left"
    return done.stderr.strip()


def stopped(home: Path) -> Path:
    """A store with one of everything, of an engine that has ended; its folder."""
    with closing(DockerClient(start(home))) as client:
        client.volumes.create("data")
        client.networks.create("net")
        client.containers.create("busybox:1.37", ["true"], name="box")
    assert voldemo(home, "stop").returncode == 0
    return home / "engine"


# ---- the machine


def test_ptrace_is_forbidden(home):
    said = refusal(home, forbidden={PTRACE: errno.EPERM})
    assert said == (
        "the embedded engine cannot run here: this machine lets no program trace another "
        f"(ptrace: Operation not permitted): allow it in the seccomp profile, or {INSTEAD}"
    )


def test_a_file_system_without_attributes(home):
    without = dict.fromkeys((SETXATTR, LSETXATTR, FSETXATTR), errno.EOPNOTSUPP)
    said = refusal(home, forbidden=without)
    assert "keeps no extended attributes" in said
    assert "choose another folder, on a local disk" in said


@ROOT
def test_a_home_without_attributes_is_helped_out(home):
    """Nothing is refused: the store goes where attributes work."""
    home.mkdir()
    with mounted("ramfs", home):
        assert start(home) == f"unix://{home}/engine.sock"
        assert not (home / "engine").exists()
        assert voldemo(home, "stop").returncode == 0


# ---- the address


def test_the_address_is_somebody_elses_file(home):
    home.mkdir()
    (home / "engine.sock").write_text("mine")
    said = refusal(home)
    assert f"{home}/engine.sock is there and is not a socket: it is left alone" in said
    assert (home / "engine.sock").read_text() == "mine"


def test_a_socket_that_was_left_behind_is_replaced(home):
    home.mkdir()
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(home / "engine.sock"))
    with closing(DockerClient(start(home))) as client:
        assert client.ping()


def test_a_socket_in_use_is_that_of_the_engine_that_runs(home):
    assert start(home) == start(home)


def test_another_home_with_the_same_store_is_refused(home):
    """The socket is free, the store is not."""
    other = home.parent / "other"
    start(home)
    other.mkdir()
    (other / "engine").symlink_to(home / "engine")
    said = refusal(other)
    assert f"another engine is using {home}/engine: stop it, or choose another folder" in said


# ---- the folder


def test_the_folder_of_a_newer_version(home):
    store = stopped(home)
    (store / "version").write_text("2")
    said = refusal(home)
    assert f"{store} was written by another version of this engine" in said
    assert "its format is '2', this one's '1'" in said
    assert said.endswith("use that version, or choose another folder")
    assert (store / "volumes" / "data").is_dir()


RECORDS = {
    "containers/*/record.json": b'{"a": 1}',
    "images/*/config.json": b'{"rootfs": {"type": "layers", "diff_ids": []}}',
    "images/*/about.json": b"",
    "layers/*/layer.json": b"[]",
    "networks/*/record.json": b'{"Name": "net"',
    "volumes/*/volume.json": b"\xff\0{",
}


def test_a_half_written_store(home):
    """The first of each kind, each damaged in another way; tests of the store itself try all of them."""
    store = stopped(home)
    for pattern, damage in RECORDS.items():
        file = next(store.glob(pattern))
        kept = file.read_bytes()
        file.write_bytes(damage)
        said = refusal(home)
        assert f"the engine's file {file} is damaged (" in said
        assert said.endswith(f"): move {file.parent} away, or choose another folder")
        file.write_bytes(kept)
    start(home)


@pytest.mark.parametrize("name", ["layers", "exe"])
def test_a_file_in_the_place_of_a_folder(home, name):
    (home / "engine").mkdir(parents=True)
    (home / "engine" / name).write_text("mine")
    assert refusal(home).endswith(
        f"{home}/engine/{name} is damaged (file exists): move {home}/engine/{name} away, or choose another folder"
    )
    assert (home / "engine" / name).read_text() == "mine"


def test_what_was_being_made_is_gone(home):
    store = stopped(home)
    for name in ("tmp", "trash"):
        (store / name / "half" / "made").mkdir(parents=True)
    with closing(DockerClient(start(home))) as client:
        assert client.volumes.get("data")
    assert [*(store / "tmp").iterdir(), *(store / "trash").iterdir()] == []


@ROOT
@pytest.mark.parametrize("room", [0, 8 << 10])
def test_no_room_to_begin(home, room):
    home.mkdir()
    with mounted("tmpfs", home, "size=1m"):
        fill(home / "filler", room)
        said = refusal(home)
        assert "no space left on device" in said.lower()
