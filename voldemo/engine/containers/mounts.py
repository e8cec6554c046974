"""Which mounts a container is to have: of other containers, of -v, of --mount, of the image. In Docker's order."""

from __future__ import annotations

import copy
import posixpath
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from voldemo.engine import fields
from voldemo.engine.containers import mountspec, volumespec
from voldemo.engine.containers.record import MountPoint
from voldemo.engine.containers.subpaths import below
from voldemo.engine.errors import BadParameter, Conflict, EngineError
from voldemo.engine.store import Store, Union, Volume

ANONYMOUS = {"com.docker.volume.anonymous": ""}


class Donor(Protocol):
    mounts: list[MountPoint]


@dataclass
class Plan:
    """What is found so far, by destination."""

    store: Store
    created: Callable[[Volume], None]  # told of each volume that did not exist before
    driver: str = ""
    points: dict[str, MountPoint] = field(default_factory=dict)
    made: list[Volume] = field(default_factory=list)

    def add(self, point: MountPoint) -> None:
        if point.kind == "volume":
            self._volume(point)
        self.points[point.destination] = point

    def _volume(self, point: MountPoint) -> None:
        options = fields.obj(point.spec, "VolumeOptions")
        driver = fields.obj(options, "DriverConfig")
        name = fields.text(driver, "Name") or self.driver or "local"
        labels = dict(fields.mapping(options, "Labels") or {}) | (ANONYMOUS if point.anonymous else {})
        existed = self._known(point.name)
        # A volume that is there already is used as it is, whatever is asked of a new one.
        if existed:
            volume = self.store.volumes.get(point.name)
        else:
            volume = self.store.volumes.create(
                point.name or None, name, fields.mapping(driver, "Options") or {}, labels
            )
            self.made.append(volume)
            self.created(volume)
        point.name, point.driver = volume.name, volume.driver
        point.source = str(volume.path)

    def _known(self, name: str) -> bool:
        try:
            return bool(name) and self.store.volumes.get(name) is not None
        except EngineError:
            return False


def from_others(plan: Plan, specs: list[str], donor: Callable[[str], Donor]) -> None:
    for text in specs:
        if not text:
            raise BadParameter("volumes-from specification cannot be an empty string")
        name, _, mode = text.partition(":")
        if mode:
            check_from_mode(mode)
        for point in donor(name).mounts:
            given = copy.deepcopy(point)
            given.writable = point.writable and "ro" not in mode.split(",")
            given.anonymous = False
            given.mode = mode
            plan.points[given.destination] = given


def check_from_mode(mode: str) -> None:
    try:
        volumespec.check_mode(mode)
    except EngineError as error:
        raise BadParameter(str(error)) from None


def duplicate(target: str) -> BadParameter:
    return BadParameter(f"Duplicate mount point: {target}")


def requested(host: dict[str, Any]) -> list[MountPoint]:
    """-v and --mount, checked, before anything is made for them."""
    tmpfs = {check_tmpfs(target) for target in fields.mapping(host, "Tmpfs") or {}}
    seen: set[str] = set()
    points = []
    for text in fields.texts(host, "Binds") or []:
        points.append((volumespec.parse(text), ""))
    for entry in host.get("Mounts") or []:
        if not isinstance(entry, dict):
            raise fields.refuse(entry, "Mounts", "mount.Mount")
        points.append((mountspec.parse(entry), fields.text(entry, "Target")))
    for point, target in points:
        if point.destination in seen or point.destination in tmpfs:
            raise duplicate(target or point.destination)
        seen.add(point.destination)
    return [point for point, _ in points]


def check_tmpfs(target: str) -> str:
    return volumespec.destination(target)


def of_image(plan: Plan, volumes: dict[str, Any], root: Union, taken: Iterable[str] = ()) -> None:
    """VOLUMEs, and what a client repeats in Config.Volumes. A destination that is taken gets no volume of its own."""
    taken = {posixpath.normpath(target) for target in taken}
    for target in volumes:
        place = volumespec.destination("/" + target)
        if place in plan.points or place in taken:
            continue
        found = root.lookup(place)
        if found is not None and not found.is_dir:
            raise BadParameter(f"cannot mount volume over existing file, file exists {place}")
        plan.add(MountPoint("volume", place, anonymous=True))


def populate(points: list[MountPoint], root: Union, store: Store) -> None:
    """An empty volume gets what the image has at its place, once, also where it will be read-only."""
    for point in sorted(points, key=lambda each: each.destination):
        if point.kind != "volume" or not point.copy:
            continue
        volume = store.volumes.get(point.name)
        if volume.kind == "plain":
            fill(root, volume, point)


def fill(root: Union, volume: Volume, point: MountPoint) -> None:
    try:
        place = Path(below(volume.path, point.subpath))
    except EngineError:  # what is not there cannot be mounted, and start says so
        return
    if place.is_dir():
        root.copy_into(place, point.destination, str(volume.path))


def undo(plan: Plan, removed: Callable[[Volume], None]) -> None:
    """The container did not come to be: anonymous volumes made for it are nobody's."""
    for volume in plan.made:
        if volume.anonymous:
            try:
                plan.store.volumes.remove(volume.name)
            except Conflict:
                continue
            removed(volume)
