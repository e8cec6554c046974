"""What a client asks for at create, checked in Docker's words and put over what the image says."""

from __future__ import annotations

import copy
import os
import re
from typing import Any

from voldemo.engine import fields
from voldemo.engine.containers import security, signals
from voldemo.engine.errors import BadParameter

LEAST_MEMORY = 6 << 20
PORT = re.compile(r"(\d{1,6})(?:-(\d{1,6}))?(?:/(tcp|udp|sctp))?")
POLICIES = ("no", "always", "on-failure", "unless-stopped")
LOG_DRIVERS = ("json-file", "local", "none")
LOG_OPTIONS = {"max-size", "max-file", "compress", "labels", "labels-regex", "env", "env-regex", "tag", "mode"}
LOG_OPTIONS |= {"max-buffer-size"}
NO_CONFIG = "config cannot be empty in order to create a container"
SHELL_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
TEXTS = ("Hostname", "Domainname", "User", "Image", "WorkingDir")
FLAGS = ("AttachStdin", "AttachStdout", "AttachStderr", "Tty", "OpenStdin", "StdinOnce")


def words(body: dict[str, Any], name: str) -> list[str] | None:
    """Cmd and Entrypoint: a list, or one text."""
    value = body.get(name)
    return [value] if isinstance(value, str) else fields.texts(body, name)


def requested(body: dict[str, Any]) -> dict[str, Any]:
    """Config as the client sent it, of the right types."""
    config: dict[str, Any] = {name: fields.text(body, name) for name in TEXTS}
    config |= {name: fields.boolean(body, name) for name in FLAGS}
    config["Env"] = fields.texts(body, "Env") or []
    config["Cmd"] = words(body, "Cmd")
    config["Entrypoint"] = words(body, "Entrypoint")
    config["Labels"] = fields.mapping(body, "Labels") or {}
    config["Volumes"] = dict(fields.obj(body, "Volumes")) or None
    config["OnBuild"] = None
    config["ExposedPorts"] = dict(fields.obj(body, "ExposedPorts"))
    config["StopSignal"] = fields.text(body, "StopSignal")
    timeout = body.get("StopTimeout")
    config["StopTimeout"] = None if timeout is None else fields.integer(body, "StopTimeout")
    config["Healthcheck"] = healthcheck(fields.obj(body, "Healthcheck"))
    config["Shell"] = fields.texts(body, "Shell")
    check(config)
    return config


def healthcheck(asked: dict[str, Any]) -> dict[str, Any] | None:
    if not asked:
        return None
    test = words(asked, "Test") or []
    check = {"Test": test} if test else {}
    for name in ("Interval", "Timeout", "StartPeriod", "StartInterval"):
        value = fields.integer(asked, name)
        if value and value < 10**6:
            raise BadParameter(f"{name} in Healthcheck cannot be less than 1ms")
        check |= {name: value} if value else {}
    retries = fields.integer(asked, "Retries")
    if retries < 0:
        raise BadParameter("Retries in Healthcheck cannot be negative")
    return check | ({"Retries": retries} if retries else {})


def check(config: dict[str, Any]) -> None:
    directory = config["WorkingDir"]
    if directory and not directory.startswith("/"):
        raise BadParameter(f"the working directory '{directory}' is invalid, it needs to be an absolute path")
    for each in config["Env"]:
        if not each or each.startswith("="):
            raise BadParameter(f"invalid environment variable: {each}")
    if config["StopSignal"]:
        signals.parse(config["StopSignal"])
    for values in (config["Env"], config["Cmd"] or [], config["Entrypoint"] or []):
        if any("\0" in each for each in values):
            raise BadParameter("invalid value: a NUL byte cannot be part of an argument")


def merge(config: dict[str, Any], image: dict[str, Any]) -> dict[str, Any]:
    """`image`: the config of an image, whose values hold where the client said nothing."""
    for name in ("User", "WorkingDir", "StopSignal"):
        config[name] = config[name] or image.get(name) or ""
    config["Env"] = merge_env(image.get("Env") or [], config["Env"])
    config["Labels"] = {**(image.get("Labels") or {}), **config["Labels"]}
    for name in ("Volumes", "ExposedPorts"):
        config[name] = {**(image.get(name) or {}), **(config[name] or {})} or None
    if not config["Entrypoint"] and config["Entrypoint"] != [""]:
        if config["Cmd"] is None or config["Cmd"] == []:
            config["Cmd"] = copy.copy(image.get("Cmd"))
        if config["Entrypoint"] is None:
            config["Entrypoint"] = copy.copy(image.get("Entrypoint"))
    if config["Entrypoint"] == [""]:
        config["Entrypoint"] = None
    config["Healthcheck"] = merge_healthcheck(config["Healthcheck"], image.get("Healthcheck"))
    config["Shell"] = config["Shell"] or image.get("Shell")
    if not (config["Entrypoint"] or config["Cmd"]):
        raise BadParameter("no command specified")
    return drop_absent(config)


def merge_env(base: list[str], added: list[str]) -> list[str]:
    names = {each.partition("=")[0] for each in added}
    return added + [each for each in base if each.partition("=")[0] not in names]


def merge_healthcheck(own: dict[str, Any] | None, image: dict[str, Any] | None) -> dict[str, Any] | None:
    if own is None or not image:
        return own if own is not None else image
    return {**image, **own}


def drop_absent(config: dict[str, Any]) -> dict[str, Any]:
    """Docker leaves these out when they are empty."""
    for name in ("ExposedPorts", "StopSignal", "StopTimeout", "Healthcheck", "Shell"):
        if not config[name] and config[name] != 0:
            del config[name]
    return config


def check_host(host: dict[str, Any]) -> None:
    """What of HostConfig is refused at create."""
    check_policy(host)
    check_resources(host)
    check_ports(fields.obj(host, "PortBindings"))
    check_log(fields.obj(host, "LogConfig"))
    security.check(host)
    for each in fields.texts(host, "ExtraHosts") or []:
        if ":" not in each and "=" not in each:
            raise BadParameter(f'bad format for add-host: "{each}"')
    for name in ("Binds", "VolumesFrom", "Links", "GroupAdd", "CapAdd", "CapDrop", "Dns", "DnsSearch"):
        fields.texts(host, name)
    for name in ("Privileged", "ReadonlyRootfs", "AutoRemove", "PublishAllPorts"):
        fields.boolean(host, name)
    fields.mapping(host, "Tmpfs")
    fields.text(host, "NetworkMode")


def check_policy(host: dict[str, Any]) -> None:
    policy = fields.obj(host, "RestartPolicy")
    name, retries = fields.text(policy, "Name"), fields.integer(policy, "MaximumRetryCount")
    if name and name not in POLICIES:
        known = "use one of 'no', 'always', 'on-failure', or 'unless-stopped'"
        raise BadParameter(f"invalid restart policy: unknown policy '{name}'; {known}")
    if retries and name != "on-failure":
        raise BadParameter("invalid restart policy: maximum retry count can only be used with 'on-failure'")
    if retries < 0:
        raise BadParameter("invalid restart policy: maximum retry count cannot be negative")
    if host.get("AutoRemove") and name not in ("", "no"):
        raise BadParameter("can't create 'AutoRemove' container with restart policy")


def check_resources(host: dict[str, Any]) -> None:
    memory, swap = fields.integer(host, "Memory"), fields.integer(host, "MemorySwap")
    if memory and memory < LEAST_MEMORY:
        raise BadParameter("Minimum memory limit allowed is 6MB")
    if memory and 0 < swap < memory:
        raise BadParameter("Minimum memoryswap limit should be larger than memory limit, see usage")
    processors = os.cpu_count() or 1
    if not 0 <= fields.integer(host, "NanoCpus") <= processors * 10**9:
        total = f"{processors}.00, as there are only {processors} CPUs available"
        raise BadParameter(f"range of CPUs is from 0.01 to {total}")


def check_ports(bindings: dict[str, Any]) -> None:
    for port, places in bindings.items():
        if not PORT.fullmatch(port):
            raise BadParameter(f'invalid port specification: "{port}"')
        if not isinstance(places or [], list):
            raise fields.refuse(places, "PortBindings", "[]nat.PortBinding")
        for place in places or []:
            text = fields.text(place, "HostPort") if isinstance(place, dict) else "?"
            match = PORT.fullmatch(text) if text else None
            if text and (match is None or any(int(each or 0) > 65535 for each in match.groups()[:2])):
                raise BadParameter(f'invalid port specification: "{text}"')


def check_log(log: dict[str, Any]) -> None:
    driver = fields.text(log, "Type")
    if driver and driver not in LOG_DRIVERS:
        raise BadParameter(f'error looking up logging plugin {driver}: plugin "{driver}" not found')
    for name in fields.mapping(log, "Config") or {}:
        if name not in LOG_OPTIONS:
            raise BadParameter(f"unknown log opt '{name}' for {driver or 'json-file'} log driver")
