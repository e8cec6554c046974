"""What the tests share: short ways to make things, each labelled, and gone when the test ends."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import pytest
from docker import DockerClient
from docker.errors import APIError, NotFound
from docker.models.containers import Container
from docker.models.images import Image
from docker.models.volumes import Volume

from engine.differences import differs  # noqa: F401 (what tests import from here)

BUSYBOX, DEBIAN = "busybox:1.37", "debian:13-slim"
LABEL = "org.voldemo.conformance"
FOREVER = ["sleep", "1000000"]
TAKES_LABEL = {("run",), ("create",), ("build",), ("volume", "create"), ("network", "create"), ("container", "create")}


class Ended(NamedTuple):
    code: int
    said: str  # on both streams


class Thing(NamedTuple):
    kind: str
    name: str
    labels: dict[str, str]


class Lab:
    def __init__(self, client: DockerClient, label: str, environment: dict[str, str], folder: Path):
        self.client, self.label, self.environment, self.folder = client, label, environment, folder
        self.labels = {LABEL: label}
        self._numbers = itertools.count(1)

    def __enter__(self) -> Lab:
        return self

    def __exit__(self, *_: object) -> None:
        for thing in self.left():
            self.remove(thing)
        assert not self.left()

    def name(self) -> str:
        return f"{self.label}-{next(self._numbers)}"

    def volume(self, name: str | None = None, labels: dict[str, str] | None = None, **options) -> Volume:
        return self.client.volumes.create(name or self.name(), labels=self.labels | (labels or {}), **options)

    def create(self, *argv: str, image: str = BUSYBOX, labels: dict[str, str] | None = None, **options) -> Container:
        """A container, not started. Its first process answers no signal but KILL, unless it has handlers."""
        options = {"network_mode": "none", "labels": self.labels | (labels or {}), "name": self.name()} | options
        return self.client.containers.create(image, list(argv) or FOREVER, **options)

    def start(self, *argv: str, **options) -> Container:
        container = self.create(*argv, **options)
        container.start()
        return container

    def shell(self, script: str, **options) -> Container:
        """A container whose script has ended."""
        container = self.start("sh", "-c", f"exec 2>&1\n{script}", **options)
        container.wait()
        return container

    def run(self, script: str, **options) -> Ended:
        container = self.shell(script, **options)
        said = container.logs().decode()
        container.reload()
        container.remove(v=True)
        return Ended(container.attrs["State"]["ExitCode"], said)

    def says(self, script: str, **options) -> str:
        return self.run(script, **options).said.strip()

    def image(self, *changes: str, script: str = "true", base: str = BUSYBOX) -> Image:
        """An image of the lab's own: `base`, with what the script changes and a Dockerfile's `changes`."""
        container = self.shell(script, image=base)
        image = container.commit(self.name(), conf={"Labels": self.labels}, changes=list(changes))
        container.remove(v=True)
        return image

    def docker(self, *words: str, stdin: str | None = None, code: int = 0) -> str:
        """What the CLI says, on both streams. `code` is the exit code that is right."""
        done = self.cli(*words, stdin=stdin)
        assert done.returncode == code, done.stdout + done.stderr
        return (done.stdout + done.stderr).strip()

    def cli(self, *words: str, stdin: str | None = None, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        words = tuple(map(str, words))
        depth = next((n for n in (1, 2) if words[:n] in TAKES_LABEL), 0)
        label = ("--label", f"{LABEL}={self.label}") if depth else ()
        command = ["docker", *words[:depth], *label, *words[depth:]]
        return subprocess.run(
            command, input=stdin or "", capture_output=True, text=True, env=self.environment, timeout=timeout
        )

    def host(self, command: str) -> str:
        """What a shell of the host says on its standard output; `docker` in it is this engine's."""
        return subprocess.run(
            ["sh", "-c", command], env=self.environment, stdout=subprocess.PIPE, text=True, check=True, timeout=60
        ).stdout

    def left(self, prefix: bool = False) -> list[Thing]:
        """All that carries the lab's label; with `prefix`, every label that starts like it."""
        api, wanted = self.client.api, {"label": LABEL if prefix else f"{LABEL}={self.label}"}
        found = [
            *(Thing("container", row["Id"], row["Labels"]) for row in api.containers(all=True, filters=wanted)),
            *(Thing("volume", row["Name"], row["Labels"]) for row in api.volumes(filters=wanted)["Volumes"]),
            *(Thing("network", row["Id"], row["Labels"]) for row in api.networks(filters=wanted)),
            *(Thing("image", name, row["Labels"]) for row in api.images(filters=wanted) for name in _names(row)),
        ]
        return [thing for thing in found if not prefix or thing.labels[LABEL].startswith(self.label)]

    def remove(self, thing: Thing) -> None:
        api = self.client.api
        with suppress(NotFound):
            match thing.kind:
                case "container":
                    api.remove_container(thing.name, force=True, v=True)
                case "volume":
                    api.remove_volume(thing.name, force=True)
                case "network":
                    api.remove_network(thing.name)
                case "image":
                    api.remove_image(thing.name, force=True)


def _names(image: dict) -> list[str]:
    return [tag for tag in image["RepoTags"] or [] if tag != "<none>:<none>"] or [image["Id"]]


@contextmanager
def refused(status: int, *words: str) -> Iterator[None]:
    """The engine must say no, with this status and these words."""
    with pytest.raises(APIError) as caught:
        yield
    said = str(caught.value.explanation)
    assert caught.value.status_code == status, said
    for part in words:
        assert part in said


def sh(container: Container, script: str, **options) -> str:
    """What a script says in a running container, on both streams, in the order in which it was said."""
    return container.exec_run(["sh", "-c", f"exec 2>&1\n{script}"], **options).output.decode().strip()


def until(condition: Callable[[], object], seconds: float = 20) -> object:
    """Waits for what no event tells."""
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)
    return result


def cli_environment(url: str, config: Path) -> dict[str, str]:
    """An environment in which `docker` speaks to this engine, has Compose, and builds without BuildKit."""
    compose = shutil.which("docker-compose", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    assert compose, "docker-compose is missing: install requirements-dev.txt"
    (config / "cli-plugins").mkdir()
    (config / "cli-plugins" / "docker-compose").symlink_to(compose)
    (config / "config.json").write_text("{}")
    names = ("PATH", "HOME", "LANG")
    kept = {name: os.environ[name] for name in names if name in os.environ}
    return kept | {"DOCKER_HOST": url, "DOCKER_CONFIG": str(config), "DOCKER_BUILDKIT": "0"}
