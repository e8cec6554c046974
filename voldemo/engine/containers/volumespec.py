"""`-v` of a client: SOURCE:DESTINATION:MODE, TEXT as Docker reads and refuses it."""

from __future__ import annotations

import os
import posixpath

from voldemo.engine.containers.record import MountPoint
from voldemo.engine.errors import BadParameter, Failed

ACCESS = {"ro", "rw"}
LABELS = {"z", "Z"}
CONSISTENCY = {"consistent", "cached", "delegated", "default"}
PROPAGATION = {"private", "rprivate", "slave", "rslave", "shared", "rshared"}
COPY = {"nocopy"}
LONGEST_PATH = 4095


def wrong(text: str, why: str = "") -> Failed:
    return Failed(f"invalid volume specification: '{text}'{': ' + why if why else ''}")


def invalid(kind: str, why: str) -> str:
    return f'invalid mount config for type "{kind}": {why}'


def destination(text: str) -> str:
    """Raises with Docker's words when a container cannot have a mount there."""
    if not text.startswith("/"):
        raise BadParameter(f"invalid mount path: '{text}' mount path must be absolute")
    cleaned = posixpath.normpath("/" + text.lstrip("/"))
    if cleaned == "/":
        raise BadParameter("invalid specification: destination can't be '/'")
    if "\0" in cleaned:
        raise Failed(f"lstat {cleaned}: invalid argument")
    if len(os.fsencode(cleaned)) > LONGEST_PATH or any(len(os.fsencode(name)) > 255 for name in cleaned.split("/")):
        raise Failed(f"lstat {cleaned}: file name too long")
    return cleaned


def split(text: str) -> tuple[str, str, str]:
    parts = text.split(":")
    if len(parts) > 3 or not parts[0]:
        raise wrong(text)
    if len(parts) == 1:
        return "", parts[0], ""
    if len(parts) == 2:
        if parts[1] in ACCESS:
            return "", parts[0], parts[1]
        return parts[0], parts[1], ""
    return parts[0], parts[1], parts[2]


def check_mode(mode: str) -> list[str]:
    words = mode.split(",") if mode else []
    families = (ACCESS, LABELS, CONSISTENCY, PROPAGATION, COPY)
    counts = [sum(word in family for word in words) for family in families]
    known = all(any(word in family for family in families) for word in words)
    if not known or any(count > 1 for count in counts):
        raise Failed(f"invalid mode: {mode}")
    return words


def parse(text: str) -> MountPoint:
    source, target, mode = split(text)
    words = check_mode(mode)
    kind = "bind" if source.startswith("/") else "volume"
    try:
        place = destination(target)
    except BadParameter as error:
        raise wrong(text, invalid(kind, str(error))) from None
    spread = next((word for word in words if word in PROPAGATION), "")
    if kind == "volume" and spread:
        raise wrong(text, invalid(kind, "field BindOptions must not be specified"))
    point = MountPoint(kind, place, mode=mode, writable="ro" not in words, copy="nocopy" not in words)
    if kind == "bind":
        point.source = posixpath.normpath(source)
        point.propagation = spread or "rprivate"
    else:
        point.name = source
        point.anonymous = not source
        point.mode = mode or ("z" if source else "")
    return point
