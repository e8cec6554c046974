"""What every test shares: a home of its own, and the real engine that DOCKER_HOST names (`make test` starts one)."""

import os

import pytest
from docker import DockerClient

from voldemo import connect as connecting
from voldemo.sandbox import remove, things


@pytest.fixture(scope="session", autouse=True)
def _home(tmp_path_factory):
    """Never the developer's own ~/.voldemo."""
    os.environ["VOLDEMO_HOME"] = str(tmp_path_factory.mktemp("home"))
    os.environ["MPLBACKEND"] = "agg"
    for name in ("VOLDEMO_ENGINE", "VOLDEMO_LANG", "JPY_SESSION_NAME"):
        os.environ.pop(name, None)


@pytest.fixture(scope="session")
def client(_home) -> DockerClient:
    """The engine the tests run on. None answering is a failure, never a skip."""
    found = connecting.find()
    yield found.client
    for sandbox in {thing.sandbox for thing in things(found.client)}:
        if sandbox.startswith(connecting.sandbox.key()):
            remove(found.client, sandbox)
    found.client.close()
