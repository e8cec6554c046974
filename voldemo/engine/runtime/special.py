"""The file systems that are not plain trees: /proc, /dev and /dev/pts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from voldemo.engine.runtime import raw
from voldemo.engine.runtime.devices import Devices
from voldemo.engine.runtime.directory import Directory, Found
from voldemo.engine.runtime.proc import Proc

if TYPE_CHECKING:
    from voldemo.engine.runtime.task import Task


MASKED = frozenset((b"/sys/firmware", b"/sys/devices/virtual/powercap"))  # as by Docker


class Special:
    kinds = frozenset(("proc", "dev", "pts", "sys"))

    def __init__(self, proc: Proc, devices: Devices) -> None:
        self.proc, self.devices = proc, devices

    def entry(self, task: Task, directory: Directory, name: bytes) -> Found | None:
        if directory.mount.kind == "proc":
            return self.proc.entry(task, directory, name)
        if directory.mount.kind == "sys":
            return _hidden(directory, name)
        return self.devices.entry(task, directory, name)

    def directory(self, found: Found) -> Directory | None:
        return self.proc.directory(found) if found.mount.kind == "proc" else None

    def follow(self, task: Task, found: Found) -> bytes | None:
        return self.proc.follow(task, found)

    def magic(self, task: Task, found: Found) -> Found:
        return self.proc.magic(task, found)


def _hidden(directory: Directory, name: bytes) -> Found | None:
    """What the host has mounted within /sys (cgroups, debugfs, tracefs) is no container's: its own /sys has none."""
    masked = directory.path + b"/" + name in MASKED
    if not masked and (not raw.stat(directory.at, name) or raw.identity()[0] == directory.identity[0]):
        return None
    return Found(directory, name, directory.at, 0, directory.mount)
