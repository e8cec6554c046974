"""Folders that stand for tmpfs: in memory where extended attributes work there, gone when their container stops."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from voldemo.engine import nodes
from voldemo.engine.errors import Failed

MEMORY = Path("/dev/shm")
SIZE = re.compile(r"(\d{1,18})([kmgtKMGT]?|%)")
SHIFTS = {"": 0, "k": 10, "m": 20, "g": 30, "t": 40}
WORDS_TEXT = """
defaults ro rw suid nosuid dev nodev exec noexec sync async dirsync remount mand nomand atime noatime diratime
nodiratime bind rbind unbindable runbindable private rprivate shared rshared slave rslave relatime norelatime
strictatime nostrictatime
"""
WORDS = frozenset(WORDS_TEXT.split())
EXEC = ("exec", "noexec")
NUMBERS = ("uid", "gid", "mode", "nr_inodes", "nr_blocks", "mpol", "size")


@dataclass(frozen=True)
class Options:
    size: int = 0
    mode: int | None = None
    uid: int = 0
    gid: int = 0
    read_only: bool = False
    no_exec: bool = False


def parse(text: str, no_exec: bool = False) -> Options:
    """Of --tmpfs and of a volume's `o`. The words are checked as Docker does, at start. `no_exec`: if none says."""
    values: dict[str, str] = {}
    words = [word for word in text.split(",") if word]
    for word in words:
        name, equals, value = word.partition("=")
        if not equals and name not in WORDS:
            raise Failed(f'invalid tmpfs option "{word}"')
        if equals and name not in NUMBERS:
            raise Failed(f'invalid tmpfs option "{name}"')
        values[name] = value
    return Options(
        size=size(values.get("size", ""), text),
        mode=number(values["mode"], 8, text) if "mode" in values else None,
        uid=number(values.get("uid", "0"), 10, text),
        gid=number(values.get("gid", "0"), 10, text),
        read_only="ro" in words,
        no_exec=[word == "noexec" for word in ("noexec" if no_exec else "exec", *words) if word in EXEC][-1],
    )


def wrong(text: str) -> Failed:
    return Failed(f'error mounting "tmpfs" to rootfs: data={text}: invalid argument')


def number(text: str, base: int, whole: str) -> int:
    try:
        value = int(text, base)
    except ValueError:
        raise wrong(whole) from None
    if not 0 <= value < 1 << 31:
        raise wrong(whole)
    return value


def size(text: str, whole: str) -> int:
    if not text:
        return 0
    match = SIZE.fullmatch(text)
    if match is None:
        raise wrong(whole)
    if match[2] == "%":
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * int(match[1]) // 100
    return int(match[1]) << SHIFTS[match[2].lower()]


class Folders:
    """Where they are. One name per engine root, so that what a killed engine left is found again."""

    def __init__(self, root: Path) -> None:
        self.root = root
        name = hashlib.sha256(os.fsencode(root)).hexdigest()[:16]
        self.memory = MEMORY / f"voldemo-{os.geteuid()}-{name}"
        self.folder = root / "tmpfs"

    def open(self) -> None:
        self.sweep()
        if works(self.memory):
            self.folder = self.memory
        else:
            self.folder.mkdir(mode=0o700, exist_ok=True)

    def sweep(self) -> None:
        for folder in (self.memory, self.root / "tmpfs"):
            if folder.is_symlink():
                raise Failed(f"{folder} is a link: somebody else's. Remove it.")
            if folder.exists():
                shutil.rmtree(folder)

    def make(self, name: str, options: Options, mode: int) -> Path:
        place = self.folder / name
        if not place.exists():
            place.mkdir(mode=0o700, parents=True)
            wanted = mode if options.mode is None else options.mode
            nodes.give(os.fsencode(place), options.uid, options.gid, wanted & 0o7777)
        return place

    def remove(self, name: str) -> None:
        place = self.folder / name
        if place.exists():
            shutil.rmtree(place)

    def close(self) -> None:
        self.sweep()


def works(folder: Path) -> bool:
    try:
        folder.mkdir(mode=0o700)
        nodes.write(os.fsencode(folder), nodes.DEFAULT)
    except OSError:
        shutil.rmtree(folder, ignore_errors=True)
        return False
    return True
