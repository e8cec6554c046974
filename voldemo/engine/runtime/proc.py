"""/proc as a container sees it: its own processes, nothing that leads outside, nothing to write that matters.

A list of what there is, not of what is hidden: what a newer kernel adds stays out until somebody has looked at it.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from voldemo.engine.runtime import raw
from voldemo.engine.runtime.directory import Directory, Found
from voldemo.engine.runtime.proc_texts import Texts

if TYPE_CHECKING:
    from voldemo.engine.runtime.mounts import MountPoint
    from voldemo.engine.runtime.task import Task
    from voldemo.engine.runtime.world import World

GLOBAL = frozenset(
    b"cgroups cmdline cpuinfo devices diskstats filesystems interrupts loadavg locks meminfo misc partitions "
    b"pressure softirqs stat swaps sys sysvipc uptime version vmstat".split()
)
LINKS = {b"mounts": b"self/mounts", b"net": b"self/net"}
OF_PROCESS = frozenset(
    b"auxv cgroup cmdline comm coredump_filter cpuset cwd environ exe fd fdinfo gid_map io limits loginuid "
    b"maps mem mountinfo mounts mountstats net ns numa_maps oom_adj oom_score oom_score_adj personality projid_map "
    b"root sched schedstat sessionid setgroups smaps smaps_rollup stat statm status task timerslack_ns uid_map "
    b"wchan".split()
)
WRITABLE = frozenset(b"comm coredump_filter oom_adj oom_score_adj timerslack_ns".split())
ANSWERED = frozenset(b"cwd exe root".split())


def _of_process(prefix: bytes) -> bool:
    parts = prefix.split(b"/")
    if not parts[0].isdigit():
        return False
    return len(parts) == 1 or (len(parts) == 3 and parts[1] == b"task")


class Proc:
    def __init__(self, world: World, mount: MountPoint, snapshot: bytes) -> None:
        self.world, self.mount, self.snapshot = world, mount, snapshot
        self.at = mount.at
        mount.owner_of = self._owner
        self.texts = Texts(world)

    # -- names

    def entry(self, task: Task, directory: Directory, name: bytes) -> Found:
        prefix = directory.prefix
        if not prefix:
            return self._top(task, directory, name)
        real = prefix + b"/" + name
        if not self._there(prefix, name):
            return self._found(directory, real, 0)
        found = self._found(directory, real, self._mode(real))
        if name in ANSWERED and _of_process(prefix):
            found.mode = raw.LINK | 0o777
            found.target = self._target(prefix, name)
        return found

    def _top(self, task: Task, directory: Directory, name: bytes) -> Found:
        links = {b"self": b"%d" % task.group, b"thread-self": b"%d/task/%d" % (task.group, task.pid), **LINKS}
        if name in links:
            found = self._found(directory, name, raw.LINK | 0o777)
            raw.stat(self.at, name)
            found.target = links[name]
            return found
        if name.isdigit():
            number = self.world.init if name == b"1" else int(name[:10])
            real = b"%d" % number
            return self._found(directory, real, self._mode(real) if self.world.inside(number) else 0)
        return self._found(directory, name, self._mode(name) if name in GLOBAL else 0)

    def _there(self, prefix: bytes, name: bytes) -> bool:
        if _of_process(prefix):
            return name in OF_PROCESS
        if prefix.endswith(b"/task") and prefix.count(b"/") == 1 and prefix[:1].isdigit():
            return name.isdigit() and int(name[:10]) in self.world.tasks
        return True

    def _mode(self, real: bytes) -> int:
        return raw.stat(self.at, real)

    def _found(self, directory: Directory, real: bytes, mode: int) -> Found:
        return Found(directory, real, self.at, mode, self.mount)

    def directory(self, found: Found) -> Directory:
        """Never remembered: a process may be gone the next moment."""
        path = found.directory.path + b"/" + found.name[found.name.rfind(b"/") + 1 :]
        directory = Directory(self.at, path, self.mount, found.name)
        directory.good_until = 0.0
        return directory

    def _owner(self, name: bytes) -> tuple[int, int]:
        number = name.split(b"/", 1)[0]
        task = self.world.tasks.get(int(number)) if number.isdigit() else None
        return (task.credential.uids.effective, task.credential.gids.effective) if task else (0, 0)

    # -- links

    def _target(self, prefix: bytes, name: bytes) -> bytes:
        if name == b"root":
            return b"/"
        if name == b"cwd":
            text = os.readlink(prefix + b"/cwd", dir_fd=self.at)
            mapped = self.world.reverse.find(os.fsencode(text))
            return (mapped[0] or b"/") if mapped else b"/"
        number = int(prefix[prefix.rfind(b"/") + 1 :])
        task = self.world.tasks.get(number)
        if task is None:
            raise raw.fail(errno.ENOENT)
        return task.program

    def read_link(self, found: Found) -> bytes:
        if found.target is not None:
            return found.target
        text = os.fsencode(os.readlink(found.name, dir_fd=self.at))
        mapped = self.world.reverse.find(text)
        return (mapped[0] or b"/") if mapped else text

    def follow(self, task: Task, found: Found) -> bytes | None:
        """None: what it stands for has no path in the container, or another file has that path now."""
        if found.target is not None:
            return found.target
        if b"/ns/" in found.name:
            raise raw.fail(errno.EACCES)
        mapped = self.world.reverse.find(os.fsencode(os.readlink(found.name, dir_fd=self.at)))
        if mapped is None:
            return None
        path, mount = mapped
        return path or b"/" if mount.kind == "proc" or self._is_there(task, path, found) else None

    def _is_there(self, task: Task, path: bytes, found: Found) -> bool:
        raw.stat(self.at, found.name, 0)
        held = raw.identity()
        try:
            there = self.world.tree.find(task, path or b"/", False)
        except OSError:
            return False
        return there.mode != 0 and raw.stat(there.at, there.name) != 0 and raw.identity() == held

    def magic(self, task: Task, found: Found) -> Found:
        """Such a thing may be used again as far as it leads nowhere its holder could not go."""
        found.name = task.pin(found.name, self.at)
        text = os.fsencode(os.readlink(found.name, dir_fd=self.at))
        mode = raw.stat(self.at, found.name, 0)
        mapped = self.world.reverse.find(text)
        if raw.kind(mode) in (raw.REGULAR, raw.DIRECTORY, raw.BLOCK) and not mapped and text[:7] != b"/memfd:":
            raise raw.fail(errno.EACCES)
        if raw.kind(mode) in (raw.CHARACTER, raw.BLOCK) and mapped and mapped[1].kind != "device":
            raise raw.fail(errno.EACCES)  # a device that somebody put into a mount
        found.mode = mode
        found.magic = True
        found.mount = mapped[1] if mapped else self.mount
        return found

    # -- content

    def content(self, found: Found) -> bytes | None:
        return self.texts.of(found.name)

    def may_write(self, found: Found) -> bool:
        prefix, _, name = found.name.rpartition(b"/")
        return name in WRITABLE and bool(prefix) and _of_process(prefix)

    def listing(self) -> int:
        """A directory with the names of this moment, to be read in place of the real /proc."""
        wanted = {b"%d" % task.group for task in self.world.tasks.values()} | GLOBAL | LINKS.keys()
        there = {os.fsencode(name) for name in os.listdir(self.snapshot)}
        for name in there - wanted:
            os.rmdir(self.snapshot + b"/" + name)
        for name in wanted - there:
            os.mkdir(self.snapshot + b"/" + name)
        return os.open(self.snapshot, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
