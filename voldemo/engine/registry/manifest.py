"""What a registry says an image is made of; nothing of it is believed before it is checked."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from voldemo.engine.errors import Failed, NotFound, Unsupported
from voldemo.engine.registry.transport import json_object

DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
OCI = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
LISTS = (DOCKER_LIST, OCI_INDEX)
ACCEPTED = ", ".join((DOCKER, OCI, DOCKER_LIST, OCI_INDEX))
PLATFORM = {"os": "linux", "architecture": "amd64"}
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
MOST_LAYERS = 500


@dataclass(frozen=True)
class Descriptor:
    digest: str
    size: int
    media_type: str = ""

    @property
    def short(self) -> str:
        return self.digest[7:19]


@dataclass(frozen=True)
class Manifest:
    digest: str
    config: Descriptor
    layers: tuple[Descriptor, ...]


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def descriptor(value: Any, what: str) -> Descriptor:
    if not isinstance(value, dict):
        raise Failed(f"{what}: the manifest has no such entry")
    digest, size, kind = value.get("digest"), value.get("size"), value.get("mediaType", "")
    if not isinstance(digest, str) or not DIGEST.fullmatch(digest):
        raise Failed(f"{what}: invalid digest in the manifest")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise Failed(f"{what}: invalid size in the manifest")
    return Descriptor(digest, size, kind if isinstance(kind, str) else "")


def choose(data: bytes, name: str) -> Descriptor | None:
    """Of a list of manifests the one for this machine; None: it is no list."""
    value = json_object(data, name)
    if value.get("mediaType") not in LISTS and not isinstance(value.get("manifests"), list):
        return None
    for entry in entries(value.get("manifests")):
        platform = entry.get("platform")
        if isinstance(platform, dict) and all(platform.get(key) == want for key, want in PLATFORM.items()):
            return descriptor(entry, name)
    raise NotFound("no matching manifest for linux/amd64 in the manifest list entries")


def entries(value: Any) -> Iterator[dict[str, Any]]:
    return (entry for entry in value if isinstance(entry, dict)) if isinstance(value, list) else iter(())


def parse(data: bytes, name: str) -> Manifest:
    value = json_object(data, name)
    if value.get("schemaVersion") != 2 or not isinstance(value.get("layers"), list):
        raise Unsupported(f"{name}: only image manifests of schema 2 can be pulled here")
    if len(value["layers"]) > MOST_LAYERS:
        raise Failed(f"{name}: the manifest names {len(value['layers'])} layers, more than {MOST_LAYERS}")
    layers = tuple(descriptor(layer, name) for layer in value["layers"])
    for layer in layers:
        check_layer(layer, name)
    return Manifest(digest_of(data), descriptor(value.get("config"), name), layers)


def check_layer(layer: Descriptor, name: str) -> None:
    if layer.media_type.endswith("zstd"):
        raise Unsupported(f"{name}: its layers are compressed with zstd, which this engine cannot read: only gzip.")
    if "nondistributable" in layer.media_type or "foreign" in layer.media_type:
        raise Unsupported(f"{name}: one of its layers is kept elsewhere than in the registry.")


def diff_ids(config: bytes, manifest: Manifest, name: str) -> list[str]:
    value = json_object(config, name)
    for key, want in PLATFORM.items():
        if value.get(key, want) != want:
            raise NotFound(f"{name}: the image is for {value.get(key)}, not for linux/amd64")
    rootfs = value.get("rootfs")
    ids = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    if not isinstance(ids, list) or not all(isinstance(each, str) and DIGEST.fullmatch(each) for each in ids):
        raise Failed(f"{name}: the image's configuration does not name its layers")
    if len(ids) != len(manifest.layers):
        raise Failed(
            f"{name}: invalid image: {len(ids)} layers in its configuration, {len(manifest.layers)} in its manifest"
        )
    return ids
