"""All a container is while it runs: its mounts, its tree, its processes."""

from __future__ import annotations

import errno
import os
import resource
from functools import partial

from voldemo.engine.runtime import layers, unlinked
from voldemo.engine.runtime.credentials import SUPERUSER
from voldemo.engine.runtime.devices import Devices
from voldemo.engine.runtime.directory import Directory, Found
from voldemo.engine.runtime.mounts import FIRST_DEVICE, Listing, MountPoint, Reverse
from voldemo.engine.runtime.proc import Proc
from voldemo.engine.runtime.programs import Programs
from voldemo.engine.runtime.raw import DIRECTORY, kind
from voldemo.engine.runtime.scratch import Space
from voldemo.engine.runtime.spec import Mount, Spec
from voldemo.engine.runtime.special import Special
from voldemo.engine.runtime.task import Place, Task
from voldemo.engine.runtime.tree import Tree

_ANY = 0o755


class ReadOnlyMountpoint(Exception):
    """A mount needs a place to sit on, and that would have to be made on a read-only mount."""

    def __init__(self, path: bytes, is_directory: bool) -> None:
        super().__init__(path)
        self.path, self.call = os.fsdecode(path), "mkdirat" if is_directory else "openat"

    def of(self, mount: MountPoint) -> str:
        """In the words of the program that Docker uses for it."""
        source, target = os.fsdecode(mount.source), os.fsdecode(mount.target)
        return (
            f'failed to create task for container: error mounting "{source}" to rootfs at "{target}": '
            f'create mountpoint for {target} mount: make mountpoint "{self.path}": '
            f"{self.call} {self.path}: {os.strerror(errno.EROFS).lower()}"
        )


class World:
    def __init__(self, spec: Spec, exe_cache: bytes) -> None:
        self.spec = spec
        self.programs = Programs(exe_cache)
        self.tracer = os.getpid()
        self.superuser = SUPERUSER
        self.hostname = os.fsencode(spec.hostname or spec.id[:12] or "localhost")
        self.tasks: dict[int, Task] = {}
        self.init = 0
        self.mount_of: dict[tuple[int, int], MountPoint] = {}  # by inode, for calls that name a descriptor
        self.bound: dict[bytes, bytes] = {}  # unix sockets: the path the kernel was given, and the container's
        self.only6: set[bytes] = set()  # sockets that are for IPv6 only
        self.ports6: set[int] = set()  # where some of them listen
        self.ipc: set[tuple[str, int]] = set()
        self.reverse = Reverse()
        self.mounts: list[MountPoint] = []
        folder = os.path.dirname(os.fsencode(spec.upper)) + b"/run"
        os.makedirs(folder + b"/proc", exist_ok=True)
        self._mount_root()
        self._mount_special(folder)
        self._mount_all(spec.mounts)
        self.listing = Listing(self.mounts)

    # -- mounts

    def _add(self, mount: MountPoint) -> MountPoint:
        mount.number = len(self.mounts)
        mount.device = FIRST_DEVICE + mount.number
        self.mounts.append(mount)
        return mount

    def _mount_root(self) -> None:
        spec = self.spec
        self.root = self._add(MountPoint(b"", os.fsencode(spec.upper), "root", spec.read_only))
        self.root.open()
        directory = self.root.directory
        assert directory is not None
        directory.lowers = tuple(os.open(os.fsencode(layer), os.O_PATH | os.O_CLOEXEC) for layer in spec.layers)
        directory.complete = not directory.lowers or bool(layers.flags(directory.at) & layers.COMPLETE)
        self.reverse.add(self.root.source, self.root)
        for layer in spec.layers:
            self.reverse.add(os.fsencode(layer), self.root)

    def _mount_special(self, folder: bytes) -> None:
        proc = MountPoint(b"/proc", b"/proc", "proc")
        dev = MountPoint(b"/dev", folder + b"/dev", "dev")
        pts = MountPoint(b"/dev/pts", folder + b"/dev/pts", "pts")
        shm = MountPoint(b"/dev/shm", folder + b"/dev/shm", "tmpfs", label=b"shm", no_exec=True)
        sys = MountPoint(b"/sys", b"/sys", "sys", read_only=True)
        device = MountPoint(b"/dev", b"/dev", "device")
        terminals = MountPoint(b"/dev/pts", b"/dev/pts" if os.path.isdir("/dev/pts") else b"/dev", "device")
        proc.open()
        device.open()
        terminals.open()
        self.special = Special(Proc(self, proc, folder + b"/proc"), Devices(folder + b"/dev", device, terminals))
        self.tree = Tree(self.root, self.special, _most_descriptors())
        self.reverse.add(folder + b"/proc", proc)
        self.reverse.add(b"/dev", device)
        self.reverse.add(b"/dev/pts", terminals)
        for mount in (proc, dev, pts, shm, sys):
            self._place(mount)
        device.device, terminals.device = dev.device, pts.device

    def _mount_all(self, mounts: tuple[Mount, ...]) -> None:
        for mount in sorted(mounts, key=lambda mount: mount.target.count("/")):
            self._place(
                MountPoint(
                    os.fsencode(mount.target.rstrip("/")),
                    os.path.realpath(os.fsencode(mount.source)),
                    mount.kind,
                    mount.read_only,
                    mount.size,
                    os.fsencode(mount.label),
                    mount.no_exec,
                    os.fsencode(mount.within),
                )
            )

    def _place(self, mount: MountPoint) -> None:
        """Make where it is mounted, and mount it there."""
        if mount.at < 0:
            mount.open()
        self._add(mount)
        outsider = Task(self, 0, SUPERUSER, Place(b"/", 0), Space())
        directory = self.tree.root
        *names, last = [name for name in mount.target.split(b"/") if name not in (b"", b".", b"..")]
        try:
            for name in names:
                found = self._mountpoint(outsider, directory.path + b"/" + name, True)
                directory = self.tree.directory_of(outsider, found)
            found = self._mountpoint(outsider, directory.path + b"/" + last, mount.directory is not None)
        except ReadOnlyMountpoint as error:
            raise OSError(error.of(mount)) from None
        if mount.directory is not None:
            self._attach(mount, self.tree.directory_of(outsider, found).path)
        else:
            self._attach(mount, found.path)

    def _mountpoint(self, outsider: Task, path: bytes, is_directory: bool) -> Found:
        """What is at `path`, made when it is missing."""
        found = self.tree.find(outsider, path)
        if not found.mode:
            if found.mount.read_only and found.mount is not self.root:  # the root becomes so after its mounts
                raise ReadOnlyMountpoint(path, is_directory)
            with layers.KeepTimes(found.directory.at):
                _make(found, is_directory)
            found = self.tree.find(outsider, path)
        if is_directory and kind(found.mode) != DIRECTORY:
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), os.fsdecode(path))
        return found

    def _attach(self, mount: MountPoint, path: bytes) -> None:
        mount.target = path
        tree = self.tree
        tree.mounts[path] = mount
        if mount.directory is not None:
            mount.directory.path = path
            mount.directory.mountpoints = tree.mountpoints(path)
        parent, _, name = path.rpartition(b"/")
        for directory in (tree.root, tree.directories.get(parent), self._root_of(parent)):
            if directory is not None and directory.path == parent:
                directory.mountpoints[name] = mount
        tree.drop(path)
        self.reverse.add(mount.source, mount)
        if mount.quota is not None:
            mount.quota.nameless = partial(unlinked.on, self, mount)

    def _root_of(self, path: bytes) -> Directory | None:
        mount = self.tree.mounts.get(path)
        return mount.directory if mount else None

    # -- processes

    def inside(self, pid: int) -> bool:
        """Is this a process or thread of the container? One that has ended counts until its parent knows."""
        task = self.tasks.get(pid)
        return not task.unborn if task is not None else self._is_ours_and_ended(pid)

    def _is_ours_and_ended(self, pid: int) -> bool:
        try:
            with open(b"/proc/%d/stat" % pid, "rb", buffering=0) as file:  # noqa: PTH123
                state, parent = file.read().rpartition(b")")[2].split()[:2]
        except OSError:
            return False
        return state == b"Z" and int(parent) in self.tasks

    def groups(self) -> set[int]:
        return {task.group for task in self.tasks.values()}

    # -- descriptors of processes

    def mount_of_path(self, path: bytes) -> MountPoint | None:
        mapped = self.reverse.find(path)
        return mapped[1] if mapped else None


def _make(found: Found, is_directory: bool) -> None:
    at = found.directory.at
    if not is_directory:
        os.close(os.open(found.name, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644, dir_fd=at))
        return
    os.mkdir(found.name, _ANY, dir_fd=at)
    if found.mount.kind == "root":
        layers.mark_complete(at, found.name)


def _most_descriptors() -> int:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = hard if hard != resource.RLIM_INFINITY else 65536
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return max(64, min(most // 2, 2000))
