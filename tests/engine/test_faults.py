"""`kill -9` at any moment: no completed operation is lost, the store opens, nothing is left of the old engine.

A few kills here; VOLDEMO_FAULTS=500 for many. `-s` shows what they hit.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from docker import DockerClient

from engine.conformance.lab import cli_environment, until
from engine.embedded import somebody
from engine.faults import Mortal, Worker, half_made, left_over

KILLS = int(os.environ.get("VOLDEMO_FAULTS", "8"))
SEED = int(os.environ.get("VOLDEMO_SEED", "1"))
CLIENTS = 6
LONGEST = 1.5  # seconds under load
OPENING = 0.6  # seconds within which an engine is up
WHILE_OPENING = 0.15  # the part of the kills that hit an engine that is still opening


@pytest.fixture(params=somebody())
def engine(request) -> Iterator[Mortal]:
    with Mortal(request.param, images=("busybox-1.37.tar",)) as engine:
        yield engine


def test_killed_at_random_moments_it_loses_nothing(engine, tmp_path):
    chance = random.Random(SEED)
    environment = cli_environment(engine.url, tmp_path)
    workers = [Worker(f"w{number}", SEED, engine, environment) for number in range(CLIENTS)]
    longest, opening = 0.0, 0
    for kill in range(KILLS):
        with at_work(workers, engine):
            time.sleep(chance.uniform(0.02, LONGEST))
        while chance.random() < WHILE_OPENING:
            kill_while_opening(engine, chance)
            opening += 1
        begun = time.monotonic()
        engine.start()
        longest = max(longest, time.monotonic() - begun)
        check(engine, workers, kill)
    done, cut = (sum(counts, Counter()) for counts in zip(*((each.done, each.cut) for each in workers), strict=True))
    print(f"\n{KILLS} kills under load, {opening} while opening; opened in {longest:.2f} s at most")
    print(f"{done.total()} operations done: {dict(done)}\n{cut.total()} cut short: {dict(cut)}")
    assert done.total() > KILLS


@contextmanager
def at_work(workers: list[Worker], engine: Mortal) -> Iterator[None]:
    """The engine is killed at the end of the block, in the middle of what they do."""
    killing = threading.Event()
    threads = [threading.Thread(target=worker.work, args=(killing,)) for worker in workers]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        killing.set()
        engine.kill()
        for thread in threads:
            thread.join()
    for worker in workers:
        if worker.problem:
            raise AssertionError(f"{worker.name}: {worker.problem}\n{engine.said()}") from worker.problem


def kill_while_opening(engine: Mortal, chance: random.Random) -> None:
    engine.launch()
    time.sleep(chance.uniform(0, OPENING))
    engine.kill()
    os.close(engine._ready)


def check(engine: Mortal, workers: list[Worker], kill: int) -> None:
    try:
        with closing(DockerClient(engine.url, timeout=60)) as client:
            for worker in workers:
                worker.check(client)
            left = left_over(engine, client, workers)
            assert not left, "nobody knows of " + ", ".join(left)
        until(lambda: not half_made(engine.root))
    except AssertionError as error:
        raise AssertionError(f"after kill {kill} (VOLDEMO_SEED={SEED}): {error}\n{engine.said()}") from error
