"""The machine's own file system, looked at as the source of images."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

SEARCH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
MOST_LINKS = 40


@dataclass
class Host:
    """`root` is "/" but in tests."""

    root: Path = Path("/")
    _directories: dict[str, str] = field(default_factory=lambda: {"/": "/"}, repr=False)

    def __post_init__(self) -> None:
        self._prefix = "" if self.root == Path("/") else str(self.root)

    def real(self, path: str) -> str:
        return self._prefix + path

    def lstat(self, path: str) -> os.stat_result | None:
        try:
            return os.lstat(self.real(path))
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            return None

    def readlink(self, path: str) -> str:
        return str(Path(self.real(path)).readlink())

    def link_target(self, path: str) -> str:
        """Empty where it is no link."""
        try:
            return self.readlink(path)
        except OSError:
            return ""

    def read(self, path: str) -> bytes:
        return Path(self.real(path)).read_bytes()

    def text(self, path: str) -> str:
        """Empty where there is no such file."""
        try:
            return self.read(path).decode("utf-8", "surrogateescape")
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            return ""

    def names(self, path: str) -> list[str]:
        try:
            return sorted(entry.name for entry in Path(self.real(path)).iterdir())
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            return []

    def place(self, path: str) -> str:
        """The path with the links among its directories followed: /bin/sh is really /usr/bin/sh."""
        directory, _, name = path.rpartition("/")
        return join(self._directory(directory or "/"), name)

    def _directory(self, path: str) -> str:
        known = self._directories.get(path)
        if known is None:
            known = self._directories[path] = self.follow(path)
        return known

    def follow(self, path: str, links: int = MOST_LINKS) -> str:
        """The file itself, at the end of every link."""
        place = self.place(path)
        found = self.lstat(place)
        if found is None or not stat.S_ISLNK(found.st_mode) or not links:
            return place
        target = self.readlink(place)
        return self.follow(os.path.normpath(join(place.rpartition("/")[0] or "/", target)), links - 1)

    def is_file(self, path: str) -> bool:
        found = self.lstat(self.follow(path))
        return found is not None and stat.S_ISREG(found.st_mode)

    def which(self, program: str) -> str | None:
        for folder in SEARCH:
            path = self.follow(f"{folder}/{program}")
            found = self.lstat(path)
            if found is not None and stat.S_ISREG(found.st_mode) and found.st_mode & 0o111:
                return f"{folder}/{program}"
        return None

    def readable(self, path: str) -> bool:
        return os.access(self.real(path), os.R_OK)

    def release(self) -> dict[str, str]:
        """What os-release says of the system: NAME, VERSION_ID, PRETTY_NAME …"""
        pairs = (line.partition("=") for line in self.text(self.follow("/etc/os-release")).splitlines())
        return {name: value.strip("\"'") for name, equals, value in pairs if equals}

    @property
    def system(self) -> str:
        release = self.release()
        return release.get("PRETTY_NAME") or release.get("NAME") or "Linux"


def join(directory: str, name: str) -> str:
    if name.startswith("/"):
        return name
    return f"{directory.rstrip('/')}/{name}"
