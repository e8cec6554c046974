"""What the tracer holds of a directory it has walked to: a descriptor that no rename and no symlink can redirect."""

from __future__ import annotations

import os
from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from voldemo.engine.runtime.mounts import MountPoint

OPEN = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
SHARED_FOR = 0.1  # seconds a directory that others may move is believed to be where it was


class Directory:
    """`path` is canonical, b"" for the root. `at` + `prefix` is where its entries really are."""

    __slots__ = (
        "at",
        "path",
        "mount",
        "prefix",
        "lowers",
        "complete",
        "good_until",
        "identity",
        "mountpoints",
        "owner",
    )

    def __init__(self, at: int, path: bytes, mount: MountPoint, prefix: bytes = b"") -> None:
        self.at, self.path, self.mount, self.prefix = at, path, mount, prefix
        self.lowers: tuple[int, ...] = ()  # the same directory in the layers, topmost first
        self.complete = True
        self.good_until = inf
        self.identity = (0, 0)
        self.mountpoints: dict[bytes, MountPoint] = {}
        self.owner: tuple[int, int, int, int] | None = None

    def close(self) -> None:
        self.good_until = 0.0
        os.close(self.at)
        for lower in self.lowers:
            os.close(lower)

    @property
    def descriptors(self) -> int:
        return 1 + len(self.lowers)


class Found:
    """Where a path leads: `name` in `directory`. `at` is where it physically is, for a file may still be in a layer."""

    __slots__ = ("directory", "name", "at", "mode", "mount", "target", "magic")

    def __init__(self, directory: Directory, name: bytes, at: int, mode: int, mount: MountPoint) -> None:
        self.directory, self.name, self.at, self.mode, self.mount = directory, name, at, mode, mount
        self.target: bytes | None = None  # of a link in /proc that is answered by us
        self.magic = False  # a link of the kernel's, such as /proc/PID/fd/N of a pipe, followed to what it stands for

    @property
    def path(self) -> bytes:
        if not self.name:
            return self.directory.path or b"/"
        return self.directory.path + b"/" + self.name[self.name.rfind(b"/") + 1 :]
