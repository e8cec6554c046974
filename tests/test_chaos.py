"""Random experiments that fail at random moments, between things that are none of voldemo's.

Not one of those is touched, and after the next `connect()` nothing is left. VOLDEMO_CHAOS says how many runs (40),
VOLDEMO_SEED repeats those of a failure.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import io
import itertools
import os
import pkgutil
import random
import signal
import subprocess
import sys
import tarfile
import threading
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import children
import pytest
import requests
from docker import APIClient, DockerClient

from voldemo import experiments, sandbox
from voldemo.connect import connect
from voldemo.engines import url
from voldemo.images import BUSYBOX, PINNED
from voldemo.sandbox import LABEL, Sandbox, things

RUNS = int(os.environ.get("VOLDEMO_CHAOS", "40"))
SEED = int(os.environ.get("VOLDEMO_SEED", random.randrange(1 << 32)))
FAULTS = ("none", "exception", "lost call", "lost answer", "interrupt", "two interrupts", "kill -9")
CLEAN = ("none", "interrupt")  # these leave nothing; the others can fail while the experiment cleans up


@dataclass(frozen=True)
class Run:
    module: str
    function: str
    fault: str
    call: int  # the fault happens at this call to the engine …
    delay: float  # … or so many seconds into it


class InjectedError(Exception):
    pass


def public() -> list[tuple[str, str]]:
    """Every experiment: the public functions whose first parameter is `client` and which need nothing else."""
    names = [each.name for each in pkgutil.iter_modules(experiments.__path__)]
    modules = [importlib.import_module(f"voldemo.experiments.{name}") for name in names]
    return [
        (module.__name__, name)
        for module in modules
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__ and not name.startswith("_") and takes_only_a_client(function)
    ]


def takes_only_a_client(function) -> bool:
    first, *others = inspect.signature(function).parameters.values()
    return first.name == "client" and all(each.default is not inspect.Parameter.empty for each in others)


# ---- one run, in a process of its own


def experiment(pipe, where: str, run: Run) -> None:
    client = DockerClient(where)
    APIClient.send = faulty(APIClient.send, run)
    with suppress(InjectedError, requests.ConnectionError, KeyboardInterrupt):
        getattr(importlib.import_module(run.module), run.function)(client)


def faulty(send, run: Run):
    """docker-py's way to the engine, with the run's fault in it."""
    numbers = itertools.count(1)

    def send_or_fail(self, request, **options):
        if next(numbers) != run.call:
            return send(self, request, **options)
        match run.fault:
            case "exception":
                raise InjectedError
            case "lost call":
                raise requests.ConnectionError("lost")
            case "lost answer":
                send(self, request, **options)
                raise requests.ConnectionError("lost")
            case "interrupt":
                soon(run.delay, signal.SIGINT)
            case "two interrupts":
                soon(run.delay, signal.SIGINT, signal.SIGINT)
            case "kill -9":
                soon(run.delay, signal.SIGKILL)
        return send(self, request, **options)

    return send_or_fail


def soon(delay: float, *signals: int) -> None:
    for number, each in enumerate(signals, 1):
        timer = threading.Timer(delay * number, os.kill, (os.getpid(), each))
        timer.daemon = True
        timer.start()


# ---- what must not be touched


class Decoys:
    """Things a learner has: like voldemo's, and right beside them, but without its label or with another's."""

    def __init__(self, client: DockerClient, home: Path):
        self.client = client
        other = {LABEL: "0f0e0d0c-00000000"}
        labels = [None, other, {LABEL: sandbox.exercise()}, {"org.voldemo": "x"}]
        name = self.name = f"vd-decoy-{sandbox.key()}"
        self.volumes = [client.volumes.create(f"{name}-{number}", labels=each) for number, each in enumerate(labels)]
        self.volumes.append(client.volumes.create())  # anonymous, used by nobody: what a prune would take
        binds = [f"{volume.name}:/{number}" for number, volume in enumerate(self.volumes[:4])]
        options = {"network_mode": "none", "volumes": binds}
        write = ["sh", "-c", "for each in /0 /1 /2 /3; do date > $each/file; done"]
        client.containers.run(BUSYBOX, write, remove=True, **options)
        self.running = client.containers.run(BUSYBOX, sandbox.STAY, detach=True, **options)
        self.stopped = client.containers.create(BUSYBOX, "true", labels=other, **options)
        self.image = self.stopped.commit(name, "1")
        self.network = client.networks.create(name, internal=True)
        self.files = [home / "notes.txt", home / "sandboxes.txt", home / "sandboxes" / "0f0e0d0c-00000000" / "file"]
        for file in self.files:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(str(file))

    def snapshot(self) -> dict:
        inspected = [*self.volumes, self.running, self.stopped, self.image, self.network]
        for each in inspected:
            each.reload()
        return {
            "engine": {each.attrs.get("Id", each.attrs.get("Name")): each.attrs for each in inspected},
            "images": {name: self.client.images.get(name).id for name in (*PINNED, f"{self.name}:1")},
            "volumes": {f"/{n}": digest(self.running.get_archive(f"/{n}")[0]) for n in range(4)},
            "layers": [digest(each.get_archive("/")[0]) for each in (self.running, self.stopped)],
            "files": [(file.read_text(), file.stat().st_mtime_ns) for file in self.files],
        }

    def remove(self) -> None:
        for container in (self.running, self.stopped):
            container.remove(force=True)
        self.client.images.remove(f"{self.name}:1")
        for each in (self.network, *self.volumes):
            each.remove()


def digest(stream) -> dict[str, str]:
    """Each file of a tar: its header and its content. Not /, which the engine touches to read a running container."""
    with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as tar:
        whole = {each.name: each.tobuf() + (tar.extractfile(each).read() if each.isreg() else b"") for each in tar}
    whole.pop("", None)
    return {name: hashlib.sha256(content).hexdigest() for name, content in whole.items()}


def differences(before, after, where: str = "") -> list[str]:
    if isinstance(before, dict) and isinstance(after, dict) and before.keys() == after.keys():
        return [each for key in before for each in differences(before[key], after[key], f"{where}/{key}")]
    if isinstance(before, list) and isinstance(after, list):  # the engine gives mounts in any order
        before, after = sorted(before, key=repr), sorted(after, key=repr)
    return [] if before == after else [f"{where}: {before} became {after}"]


@pytest.fixture
def decoys(client, own_home):
    decoys = Decoys(client, own_home)
    yield decoys
    decoys.remove()
    sandbox.remove(client, "0f0e0d0c-00000000")


def left(client) -> list[sandbox.Thing]:
    ours = [thing for thing in things(client) if thing.sandbox.startswith(sandbox.key())]
    return [thing for thing in ours if thing.sandbox != sandbox.exercise()]


def orphans(client) -> set[str]:
    """Volumes that an image declared: the engine makes them without our label."""
    listed = client.api.volumes(filters={"dangling": "true"})["Volumes"] or []
    return {volume["Name"] for volume in listed if LABEL not in (volume["Labels"] or {}) and len(volume["Name"]) == 64}


def connect_next(run: Run) -> None:
    """After a kill -9 the next connect() is a new kernel's: by then the engine is through with the last thing asked."""
    if run.fault == "kill -9":
        code = "from voldemo import connect; connect()"
        subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
    else:
        connect()


def test_chaos(client, own_home, decoys, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", url(client))
    monkeypatch.setenv("LABEL", "")
    dice, known, seen = random.Random(SEED), public(), Counter()
    assert len(known) > 10
    before, volumes = decoys.snapshot(), orphans(client)
    with Sandbox(client) as living:  # another kernel's
        living.volume(), living.folder(), living.start()
        alive = things(client, living.id)
        for number in range(RUNS):
            run = Run(*dice.choice(known), dice.choice(FAULTS), dice.randint(1, 30), dice.random() / 20)
            told = f"{run}, run {number} of VOLDEMO_SEED={SEED}"
            child, _ = children.start(experiment, url(client), run)
            child.join(300)
            assert child.exitcode in ((0, -signal.SIGKILL) if run.fault == "kill -9" else (0,)), told
            seen[run.fault] += set(left(client)) != set(alive)
            assert run.fault not in CLEAN or set(left(client)) == set(alive), told
            connect_next(run)
            assert set(left(client)) == set(alive), told
        assert differences(before, decoys.snapshot()) == [], f"VOLDEMO_SEED={SEED}"
    assert left(client) == []
    assert orphans(client) == volumes, f"VOLDEMO_SEED={SEED}"
    print(f"{RUNS} runs; left something for connect(): {dict(seen)}")
