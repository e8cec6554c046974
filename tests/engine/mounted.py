"""File systems of a kind that the machine's own disk is not: small ones, and such as keep no attributes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")


@contextmanager
def mounted(kind: str, place: Path, options: str = "rw", what: object = "voldemo-test") -> Iterator[None]:
    subprocess.run(["mount", "-t", kind, "-o", options, what, place], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", place], check=True)


@contextmanager
def disk(place: Path, megabytes: int) -> Iterator[None]:
    """A small ext4, in a file beside it."""
    image = place.with_name(f"{place.name}.ext4")
    with image.open("wb") as file:
        file.truncate(megabytes << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", image], check=True)
    place.mkdir()
    with mounted("ext4", place, "loop", image):
        yield


def fill(file: Path, room: int) -> None:
    """The disk, but for this much."""
    with file.open("wb", buffering=0) as filler, suppress(OSError):
        while filler.write(bytes(4096)):
            pass
    os.truncate(file, file.stat().st_size - room)
