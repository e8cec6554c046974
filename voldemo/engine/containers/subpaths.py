"""A part of a volume or an image."""

from __future__ import annotations

import os
from pathlib import Path

from voldemo.engine.errors import BadParameter, NotFound


def below(base: Path, subpath: str) -> str:
    """A subpath of a volume, links followed and never out of it."""
    if not subpath:
        return str(base)
    place = Path(os.path.realpath(base / subpath))
    if not place.is_relative_to(os.path.realpath(base)):
        raise BadParameter(f"path concatenation escapes the base directory: {base / subpath}")
    if not place.exists():
        where = base / subpath
        raise NotFound(f"cannot access path {where}: lstat {where}: no such file or directory")
    return str(place)
