"""An image's files as one tree to mount read-only: hard links to its layers, so nothing is copied."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from voldemo.engine import nodes
from voldemo.engine.store import Found, Union


def plant(image: Union, place: Path) -> None:
    if place.exists():
        return
    made = place.with_name(place.name + ".part")
    uproot(made)
    made.mkdir(mode=0o700)
    base = os.fsencode(made)
    folders = []
    for found in image.walk():
        path = base + b"/" + found.path.strip(b"/")
        put(found, path)
        if found.is_dir:
            folders.append((path, found.mtime_ns))
    for path, time in folders:
        os.utime(path, ns=(time, time))
    made.rename(place)


def put(found: Found, path: bytes) -> None:
    if found.is_dir:
        os.makedirs(path, mode=0o700, exist_ok=True)
        nodes.give(path, found.uid, found.gid, found.mode & 0o7777)
    elif found.is_link:
        os.symlink(found.link, path)
    elif found.is_file:
        link(found, path)


def link(found: Found, path: bytes) -> None:
    try:
        os.link(found.real, path, follow_symlinks=False)
    except OSError:
        shutil.copyfile(found.real, path, follow_symlinks=False)
        nodes.give(path, found.uid, found.gid, found.mode & 0o7777)
        os.utime(path, ns=(found.mtime_ns, found.mtime_ns))


def uproot(place: Path) -> None:
    if place.exists():
        shutil.rmtree(place)
