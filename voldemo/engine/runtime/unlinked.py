"""Files that are open and have no name any more: they still take room where they are."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from voldemo.engine.runtime.mounts import MountPoint
    from voldemo.engine.runtime.world import World


def on(world: World, mount: MountPoint) -> Iterator[tuple[int, int]]:
    """Inode and size of each, once for every descriptor."""
    for pid in list(world.tasks):
        yield from _held(world, mount, b"/proc/%d/fd" % pid)


def _held(world: World, mount: MountPoint, folder: bytes) -> Iterator[tuple[int, int]]:
    try:
        names = os.listdir(folder)
    except (FileNotFoundError, ProcessLookupError):
        return
    for name in names:
        path = folder + b"/" + name
        try:
            status = os.stat(path)
            if status.st_nlink == 0 and stat.S_ISREG(status.st_mode) and _mount(world, os.readlink(path)) is mount:
                yield status.st_ino, status.st_size
        except FileNotFoundError:
            continue  # closed meanwhile


def _mount(world: World, text: bytes) -> MountPoint | None:
    mapped = world.reverse.find(text)
    return mapped[1] if mapped else None
