"""How much a tree holds, as Docker counts: lengths of files and links, hard links once, directories not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from voldemo.engine.store.pins import Folder, Root

READ = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def tree_size(path: Path | bytes) -> int:
    seen: set[int] = set()
    return sum(status.st_size for status in _files(path) if status.st_nlink == 1 or _first(status.st_ino, seen))


def _first(inode: int, seen: set[int]) -> bool:
    if inode in seen:
        return False
    seen.add(inode)
    return True


def _files(path: Path | bytes) -> Iterator[os.stat_result]:
    pending: list[Folder] = [Root(os.fsencode(path))]
    while pending:
        folder = pending.pop()
        try:
            descriptor = os.open(b".", READ, dir_fd=folder.open().descriptor)
        except FileNotFoundError:  # removed by a container while we look
            continue
        try:
            yield from _inside(descriptor, folder, pending)
        finally:
            os.close(descriptor)


def _inside(descriptor: int, folder: Folder, pending: list[Folder]) -> Iterator[os.stat_result]:
    with os.scandir(descriptor) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                pending.append(folder.enter(os.fsencode(entry.name)))
                continue
            try:
                yield entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
