"""An image: its configuration, byte for byte, and the names that lead to it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from voldemo.engine.errors import BadParameter
from voldemo.engine.store.layers import DIGEST, Layer

MOST_CONFIG = 8 << 20


def digest_of(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def short(id: str) -> str:
    return id.removeprefix("sha256:")[:12]


@dataclass(frozen=True)
class Image:
    id: str
    raw: bytes
    config: dict
    layers: list[Layer]  # bottom first
    tags: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    parent: str = ""

    @property
    def created(self) -> str:
        return self.config.get("created") or "0001-01-01T00:00:00Z"

    @property
    def size(self) -> int:
        return sum(layer.size for layer in self.layers)

    @property
    def labels(self) -> dict[str, str]:
        return (self.config.get("config") or {}).get("Labels") or {}

    @property
    def trees(self) -> list[Path]:
        """Topmost first, as a container's root wants them."""
        return [layer.path for layer in reversed(self.layers)]


def parse_config(raw: bytes) -> dict:
    """A configuration from outside: an object that names its layers, and nothing of a kind no reader expects."""
    try:
        config = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise BadParameter(f"invalid image JSON: {error}") from error
    if not isinstance(config, dict):
        raise BadParameter("invalid image JSON: not an object")
    for key, kind in (("created", str), ("config", dict), ("history", list), ("os", str), ("architecture", str)):
        if not isinstance(config.get(key), kind | None):
            raise BadParameter(f"invalid image JSON: {key}")
    labels = (config.get("config") or {}).get("Labels")
    if not isinstance(labels, dict | None):
        raise BadParameter("invalid image JSON: Labels")
    diff_ids(config)
    return config


def diff_ids(config: dict) -> list[str]:
    rootfs = config.get("rootfs")
    if not isinstance(rootfs, dict):
        raise BadParameter("invalid image JSON, no RootFS key")
    ids = rootfs.get("diff_ids") or []
    if not isinstance(ids, list) or not all(isinstance(one, str) and DIGEST.fullmatch(one) for one in ids):
        raise BadParameter("invalid image JSON: diff_ids")
    return ids


def chain_ids(ids: list[str]) -> list[str]:
    """What Docker calls the layers: each name covers all below it too."""
    chain: list[str] = []
    for one in ids:
        chain.append(digest_of(f"{chain[-1]} {one}".encode()) if chain else one)
    return chain
