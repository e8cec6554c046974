"""The image of each step: found from an earlier build, or made on top of the one before."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

from voldemo.engine import VERSION, clock
from voldemo.engine.build.state import State
from voldemo.engine.store import Image, Layer, Store, Union
from voldemo.engine.store.layers import EMPTY

COMPARED = ("Cmd", "Entrypoint", "Env", "ExposedPorts", "Healthcheck", "Labels", "OnBuild", "Shell", "StopSignal")
COMPARED += ("User", "Volumes", "WorkingDir")


class Images:
    def __init__(self, store: Store, use_cache: bool) -> None:
        self._store = store
        self._use_cache = use_cache

    def trees(self, state: State) -> list[Path]:
        """Topmost first."""
        return self._store.images.get(state.image).trees if state.image else []

    def root(self, state: State) -> Union:
        return Union(None, self.trees(state))

    def layer_of(self, upper: Path, state: State) -> Layer:
        return self._store.layers.add_changes(upper, self.trees(state), running=False)

    def from_cache(self, state: State, created_by: str) -> bool:
        """Once a step is new all that follow are: nothing was built on its image before."""
        found = self._find(state, created_by) if self._use_cache else None
        if found is not None:
            state.image = found.id
        return found is not None

    def _find(self, state: State, created_by: str) -> Image | None:
        """The newest, if there are several."""
        for image in self._store.images.list():
            config = image.config.get("config") or {}
            if image.parent == state.image and last_step(image) == created_by and same(config, state.config):
                return image
        return None

    def commit(self, state: State, created_by: str, layer: Layer | None = None) -> None:
        parent = self._store.images.get(state.image) if state.image else None
        now = clock.now()
        config = configuration(parent, state, now)
        step: dict[str, Any] = {"created": now, "created_by": created_by}
        if layer is None or layer.diff_id == EMPTY:
            step["empty_layer"] = True
            self._store.layers.settle([layer.diff_id] if layer else [])  # no image is to have it
        else:
            config["rootfs"]["diff_ids"].append(layer.diff_id)
        config["history"].append(step)
        state.image = self._store.images.create(config, parent=state.image).id


def last_step(image: Image) -> str:
    history = image.config.get("history")
    last = history[-1] if isinstance(history, list) and history else {}
    return last.get("created_by", "") if isinstance(last, dict) else ""


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all((one.get(name) or None) == (other.get(name) or None) for name in COMPARED)


def configuration(parent: Image | None, state: State, now: str) -> dict[str, Any]:
    before = parent.config if parent else {}
    machine = "amd64" if platform.machine() == "x86_64" else platform.machine()
    config: dict[str, Any] = {
        "architecture": before.get("architecture") or machine,
        "os": before.get("os") or "linux",
        "created": now,
        "docker_version": f"voldemo {VERSION}",
        "config": state.config,
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in parent.layers] if parent else []},
        "history": [*(before.get("history") or [])],
    }
    author = state.author or before.get("author")
    return config | ({"author": author} if author else {})
