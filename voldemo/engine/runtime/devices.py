"""/dev: a directory of the container's own, with the few harmless devices of the host shown in it."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from voldemo.engine.runtime import raw
from voldemo.engine.runtime.directory import Directory, Found
from voldemo.engine.runtime.mounts import MountPoint

if TYPE_CHECKING:
    from voldemo.engine.runtime.task import Task

DEVICES = frozenset(b"null zero full random urandom tty ptmx".split())
QUEUES = b"mqueue"
LINKS = {
    b"fd": b"/proc/self/fd",
    b"stdin": b"/proc/self/fd/0",
    b"stdout": b"/proc/self/fd/1",
    b"stderr": b"/proc/self/fd/2",
    b"core": b"/proc/kcore",
}


class Devices:
    def __init__(self, folder: bytes, device: MountPoint, terminals: MountPoint) -> None:
        self.folder = folder
        self.device, self.terminals = device, terminals
        self.allowed: set[bytes] = set()  # terminals that were made for or by this container
        self._is_full = False
        self._make()

    def _make(self) -> None:
        for name in (b"", b"/pts", b"/shm"):
            os.makedirs(self.folder + name, exist_ok=True)
            os.chmod(self.folder + name, 0o755)
        os.chmod(self.folder + b"/shm", 0o1777)

    def fill(self) -> None:
        """What only a listing shows, or hardly anybody asks for. Most containers never do."""
        if self._is_full:
            return
        self._is_full = True
        os.makedirs(self.folder + b"/" + QUEUES, exist_ok=True)
        os.chmod(self.folder + b"/" + QUEUES, 0o755)
        for name in DEVICES:
            os.close(os.open(self.folder + b"/" + name, os.O_CREAT | os.O_RDONLY | os.O_CLOEXEC, 0o600))
        for name, target in LINKS.items():
            if not os.path.lexists(self.folder + b"/" + name):
                os.symlink(target, self.folder + b"/" + name)

    def entry(self, task: Task, directory: Directory, name: bytes) -> Found | None:
        """None: an ordinary name in the container's own /dev."""
        if directory.mount.kind == "pts":
            return self._terminal(directory, name)
        if directory.path == b"/dev" and name in DEVICES:
            return self._real(directory, name, self.device)
        if directory.path == b"/dev" and (name in LINKS or name == QUEUES):
            self.fill()
        return None

    def _terminal(self, directory: Directory, name: bytes) -> Found:
        if name == b"ptmx" or name in self.allowed:
            return self._real(directory, name, self.terminals)
        return Found(directory, name, directory.at, 0, directory.mount)

    def _real(self, directory: Directory, name: bytes, mount: MountPoint) -> Found:
        return Found(directory, name, mount.at, raw.stat(mount.at, name), mount)

    def allow(self, number: int) -> None:
        name = b"%d" % number
        self.allowed.add(name)
        os.close(os.open(self.folder + b"/pts/" + name, os.O_CREAT | os.O_RDONLY | os.O_CLOEXEC, 0o600))

    def allow_stdio(self, descriptors: tuple[int, ...]) -> None:
        for descriptor in descriptors:
            if not os.isatty(descriptor):
                continue
            try:
                name = os.path.basename(os.ttyname(descriptor))
            except OSError as error:
                if error.errno not in (errno.ENODEV, errno.ENOENT, errno.ENOTTY):
                    raise
                continue
            if name.isdigit():
                self.allow(int(name))
