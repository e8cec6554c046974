"""What every test shares: a home of its own, and the real engine that DOCKER_HOST names (`make test` starts one)."""

import fcntl
import os
import shutil
import tempfile
from pathlib import Path

import matplotlib
import pytest
from docker import DockerClient
from relay import Relay

from voldemo import home
from voldemo.connect import find
from voldemo.engines import url
from voldemo.sandbox import remove, things


def pytest_configure(config):
    # docker-py leaves the sockets of a client that is given up to the garbage collector
    config.addinivalue_line("filterwarnings", "ignore:unclosed <socket.socket:ResourceWarning")


@pytest.fixture(scope="session", autouse=True)
def _home(tmp_path_factory):
    """Never the developer's own ~/.voldemo."""
    os.environ["VOLDEMO_HOME"] = str(tmp_path_factory.mktemp("home"))
    matplotlib.use("agg")  # not by the environment: the kernels that tests start draw into their page
    for name in ("VOLDEMO_ENGINE", "VOLDEMO_LANG", "JPY_SESSION_NAME"):
        os.environ.pop(name, None)


@pytest.fixture(scope="session")
def client(_home) -> DockerClient:
    """The engine the tests run on. None answering is a failure, never a skip; so is a test that leaves something."""
    client = find().client
    yield client
    left = [thing for thing in things(client) if thing.sandbox.startswith(home.key())]
    for sandbox in {thing.sandbox for thing in left}:
        remove(client, sandbox)
    client.close()
    assert not left


@pytest.fixture
def one_at_a_time(tmp_path_factory):
    """Solutions give names of their own to what they make: no two of them may run side by side on one engine."""
    shared = tmp_path_factory.getbasetemp()  # with xdist, each process has a folder of its own in it
    shared = shared.parent if "PYTEST_XDIST_WORKER" in os.environ else shared
    with (shared / "solutions.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture
def own_home(tmp_path, monkeypatch) -> Path:
    """A home for one test alone, for what would see the things of other tests."""
    monkeypatch.setenv("VOLDEMO_HOME", str(tmp_path / "voldemo"))
    return tmp_path / "voldemo"


@pytest.fixture
def short_path():
    """A folder whose path leaves room for a socket's name: 107 characters are all it may have."""
    folder = Path(tempfile.mkdtemp(prefix="vd-", dir="/tmp"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def relay(client, short_path):
    """A socket that leads to the engine, until it is told otherwise."""
    with Relay(short_path / "docker.sock", url(client).removeprefix("unix://")) as relay:
        yield relay
