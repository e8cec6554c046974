"""The four images by name: their layers, and the configuration that goes with them."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from voldemo.engine import VERSION
from voldemo.engine.builtin import servers, shells
from voldemo.engine.builtin.dpkg import Packages
from voldemo.engine.builtin.host import Host
from voldemo.engine.builtin.plan import Layer, Plan
from voldemo.engine.runtime.spec import ROOT_PATH

TAGS = {"busybox": "1.37", "debian": "13-slim", "postgres": "17", "redis": "8"}
COMMENT = "made by voldemo from this host's own programs"
LABEL = "org.voldemo.made-from"

Made = tuple[str, dict[str, Any]]  # what it was made from, and the configuration of its containers


def busybox(plan: Plan, host: Host) -> Made:
    return shells.busybox(plan, host), {"Env": [f"PATH={ROOT_PATH}"], "Cmd": ["sh"]}


def debian(plan: Plan, host: Host) -> Made:
    return shells.debian(plan, host, Packages(host)), {"Env": [f"PATH={ROOT_PATH}"], "Cmd": ["bash"]}


def postgres(plan: Plan, host: Host) -> Made:
    packages = Packages(host)
    servers.newest_postgres(host, packages)  # before any work is done
    shells.debian(plan, host, packages)
    return servers.postgres(plan, host, packages)


def redis(plan: Plan, host: Host) -> Made:
    packages = Packages(host)
    if packages.get("redis-server") is None:
        raise servers.missing_redis()
    shells.debian(plan, host, packages)
    return servers.redis(plan, host, packages)


RECIPES: dict[str, Callable[[Plan, Host], Made]] = {
    "busybox": busybox,
    "debian": debian,
    "postgres": postgres,
    "redis": redis,
}


def prepare(name: str, host: Host) -> tuple[list[Layer], Made]:
    plan = Plan(host)
    made = RECIPES[name](plan, host)
    return plan.dated(), made


def configuration(layers: Sequence[Layer], diff_ids: Sequence[str], made: Made, host: Host) -> dict[str, Any]:
    what, config = made
    dates = [iso(layer.date) for layer in layers]
    history = [
        {"created": date, "created_by": layer.instruction, "comment": COMMENT}
        for layer, date in zip(layers, dates, strict=True)
    ]
    settings = [text for key in SHOWN if key in config for text in shown(key, config[key])]
    history += [{"created": dates[-1], "created_by": text, "empty_layer": True} for text in settings]
    labels = {LABEL: what, "org.voldemo.host": host.system, "org.voldemo.version": VERSION}
    return {
        "architecture": "amd64" if platform.machine() == "x86_64" else platform.machine(),
        "os": "linux",
        "created": dates[-1],
        "author": f"voldemo {VERSION}",
        "comment": f"{COMMENT}: {what}",
        "config": {**config, "Labels": labels},
        "rootfs": {"type": "layers", "diff_ids": list(diff_ids)},
        "history": history,
    }


SHOWN = ("Env", "Volumes", "WorkingDir", "Entrypoint", "StopSignal", "ExposedPorts", "Cmd")


def shown(key: str, value: Any) -> list[str]:
    """The Dockerfile's line for a setting."""
    if key == "Env":
        return [f"ENV {pair}" for pair in value]
    if key in ("Volumes", "ExposedPorts"):
        return [f"{'VOLUME' if key == 'Volumes' else 'EXPOSE'} {name}" for name in value]
    if key in ("WorkingDir", "StopSignal"):
        return [f"{key.upper()} {value}"]
    return [f"{key.upper()} [{', '.join(quoted(each) for each in value)}]"]


def quoted(text: str) -> str:
    return f'"{text}"'


def iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
