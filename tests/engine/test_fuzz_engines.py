"""Random doings show the same on Docker, which DOCKER_HOST names, and on the embedded engine.

FUZZ_EXAMPLES and FUZZ_STEPS say how long to look, FUZZ_SEED where, FUZZ_SHRINK=1 that a difference found is made
short before it is shown (that takes minutes), FUZZ_AGAINST what other engine to hold against Docker.
"""

import os
import uuid
from contextlib import ExitStack, closing, nullcontext

import pytest
from docker import DockerClient
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from engine.conformance.lab import Lab
from engine.embedded import embedded
from engine.fuzz_engines import Engines, World

EXAMPLES, STEPS, SEED = (
    int(os.environ.get(f"FUZZ_{name}", default)) for name, default in (("EXAMPLES", 4), ("STEPS", 25), ("SEED", 1))
)
SHRINK = [Phase.shrink] if os.environ.get("FUZZ_SHRINK") else []


@pytest.fixture
def urls():
    other = os.environ.get("FUZZ_AGAINST")
    with nullcontext(other) if other else embedded() as url:
        yield os.environ["DOCKER_HOST"], url


@pytest.fixture
def machine(urls, tmp_path):
    """Makes a machine with two fresh worlds."""
    with ExitStack() as stack:
        clients = [stack.enter_context(closing(DockerClient(url, timeout=60))) for url in urls]

        def make():
            labels = [f"vdf{uuid.uuid4().hex[:6]}" for _ in urls]
            pairs = zip(clients, labels, strict=True)
            return Engines([World(Lab(client, label, {}, tmp_path)) for client, label in pairs])

        yield make


def test_the_engines_agree(machine):
    how = settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        phases=[Phase.generate, *SHRINK],
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(seed(SEED)(machine), settings=how)
