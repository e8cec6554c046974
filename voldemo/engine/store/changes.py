"""What a container changed of its image, as `docker diff` tells it."""

# Names of files in a container are bytes, which pathlib cannot hold.
# ruff: noqa: PTH115

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import NamedTuple

from voldemo.engine.nodes import WHITEOUT
from voldemo.engine.store.view import Found, Parts, View, describe, in_layers, layer_names, listed, split

# What the engine itself puts into every container's root; Docker keeps these in a layer of their own too.
OWN = {
    split(path)
    for path in (
        *("/.dockerenv", "/dev", "/dev/console", "/dev/pts", "/dev/shm", "/proc", "/sys"),
        *("/etc", "/etc/hostname", "/etc/hosts", "/etc/mtab", "/etc/resolv.conf"),
    )
}


Alike = Callable[[Found, Found], bool]


class Change(NamedTuple):
    kind: str  # A, C or D
    path: str


class Difference(NamedTuple):
    kind: str
    parts: Parts
    found: Found | None  # None: deleted


def differences(view: View, exclude: frozenset[Parts] = frozenset(), alike: Alike | None = None) -> list[Difference]:
    """Sorted, a directory before what is in it, and every directory above a change. `view` has no mounts."""
    listed: dict[Parts, Difference] = {}
    for folder in _folders(view, exclude):
        inside = list(_inside(view, folder[-1], exclude, alike or same))
        if inside:
            for above in folder[1:]:
                listed.setdefault(above.parts, Difference("C", above.parts, above))
        for item in inside:
            listed[item.parts] = item
    return [listed[parts] for parts in sorted(listed)]


def _folders(view: View, exclude: frozenset[Parts]) -> Iterator[list[Found]]:
    """Every directory of `upper` that the container sees, with those above it."""
    pending = [[view.root()]] if view.upper else []
    while pending:
        trail = pending.pop()
        yield trail
        for name in _own_names(trail[-1]):
            found = view.child(trail[-1], name)
            if found is not None and found.is_dir and found.parts not in exclude:
                pending.append([*trail, found])


def _own_names(folder: Found) -> list[bytes]:
    return sorted(name for name in listed(folder) if not name.startswith(WHITEOUT))


def _inside(view: View, folder: Found, exclude: frozenset[Parts], alike: Alike) -> Iterator[Difference]:
    own = _own_names(folder)
    below = layer_names(folder.lowers)
    for name in own:
        found = view.child(folder, name)
        if found is None or found.parts in exclude or found.kind in ("socket", "device"):
            continue
        lower = in_layers(folder.lowers, found.parts) if name in below else None
        if kind := _compare(found, describe(lower) if lower else None, alike):
            yield Difference(kind, found.parts, found)
    if folder.complete:
        for name in below.difference(own):
            if (parts := (*folder.parts, name)) not in exclude:
                yield Difference("D", parts, None)


def _compare(found: Found, lower: Found | None, alike: Alike) -> str:
    if lower is None:
        return "" if found.parts in OWN else "A"
    return "" if alike(found, lower) else "C"


def same(found: Found, lower: Found) -> bool:
    """By what `stat` says, as Docker compares; a directory's own times and size say nothing."""
    mine, theirs = found.stat, lower.stat
    if (mine.st_ino, mine.st_dev) == (theirs.st_ino, theirs.st_dev):
        return True
    if (found.kind, found.uid, found.gid, found.mode) != (lower.kind, lower.uid, lower.gid, lower.mode):
        return False
    if found.is_link:
        return found.link == lower.link
    return found.is_dir or (mine.st_size == theirs.st_size and mine.st_mtime_ns == theirs.st_mtime_ns)


def untouched(found: Found, lower: Found) -> bool:
    """For an image: what was written anew goes into its layer, even if it says what it said before."""
    if found.is_file:
        return (found.stat.st_ino, found.stat.st_dev) == (lower.stat.st_ino, lower.stat.st_dev)
    return same(found, lower) and found.mtime_ns == lower.mtime_ns


def changes(view: View, exclude: frozenset[Parts] = frozenset()) -> list[Change]:
    return [Change(item.kind, shown(item.parts)) for item in differences(view, exclude)]


def shown(parts: Parts) -> str:
    """For JSON, which holds text only: as Go writes what is none."""
    return (b"/" + b"/".join(parts)).decode(errors="replace")


def size_rw(view: View) -> int:
    """Bytes of the container's own files, as Docker counts: hard links once, not what is the engine's or a layer's."""
    sizes: dict[int, int] = {}
    for trail in _folders(view, frozenset()):
        folder = trail[-1]
        for name in _own_names(folder):
            found = view.child(folder, name)
            if found and not found.is_dir and not _shared(found, in_layers(folder.lowers, found.parts)):
                sizes[found.stat.st_ino] = found.size
    return sum(sizes.values())


def _shared(found: Found, lower: Found | None) -> bool:
    if lower is None:
        return found.parts in OWN
    if found.is_link:
        return lower.is_link and os.readlink(lower.real) == found.link
    return (found.stat.st_ino, found.stat.st_dev) == (lower.stat.st_ino, lower.stat.st_dev)
