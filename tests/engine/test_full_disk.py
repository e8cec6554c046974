"""A small disk fills up: what does not fit is said in Docker's words, what goes frees its room, the engine lives."""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.conformance.lab import cli_environment, until
from engine.embedded import Engine
from engine.faults import half_made, tar_of
from engine.mounted import ROOT, disk, fill
from engine.test_hostile_tars import image

pytestmark = ROOT
BUSYBOX = "busybox:1.37"
MEGABYTES = 64
LARGE = random.Random(1).randbytes(60 << 20)  # of no use to a compressor
FULL = "no space left on device"
Docker = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Iterator[Path]:
    place = tmp_path_factory.mktemp("small") / "disk"
    with disk(place, MEGABYTES):
        yield place


@pytest.fixture(scope="module")
def engine(place) -> Iterator[Engine]:
    engine = Engine(images=("busybox-1.37.tar",))
    (engine.folder / "root").symlink_to(place)
    with engine:
        yield engine


@pytest.fixture(scope="module")
def environment(engine, tmp_path_factory) -> dict[str, str]:
    return cli_environment(engine.url, tmp_path_factory.mktemp("docker-config"))


@pytest.fixture(scope="module")
def docker(environment) -> Docker:
    def run(*words: str, stdin: bytes = b"", code: int | None = 0) -> str:
        done = subprocess.run(["docker", *words], env=environment, input=stdin, capture_output=True)
        said = (done.stdout + done.stderr).decode()
        assert "Traceback" not in said
        assert code is None or bool(done.returncode) == bool(code), said
        return said

    run("run", "--rm", "--network=none", BUSYBOX, "true")  # its programs are in the engine's cache from now on
    return run


@pytest.fixture(autouse=True)
def room_again(engine, place, docker) -> Iterator[None]:
    """Nothing half-done takes room afterwards, and the engine had no trouble but what it told its client."""
    before = room(place)
    yield
    (place / "filler").unlink(missing_ok=True)
    for container in docker("ps", "-aq").split():
        docker("rm", "-fv", container)
    docker("volume", "prune", "-af")
    until(lambda: not half_made(place))
    until(lambda: abs(room(place) - before) < 1 << 19)
    assert "Traceback" not in engine.said()
    assert docker("run", "--rm", "--network=none", BUSYBOX, "echo", "well").strip() == "well"


def room(place: Path) -> int:
    status = os.statvfs(place)
    return status.f_bavail * status.f_frsize


def start(docker: Docker, *script: str, options: tuple[str, ...] = ()) -> str:
    return docker("run", "-d", "--network=none", *options, BUSYBOX, "sh", "-c", *script).strip()


WAYS = {
    "load": lambda docker: docker("load", stdin=image(tar_of({"big": LARGE})), code=1),
    "import": lambda docker: docker("import", "-", "big", stdin=tar_of({"big": LARGE}), code=1),
    "cp": lambda docker: docker("cp", "-", "box:/tmp", stdin=tar_of({"big": LARGE}), code=1),
    "build": lambda docker: docker("build", "-", stdin=tar_of({"Dockerfile": b"FROM scratch", "big": LARGE}), code=1),
    "run": lambda docker: docker("run", "--rm", BUSYBOX, "dd", "if=/dev/zero", "of=/big", "bs=1M", code=1),
    "build, RUN": lambda docker: docker(
        "build", "-", stdin=f"FROM {BUSYBOX}\nRUN dd if=/dev/zero of=/big bs=1M\n".encode(), code=1
    ),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_what_is_too_large(docker, way):
    docker("create", "--name=box", "--network=none", BUSYBOX, "true")
    assert FULL in way(docker).lower()


def test_on_a_full_disk_a_thing_is_made_or_refused(docker, place):
    """Some bytes may be free still. What was refused is not there, and what was not is."""
    docker("create", "--name=box", "--network=none", BUSYBOX, "true")
    fill(place / "filler", 0)
    made = {
        "data": FULL not in docker("volume", "create", "data", code=None).lower(),
        "other": FULL not in docker("create", "--name=other", "--network=none", BUSYBOX, "true", code=None).lower(),
        "net": FULL not in docker("network", "create", "net", code=None).lower(),
        "new": FULL not in docker("commit", "box", "new", code=None).lower(),
        "tagged": FULL not in docker("tag", BUSYBOX, "tagged", code=None).lower(),
    }
    assert not all(made.values())
    (place / "filler").unlink()
    names = docker("volume", "ls", "-q") + docker("ps", "-a", "--format={{.Names}}")
    names += docker("network", "ls", "--format={{.Name}}") + docker("images", "--format={{.Repository}}")
    assert {name: name in names.split() for name in made} == made
    for name in made:
        docker("network" if name == "net" else "rmi", *["rm"] * (name == "net"), name, code=None)


def test_on_a_full_disk_things_end_and_go(docker, place):
    docker("volume", "create", "data")
    docker("tag", BUSYBOX, "second")
    runs = [start(docker, "trap exit TERM; sleep 1000 & wait", options=("-v", "data:/d")) for _ in range(5)]
    fill(place / "filler", 0)
    assert docker("exec", runs[0], "echo", "hello").strip() == "hello"
    assert FULL in docker("exec", runs[0], "dd", "if=/dev/zero", "of=/d/f", "bs=1M", "count=1", code=1).lower()
    for container in runs:
        docker("stop", container)
        assert docker("inspect", "--format={{.State.Status}}", container).strip() == "exited"
        docker("rm", container)
    docker("rmi", "second")
    docker("volume", "rm", "data")
    docker("system", "df", "-v")


def test_a_container_that_says_more_than_there_is_room_for(docker, place):
    """Its output is lost, not the container: so it is with Docker."""
    script = "until [ -e /tmp/go ]; do sleep 0.1; done; seq 100000; touch /tmp/done; sleep 1000"
    container = start(docker, script, options=("--tmpfs", "/tmp"))
    fill(place / "filler", 0)
    docker("exec", container, "touch", "/tmp/go")
    until(lambda: "done" in docker("exec", container, "ls", "/tmp"))
    docker("logs", container)
    (place / "filler").unlink()
    docker("exec", container, "sh", "-c", "echo again > /proc/1/fd/1")
    until(lambda: docker("logs", "--tail=1", container).strip() == "again")


def test_started_on_a_full_disk(engine, docker, place):
    """What ran when it was killed is shown as ended, and can go."""
    runs = [start(docker, "sleep 1000") for _ in range(5)]
    fill(place / "filler", 0)
    engine.kill_everything()
    engine.start()
    for container in runs:
        assert docker("inspect", "--format={{.State.Status}} {{.State.ExitCode}}", container).strip() == "exited 137"
        docker("rm", container)
