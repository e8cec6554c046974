"""From a path to the directory that holds it and the name in it, never leaving what the container has mounted."""

from __future__ import annotations

import errno
import os
from math import inf
from time import monotonic
from typing import TYPE_CHECKING

from voldemo.engine import nodes
from voldemo.engine.runtime import layers, owners, raw
from voldemo.engine.runtime.credentials import EXECUTE, SUPERUSER, Credential
from voldemo.engine.runtime.directory import OPEN, SHARED_FOR, Directory, Found
from voldemo.engine.runtime.raw import DIRECTORY, LINK, fail, kind

if TYPE_CHECKING:
    from voldemo.engine.runtime.mounts import MountPoint
    from voldemo.engine.runtime.special import Special
    from voldemo.engine.runtime.task import Task

MOST_LINKS = 40
NAME_MAX = 255


class Tree:
    """`directories` by canonical path; beside it each credential knows directories by the path as it was written."""

    def __init__(self, root: MountPoint, special: Special, most_descriptors: int) -> None:
        self.root = root.directory
        self.special = special
        self.mounts: dict[bytes, MountPoint] = {}
        self.directories: dict[bytes, Directory] = {}
        self.most_descriptors = most_descriptors
        self.descriptors = 0

    # -- lookup

    def find(self, task: Task, path: bytes, follow: bool = True, base: bytes | None = None) -> Found:
        """`base`: the canonical directory a relative path starts from. Absent: mode 0, in a directory that is there."""
        full = path if path[:1] == b"/" else self._anchored(task, base) + b"/" + path
        credential = task.credential
        links = 0
        while True:
            cut = full.rfind(b"/")
            directory = credential.known.get(full[:cut])
            if directory is None or directory.good_until < monotonic():
                directory = self.walk(task, credential, full[:cut], links)
            name = full[cut + 1 :]
            if name in (b"", b".", b".."):
                return self._itself(self.walk(task, credential, full, links))
            found = self.entry(task, directory, name)
            if not follow or found.mode & 0o170000 != LINK:
                return found
            target = self.link_target(task, found)
            if target is None:
                return self.special.magic(task, found)
            links += 1
            if links > MOST_LINKS:
                raise fail(errno.ELOOP)
            full = target if target[:1] == b"/" else directory.path + b"/" + target

    def _anchored(self, task: Task, base: bytes | None) -> bytes:
        """A working directory stays usable when the way to it may not be walked: only root shares keys with absolute
        paths."""
        assert base is not None
        return base if task.credential.overrides else b"\0" + base + b"\0"

    def _itself(self, directory: Directory) -> Found:
        mode = raw.stat(directory.at, directory.prefix)
        if not mode:
            raise fail(errno.ENOENT)
        return Found(directory, directory.prefix, directory.at, mode, directory.mount)

    def entry(self, task: Task, directory: Directory, name: bytes) -> Found:
        mount = directory.mountpoints.get(name)
        if mount is not None:
            return self._mounted(directory, name, mount)
        if directory.mount.kind in self.special.kinds:
            found = self.special.entry(task, directory, name)
            if found is not None:
                return found
        at, union = directory.at, directory.mount.kind == "root"
        if union and name[:4] == nodes.WHITEOUT:
            return Found(directory, name, at, 0, directory.mount)
        mode = raw.stat(at, name)
        if not mode and not directory.complete:
            lower, mode = layers.find(directory.lowers, name)
            if mode:
                at = lower
                if kind(mode) == DIRECTORY:
                    layers.materialise(directory, name, lower)
                    at = directory.at
                    mode = raw.stat(at, name)
        return Found(directory, name, at, mode, directory.mount)

    def _mounted(self, directory: Directory, name: bytes, mount: MountPoint) -> Found:
        place = mount.directory
        if place is None:
            return Found(directory, b"", mount.at, raw.stat(mount.at, b""), mount)
        return Found(place, place.prefix, place.at, raw.stat(place.at, place.prefix), mount)

    def link_target(self, task: Task, found: Found) -> bytes | None:
        """None: a link only the kernel can follow, such as /proc/PID/fd/N of a pipe."""
        if found.mount.kind == "proc":
            return self.special.follow(task, found)
        return os.readlink(found.name, dir_fd=found.at)

    # -- directories

    def walk(self, task: Task, credential: Credential, path: bytes, links: int = 0) -> Directory:
        known = credential.known
        names = []
        while True:
            directory = known.get(path)
            if directory is not None and directory.good_until > monotonic():
                break
            if not path or path[-1] == 0:
                directory = self._start(task, credential, path)
                known[path] = directory
                break
            path, _, name = path.rpartition(b"/")
            names.append(name)
        for name in reversed(names):
            directory = self._step(task, credential, directory, name, links)
            path += b"/" + name
            if directory.good_until:
                known[path] = directory
        return directory

    def _start(self, task: Task, credential: Credential, path: bytes) -> Directory:
        directory = self.canonical(task, path[1:-1]) if path else self.root
        self._may_search(credential, directory)
        return directory

    def canonical(self, task: Task, path: bytes) -> Directory:
        """A directory by its true path, whoever may walk there."""
        directory = self.directories.get(path) if path else self.root
        if directory is not None and directory.good_until > monotonic():
            return directory
        return self.walk(task, SUPERUSER, path)

    def _may_search(self, credential: Credential, directory: Directory) -> None:
        if not credential.overrides and not credential.may(owners.of_directory(directory), EXECUTE):
            raise fail(errno.EACCES)

    def _step(self, task: Task, credential: Credential, parent: Directory, name: bytes, links: int) -> Directory:
        if name in (b"", b"."):
            return parent
        if name == b"..":
            above = parent.path[: parent.path.rfind(b"/")] if parent.path else b""
            return self.canonical(task, above)
        directory = self._child(task, parent, name)
        if directory is None:
            return self._through_link(task, credential, parent, name, links + 1)
        self._may_search(credential, directory)
        return directory

    def _through_link(
        self, task: Task, credential: Credential, parent: Directory, name: bytes, links: int
    ) -> Directory:
        if links > MOST_LINKS:
            raise fail(errno.ELOOP)
        found = self.entry(task, parent, name)
        target = self.link_target(task, found) if kind(found.mode) == LINK else None
        if target is None:
            raise fail(errno.ENOTDIR)
        full = target if target[:1] == b"/" else parent.path + b"/" + target
        return self.walk(task, credential, full.rstrip(b"/"), links)

    def _child(self, task: Task, parent: Directory, name: bytes) -> Directory | None:
        """None: it is a link."""
        directory = self.directories.get(parent.path + b"/" + name)
        if directory is not None and directory.good_until > monotonic():
            return directory
        found = self.entry(task, parent, name)
        if not found.mode:
            raise fail(errno.ENOENT if len(name) <= NAME_MAX else errno.ENAMETOOLONG)
        if kind(found.mode) == LINK:
            return None
        if kind(found.mode) != DIRECTORY:
            raise fail(errno.ENOTDIR)
        return self.directory_of(task, found)

    def directory_of(self, task: Task, found: Found) -> Directory:
        """Of something found that is a directory."""
        if not found.name or found.name == found.directory.prefix:
            return found.directory
        if found.mount.kind in self.special.kinds:
            special = self.special.directory(found)
            if special is not None:
                return special
        return self._opened(found.directory, found.name)

    def _opened(self, parent: Directory, name: bytes) -> Directory:
        path = parent.path + b"/" + name
        raw.stat(parent.at, name)
        identity = raw.identity()
        old = self.directories.get(path)
        if old is not None and old.good_until and old.identity == identity:
            old.good_until = monotonic() + SHARED_FOR
            return old
        if old is not None:
            self.drop(path)
        directory = Directory(os.open(name, OPEN, dir_fd=parent.at), path, parent.mount)
        self._describe(directory, parent, name)
        self.directories[path] = directory
        self.descriptors += directory.descriptors
        return directory

    def _describe(self, directory: Directory, parent: Directory, name: bytes) -> None:
        raw.stat(directory.at, b"")
        directory.identity = raw.identity()
        directory.good_until = monotonic() + SHARED_FOR if parent.mount.shared else inf
        directory.mountpoints = self.mountpoints(directory.path)
        if parent.mount.kind == "root":
            flags = owners.of_directory(directory)[3]
            directory.complete = bool(flags & nodes.COMPLETE)
            directory.lowers = layers.directories(parent.lowers, name) if parent.lowers else ()
            directory.complete = directory.complete or not directory.lowers

    def mountpoints(self, path: bytes) -> dict[bytes, MountPoint]:
        prefix = path + b"/"
        return {
            target[len(prefix) :]: mount
            for target, mount in self.mounts.items()
            if target.startswith(prefix) and b"/" not in target[len(prefix) :]
        }

    # -- forgetting

    def drop(self, path: bytes) -> None:
        """A directory that is no longer at `path`, with all that was below it."""
        prefix = path + b"/"
        for key in [key for key in self.directories if key == path or key.startswith(prefix)]:
            directory = self.directories.pop(key)
            self.descriptors -= directory.descriptors
            directory.close()
        Credential.forget()

    def trim(self) -> None:
        """Only between calls: a call may hold several directories at once."""
        if self.descriptors > self.most_descriptors:
            for directory in self.directories.values():
                directory.close()
            self.directories.clear()
            self.descriptors = 0
            Credential.forget()

    def owner_changed(self, path: bytes) -> None:
        directory = self.root if path in (b"", b"/") else self.directories.get(path)
        if directory is None and path in self.mounts:
            directory = self.mounts[path].directory
        if directory is not None:
            directory.owner = None
        Credential.forget()

    # -- the union

    def complete(self, directory: Directory) -> None:
        """Before it is listed, or loses a name."""
        if directory.mount.kind == "dev":
            self.special.devices.fill()
        if not directory.complete:
            layers.complete(directory)
            directory.owner = None

    def hides(self, directory: Directory, name: bytes) -> bool:
        """Would removing `name` from the upper tree make one of a layer show?"""
        return not directory.complete and layers.find(directory.lowers, name)[1] != 0

    def complete_all(self, task: Task, found: Found) -> None:
        """A directory about to be renamed takes all of its layers' content along."""
        waiting = [found]
        while waiting:
            directory = self.directory_of(task, waiting.pop())
            if directory.mount.kind != "root":
                return
            self.complete(directory)
            for name in layers.list_names(directory.at):
                entry = self.entry(task, directory, name)
                if kind(entry.mode) == DIRECTORY and entry.name:
                    waiting.append(entry)

    def own(self, found: Found, content: bool = True) -> None:
        """Before a change of content or attributes: the node is the container's own from here on."""
        if found.mount.kind != "root" or kind(found.mode) not in (raw.REGULAR, LINK):
            return
        directory = found.directory
        raw.stat(found.at, found.name)
        if kind(found.mode) == LINK:
            if found.at != directory.at:
                with layers.KeepTimes(directory.at):
                    layers.bring_link(directory.at, found.name, found.at)
        elif found.at != directory.at or owners.owner(found.at, found.name, found.mount)[3] & nodes.LAYER:
            layers.copy_up(directory, found.name, found.at, content)
        found.at = directory.at
