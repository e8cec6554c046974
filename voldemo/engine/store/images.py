"""Images and their names. Names are one file, written anew as a whole: a name never leads to two images or to none."""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from voldemo.engine.errors import BadParameter, NotFound
from voldemo.engine.store import archive, removal
from voldemo.engine.store.files import Files, intact, read_json, sync_directory, write_synced
from voldemo.engine.store.image import MOST_CONFIG, Image, diff_ids, digest_of, parse_config
from voldemo.engine.store.layers import Layers
from voldemo.engine.store.references import Reference

ID = re.compile(r"(?:sha256:)?([0-9a-f]{1,64})")
InUse = Callable[[str], tuple[str, bool] | None]


def missing(ref: str) -> NotFound:
    try:
        name = str(Reference.parse(ref))
    except BadParameter:
        name = ref
    return NotFound(f"No such image: {ref if ref.startswith('sha256:') else name}")


class Images:
    def __init__(self, files: Files, folder: Path, layers: Layers, held: Callable[[], Iterable[str]]) -> None:
        self.files = files
        self.layers = layers
        self.lock = threading.RLock()
        self._folder = folder
        self._held = held  # what containers say: a layer named there stays
        self._names_file = folder / "names.json"
        self.names: dict[str, str] = self._read_names()  # "busybox:1.37" or "busybox@sha256:…": id
        self._known = {image.id: image for image in map(self._read, folder.glob("*/"))}
        with intact(self._names_file):
            self.names = {name: id for name, id in self.names.items() if id in self._known}

    def _read_names(self) -> dict[str, str]:
        with intact(self._names_file):
            return read_json(self._names_file) if self._names_file.exists() else {}

    def _read(self, folder: Path) -> Image:
        with intact(folder / "about.json", folder):
            parent = read_json(folder / "about.json")["parent"]
        with intact(folder / "config.json", folder):
            raw = (folder / "config.json").read_bytes()
            if digest_of(raw) != "sha256:" + folder.name:
                raise ValueError("it is not what its name says")
            config = parse_config(raw)
            layers = [self.layers.get(diff_id) for diff_id in diff_ids(config)]
        return Image("sha256:" + folder.name, raw, config, layers, parent=parent)

    # -- reading

    def list(self) -> list[Image]:
        with self.lock:
            found = [self._named(image) for image in self._known.values()]
        return sorted(found, key=lambda image: image.created, reverse=True)

    def _named(self, image: Image) -> Image:
        names = self.references(image.id)
        tags = tuple(name for name in names if "@" not in name)
        return replace(image, tags=tags, digests=tuple(name for name in names if "@" in name))

    def references(self, id: str) -> list[str]:
        return sorted(name for name, target in self.names.items() if target == id)

    def children(self, id: str) -> list[str]:
        return [image.id for image in self._known.values() if image.parent == id]

    def find(self, ref: str) -> Image | None:
        with self.lock:
            id = self._find_id(ref)
            return self._named(self._known[id]) if id else None

    def _find_id(self, ref: str) -> str | None:
        id = ID.fullmatch(ref)
        if id and (whole := "sha256:" + id[1]) in self._known:
            return whole
        try:
            name = Reference.parse(ref)
        except BadParameter:
            if id is None:
                raise
        else:
            found = self.names.get(str(name)) or self._by_digest(name)
            if found:
                return found
        return self._by_prefix(id[1]) if id else None

    def _by_digest(self, name: Reference) -> str | None:
        return name.digest if name.digest in self._known else None

    def _by_prefix(self, prefix: str) -> str | None:
        found = [id for id in self._known if id.startswith("sha256:" + prefix)]
        return found[0] if len(found) == 1 else None

    def get(self, ref: str) -> Image:
        found = self.find(ref)
        if found is None:
            raise missing(ref)
        return found

    def by_id(self, ref: str) -> bool:
        """Whether `ref` leads to its image as an id, or the start of one."""
        id = ID.fullmatch(ref)
        return bool(id) and self.get(ref).id.startswith("sha256:" + id[1])

    def shared_size(self, image: Image) -> int:
        users = self._layer_users()
        return sum(layer.size for layer in image.layers if users[layer.diff_id] > 1)

    def unique_size(self, image: Image) -> int:
        return image.size - self.shared_size(image)

    def _layer_users(self) -> Counter[str]:
        with self.lock:
            return Counter(one for image in self._known.values() for one in {layer.diff_id for layer in image.layers})

    # -- making

    def create(
        self, config: dict | bytes, tags: Iterable[str] = (), digests: Iterable[str] = (), parent: str = ""
    ) -> Image:
        raw = config if isinstance(config, bytes) else json.dumps(config, separators=(",", ":")).encode()
        if len(raw) > MOST_CONFIG:
            raise BadParameter("invalid image JSON: too large")
        id, parsed = digest_of(raw), parse_config(raw)
        names = [str(Reference.parse(tag)) for tag in tags] + [str(Reference.parse(digest)) for digest in digests]
        with self.lock:
            self.layers.settle(diff_ids(parsed))
            if id not in self._known:
                layers = [self.layers.get(one) for one in diff_ids(parsed)]
                self._write(id, raw, parent)
                self._known[id] = Image(id, raw, parsed, layers, parent=parent)
            self.set_names({**self.names, **dict.fromkeys(names, id)})
            return self._named(self._known[id])

    def _write(self, id: str, raw: bytes, parent: str) -> None:
        with self.files.making() as made:
            write_synced(made / "config.json", raw)
            write_synced(made / "about.json", json.dumps({"parent": parent}).encode())
            sync_directory(made)
            self.files.publish(made, self._folder / id.removeprefix("sha256:"))

    def set_names(self, names: dict[str, str]) -> None:
        if names != self.names:
            self.files.write(
                self._names_file,
                json.dumps(names, indent=0, sort_keys=True).encode(),
                spare=len(names) < len(self.names),
            )
            self.names = names

    def tag(self, ref: str, target: str) -> None:
        with self.lock:
            image = self.get(ref)
            name = Reference.parse(target)
            if name.digest:
                raise BadParameter("refusing to create a tag with a digest reference")
            self.set_names({**self.names, str(name): image.id})

    def add_digest(self, ref: str, name: str) -> None:
        with self.lock:
            self.set_names({**self.names, str(Reference.parse(name)): self.get(ref).id})

    def untag(self, ref: str) -> str:
        name = str(Reference.parse(ref))
        with self.lock:
            if name not in self.names:
                raise missing(ref)
            self.set_names({key: id for key, id in self.names.items() if key != name})
        return name

    # -- removing

    def remove(
        self, ref: str, force: bool = False, in_use: InUse = lambda id: None, prune_parents: bool = True
    ) -> list[dict[str, str]]:
        with self.lock:
            return removal.remove(self, ref, force, in_use, prune_parents)

    def drop(self, image: Image) -> list[str]:
        """The image itself, and the layers that went with it."""
        del self._known[image.id]
        self.files.remove(self._folder / image.id.removeprefix("sha256:"))
        return self.sweep()

    def sweep(self) -> list[str]:
        with self.lock:
            used = set(self._layer_users())
            texts = list(self._held())
            held = {layer.diff_id for layer in self.layers.all() if _mentioned(layer.diff_id, texts)}
            return self.layers.keep_only(used | held)

    # -- carrying

    def load(self, stream: BinaryIO) -> Iterator[str]:
        return archive.load(self, stream)

    def save(self, refs: Sequence[str]) -> Iterator[bytes]:
        return archive.save(self, refs)


def _mentioned(diff_id: str, texts: list[str]) -> bool:
    digest = diff_id.removeprefix("sha256:")
    return any(digest in text for text in texts)
