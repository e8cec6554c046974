"""`docker load` and `docker save`: Docker's manifest.json and OCI's index.json, in one tar."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from voldemo.engine.errors import BadParameter
from voldemo.engine.store import tars
from voldemo.engine.store.compression import open_stream
from voldemo.engine.store.files import check_room, room
from voldemo.engine.store.image import MOST_CONFIG, Image, diff_ids, digest_of, parse_config
from voldemo.engine.store.references import Reference
from voldemo.engine.store.tarheader import Member
from voldemo.engine.store.tars import Reader, clean_name

if TYPE_CHECKING:
    from voldemo.engine.store.images import Images

OCI = "application/vnd.oci.image."
BLOBS = "blobs/sha256/"
TAG = "org.opencontainers.image.ref.name"
NAME = "io.containerd.image.name"
MOST_LAYERS = 1024


class Unpacked:
    """The archive's files in a folder, under numbers: no name of a stranger's becomes a path of ours."""

    def __init__(self, folder: Path, stream: BinaryIO) -> None:
        self._folder = folder
        self._files: dict[str, Path] = {}
        reader = Reader(open_stream(stream))
        for member in reader:
            name = _name(b"/".join(clean_name(member.name)))
            if member.kind in ("symlink", "hardlink"):
                self._alias(name, member)
            elif member.kind == "file":
                self._files[name] = self._spool(reader, member)

    def _spool(self, reader: Reader, member: Member) -> Path:
        path = self._folder / f"{len(self._files)}-{reader.bytes}"
        with path.open("xb") as file:
            for offset, data in reader.body():
                if not offset % (1 << 26):
                    check_room(self._folder)
                file.seek(offset)
                file.write(data)
        return path

    def _alias(self, name: str, member: Member) -> None:
        """Old archives hold one layer once and point to it from elsewhere (`../ID/layer.tar`)."""
        base = name.rpartition("/")[0] + "/" if member.kind == "symlink" else ""
        target = _name(b"/".join(clean_name(base.encode(errors="surrogateescape") + member.link)))
        if target in self._files:
            self._files[name] = self._files[target]

    def has(self, name: str) -> bool:
        return name in self._files

    def path(self, name: str) -> Path:
        if name not in self._files:
            raise BadParameter(f"invalid archive: {name} is missing")
        return self._files[name]

    def read(self, name: str) -> bytes:
        path = self.path(name)
        if path.stat().st_size > MOST_CONFIG:
            raise BadParameter(f"invalid archive: {name} is too large")
        return path.read_bytes()

    def json(self, name: str, kind: type) -> list | dict:
        try:
            value = json.loads(self.read(name))
        except (ValueError, RecursionError) as error:
            raise BadParameter(f"invalid archive: {name}: {error}") from error
        return _expect(value, kind, name)


def _name(name: bytes) -> str:
    return name.decode(errors="surrogateescape")


def _expect(value, kind: type, what: str):
    if not isinstance(value, kind):
        raise BadParameter(f"invalid archive: {what}")
    return value


def load(images: Images, stream: BinaryIO) -> Iterator[str]:
    with images.files.making() as folder, room():
        unpacked = Unpacked(folder, stream)
        items = list(_manifest(unpacked) if unpacked.has("manifest.json") else _index(unpacked))
        for config, tags, layers in items:
            yield from _load_one(images, unpacked, config, tags, layers)


def _manifest(unpacked: Unpacked) -> Iterator[tuple[str, list[str], list[str]]]:
    for item in _expect(unpacked.json("manifest.json", list), list, "manifest.json"):
        _expect(item, dict, "manifest.json")
        config = _expect(item.get("Config"), str, "manifest.json: Config")
        tags = _expect(item.get("RepoTags") or [], list, "manifest.json: RepoTags")
        layers = _expect(item.get("Layers") or [], list, "manifest.json: Layers")
        for one in [*tags, *layers]:
            _expect(one, str, "manifest.json")
        yield config, tags, layers


def _index(unpacked: Unpacked) -> Iterator[tuple[str, list[str], list[str]]]:
    if not unpacked.has("index.json"):
        raise BadParameter("invalid archive: it has no manifest.json and no index.json")
    for about in _descriptors(unpacked.json("index.json", dict), "manifests"):
        manifest = _platform(unpacked, unpacked.json(_blob(unpacked, about), dict))
        notes = _expect(about.get("annotations") or {}, dict, "annotations")
        name = notes.get(NAME) or notes.get(TAG) or ""
        tags = [name] if isinstance(name, str) and ("/" in name or ":" in name) else []
        config = _blob(unpacked, _expect(manifest.get("config"), dict, "config"))
        yield config, tags, [_blob(unpacked, layer) for layer in _descriptors(manifest, "layers")]


def _platform(unpacked: Unpacked, manifest: dict) -> dict:
    """An index in the index is one image for several machines: ours is wanted."""
    for about in _descriptors(manifest, "manifests"):
        platform = _expect(about.get("platform") or {}, dict, "platform")
        if (platform.get("os"), platform.get("architecture")) == ("linux", "amd64"):
            return unpacked.json(_blob(unpacked, about), dict)
    return manifest


def _descriptors(value: dict, key: str) -> list[dict]:
    found = _expect(value.get(key) or [], list, key)
    return [_expect(one, dict, key) for one in found]


def _blob(unpacked: Unpacked, descriptor: dict) -> str:
    digest = _expect(descriptor.get("digest"), str, "digest")
    name = BLOBS + digest.removeprefix("sha256:")
    if unpacked.path(name).stat().st_size <= MOST_CONFIG and digest_of(unpacked.read(name)) != digest:
        raise BadParameter(f"invalid archive: {digest} is not what its name says")
    return name


def _load_one(images: Images, unpacked: Unpacked, config: str, tags: list[str], layers: list[str]) -> Iterator[str]:
    raw = unpacked.read(config)
    _check_name(config, digest_of(raw))
    wanted = diff_ids(parse_config(raw))
    names = [str(Reference.parse(tag)) for tag in tags]
    if len(wanted) != len(layers) or len(layers) > MOST_LAYERS:
        raise BadParameter(f"invalid manifest, layers length mismatch: expected {len(wanted)}, got {len(layers)}")
    for diff_id, name in zip(wanted, layers, strict=True):
        if not images.layers.has(diff_id):
            with unpacked.path(name).open("rb", buffering=0) as file:
                images.layers.add_tar(file, expect=diff_id)
    image = images.create(raw, names)
    for name in names:
        yield f"Loaded image: {name}"
    if not names:
        yield f"Loaded image ID: {image.id}"


def _check_name(name: str, digest: str) -> None:
    """A configuration is called by its digest, in every layout: another content is another image."""
    called = name.rpartition("/")[2].removesuffix(".json")
    if len(called) == 64 and called != digest.removeprefix("sha256:"):
        raise BadParameter(f"invalid image config: {name} has the digest {digest}")


# -- save


def save(images: Images, refs: Sequence[str]) -> Iterator[bytes]:
    wanted: dict[str, tuple[Image, list[str]]] = {}
    for ref in refs:
        image = images.get(ref)
        _, names = wanted.setdefault(image.id, (image, []))
        names += [name for name in _names(images, image, ref) if name not in names]
    return tars.write(_saved(images, list(wanted.values())))


def _names(images: Images, image: Image, ref: str) -> list[str]:
    """Saved by id, an image goes without names; by a repository alone, Docker takes :latest."""
    return [] if images.by_id(ref) or "@" in ref else [str(Reference.parse(ref))]


def _saved(images: Images, wanted: list[tuple[Image, list[str]]]) -> Iterator[tuple[Member, Iterator[bytes]]]:
    yield Member(b"blobs", "dir", 0o755), iter(())
    yield Member(b"blobs/sha256", "dir", 0o755), iter(())
    written: set[str] = set()
    manifests, items = [], []
    for image, names in wanted:
        manifest = json.dumps(_oci_manifest(images, image), separators=(",", ":")).encode()
        manifests += _entries(manifest, names)
        items.append(_docker_item(images, image, names))
        for digest, data in ((image.id, image.raw), (digest_of(manifest), manifest)):
            if digest not in written:
                yield _file(BLOBS + digest.removeprefix("sha256:"), data)
            written.add(digest)
        for layer in image.layers:
            if layer.diff_id not in written:
                name = (BLOBS + layer.diff_id.removeprefix("sha256:")).encode()
                yield Member(name, "file", size=layer.tar_size), images.layers.tar(layer.diff_id)
            written.add(layer.diff_id)
    index = {"schemaVersion": 2, "mediaType": OCI + "index.v1+json", "manifests": manifests}
    yield _json("index.json", index)
    yield _json("manifest.json", items)
    yield _json("oci-layout", {"imageLayoutVersion": "1.0.0"})
    if repositories := _repositories(wanted):
        yield _json("repositories", repositories)


def _file(name: str, data: bytes) -> tuple[Member, Iterator[bytes]]:
    return Member(name.encode(), "file", size=len(data)), iter([data])


def _json(name: str, value: list | dict) -> tuple[Member, Iterator[bytes]]:
    return _file(name, json.dumps(value, separators=(",", ":")).encode())


def _layer_descriptor(images: Images, diff_id: str) -> dict:
    return {"mediaType": OCI + "layer.v1.tar", "size": images.layers.tar_size(diff_id), "digest": diff_id}


def _oci_manifest(images: Images, image: Image) -> dict:
    config = {"mediaType": OCI + "config.v1+json", "digest": image.id, "size": len(image.raw)}
    layers = [_layer_descriptor(images, layer.diff_id) for layer in image.layers]
    return {"schemaVersion": 2, "mediaType": OCI + "manifest.v1+json", "config": config, "layers": layers}


def _entries(manifest: bytes, names: list[str]) -> list[dict]:
    entry = {"mediaType": OCI + "manifest.v1+json", "digest": digest_of(manifest), "size": len(manifest)}
    named = [(Reference.parse(name).full, Reference.parse(name).tag) for name in names]
    return [entry | {"annotations": {NAME: full, TAG: tag}} for full, tag in named] or [entry]


def _docker_item(images: Images, image: Image, names: list[str]) -> dict:
    ids = [layer.diff_id for layer in image.layers]
    return {
        "Config": BLOBS + image.id.removeprefix("sha256:"),
        "RepoTags": names or None,
        "Layers": [BLOBS + one.removeprefix("sha256:") for one in ids],
        "LayerSources": {one: _layer_descriptor(images, one) for one in ids},
    }


def _repositories(wanted: list[tuple[Image, list[str]]]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for image, names in wanted:
        for name in map(Reference.parse, names):
            if image.layers:
                found.setdefault(name.repository, {})[name.tag] = image.layers[-1].diff_id.removeprefix("sha256:")
    return found
