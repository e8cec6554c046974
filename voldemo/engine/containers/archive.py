"""`docker cp`: a path of a container, running or not, through its mounts, as a tar and back."""

from __future__ import annotations

import base64
import json
import os
import stat
from collections.abc import Iterator
from typing import Any, BinaryIO

from voldemo.engine import clock
from voldemo.engine.containers.container import Container
from voldemo.engine.containers.hosts import FILES
from voldemo.engine.containers.users import find, passwd
from voldemo.engine.errors import BadParameter, Failed, Forbidden, NotFound
from voldemo.engine.runtime.spec import Mount
from voldemo.engine.store import Found, Union

GO_TYPES = {"dir": 1 << 31, "symlink": 1 << 27, "fifo": 1 << 25, "socket": 1 << 24, "device": 1 << 26}
GO_BITS = {stat.S_ISUID: 1 << 23, stat.S_ISGID: 1 << 22, stat.S_ISVTX: 1 << 20}


def hidden(container: Container) -> set[str]:
    """A container's tmpfs is its own: `docker cp` sees what is below it."""
    points = (point.destination for point in container.record.mounts if point.kind == "tmpfs")
    return {*points, *map(os.path.normpath, container.host.get("Tmpfs") or {})}


def mounts(container: Container) -> tuple[Mount, ...]:
    """Of a stopped container: what needs no making. Its tmpfs are empty, its generated files as it left them."""
    if container.handle is not None:
        return tuple(mount for mount in container.mounts if mount.target not in hidden(container))
    points = [point for point in container.record.mounts if point.kind in ("volume", "bind") and not point.subpath]
    found = []
    for point in points:
        source = point.source
        volume = container.daemon.store.volumes.find(point.name) if point.kind == "volume" else None
        if volume is not None and volume.kind == "bind":
            source = volume.device
        if os.path.exists(source):
            found.append(Mount(point.destination, source, point.kind, not point.writable))
    taken = {mount.target for mount in found}
    for target, name in FILES.items():
        source = str(container.folder / name)
        if target not in taken and os.path.exists(source):
            found.append(Mount(target, source, "bind", container.host["ReadonlyRootfs"]))
    return tuple(found)


def root_of(container: Container) -> Union:
    return container.root(mounts(container))


def clean(path: str) -> str:
    if not path:
        raise BadParameter("bad parameter: pathcannot be empty")
    return "/" + path.lstrip("/")


def missing(path: str, named: str) -> NotFound:
    return NotFound(f"Could not find the file {path} in container {named}")


def find_path(root: Union, path: str, named: str) -> Found:
    """A link as such, unless a slash behind it asks for where it leads."""
    try:
        found = root.lookup(clean(path), follow=path.endswith(("/", "/.")))
    except (BadParameter, NotADirectoryError):
        found = None
    if found is None:
        raise missing(path, named)
    if path.endswith(("/", "/.")) and not found.is_dir:
        raise Failed(f"lstat {path}: not a directory")
    return found


def go_mode(found: Found) -> int:
    mode = found.mode & 0o777 | GO_TYPES.get(found.kind, 0)
    for bit, go in GO_BITS.items():
        mode |= go if found.mode & bit else 0
    return mode


def base_name(path: str) -> str:
    cleaned = clean(path)
    if cleaned.endswith("/.") and cleaned.strip("/."):
        return "."
    while cleaned.endswith(("/", "/.")) and cleaned not in ("/", "/."):
        cleaned = cleaned[:-2] if cleaned.endswith("/.") else cleaned[:-1]
    return os.path.basename(cleaned) or "/"


def stat_header(root: Union, found: Found, path: str) -> tuple[str, str]:
    target = ""
    if found.is_link:
        led = root.lookup(found.path)
        target = os.fsdecode(led.path) if led is not None else os.fsdecode(found.link)
    entry: dict[str, Any] = {
        "name": base_name(path),
        "size": 4096 if found.is_dir else found.size,
        "mode": go_mode(found),
        "mtime": clock.rfc3339(found.mtime_ns),
        "linkTarget": target,
    }
    return "X-Docker-Container-Path-Stat", base64.b64encode(json.dumps(entry).encode()).decode()


def pack(root: Union, found: Found, path: str) -> Iterator[bytes]:
    name = base_name(path)
    return root.pack(found.path, os.fsencode(name) if name != "/" else b"/")


def unpack(container: Container, path: str, stream: BinaryIO, strict: bool, keep_owner: bool, named: str) -> None:
    """Blocks. `keep_owner`: files become the container's user's, as `docker cp -a` does not want."""
    root = root_of(container)
    folder = root.lookup(clean(path))
    if folder is None:
        raise missing(path, named)
    if not folder.is_dir:
        raise BadParameter("extraction point is not a directory")
    refuse_read_only(container, folder)
    uid, gid = owner(container, root) if keep_owner else (None, None)
    try:
        root.unpack(folder.path, stream, uid=uid, gid=gid, no_overwrite_dir_non_dir=strict)
    except Forbidden as error:
        raise BadParameter(str(error)) from None
    except BadParameter as error:
        raise Failed(str(error)) from None  # as Docker answers what it finds wrong with a tar


def refuse_read_only(container: Container, folder: Found) -> None:
    if folder.mount is not None and folder.mount.read_only:
        raise BadParameter("mounted volume is marked read-only")
    if folder.mount is None and container.host["ReadonlyRootfs"]:
        raise BadParameter("container rootfs is marked read-only")


def owner(container: Container, root: Union) -> tuple[int | None, int | None]:
    name = container.config["User"].partition(":")[0]
    entry = find(passwd(root), name) if name else None
    return (entry.uid, entry.gid) if entry else (None, None)
