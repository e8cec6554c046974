"""Volumes of the `local` driver. Their records are in memory: finding one among ten thousand costs nothing."""

from __future__ import annotations

import json
import re
import secrets
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from voldemo.engine.errors import BadParameter, NotFound
from voldemo.engine.store.files import Files, intact, read_json, room, unfinished
from voldemo.engine.store.sizes import tree_size

ANONYMOUS = "com.docker.volume.anonymous"
NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+")
MOST_NAME = 255
KNOWN = ("type", "o", "device", "size")
NEEDED = (("device", "type"), ("type", "device"), ("o", "device"), ("o", "type"))


@dataclass(frozen=True)
class Volume:
    name: str
    path: Path  # …/_data
    labels: dict[str, str]
    options: dict[str, str]
    created: str
    driver: str = "local"

    @property
    def anonymous(self) -> bool:
        return ANONYMOUS in self.labels

    @property
    def device(self) -> str:
        return self.options.get("device", "")

    @property
    def mount_options(self) -> list[str]:
        return [option for option in self.options.get("o", "").split(",") if option]

    @property
    def kind(self) -> str:
        """plain, bind, tmpfs, or other: what only a kernel's mount could do."""
        if not self.device:
            return "plain"
        if self.options.get("type") == "tmpfs":
            return "tmpfs"
        return "bind" if {"bind", "rbind"} & set(self.mount_options) else "other"


class Volumes:
    def __init__(self, files: Files, folder: Path) -> None:
        self._files = files
        self._folder = folder
        self._lock = threading.Lock()
        self._known: dict[str, Volume] = {}
        for place in folder.iterdir():
            if unfinished(place, "volume.json", "_data"):
                files.discard(place)
            else:
                self._known[place.name] = self._read(place)

    def _read(self, place: Path) -> Volume:
        with intact(place / "volume.json", place):
            record = read_json(place / "volume.json")
            return Volume(place.name, place / "_data", record["labels"], record["options"], record["created"])

    def create(
        self,
        name: str | None = None,
        driver: str = "local",
        options: dict[str, str] | None = None,
        labels: dict[str, str] | None = None,
    ) -> Volume:
        """The one there is already if the name is taken, whatever the options: so does Docker."""
        labels, options = dict(labels or {}), dict(options or {})
        if not name:
            name = secrets.token_hex(32)
            labels[ANONYMOUS] = ""
        if driver not in ("", "local"):
            raise NotFound(f'create {name}: error looking up volume plugin {driver}: plugin "{driver}" not found')
        _check_name(name)
        with self._lock:
            if name in self._known:
                return self._known[name]
            _check_options(name, options)
            created = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            volume = Volume(name, self._folder / name / "_data", labels, options, created)
            self._write(volume)
            self._known[name] = volume
            return volume

    def _write(self, volume: Volume) -> None:
        record = {"labels": volume.labels, "options": volume.options, "created": volume.created}
        with self._files.making() as made:
            (made / "_data").mkdir(0o755)
            (made / "_data").chmod(0o755)
            self._files.publish_small(made, volume.path.parent, "volume.json", json.dumps(record).encode())

    def find(self, name: str) -> Volume | None:
        return self._known.get(name)

    def get(self, name: str) -> Volume:
        volume = self.find(name)
        if volume is None:
            raise NotFound(f"get {name}: no such volume")
        return volume

    def list(self) -> list[Volume]:
        with self._lock:
            return list(self._known.values())

    def remove(self, name: str, force: bool = False) -> None:
        """Whether a container has it, the caller knows. `force` only forgives that there is none."""
        with self._lock:
            if name not in self._known:
                if force:
                    return
                raise NotFound(f"get {name}: no such volume")
            del self._known[name]
            with room():
                self._files.remove(self._folder / name)

    def size(self, name: str) -> int:
        return tree_size(self.get(name).path)


def _check_name(name: str) -> None:
    if len(name.encode()) == 1:
        raise BadParameter(
            f"create {name}: volume name is too short, names should be at least two alphanumeric characters"
        )
    if not NAME.fullmatch(name):
        raise BadParameter(
            f'create {name}: "{name}" includes invalid characters for a local volume name, only '
            '"[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path'
        )
    if len(name) > MOST_NAME:
        raise BadParameter(f"create {name}: file name too long")


def _check_options(name: str, options: dict[str, str]) -> None:
    for key in options:
        if key not in KNOWN:
            raise BadParameter(f'create {name}: invalid option: "{key}"')
    if "size" in options:
        raise BadParameter(f"create {name}: quota size requested but no quota support")
    for key, needed in NEEDED:
        if key in options and needed not in options:
            raise BadParameter(f'create {name}: missing required option: "{needed}"')
