"""`--mount` of a client: an entry of HostConfig.Mounts, checked and refused in Docker's words."""

from __future__ import annotations

import os
import posixpath
from typing import Any

from voldemo.engine import fields
from voldemo.engine.containers.record import MountPoint
from voldemo.engine.containers.volumespec import PROPAGATION, destination, invalid
from voldemo.engine.errors import BadParameter

KINDS = ("bind", "volume", "tmpfs", "image")
OPTIONS = {"bind": "BindOptions", "volume": "VolumeOptions", "tmpfs": "TmpfsOptions", "image": "ImageOptions"}


class Wrong(BadParameter):
    def __init__(self, kind: str, why: str) -> None:
        super().__init__(invalid(kind, why))


def required(entry: dict[str, Any], kind: str, name: str) -> str:
    value = fields.text(entry, name)
    if not value:
        raise Wrong(kind, f"field {name} must not be empty")
    return value


def target_of(entry: dict[str, Any], kind: str) -> str:
    text = required(entry, kind, "Target")
    try:
        return destination(text)
    except BadParameter as error:
        raise Wrong(kind, str(error)) from None


def check_options(entry: dict[str, Any], kind: str) -> None:
    for other, name in OPTIONS.items():
        if other != kind and entry.get(name) is not None:
            raise BadParameter(f'{name} must not be specified on mount type "{kind}"')


def subpath(options: dict[str, Any], kind: str, of: str) -> str:
    text = fields.text(options, "Subpath")
    cleaned = posixpath.normpath(text) if text else ""
    if cleaned.startswith("/") or cleaned == ".." or cleaned.startswith("../"):
        raise Wrong(kind, f"subpath must be a relative path within the {of}")
    return "" if cleaned == "." else cleaned


def parse(entry: dict[str, Any]) -> MountPoint:
    kind = fields.text(entry, "Type")
    if kind not in KINDS:
        raise Wrong(kind, "mount type unknown")
    target = target_of(entry, kind)
    check_options(entry, kind)
    point = MountPoint(kind, target, writable=not fields.boolean(entry, "ReadOnly"), spec=entry)
    MAKERS[kind](point, entry, fields.obj(entry, OPTIONS[kind]))
    return point


def bind(point: MountPoint, entry: dict[str, Any], options: dict[str, Any]) -> None:
    source = required(entry, "bind", "Source")
    if not source.startswith("/"):
        raise Wrong("bind", f"invalid mount path: '{source}' mount path must be absolute")
    point.source = posixpath.normpath(source)
    point.missing_ok = fields.boolean(options, "CreateMountpoint")
    point.propagation = fields.text(options, "Propagation") or "rprivate"
    if point.propagation not in PROPAGATION:
        raise Wrong("bind", f"invalid propagation mode: {point.propagation}")
    if not point.missing_ok and not os.path.lexists(point.source):
        raise Wrong("bind", f"bind source path does not exist: {point.source}")


def volume(point: MountPoint, entry: dict[str, Any], options: dict[str, Any]) -> None:
    point.name = fields.text(entry, "Source")
    point.anonymous = not point.name
    point.subpath = subpath(options, "volume", "volume")
    if point.anonymous and point.subpath:
        raise Wrong("volume", "must not set Subpath when using anonymous volumes")
    point.copy = not fields.boolean(options, "NoCopy")
    point.mode = "z"


def tmpfs(point: MountPoint, entry: dict[str, Any], options: dict[str, Any]) -> None:
    if fields.text(entry, "Source"):
        raise Wrong("tmpfs", "field Source must not be specified")
    fields.integer(options, "SizeBytes")
    fields.integer(options, "Mode")


def image(point: MountPoint, entry: dict[str, Any], options: dict[str, Any]) -> None:
    point.name = required(entry, "image", "Source")
    point.subpath = subpath(options, "image", "image")
    point.writable = False


MAKERS = {"bind": bind, "volume": volume, "tmpfs": tmpfs, "image": image}
