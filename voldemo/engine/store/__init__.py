"""Everything the engine keeps: plain files under one folder, whole after any crash.

The store knows no HTTP, no process, and nobody's casing of JSON.
"""

from __future__ import annotations

import os
from pathlib import Path

from voldemo.engine.store import opening
from voldemo.engine.store.changes import Change
from voldemo.engine.store.entries import Entry
from voldemo.engine.store.files import Files
from voldemo.engine.store.image import Image
from voldemo.engine.store.images import Images
from voldemo.engine.store.layers import Layer, Layers
from voldemo.engine.store.records import Records
from voldemo.engine.store.references import Reference
from voldemo.engine.store.sizes import tree_size
from voldemo.engine.store.union import Union
from voldemo.engine.store.view import Found, Place
from voldemo.engine.store.volumes import Volume, Volumes

__all__ = [
    "Change",
    "Entry",
    "Found",
    "Image",
    "Layer",
    "Place",
    "Reference",
    "Store",
    "Union",
    "Volume",
    "tree_size",
]


class Store:
    def __init__(self, files: Files, lock: int) -> None:
        self.root = files.root
        self._files = files
        self._lock = lock
        self.containers = Records(files, self.root / "containers", "container", "upper", self._released)
        self.networks = Records(files, self.root / "networks", "network")
        self.volumes = Volumes(files, self.root / "volumes")
        self.layers = Layers(files, self.root / "layers")
        self.images = Images(files, self.root / "images", self.layers, self.containers.texts)
        self.images.sweep()
        for id in self.containers.ids():
            opening.sweep_temporaries(os.fsencode(self.containers.upper(id)), os.fsencode(files.trash))

    @classmethod
    def open(cls, root: Path) -> Store:
        """Raises Failed or Conflict with one sentence when this folder cannot be a store here and now."""
        root = root.resolve()
        lock = opening.take(root)
        files = Files(root)
        try:
            opening.prepare(files)
            return cls(files, lock)
        except BaseException:
            files.close()
            os.close(lock)
            raise

    def close(self) -> None:
        if self._lock >= 0:
            self._files.close()
            os.close(self._lock)
            self._lock = -1

    def _released(self) -> None:
        """A container is gone: layers that only it still held go too."""
        self.images.sweep()

    def usage_layers(self) -> int:
        return sum(layer.size for layer in self.layers.all())
