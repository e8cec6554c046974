"""What is kept of a container, on disk and in memory: plain values, written whole at every change of state."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from voldemo.engine import clock


@dataclass
class MountPoint:
    kind: str  # bind, volume, tmpfs, image
    destination: str
    source: str = ""  # a path of the host; of an image its id; empty for tmpfs
    name: str = ""  # of a volume
    mode: str = ""
    writable: bool = True
    propagation: str = ""
    spec: dict[str, Any] = field(default_factory=dict)  # the entry of HostConfig.Mounts it comes from
    options: str = ""  # of a tmpfs given by HostConfig.Tmpfs
    copy: bool = True  # fill an empty volume with what the image has there
    missing_ok: bool = True  # a bind's source is made when it is not there
    subpath: str = ""
    anonymous: bool = False  # the volume was made for this container, and goes with it by `rm -v`
    listed: bool = True  # in inspect's Mounts: what HostConfig.Tmpfs asks for is not
    driver: str = "local"

    def view(self) -> dict[str, Any]:
        entry: dict[str, Any] = {"Type": self.kind}
        if self.kind == "volume":
            entry["Name"] = self.name
        entry |= {"Source": self.source, "Destination": self.destination}
        if self.kind == "volume":
            entry["Driver"] = self.driver
        return entry | {"Mode": self.mode, "RW": self.writable, "Propagation": self.propagation}


@dataclass
class State:
    status: str = "created"  # created, running, paused, restarting, exited, dead, removing
    pid: int = 0
    exit_code: int = 0
    error: str = ""
    oom_killed: bool = False
    started_at: str = clock.ZERO
    finished_at: str = clock.ZERO
    restart_count: int = 0
    health: dict[str, Any] | None = None
    stopped_by_hand: bool = False  # so that "unless-stopped" and "always" leave it alone

    @property
    def running(self) -> bool:
        return self.status in ("running", "paused", "restarting")


@dataclass
class Record:
    id: str
    name: str
    created: str
    image: str  # id
    config: dict[str, Any]
    host: dict[str, Any]  # HostConfig
    layers: list[str]  # the image's, lowest first: they stay as long as they are named here
    mounts: list[MountPoint] = field(default_factory=list)
    state: State = field(default_factory=State)
    platform: str = "linux"

    def save(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def load(saved: dict[str, Any]) -> Record:
        values = dict(saved)
        values["mounts"] = [MountPoint(**mount) for mount in saved["mounts"]]
        values["state"] = State(**saved["state"])
        return Record(**values)
