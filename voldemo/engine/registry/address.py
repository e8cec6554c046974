"""Where the image of a reference is: which registry, how it is reached, and under what name."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass
from urllib.parse import urlsplit

from voldemo.engine.errors import BadParameter, NotFound
from voldemo.engine.store import Reference

VARIABLE = "VOLDEMO_REGISTRY_MIRROR"


@dataclass(frozen=True)
class Repository:
    base: str  # https://host:port
    path: str  # library/busybox
    shown: str  # as `docker push` shows it
    tag: str
    digest: str

    @property
    def wanted(self) -> str:
        return self.digest or self.tag


@dataclass(frozen=True)
class Registries:
    """`mirror` stands for the registry that a reference without a host means; this engine knows none by itself."""

    mirror: str = ""

    @classmethod
    def from_environment(cls, mirror: str = "") -> Registries:
        mirror = (mirror or os.environ.get(VARIABLE, "")).rstrip("/")
        return cls(checked(mirror) if mirror else "")

    def find(self, reference: Reference) -> Repository:
        if reference.domain:
            return self._repository(base_of(reference.domain), reference.path, reference)
        if not self.mirror:
            raise NotFound(
                f"{reference} names no registry and this engine has none to ask: start it with --registry-mirror, "
                "name the registry (host:port/name), or docker load a saved image."
            )
        return self._repository(self.mirror, reference.path, reference)

    def _repository(self, base: str, path: str, reference: Reference) -> Repository:
        return Repository(base, path, reference.repository, reference.tag, reference.digest)


def is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def base_of(domain: str) -> str:
    host = urlsplit(f"//{domain}").hostname or ""
    return f"{'http' if is_loopback(host) else 'https'}://{domain}"


def checked(url: str) -> str:
    """Only what nobody else can listen to or change."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise BadParameter(f"{url}: not a registry's address") from None
    if host and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))):
        return url
    raise BadParameter(f"{url}: a registry is asked over https, or over http on this machine (127.0.0.1) only")
