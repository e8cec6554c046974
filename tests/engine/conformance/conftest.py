"""The engine under test, and a lab for each test that leaves nothing behind."""

import itertools
import os
import uuid
from contextlib import closing
from pathlib import Path

import pytest
from docker import DockerClient

from engine.conformance.lab import LABEL, Lab, cli_environment
from engine.embedded import embedded


@pytest.fixture(scope="session")
def engine(request, tmp_path_factory):
    return request.config.getoption("engine", "docker")


@pytest.fixture(scope="session")
def url(engine):
    """Where the engine under test answers."""
    if engine == "embedded":
        with embedded() as url:
            yield url
    else:
        yield os.environ["DOCKER_HOST"]


@pytest.fixture(scope="session")
def client(url):
    with closing(DockerClient(url, timeout=60)) as client:
        yield client


@pytest.fixture(scope="session")
def environment(url, tmp_path_factory):
    return cli_environment(url, tmp_path_factory.mktemp("docker-config"))


@pytest.fixture(scope="session")
def labs(client, environment):
    """Makes labs. When the last is done, nothing of any of them may be left."""
    run = f"vdc{uuid.uuid4().hex[:6]}"
    numbers = itertools.count(1)
    yield lambda folder: Lab(client, f"{run}-{next(numbers)}", environment, folder)
    everything = Lab(client, run, environment, Path("/nowhere"))
    assert not everything.left(prefix=True), f"left behind, labelled {LABEL}={run}-*"


@pytest.fixture
def lab(labs, tmp_path):
    with labs(tmp_path) as lab:
        yield lab


@pytest.fixture(scope="module")
def module_lab(labs, tmp_path_factory):
    with labs(tmp_path_factory.mktemp("lab")) as lab:
        yield lab
