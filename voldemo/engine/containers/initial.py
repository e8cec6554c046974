"""What is in every container's root from its creation on, image or not: Docker's init layer."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator
from contextlib import contextmanager

from voldemo.engine.containers.hosts import FILES
from voldemo.engine.store import Union

NEW = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
EMPTY = ("/.dockerenv", *FILES)  # mounts go over all but the first; a volume filled from /etc has them too
FOLDERS = ("/", "/etc")
LINKS = {"/etc/mtab": "/proc/mounts"}


def make(root: Union) -> None:
    with _kept_times(root):
        for path in EMPTY:
            if (place := _place(root, path)) is not None:
                _empty_file(place)
        for path, target in LINKS.items():
            if (place := _place(root, path)) is not None:
                os.symlink(target, place)


def _empty_file(place: bytes) -> None:
    descriptor = os.open(place, NEW)
    try:
        os.fchmod(descriptor, 0o755)
    finally:
        os.close(descriptor)


def _place(root: Union, path: str) -> bytes | None:
    """Where to make it. None: the image has one."""
    if root.lookup(path, follow=False) is not None:
        return None
    folder, name = posixpath.split(path)
    return root.writable(root.make_dirs(folder)) + b"/" + name.encode()


@contextmanager
def _kept_times(root: Union) -> Iterator[None]:
    """What the engine puts there changes no directory: it would go into the next image."""
    places = [root.writable(root.make_dirs(folder)) for folder in FOLDERS]
    times = [os.stat(place).st_mtime_ns for place in places]
    yield
    for place, time in zip(places, times, strict=True):
        os.utime(place, ns=(time, time))
