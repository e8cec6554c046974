"""`--engine` chooses which engine the conformance suite runs on, and marks say where engines may differ."""

import pytest

from engine.differences import ENGINES, differences


def pytest_addoption(parser):
    text = "engine of the conformance suite: docker or podman (the one DOCKER_HOST names), or embedded (started here)"
    parser.addoption("--engine", choices=ENGINES, default="docker", help=text)


def pytest_ignore_collect(collection_path, config):
    """What holds the embedded engine against Docker needs both."""
    if collection_path.name == "test_fuzz_engines.py" and config.getoption("engine", "docker") != "docker":
        return True
    return None


def pytest_configure(config):
    config.addinivalue_line("markers", "differs(engine, reason): the engine named is known to do otherwise")


def pytest_collection_modifyitems(config, items):
    """A difference is a strict xfail: the day it is gone, its mark must go too."""
    engine = config.getoption("engine", "docker")
    for item in items:
        for difference in differences(item.iter_markers("differs")):
            if difference.engine == engine:
                item.add_marker(pytest.mark.xfail(reason=difference.reason, strict=True, run=difference.run))
