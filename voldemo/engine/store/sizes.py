"""How much a tree holds, as Docker counts: lengths of files and links, hard links once, directories not."""

from __future__ import annotations

import os
from pathlib import Path

from voldemo.engine.store.pins import Folder, Root


def tree_size(path: Path | bytes) -> int:
    return sum(_sizes(os.fsencode(path)))


def _sizes(path: bytes):
    seen: set[int] = set()
    pending: list[Folder] = [Root(path)]
    while pending:
        folder = pending.pop()
        try:
            held = folder.path  # as long as its entries are looked at
            entries = os.scandir(held)
        except FileNotFoundError:  # removed by a container while we look
            continue
        with entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    pending.append(folder.enter(entry.name))
                    continue
                try:
                    found = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                if found.st_nlink > 1:
                    if found.st_ino in seen:
                        continue
                    seen.add(found.st_ino)
                yield found.st_size
