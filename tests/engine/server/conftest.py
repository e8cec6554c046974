"""The routes that need no container, on a real store."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
import pytest

from engine.server.raw import Client, Loop
from voldemo.engine.errors import NotFound
from voldemo.engine.events import Events
from voldemo.engine.networks import Networks
from voldemo.engine.routes import images, networks, system, transfer, volumes
from voldemo.engine.store import Store


@dataclass
class Container:
    id: str
    name: str
    running: bool = True
    volumes: list[str] = field(default_factory=list)
    image: str = ""


class Containers:
    """Who uses what, without a process behind it."""

    def __init__(self) -> None:
        self.all: list[Container] = []

    def get(self, ref: str) -> Container:
        for container in self.all:
            if ref in (container.id, container.name):
                return container
        raise NotFound(f"No such container: {ref}")

    def volume_users(self) -> dict[str, list[str]]:
        users: dict[str, list[str]] = {}
        for container in self.all:
            for name in container.volumes:
                users.setdefault(name, []).append(container.id)
        return users

    def image_users(self) -> dict[str, list[Container]]:
        users: dict[str, list[Container]] = {}
        for container in self.all:
            users.setdefault(container.image, []).append(container)
        return users

    def counts(self) -> dict[str, int]:
        return {"running": len(self.all), "paused": 0, "stopped": 0}

    def summaries(self, size: bool = True) -> list[dict[str, Any]]:
        return []


class NothingBuiltIn:
    async def provide(self, ref: str) -> bool:
        return False


class Daemon:
    def __init__(self, root: Path) -> None:
        self.store = Store.open(root)
        self.events = Events()
        self.networks = Networks(self.store.networks, self.events)
        self.containers = Containers()
        self.builtin = NothingBuiltIn()


ROUTES = [system.routes, volumes.routes, networks.routes, images.routes, transfer.routes]


@pytest.fixture(scope="module")
def engine() -> Iterator[Loop]:
    root = Path(tempfile.mkdtemp(prefix="vd-root-"))
    daemon = Daemon(root)
    with Loop(ROUTES, daemon) as loop:
        yield loop
    daemon.store.close()
    shutil.rmtree(root)


@pytest.fixture
def daemon(engine: Loop) -> Daemon:
    return engine.daemon


@pytest.fixture
def api(engine: Loop) -> Iterator[Client]:
    with Client(engine.socket) as client:
        yield client


@pytest.fixture(scope="module")
def sdk(engine: Loop) -> Iterator[docker.DockerClient]:
    client = docker.DockerClient(f"unix://{engine.socket}", timeout=20)
    yield client
    client.close()


@pytest.fixture
def cli(engine: Loop, tmp_path: Path) -> Callable[..., str]:
    """The real client, with nothing of its user's."""
    environment = {"DOCKER_HOST": f"unix://{engine.socket}", "DOCKER_CONFIG": str(tmp_path), "PATH": os.environ["PATH"]}

    def run(*arguments: str) -> str:
        command = ["docker", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=20, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run
