"""Layers: what images are made of. Each is a tree of files that never changes again, named by its tar's digest."""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from voldemo.engine.errors import BadParameter, NotFound
from voldemo.engine.store import commit, entries, tarsplit
from voldemo.engine.store.compression import open_stream
from voldemo.engine.store.entries import Entry
from voldemo.engine.store.files import Files, intact, read_json, room, sync_filesystem, write_synced
from voldemo.engine.store.sizes import tree_size
from voldemo.engine.store.tars import Reader
from voldemo.engine.store.tarsplit import Skeleton
from voldemo.engine.store.unpack import Unpacker

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
EMPTY = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"  # the tar of no file at all


@dataclass(frozen=True)
class Layer:
    diff_id: str
    size: int  # bytes of its files
    path: Path  # its tree
    tar_size: int = 0


class _Counted:
    """Says how far a stream has been read."""

    def __init__(self, stream: BinaryIO, progress: Callable[[int], None]) -> None:
        self._stream = stream
        self._progress = progress
        self._done = 0

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._done += len(data)
        self._progress(self._done)
        return data


class Layers:
    def __init__(self, files: Files, folder: Path) -> None:
        self._files = files
        self._folder = folder
        self._lock = threading.RLock()
        self._pinned: Counter[str] = Counter()  # added or asked for, and not yet an image's
        self._known = {layer.diff_id: layer for layer in map(self._read, folder.iterdir())}

    def _read(self, folder: Path) -> Layer:
        with intact(folder / "layer.json", folder):
            record = read_json(folder / "layer.json")
            return Layer(record["diff_id"], record["size"], folder / "tree", record["tar_size"])

    def get(self, diff_id: str) -> Layer:
        layer = self._known.get(diff_id)
        if layer is None:
            raise NotFound(f"layer {diff_id} does not exist")
        return layer

    def has(self, diff_id: str) -> bool:
        """True also holds the layer until an image has it or the store is closed."""
        with self._lock:
            found = diff_id in self._known
            if found:
                self._pinned[diff_id] += 1
            return found

    @contextmanager
    def held(self, diff_ids: Iterable[str]) -> Iterator[None]:
        """None of them goes while a container that is to have them is made."""
        wanted = Counter(set(diff_ids))
        with self._lock:
            for diff_id in wanted:
                self.get(diff_id)
            self._pinned += wanted
        try:
            yield
        finally:
            with self._lock:
                self._pinned -= wanted

    def all(self) -> list[Layer]:
        return list(self._known.values())

    def tar(self, diff_id: str) -> Iterator[bytes]:
        return tarsplit.assemble(self.get(diff_id).path.parent)

    def tar_size(self, diff_id: str) -> int:
        return self.get(diff_id).tar_size

    def add_tar(self, stream: BinaryIO, progress: Callable[[int], None] | None = None, expect: str = "") -> Layer:
        source = _Counted(stream, progress) if progress else stream
        with self._files.making() as made:
            skeleton = Skeleton(made)
            try:
                reader = Reader(open_stream(source), skeleton.raw)
                self._unpack(made, reader, skeleton)
            finally:
                skeleton.close()
            if expect and reader.digest != expect:
                raise BadParameter(f"invalid diffID for layer: expected {expect!r}, got {reader.digest!r}")
            return self._publish(made, reader.digest, reader.bytes)

    def _unpack(self, made: Path, reader: Reader, skeleton: Skeleton) -> None:
        unpacker = Unpacker(made, reader, skeleton)
        try:
            unpacker.run()
            skeleton.finish(unpacker.names)
        finally:
            unpacker.close()

    def add_entries(self, wanted: Iterable[Entry]) -> Layer:
        stream = entries.stream(entries.members(wanted))
        return self.add_tar(stream)

    def add_changes(self, upper: Path, layers: Sequence[Path], *, running: bool) -> Layer:
        """What a container changed. While nothing runs in it its files are shared with the layer, not copied."""
        with self._files.making() as made:
            digest, size = commit.make_layer(made, upper, layers, link=not running)
            return self._publish(made, digest, size)

    def _publish(self, made: Path, diff_id: str, tar_size: int) -> Layer:
        size = tree_size(made / "tree")
        record = {"diff_id": diff_id, "size": size, "tar_size": tar_size}
        write_synced(made / "layer.json", json.dumps(record).encode())
        sync_filesystem(made)
        place = self._folder / diff_id.removeprefix("sha256:")
        with self._lock, room():
            if diff_id not in self._known:
                self._files.publish(made, place)
                self._known[diff_id] = Layer(diff_id, size, place / "tree", tar_size)
            self._pinned[diff_id] += 1
            return self._known[diff_id]

    def settle(self, diff_ids: Sequence[str]) -> None:
        """An image has them now: from here on they go with the last image."""
        with self._lock:
            missing = [diff_id for diff_id in diff_ids if diff_id not in self._known]
            if missing:
                raise BadParameter(f"layer {missing[0]} of the image does not exist")
            self._pinned -= Counter(set(diff_ids))

    def keep_only(self, used: set[str]) -> list[str]:
        """Remove every layer that is neither in use nor on its way into an image."""
        with self._lock:
            gone = [diff_id for diff_id in self._known if diff_id not in used and diff_id not in self._pinned]
            for diff_id in gone:
                self._files.remove(self._known.pop(diff_id).path.parent)
            return gone
