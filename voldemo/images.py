"""The images the chapters use: pinned here and nowhere else, had from a registry or from a folder of tars."""

from __future__ import annotations

import json
import posixpath
import tarfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
from docker import DockerClient
from docker.auth import INDEX_NAME
from docker.errors import APIError, NotFound

from voldemo.engines import measured
from voldemo.errors import reason
from voldemo.words import Sentence

BUSYBOX = "busybox:1.37"
DEBIAN = "debian:13-slim"
POSTGRES = "postgres:17"
REDIS = "redis:8"
PINNED = (BUSYBOX, DEBIAN, POSTGRES, REDIS)

Track = Callable[[Iterable], Iterable]  # wraps what is looped over, to show how far it is


def status(client: DockerClient) -> pd.DataFrame:
    """One row for each of PINNED; columns: image, present, bytes (as the engine counts them)."""
    rows = []
    for image in PINNED:
        try:
            size = client.images.get(image).attrs["Size"]
        except NotFound:  # not ImageNotFound alone: an engine may say more about why it is not there
            size = None
        rows.append({"image": image, "present": size is not None, "bytes": size})
    return measured(client, pd.DataFrame(rows).astype({"bytes": "Int64"}))


def missing(client: DockerClient) -> list[str]:
    frame = status(client)
    return list(frame.image[~frame.present])


def pull(client: DockerClient, track: Track = iter) -> dict[str, str]:
    """Pull what is missing. Returns image to reason for each one that could not be had."""
    failed = {}
    for image in track(missing(client)):
        try:
            _pull(client, image)
        except APIError as error:
            failed[image] = reason(error)
    return failed


def _pull(client: DockerClient, image: str) -> None:
    """A pull that fails half-way has answered 200 already: the reason comes in the stream."""
    for event in client.api.pull(image, stream=True, decode=True):
        if "error" in event:
            raise APIError(event["error"])


def load(client: DockerClient, folder: Path, track: Track = iter) -> dict[str, str]:
    """Load what is missing from `folder`'s tars. Returns image to reason for each one that could not be had."""
    if not folder.is_dir():
        raise Sentence("images.no_folder", folder=folder)
    failed = {}
    for image in track(missing(client)):
        path = folder / file_name(image)
        try:
            _only(path, image)
            with path.open("rb") as tar:
                client.images.load(tar)
            client.images.get(image)
        except (OSError, APIError, Sentence) as error:
            failed[image] = reason(error)
    return failed


def save(client: DockerClient, folder: Path, track: Track = iter) -> list[Path]:
    """Write a tar of each image that is present, for `load` elsewhere. A tar is there whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    frame = status(client)
    return [_save(client, image, folder / file_name(image)) for image in track(list(frame.image[frame.present]))]


def _save(client: DockerClient, image: str, path: Path) -> Path:
    part = path.with_suffix(".part")
    try:
        with part.open("wb") as tar:
            for chunk in client.images.get(image).save(named=image):
                tar.write(chunk)
        return part.rename(path)
    finally:
        part.unlink(missing_ok=True)


def file_name(image: str) -> str:
    """busybox:1.37 is kept in busybox-1.37.tar."""
    return f"{image.replace(':', '-')}.tar"


def _only(path: Path, image: str) -> None:
    """Refuse a tar that would bring any other name than `image`: it could replace an image of the learner's."""
    try:
        with tarfile.open(path) as tar:
            names = _names(tar)
    except OSError:
        raise
    except Exception as error:  # whatever a broken file provokes in a parser and three decompressors
        raise Sentence("images.not_a_tar", path=path, why=reason(error)) from error
    if names != {image}:
        raise Sentence("images.other_names", path=path, image=image, names=", ".join(sorted(names)) or "-")


def _names(tar: tarfile.TarFile) -> set[str]:
    """The names an image tar gives, in each of the files in which an engine may look for them."""
    names: set[str] = set()
    for member in tar:
        where = posixpath.normpath(member.name).lstrip("/")
        if where in NAMING:
            if not member.isreg() or member.size > MOST:
                raise ValueError(f"{where} is not what an engine writes")
            names |= set(NAMING[where](json.load(tar.extractfile(member))))
    return {name.removeprefix(f"{INDEX_NAME}/library/") for name in names}


def _in_index(index: dict) -> Iterator[str]:
    marks = (entry.get("annotations") or {} for entry in index["manifests"])
    return (mark["io.containerd.image.name"] for mark in marks if "io.containerd.image.name" in mark)


# What `docker save` writes (manifest.json), what the containerd store reads, and what engines before 1.10 wrote.
NAMING: dict[str, Callable[[Any], Iterable[str]]] = {
    "manifest.json": lambda entries: (name for entry in entries for name in entry.get("RepoTags") or []),
    "index.json": _in_index,
    "repositories": lambda tags: (f"{repository}:{tag}" for repository, ids in tags.items() for tag in ids),
}
MOST = 1 << 20  # bytes: hundreds of layers fit
