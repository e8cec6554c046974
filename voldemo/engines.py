"""Which engine is at the other end? Read from its own /version and /info."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import pandas as pd
from docker import DockerClient

from voldemo.words import say

EMBEDDED = "voldemo embedded engine"
# What is not the real thing there, and how: two sentences each in words.toml.
EMULATED = {
    EMBEDDED: (
        "network",
        "processes",
        "memory",
        "ownership",
        "root",
        "layers",
        "tmpfs",
        "pause",
        "images",
        "speed",
    )
}


@dataclass(frozen=True)
class Engine:
    name: str  # Docker Engine, Docker Desktop, Podman, …
    version: str
    api: str
    driver: str  # the storage driver as the engine calls it
    store: str  # "graph driver" or "containerd": who keeps the image layers
    where: str  # the URL of its socket

    def __str__(self) -> str:
        return f"{self.name} {self.version} (API {self.api}, {self.driver}, {self.store})"

    def asdict(self) -> dict[str, str]:
        return asdict(self)


def describe(client: DockerClient) -> Engine:
    version, info = client.version(), client.info()
    return Engine(
        name=_name(version, info),
        version=version["Version"],
        api=version["ApiVersion"],
        driver=info.get("Driver", "?"),
        store="containerd" if _uses_containerd(info) else "graph driver",
        where=url(client),
    )


def api(client: DockerClient) -> tuple[int, int]:
    """The API version spoken, as numbers: (1, 47)."""
    major, minor = client.api.api_version.split(".")
    return int(major), int(minor)


def url(client: DockerClient) -> str:
    """The address the client was made with; the SDK itself keeps only a form of its own."""
    return getattr(client.api, "voldemo_url", client.api.base_url)


def measured(client: DockerClient, rows: list[dict] | pd.DataFrame) -> pd.DataFrame:
    """`rows` as a frame that knows which engine it was measured on (`attrs["engine"]`)."""
    frame = pd.DataFrame(rows)
    frame.attrs["engine"] = str(describe(client))
    return frame


def emulated(client: DockerClient) -> pd.DataFrame:
    """What this engine only imitates; columns: what, docker, here. No row where it is the real thing."""
    names = EMULATED.get(describe(client).name, ())
    rows = [(name, say(f"emulated.{name}.docker"), say(f"emulated.{name}.here")) for name in names]
    return pd.DataFrame(rows, columns=["what", "docker", "here"])


def _name(version: dict, info: dict) -> str:
    components = [part.get("Name", "") for part in version.get("Components") or []]
    if "Podman Engine" in components:
        return "Podman"
    if (version.get("Platform") or {}).get("Name") == "voldemo":
        return EMBEDDED
    if info.get("OperatingSystem") == "Docker Desktop":
        return "Docker Desktop"
    rootless = any("rootless" in option for option in info.get("SecurityOptions") or [])
    return "Docker Engine, rootless" if rootless else "Docker Engine"


def _uses_containerd(info: dict) -> bool:
    # https://docs.docker.com/engine/storage/containerd/: `docker info` shows driver-type io.containerd.snapshotter.v1
    return any("io.containerd.snapshotter" in str(row) for row in info.get("DriverStatus") or [])
