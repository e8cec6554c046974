"""`--link NAME:ALIAS`: another container's names in /etc/hosts, and what it is told in the environment."""

from __future__ import annotations

from collections.abc import Iterator

from voldemo.engine.containers.container import SHORT, Container

NOT_TOLD = ("HOME", "PATH")


def linked(container: Container) -> Iterator[tuple[Container, str]]:
    for link in container.host.get("Links") or []:
        name, _, alias = link.partition(":")
        yield container.daemon.containers.get(name), alias or name


def names(container: Container) -> list[tuple[Container, list[str]]]:
    return [(other, [alias, other.id[:SHORT], other.name]) for other, alias in linked(container)]


def environment(container: Container) -> dict[str, str]:
    told: dict[str, str] = {}
    for other, alias in linked(container):
        prefix = alias.upper().replace("-", "_")
        told[f"{prefix}_NAME"] = f"/{container.name}/{alias}"
        address = container.daemon.networks.address(other.id)
        for port in sorted(other.ports.open_now, key=lambda port: int(port.partition("/")[0])):
            told |= of_port(prefix, address, port)
        for name, equals, value in (entry.partition("=") for entry in other.config["Env"]):
            if equals and name not in NOT_TOLD:
                told[f"{prefix}_ENV_{name}"] = value
    return told


def of_port(prefix: str, address: str, port: str) -> dict[str, str]:
    number, _, protocol = port.partition("/")
    url, key = f"{protocol}://{address}:{number}", f"{prefix}_PORT_{number}_{protocol.upper()}"
    told = {key: url, f"{key}_ADDR": address, f"{key}_PORT": number, f"{key}_PROTO": protocol}
    return {f"{prefix}_PORT": url} | told
