"""`docker commit`: what a container changed, as one more layer, and a config changed by instructions."""

from __future__ import annotations

import copy
import json
import re
import shlex
from typing import Any

from voldemo.engine import clock, fields
from voldemo.engine.containers.config import merge_env
from voldemo.engine.containers.container import Container
from voldemo.engine.errors import BadParameter, NotFound
from voldemo.engine.store import Image
from voldemo.engine.store.layers import EMPTY

KEPT_TEXT = """
Hostname Domainname User AttachStdin AttachStdout AttachStderr ExposedPorts Tty OpenStdin StdinOnce Env Cmd
Healthcheck Image Volumes WorkingDir Entrypoint OnBuild Labels StopSignal StopTimeout Shell
"""
KEPT = KEPT_TEXT.split()
ALLOWED_TEXT = """
CMD ENTRYPOINT ENV EXPOSE HEALTHCHECK LABEL MAINTAINER ONBUILD STOPSIGNAL USER VOLUME WORKDIR
"""
ALLOWED = ALLOWED_TEXT.split()
HEALTH_FLAGS = {
    "interval": "Interval",
    "timeout": "Timeout",
    "start-period": "StartPeriod",
    "start-interval": "StartInterval",
    "retries": "Retries",
}
PAIR = re.compile(r"""([^\s=]+)=((?:"(?:\\.|[^"\\])*"|'[^']*'|\\.|[^\s"'])*)""")


def lines(changes: list[str]) -> list[str]:
    return [line.strip() for change in changes for line in change.splitlines() if line.strip()]


def apply(config: dict[str, Any], changes: list[str]) -> None:
    for line in lines(changes):
        word, _, rest = line.partition(" ")
        name = word.upper()
        if name not in ALLOWED:
            known = name in ["ADD", "ARG", "COPY", "FROM", "RUN", "SHELL"]
            said = f"{name} is not a valid change command" if known else f"unknown instruction: {name}"
            raise BadParameter(f"dockerfile parse error on line 1: {said}" if not known else said)
        if not rest.strip():
            raise BadParameter(f"{name} requires at least one argument")
        CHANGES[name](config, rest.strip())


def command(text: str) -> list[str]:
    if text.startswith("["):
        try:
            words = json.loads(text)
        except ValueError:
            words = None
        if isinstance(words, list) and all(isinstance(word, str) for word in words):
            return words
    return ["/bin/sh", "-c", text]


def pairs(text: str) -> dict[str, str]:
    found = {key: unquote(value) for key, value in PAIR.findall(text)}
    if not found:
        key, _, value = text.partition(" ")
        if not value:
            raise BadParameter(f"Syntax error - can't find = in {text!r}. Must be of the form: name=value")
        found = {key: value.strip()}
    return {unquote(key): value for key, value in found.items()}


def unquote(text: str) -> str:
    try:
        return "".join(shlex.split(text)) if text else ""
    except ValueError:
        return text


def set_cmd(config: dict[str, Any], text: str) -> None:
    config["Cmd"] = command(text)


def set_entrypoint(config: dict[str, Any], text: str) -> None:
    config["Entrypoint"] = command(text)


def set_env(config: dict[str, Any], text: str) -> None:
    added = [f"{key}={value}" for key, value in pairs(text).items()]
    names = {entry.partition("=")[0]: entry for entry in added}
    kept = [names.pop(entry.partition("=")[0], entry) for entry in config.get("Env") or []]
    config["Env"] = kept + list(names.values())


def set_label(config: dict[str, Any], text: str) -> None:
    config["Labels"] = {**(config.get("Labels") or {}), **pairs(text)}


def add_names(field: str, suffix: str = "") -> Any:
    def change(config: dict[str, Any], text: str) -> None:
        names = command(text) if text.startswith("[") else text.split()
        have = dict(config.get(field) or {})
        for name in names:
            have[name + suffix if suffix and "/" not in name else name] = {}
        config[field] = have

    return change


def set_text(field: str) -> Any:
    def change(config: dict[str, Any], text: str) -> None:
        config[field] = unquote(text) if field == "User" else text

    return change


def set_workdir(config: dict[str, Any], text: str) -> None:
    base = config.get("WorkingDir") or "/"
    config["WorkingDir"] = text if text.startswith("/") else f"{base.rstrip('/')}/{text}"


def set_health(config: dict[str, Any], text: str) -> None:
    flags, kind, rest = health_flags(text)
    if kind == "NONE":
        config["Healthcheck"] = {"Test": ["NONE"]}
        return
    if kind != "CMD":
        raise BadParameter(f'Unknown type "{kind}" in HEALTHCHECK (try CMD)')
    words = command(rest)
    test = ["CMD-SHELL", words[2]] if words[:2] == ["/bin/sh", "-c"] else ["CMD", *words]
    config["Healthcheck"] = {"Test": test, **flags}


def health_flags(text: str) -> tuple[dict[str, int], str, str]:
    flags: dict[str, int] = {}
    while text.startswith("--"):
        flag, _, text = text.partition(" ")
        name, _, value = flag.removeprefix("--").partition("=")
        if name not in HEALTH_FLAGS:
            raise BadParameter(f"unknown flag: --{name}")
        known = value.isdecimal() if name == "retries" else clock.DURATION.fullmatch(value)
        if not known:
            raise BadParameter(f'invalid value "{value}" for --{name}')
        flags[HEALTH_FLAGS[name]] = int(value) if name == "retries" else clock.duration(value)
        text = text.lstrip()
    kind, _, rest = text.partition(" ")
    return flags, kind.upper(), rest.strip()


def add_trigger(config: dict[str, Any], text: str) -> None:
    config["OnBuild"] = [*(config.get("OnBuild") or []), text]


def ignore(config: dict[str, Any], text: str) -> None:
    """MAINTAINER: an author, which a commit has of its own."""


CHANGES = {
    "CMD": set_cmd,
    "ENTRYPOINT": set_entrypoint,
    "ENV": set_env,
    "EXPOSE": add_names("ExposedPorts", "/tcp"),
    "HEALTHCHECK": set_health,
    "LABEL": set_label,
    "MAINTAINER": ignore,
    "ONBUILD": add_trigger,
    "STOPSIGNAL": set_text("StopSignal"),
    "USER": set_text("User"),
    "VOLUME": add_names("Volumes"),
    "WORKDIR": set_workdir,
}


def new_config(container: Container, body: dict[str, Any], changes: list[str]) -> dict[str, Any]:
    """The container's, what the client sends over it, and then the instructions."""
    config = {key: copy.deepcopy(value) for key, value in container.config.items() if key in KEPT}
    for key in ("Cmd", "Entrypoint", "User", "WorkingDir", "StopSignal", "Healthcheck"):
        if body.get(key):
            config[key] = body[key]
    config["Labels"] = {**config["Labels"], **(fields.mapping(body, "Labels") or {})}
    config["Env"] = merge_env(config["Env"], fields.texts(body, "Env") or [])
    for key in ("Volumes", "ExposedPorts"):
        config[key] = {**(config.get(key) or {}), **fields.obj(body, key)} or None
    apply(config, changes)
    return config


def commit(container: Container, config: dict[str, Any], author: str, comment: str, tag: str, running: bool) -> Image:
    """Blocks. What does not run must not be started meanwhile."""
    store = container.daemon.store
    upper = store.containers.upper(container.id)
    layer = store.layers.add_changes(upper, container.layers, running=running)
    base = base_of(container)
    created = clock.now()
    entry: dict[str, Any] = {
        "created": created,
        "created_by": " ".join([*(container.config["Entrypoint"] or []), *(container.config["Cmd"] or [])]),
    }
    added = [layer.diff_id] if layer.diff_id != EMPTY else []
    if not added:
        entry["empty_layer"] = True
        store.layers.settle([EMPTY])  # no image is to have it
    entry |= {key: value for key, value in (("author", author), ("comment", comment)) if value}
    image: dict[str, Any] = {
        "architecture": base.get("architecture", "amd64"),
        "os": base.get("os", "linux"),
        "created": created,
        "config": config,
        "container": container.id,
        "container_config": container.config,
        "docker_version": base.get("docker_version", ""),
        "history": [*(base.get("history") or []), entry],
        "rootfs": {"type": "layers", "diff_ids": [*container.record.layers, *added]},
    }
    image |= {key: value for key, value in (("author", author), ("comment", comment)) if value}
    parent = container.record.image if base else ""
    return store.images.create(image, tags=[tag] if tag else [], parent=parent)


def base_of(container: Container) -> dict[str, Any]:
    try:
        return container.daemon.store.images.get(container.record.image).config
    except NotFound:  # removed by force
        return {}
