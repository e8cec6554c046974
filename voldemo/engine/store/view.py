"""A container's root as it sees it: `upper` over the image's layers, with mounts on top. Finds, never changes.

The rules are the tracer's own: what is in `upper` counts; in a directory that is not COMPLETE the layers count for
what is missing there; whiteouts stand in layers only. Links lead inside the root, whatever they say.
"""

# Names of files in a container are bytes, which pathlib cannot hold.
# ruff: noqa: PTH115, PTH116, PTH208

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from voldemo.engine import nodes
from voldemo.engine.errors import BadParameter
from voldemo.engine.nodes import AS_ON_DISK, COMPLETE, OPAQUE, WHITEOUT
from voldemo.engine.store.pins import Folder, Pin, Root

MOST_LINKS = 40
Parts = tuple[bytes, ...]
KINDS = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "dir",
    stat.S_IFLNK: "symlink",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
}


class Place(Protocol):
    """A mount: `runtime.spec.Mount` is one."""

    @property
    def target(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def read_only(self) -> bool: ...
    @property
    def within(self) -> str: ...


@dataclass(slots=True)
class Found:
    parts: Parts
    place: bytes  # on this machine, where nobody changes a name: in a layer, or in a file that is mounted
    stat: os.stat_result
    mount: Place | None = None
    in_upper: bool = False
    lowers: list[bytes] = field(default_factory=list)  # of a directory: the layers' directories, topmost first
    complete: bool = False
    uid: int = 0
    gid: int = 0
    mode: int = 0  # permission bits
    link: bytes = b""
    flags: int = 0
    above: Folder | None = None  # what holds it, where a container may be at work
    folder: Folder | None = None  # the directory itself, there

    @property
    def path(self) -> bytes:
        return b"/" + b"/".join(self.parts)

    @property
    def real(self) -> bytes:
        """The path to use, at once: it holds open what it leads through."""
        return self.folder.path if self.folder is not None else self.entry

    @property
    def entry(self) -> bytes:
        """The name it has, also of a directory."""
        return self.place if self.above is None else self.above.at(self.parts[-1])

    @property
    def kind(self) -> str:
        return KINDS.get(stat.S_IFMT(self.stat.st_mode), "device")

    @property
    def size(self) -> int:
        return self.stat.st_size

    @property
    def mtime_ns(self) -> int:
        return self.stat.st_mtime_ns

    @property
    def is_dir(self) -> bool:
        return stat.S_ISDIR(self.stat.st_mode)

    @property
    def is_file(self) -> bool:
        return stat.S_ISREG(self.stat.st_mode)

    @property
    def is_link(self) -> bool:
        return stat.S_ISLNK(self.stat.st_mode)


def split(path: str | bytes) -> Parts:
    return tuple(part for part in os.fsencode(path).split(b"/") if part not in (b"", b"."))


def lstat(path: bytes, pin: Pin | None = None) -> os.stat_result | None:
    try:
        return os.lstat(path, dir_fd=pin.descriptor if pin else None)
    except (FileNotFoundError, NotADirectoryError):
        return None


def describe(found: Found) -> Found:
    """Fill in owner, mode and flags: from the record, else from what a missing one means there."""
    node = _record(found) if found.is_file or found.is_dir else _side(found)
    if node is None:
        bind = found.mount is not None and found.mount.kind == "bind"
        node = nodes.Node(found.stat.st_uid, found.stat.st_gid) if bind else nodes.DEFAULT
    found.uid, found.gid, found.flags = node.uid, node.gid, node.flags
    found.mode = stat.S_IMODE(found.stat.st_mode) if node.mode == AS_ON_DISK else node.mode & 0o7777
    if found.is_link:
        found.mode, found.link = 0o777, _target(found.real)
    return found


def _target(link: bytes) -> bytes:
    try:
        return os.readlink(link)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        raise FileNotFoundError(error.errno, "something else has taken its place") from None


def _record(found: Found) -> nodes.Node | None:
    try:
        return nodes.read(found.real)
    except PermissionError:  # somebody else's file in a bind mount
        return None


def _side(found: Found) -> nodes.Node | None:
    folder, _, name = (real := found.real).rpartition(b"/")
    try:
        value = os.getxattr(folder, nodes.side_name(name))
    except OSError:  # none, or no room for such a name
        return None
    if len(value) != nodes.SIDE_RECORD.size:
        return None
    uid, gid, inode = nodes.SIDE_RECORD.unpack(value)
    return nodes.Node(uid, gid) if inode == found.stat.st_ino & 0xFFFFFFFF else None


def hidden(folder: bytes, name: bytes) -> bool:
    """Whether a layer's directory says that the layers below it do not count for `name`."""
    return os.path.lexists(b"%s/%s%s" % (folder, WHITEOUT, name)) or os.path.lexists(b"%s/%s" % (folder, OPAQUE))


def in_layers(lowers: Sequence[bytes], parts: Parts) -> Found | None:
    """What the layers have under the last of `parts`: the topmost of its kind, and all that merge with it."""
    found: Found | None = None
    for folder in lowers:
        real = folder + b"/" + parts[-1]
        seen = lstat(real)
        if seen is not None:
            is_directory = stat.S_ISDIR(seen.st_mode)
            if found is None:
                found = Found(parts, real, seen)
            elif not is_directory:
                break
            if not is_directory:
                break
            found.lowers.append(real)
        if hidden(folder, parts[-1]):
            break
    return found


def layer_names(lowers: Sequence[bytes]) -> set[bytes]:
    """All names the layers show in one directory."""
    names: set[bytes] = set()
    gone: set[bytes] = set()
    for folder in lowers:
        here = set(os.listdir(folder))
        whiteouts = {name.removeprefix(WHITEOUT) for name in here if name.startswith(WHITEOUT)}
        names |= {name for name in here - gone if not name.startswith(WHITEOUT)}
        if OPAQUE in here:
            break
        gone |= whiteouts
    return names


def listed(folder: Found) -> set[bytes]:
    try:
        return set(os.listdir(folder.real))
    except FileNotFoundError:  # removed by the container while we look
        return set()


class View:
    def __init__(self, upper: Path | None, layers: Sequence[Path], mounts: Iterable[Place] = ()) -> None:
        self.upper = os.fsencode(upper) if upper else None
        self._folder = Root(self.upper) if self.upper else None
        self.layers = [os.fsencode(layer) for layer in layers]
        self.mounts = {split(mount.target): mount for mount in mounts}
        self._roots: dict[Parts, Root] = {}

    def root(self) -> Found:
        if mount := self.mounts.get(()):
            return self._mounted((), mount)
        real = self.upper or (self.layers[0] if self.layers else None)
        if real is None:
            raise BadParameter("a root needs an upper tree or a layer")
        found = Found((), real, os.lstat(real), in_upper=self.upper is not None, lowers=list(self.layers))
        found.folder = self._folder
        describe(found)
        found.complete = bool(found.flags & COMPLETE) and found.in_upper
        return found

    def _mounted(self, parts: Parts, mount: Place) -> Found:
        source = os.fsencode(mount.source)
        found = Found(parts, source, os.stat(source), mount, in_upper=True, complete=True)
        if found.is_dir:
            found.folder = self._roots[parts] = self._roots.get(parts) or Root(source, mount.within)
        elif mount.within:
            raise FileNotFoundError  # one file of a volume: its name may be exchanged any moment
        return describe(found)

    def child(self, above: Found, name: bytes) -> Found | None:
        """The entry `name` of a directory, links not followed. What goes while we look is not there."""
        try:
            return self._child(above, name)
        except FileNotFoundError:
            return None

    def _child(self, above: Found, name: bytes) -> Found | None:
        parts = (*above.parts, name)
        if mount := self.mounts.get(parts):
            return self._mounted(parts, mount)
        if above.mount is None and name.startswith(WHITEOUT) or len(name) > 255 or b"\0" in name:
            return None
        found = self._own_child(above, parts) if above.in_upper else None
        if found is None and not above.complete:
            found = in_layers(above.lowers, parts)
        return describe(found) if found else None

    def _own_child(self, above: Found, parts: Parts) -> Found | None:
        assert above.folder is not None
        seen = lstat(parts[-1], above.folder.open())
        if seen is None:
            return None
        found = Found(parts, b"", seen, above.mount, in_upper=True, above=above.folder)
        if found.is_dir:
            found.folder = above.folder.enter(parts[-1])
        if found.is_dir and above.mount is None:
            below = in_layers(above.lowers, parts)
            found.lowers = below.lowers if below else []
            node = nodes.read(found.real)
            found.complete = bool(node and node.flags & COMPLETE)
        elif found.is_dir:
            found.complete = True
        return found

    def names(self, folder: Found) -> list[bytes]:
        """What a directory shows, sorted."""
        names = listed(folder) if folder.in_upper else set()
        if folder.mount is None:
            names = {name for name in names if not name.startswith(WHITEOUT)}
            names |= set() if folder.complete else layer_names(folder.lowers)
        depth = len(folder.parts)
        mounted = (parts for parts in self.mounts if len(parts) == depth + 1 and parts[:depth] == folder.parts)
        return sorted(names | {parts[-1] for parts in mounted})

    def resolve(self, path: str | bytes, follow: bool = True) -> Found | None:
        """Links on the way always lead on, a last one if `follow`; above the root is the root."""
        pending = list(reversed(split(path)))
        trail = [self.root()]
        links = 0
        while pending:
            name = pending.pop()
            if name == b"..":
                trail = trail[:-1] or trail
                continue
            found = self.child(trail[-1], name) if trail[-1].is_dir else None
            if found is None:
                return None
            if found.is_link and (pending or follow):
                links += 1
                if links > MOST_LINKS:
                    raise BadParameter(f"{os.fsdecode(path)}: too many levels of symbolic links")
                trail = trail[:1] if found.link.startswith(b"/") else trail
                pending += reversed(split(found.link))
                continue
            trail.append(found)
        return trail[-1]
