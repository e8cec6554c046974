"""Stores in folders of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.store.made import stream
from voldemo.engine.store import Store


@pytest.fixture
def root(tmp_path) -> Path:
    return tmp_path / "engine"


@pytest.fixture
def store(root):
    store = Store.open(root)
    yield store
    store.close()


@pytest.fixture
def layer(store):
    """`layer(entry(…), …)`: a layer of these entries."""

    def add(*entries):
        return store.layers.add_tar(stream(*entries))

    return add
