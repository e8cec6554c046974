"""The mounts of a container, and what `mount`, `df` and mountinfo say of them."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field

from voldemo.engine.runtime import raw
from voldemo.engine.runtime.directory import Directory
from voldemo.engine.runtime.quota import Quota

FIRST_DEVICE = 0x40  # minor numbers we show: one per mount, so that -xdev, `mountpoint` and EXDEV are right
_REAL = ("bind", "sys", "device")
_SHARED = ("volume", "bind", "image")
_RECORDED = ("root", "volume", "bind", "image", "tmpfs", "dev")


@dataclass(eq=False)
class MountPoint:
    target: bytes  # canonical; b"" for the root
    source: bytes  # of the host
    kind: str  # root, volume, bind, tmpfs, image, proc, sys, pts, device
    read_only: bool = False
    size: int = 0
    label: bytes = b""
    no_exec: bool = False
    within: bytes = b""
    number: int = 0
    at: int = -1  # the root of the mount, a file for some binds
    directory: Directory | None = None
    real_owners: bool = field(init=False)
    shared: bool = field(init=False)  # others change it too
    recorded: bool = field(init=False)
    device: int = 0  # st_dev as shown; 0: the real one
    real_device: tuple[int, int] = (0, 0)
    quota: Quota | None = None
    owner_of: Callable[[bytes], tuple[int, int]] | None = None  # where neither disk nor record tells

    def __post_init__(self) -> None:
        self.real_owners = self.kind in _REAL
        self.shared = self.kind in _SHARED
        self.recorded = self.kind in _RECORDED

    def open(self) -> None:
        """The host's path is followed once, here; from now on the mount is this descriptor."""
        self.at = os.open(self.source, os.O_PATH | os.O_CLOEXEC)
        if self.within:
            self._check_place()
        status = os.fstat(self.at)
        self.quota = Quota(self.at, self.size) if self.size else None
        self.real_device = (os.major(status.st_dev), os.minor(status.st_dev))
        if stat.S_ISDIR(status.st_mode):
            self.directory = Directory(self.at, self.target, self)
            self.directory.identity = (status.st_dev, status.st_ino)

    def _check_place(self) -> None:
        """Of what is open now, for another container may change links and directories of a volume any moment."""
        self.source = os.readlink(raw.path_of(self.at, b""))
        base = os.path.realpath(self.within)
        if self.source != base and not self.source.startswith(base + b"/"):
            raise OSError(errno.EXDEV, "path escapes the volume", os.fsdecode(self.within))

    def writable(self) -> None:
        if self.read_only:
            raise raw.fail(errno.EROFS)


class Reverse:
    """From a path of the host, as /proc tells it, back to the container's."""

    def __init__(self) -> None:
        self._prefixes: list[tuple[bytes, bytes, MountPoint]] = []

    def add(self, source: bytes, mount: MountPoint) -> None:
        self._prefixes.append((source, source.rstrip(b"/") + b"/", mount))
        self._prefixes.sort(key=lambda entry: -len(entry[0]))

    def find(self, path: bytes) -> tuple[bytes, MountPoint] | None:
        for source, prefix, mount in self._prefixes:
            if path.startswith(prefix):
                return mount.target + b"/" + path[len(prefix) :], mount
            if path == source:
                return mount.target, mount
        return None

    def text(self, text: bytes) -> bytes:
        """Every path of ours in a text of the kernel's, such as /proc/PID/maps."""
        for _, prefix, mount in self._prefixes:
            text = text.replace(b" " + prefix, b" " + mount.target + b"/")
        return text


def _host_mounts() -> dict[tuple[int, int], tuple[bytes, bytes]]:
    """Device and file system type of what the host has mounted, by device number."""
    found = {}
    with open("/proc/self/mountinfo", "rb") as file:  # noqa: PTH123
        for line in file:
            words = line.split()
            major, minor = words[2].split(b":")
            after = words.index(b"-")
            found[int(major), int(minor)] = (words[after + 2], words[after + 1])
    return found


def _escaped(path: bytes) -> bytes:
    for character in b"\\ \t\n":
        path = path.replace(bytes([character]), b"\\%03o" % character)
    return path


def _flags(mount: MountPoint) -> bytes:
    access = b"ro" if mount.read_only else b"rw"
    return access + (b",nosuid,nodev,noexec,relatime" if mount.no_exec else b",relatime")


class Listing:
    """The texts of /proc/mounts, mountinfo and mountstats."""

    def __init__(self, mounts: list[MountPoint]) -> None:
        self.mounts = mounts
        self._host = _host_mounts()

    def _origin(self, mount: MountPoint) -> tuple[bytes, bytes]:
        if mount.kind in ("tmpfs", "dev"):
            return mount.label or b"tmpfs", b"tmpfs"
        if mount.kind == "root":
            return b"overlay", b"overlay"
        special = {"proc": (b"proc", b"proc"), "sys": (b"sysfs", b"sysfs"), "pts": (b"devpts", b"devpts")}
        device, system = special.get(mount.kind) or self._host.get(mount.real_device, (b"none", b"ext4"))
        return mount.label or device, system

    def _options(self, mount: MountPoint) -> bytes:
        return _flags(mount) + (b",size=%dk" % (mount.size >> 10) if mount.size else b"")

    def mounts_text(self) -> bytes:
        lines = []
        for mount in self.mounts:
            device, system = self._origin(mount)
            lines.append(b"%s %s %s %s 0 0\n" % (device, self._target(mount), system, self._options(mount)))
        return b"".join(lines)

    def mountinfo_text(self) -> bytes:
        lines = []
        for mount in self.mounts:
            device, system = self._origin(mount)
            options = _flags(mount)
            number = 100 + mount.number
            parent = 99 if mount.number == 0 else 100
            super_options = b"rw" + (b",size=%dk" % (mount.size >> 10) if mount.size else b"")
            head = b"%d %d 0:%d / %s %s" % (number, parent, mount.device, self._target(mount), options)
            lines.append(b"%s - %s %s %s\n" % (head, system, device, super_options))
        return b"".join(lines)

    def mountstats_text(self) -> bytes:
        lines = []
        for mount in self.mounts:
            device, system = self._origin(mount)
            lines.append(b"device %s mounted on %s with fstype %s\n" % (device, self._target(mount), system))
        return b"".join(lines)

    def _target(self, mount: MountPoint) -> bytes:
        return _escaped(mount.target or b"/")
