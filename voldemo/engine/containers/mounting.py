"""From what a container is to have to what the runtime is given: every mount a directory or a file of the host."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voldemo.engine.containers import farm, tmpfs
from voldemo.engine.containers.hosts import FILES
from voldemo.engine.containers.record import MountPoint, Record
from voldemo.engine.containers.subpaths import below
from voldemo.engine.containers.volumespec import invalid
from voldemo.engine.errors import BadParameter, Failed, NotFound
from voldemo.engine.runtime.spec import Mount
from voldemo.engine.store import Store, Union, Volume

DEFAULT_MODE = 0o1777
VOLUME_PREFIX = "volume-"


@dataclass
class Mounter:
    """Of one engine: knows which tmpfs volumes are in use, and by whom."""

    store: Store
    folders: tmpfs.Folders

    def __post_init__(self) -> None:
        self._users: dict[str, set[str]] = {}

    def mounts(self, record: Record, root: Union, generated: Path) -> tuple[Mount, ...]:
        """Blocks: call it in a thread. `root`: the container's files without any mount."""
        made: dict[str, Mount] = {}
        for point in record.mounts:
            made[point.destination] = self._mount(record, point, root)
        for number, (target, options) in enumerate((record.host.get("Tmpfs") or {}).items()):
            place = os.path.normpath(target)
            made[place] = self._tmpfs(record, f"map-{number}", place, tmpfs.parse(options or "", no_exec=True), root)
        for target, name in FILES.items():
            made.setdefault(target, Mount(target, str(generated / name), "bind", record.host["ReadonlyRootfs"]))
        return tuple(made[target] for target in sorted(made))

    def _mount(self, record: Record, point: MountPoint, root: Union) -> Mount:
        match point.kind:
            case "bind":
                source = bind_source(point)
                return Mount(point.destination, source, "bind", not point.writable)
            case "tmpfs":
                return self._spec_tmpfs(record, point, root)
            case "image":
                return self._image(record, point)
            case _:
                return self._volume(record, point)

    def _spec_tmpfs(self, record: Record, point: MountPoint, root: Union) -> Mount:
        options: dict[str, Any] = point.spec.get("TmpfsOptions") or {}
        size = options.get("SizeBytes") or 0
        if size < 0:
            raise tmpfs.wrong(f"size={size}")
        asked = tmpfs.Options(size=size, mode=options.get("Mode") or None, read_only=not point.writable, no_exec=True)
        name = f"mount-{record.mounts.index(point)}"
        return self._tmpfs(record, name, point.destination, asked, root)

    def _tmpfs(self, record: Record, name: str, target: str, options: tmpfs.Options, root: Union) -> Mount:
        found = root.lookup(target)
        mode = found.mode & 0o7777 if found is not None and found.is_dir else DEFAULT_MODE
        place = self.folders.make(f"{record.id}/{name}", options, mode)
        return Mount(target, str(place), "tmpfs", options.read_only, options.size, options.no_exec)

    def _volume(self, record: Record, point: MountPoint) -> Mount:
        volume = self.store.volumes.find(point.name)
        if volume is None:
            raise NotFound(f"get {point.name}: no such volume")
        read_only = not point.writable
        match volume.kind:
            case "plain":
                source = below(volume.path, point.subpath)
                return Mount(point.destination, source, "volume", read_only, within=base(volume.path, point))
            case "bind":
                read_only = read_only or "ro" in volume.mount_options
                source = below(device(volume), point.subpath)
                return Mount(point.destination, source, "bind", read_only, within=base(device(volume), point))
            case "tmpfs":
                return self._tmpfs_volume(record, point, volume)
            case _:
                raise refusal(volume)

    def _tmpfs_volume(self, record: Record, point: MountPoint, volume: Volume) -> Mount:
        try:
            options = tmpfs.parse(",".join(volume.mount_options))
        except Failed:
            raise mount_failure(volume, "invalid argument") from None
        place = self.folders.make(VOLUME_PREFIX + volume.name, options, DEFAULT_MODE)
        self._users.setdefault(volume.name, set()).add(record.id)
        read_only = options.read_only or not point.writable
        source, within = below(place, point.subpath), base(place, point)
        return Mount(point.destination, source, "tmpfs", read_only, options.size, options.no_exec, within)

    def _image(self, record: Record, point: MountPoint) -> Mount:
        image = self.store.images.get(point.source or point.name)
        place = self.store.containers.folder(record.id) / f"image-{record.mounts.index(point)}"
        farm.plant(Union(None, image.trees), place)
        return Mount(point.destination, below(place, point.subpath), "image", True)

    def release(self, record: Record) -> None:
        """The container stopped: tmpfs is gone, a volume's with its last user."""
        self.folders.remove(record.id)
        for name in [name for name, users in self._users.items() if record.id in users]:
            self._users[name].discard(record.id)
            if not self._users[name]:
                del self._users[name]
                self.folders.remove(VOLUME_PREFIX + name)


def base(place: Path, point: MountPoint) -> str:
    """What a part of a volume has to be in, still when it is mounted."""
    return str(place) if point.subpath else ""


def bind_source(point: MountPoint) -> str:
    if not os.path.lexists(point.source):
        if not point.missing_ok:
            raise BadParameter(invalid("bind", f"bind source path does not exist: {point.source}"))
        make_source(point.source)
    return point.source


def make_source(path: str) -> None:
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        what = (error.strerror or str(error)).lower()
        raise Failed(f"error while creating mount source path '{path}': mkdir {path}: {what}") from None


def device(volume: Volume) -> Path:
    if not volume.device.startswith("/") or not Path(volume.device).exists():
        raise mount_failure(volume, "no such file or directory")
    return Path(volume.device)


def mount_failure(volume: Volume, why: str) -> Failed:
    where = volume.path
    data = [option for option in volume.mount_options if option not in ("bind", "rbind", "ro", "rw")]
    flags = ", flags: 0x1000" if "bind" in volume.mount_options else ""
    told = f", data: {','.join(data)}" if data else ""
    attempt = f"mount {volume.device}:{where}{flags}{told}"
    return Failed(f"error while mounting volume '{where}': failed to mount local volume: {attempt}: {why}")


def refusal(volume: Volume) -> Failed:
    kind = volume.options.get("type") or "no type"
    why = (
        f"this engine runs without the kernel's mount, so {kind} cannot be mounted: plain volumes, tmpfs and o=bind can"
    )
    return mount_failure(volume, why)
