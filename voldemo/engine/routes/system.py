"""/_ping, /version, /info, /events, /system/df: the engine about itself."""

from __future__ import annotations

import os
import platform
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from voldemo.engine import API_VERSION, DRIVER, MIN_API_VERSION, VERSION, bridge, clock
from voldemo.engine.errors import BadParameter, NotFound
from voldemo.engine.http import Bytes, Json, Request, Response, Stream
from voldemo.engine.router import Routes
from voldemo.engine.routes import images, volumes

routes = Routes()
PING = (
    ("Builder-Version", "1"),  # the classic builder
    ("Swarm", "inactive"),
    ("Cache-Control", "no-cache, no-store, must-revalidate"),
    ("Pragma", "no-cache"),
)
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
NOTES = [
    "Processes, users and mounts are this engine's own work: nothing is isolated from the user who runs it.",
    "Containers share the host's network; every container has a loopback address of its own.",
]


@routes.get("/_ping")
@routes.head("/_ping")
async def ping(daemon: Any, request: Request) -> Response:
    return Bytes(b"OK", "text/plain; charset=utf-8", PING)


def architecture() -> str:
    machine = platform.machine()
    return ARCHITECTURES.get(machine, machine)


@routes.get("/version")
async def version(daemon: Any, request: Request) -> Response:
    known = {
        "ApiVersion": API_VERSION,
        "MinAPIVersion": MIN_API_VERSION,
        "GitCommit": "",
        "GoVersion": "",
        "Os": "linux",
        "Arch": architecture(),
        "KernelVersion": platform.release(),
        "BuildTime": "",
    }
    details = {**known, "Experimental": "false", "PythonVersion": platform.python_version()}
    component = {"Name": "Engine", "Version": VERSION, "Details": details}
    return Json({"Platform": {"Name": "voldemo"}, "Components": [component], "Version": VERSION, **known})


def operating_system() -> tuple[str, str]:
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return "Linux", ""
    return release.get("PRETTY_NAME", "Linux"), release.get("VERSION_ID", "")


@routes.get("/info")
async def info(daemon: Any, request: Request) -> Response:
    return Json({**about_host(daemon.store.root), **about_engine(daemon)})


def about_host(root: Path) -> dict[str, Any]:
    name, release = operating_system()
    return {
        "Name": platform.node(),
        "Architecture": platform.machine(),
        "KernelVersion": platform.release(),
        "OSType": "linux",
        "OperatingSystem": name,
        "OSVersion": release,
        "NCPU": len(os.sched_getaffinity(0)),
        "MemTotal": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "DockerRootDir": str(root),
        "SystemTime": clock.now(),
    }


def about_engine(daemon: Any) -> dict[str, Any]:
    counts = daemon.containers.counts()
    states = {f"Containers{state.capitalize()}": counts[state] for state in ("running", "paused", "stopped")}
    return {
        "ID": "voldemo",
        "ServerVersion": VERSION,
        "Containers": sum(states.values()),
        **states,
        "Images": len(daemon.store.images.list()),
        "Driver": DRIVER,
        "DriverStatus": [["Layers", "directories"], ["Ownership", "user.voldemo extended attributes"]],
        "Plugins": {
            "Volume": ["local"],
            "Network": ["bridge", "host", "null"],
            "Authorization": None,
            "Log": ["json-file"],
        },
        "LoggingDriver": "json-file",
        "CgroupDriver": "none",
        "CgroupVersion": "",
        "DefaultRuntime": "voldemo",
        "Runtimes": {"voldemo": {"path": "python"}},
        "InitBinary": "",
        "SecurityOptions": ["name=rootless"],
        "Isolation": "",
        "Swarm": {"LocalNodeState": "inactive", "NodeID": "", "NodeAddr": "", "ControlAvailable": False, "Error": ""},
        "IndexServerAddress": "",
        "RegistryConfig": {"IndexConfigs": {}, "InsecureRegistryCIDRs": [], "Mirrors": []},
        "Labels": [],
        "ExperimentalBuild": False,
        "LiveRestoreEnabled": False,
        "Debug": False,
        "NEventsListener": daemon.events.listeners,
        "NFd": len(os.listdir("/proc/self/fd")),
        "MemoryLimit": True,
        "IPv4Forwarding": True,
        "Warnings": NOTES,
    }


@routes.get("/events")
async def events(daemon: Any, request: Request) -> Response:
    since, until = moment(request, "since"), moment(request, "until")
    if since is not None and until is not None and since > until:
        begin, end = request.text("since"), request.text("until")
        raise BadParameter(f"`since` time ({begin}) cannot be after `until` time ({end})")
    return Stream(daemon.events.stream(since, until, request.filters()))


def moment(request: Request, name: str) -> int | None:
    text = request.text(name)
    return clock.unix_nanoseconds(text) if text else None


Part = Callable[[Any], Awaitable[Any]]


async def df_images(daemon: Any) -> list[dict[str, Any]]:
    users = daemon.containers.image_users()
    return [
        {**images.summary(daemon, image, shared=True), "Containers": len(users.get(image.id, ()))}
        for image in images.shown(daemon)
    ]


async def df_volumes(daemon: Any) -> list[dict[str, Any]]:
    users = daemon.containers.volume_users()
    plain = [volume for volume in daemon.store.volumes.list() if volume.kind == "plain"]
    sizes = await bridge.run(lambda: [volumes.size(daemon, volume) for volume in plain])
    return [
        {**volumes.view(volume), "UsageData": {"RefCount": len(users.get(volume.name, ())), "Size": size}}
        for volume, size in zip(plain, sizes, strict=True)
    ]


async def df_containers(daemon: Any) -> list[dict[str, Any]]:
    return await bridge.run(daemon.containers.summaries, size=True)


async def df_build_cache(daemon: Any) -> list[dict[str, Any]]:
    return []


PARTS: dict[str, tuple[str, Part]] = {
    "image": ("Images", df_images),
    "container": ("Containers", df_containers),
    "volume": ("Volumes", df_volumes),
    "build-cache": ("BuildCache", df_build_cache),
}


@routes.get("/system/df")
async def usage(daemon: Any, request: Request) -> Response:
    asked = request.values("type")
    for kind in asked:
        if kind not in PARTS:
            raise BadParameter(f"unknown object type: {kind}")
    wanted = set(asked) or set(PARTS)
    shown: dict[str, Any] = {"LayersSize": daemon.store.usage_layers() if "image" in wanted else 0}
    for kind, (name, part) in PARTS.items():
        shown[name] = await part(daemon) if kind in wanted else None
    return Json(shown)


@routes.get("/plugins")
async def plugins(daemon: Any, request: Request) -> Response:
    return Json([])


@routes.get("/plugins/{name:path}/json")
async def plugin(daemon: Any, request: Request, name: str) -> Response:
    """`docker inspect` asks for every kind of thing in turn."""
    raise NotFound(f"plugin {name} not found")
