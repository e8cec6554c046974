"""Things that are one record each: containers and networks. All in memory; a change is on disk before it counts."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

from voldemo.engine.errors import BadParameter, NotFound
from voldemo.engine.store.files import Files, intact, read_json, room, unfinished

SAFE = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")
Record = dict


def encode(record: Record) -> bytes:
    return json.dumps(record, separators=(",", ":")).encode()


class Records:
    """`tree`: the name of a folder that each has beside its record."""

    def __init__(
        self, files: Files, folder: Path, kind: str, tree: str = "", released: Callable[[], None] = lambda: None
    ) -> None:
        self._files = files
        self._folder = folder
        self._kind = kind
        self._tree = tree
        self._released = released
        self._lock = threading.Lock()
        self._known: dict[str, Record] = {}
        self._folders: dict[str, Path] = {}
        for place in folder.iterdir():
            if unfinished(place, "record.json", tree):
                files.discard(place)
            else:
                with intact(place / "record.json", place):
                    self._known[place.name] = read_json(place / "record.json")

    def put(self, id: str, record: Record) -> None:
        if not SAFE.fullmatch(id):
            raise BadParameter(f"invalid {self._kind} id: {id!r}")
        data = encode(record)
        with self._lock:
            place = self._folder / id
            if id in self._known:
                self._files.update(place / "record.json", data)
            else:
                self._make(place, data)
            self._known[id] = json.loads(data)

    def _make(self, place: Path, data: bytes) -> None:
        with self._files.making() as made:
            if self._tree:
                (made / self._tree).mkdir(0o755)
            self._files.publish_small(made, place, "record.json", data)

    def find(self, id: str) -> Record | None:
        return deepcopy(self._known.get(id))

    def get(self, id: str) -> Record:
        record = self.find(id)
        if record is None:
            raise NotFound(f"No such {self._kind}: {id}")
        return record

    def ids(self) -> list[str]:
        with self._lock:
            return list(self._known)

    def all(self) -> dict[str, Record]:
        with self._lock:
            return deepcopy(self._known)

    def texts(self) -> list[str]:
        with self._lock:
            return [json.dumps(record) for record in self._known.values()]

    def remove(self, id: str) -> None:
        with self._lock:
            if self._known.pop(id, None) is None:
                raise NotFound(f"No such {self._kind}: {id}")
            with room():
                self._files.remove(self._folder / id)
        self._released()

    def folder(self, id: str) -> Path:
        return self._folder / id

    def upper(self, id: str) -> Path:
        return self._folder / id / self._tree
