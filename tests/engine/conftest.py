"""`--engine` chooses which engine the conformance suite runs on, and marks say where engines may differ."""

import pytest

from engine.differences import differences


def pytest_ignore_collect(collection_path, config):
    """The conformance suite runs on the engine it is told to: `pytest tests/engine/conformance --engine=docker`."""
    if collection_path.name == "conformance" and config.getoption("engine") is None:
        return True
    return None


def pytest_collection_modifyitems(config, items):
    """A difference is a strict xfail: the day it is gone, its mark must go too."""
    engine = config.getoption("engine")
    for item in items:
        for difference in differences(item.iter_markers("differs")):
            if difference.engine == engine:
                item.add_marker(pytest.mark.xfail(reason=difference.reason, strict=True, run=difference.run))
