"""How full a mount of limited size is, in pages, as a tmpfs counts."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable

PAGE = 4096


def pages(size: int) -> int:
    return -(-size // PAGE)


class Quota:
    def __init__(self, at: int, size: int) -> None:
        self.at = at
        self.total = size // PAGE
        self._used = -1  # not counted
        self._of: dict[int, int] = {}  # pages of each inode
        self.nameless: Callable[[], Iterable[tuple[int, int]]] = tuple  # inode and size of files only held open

    def forget(self) -> None:
        self._used = -1

    @property
    def used(self) -> int:
        if self._used < 0:
            self._count()
        return self._used

    @property
    def free(self) -> int:
        return max(0, self.total - self.used)

    def _count(self) -> None:
        self._of.clear()
        root = os.open(b".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self.at)
        try:
            for _, _, files, here in os.fwalk(b".", dir_fd=root):
                for name in files:
                    status = os.stat(name, dir_fd=here, follow_symlinks=False)
                    if stat.S_ISREG(status.st_mode):
                        self._of[status.st_ino] = pages(status.st_size)
        finally:
            os.close(root)
        for inode, size in self.nameless():
            self._of[inode] = pages(size)
        self._used = sum(self._of.values())

    def reserve(self, inode: int, position: int, count: int) -> int:
        """How many of `count` bytes at `position` fit. What is promised counts as used at once."""
        for _ in range(2):
            free = self.total - self.used
            have = self._of.get(inode, 0)
            end = pages(position + count)
            if end - have <= free:
                self._used += max(0, end - have)
                self._of[inode] = max(end, have)
                return count
            self.forget()  # something may have been removed meanwhile
        free = self.total - self.used
        room = (self._of.get(inode, 0) + free) * PAGE - position
        self.forget()
        return max(0, min(count, room))
