"""Directories that a running container may change meanwhile: gone into one by one, and held open while they are used.

A path is walked again each time it is used, and what was a directory at the look may be a link out of the container at
the use. So no path here is longer than one name, below a directory that is open.
"""

# Names of files in a container are bytes, which pathlib cannot hold.

from __future__ import annotations

import os
import weakref
from collections import deque

INTO = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
MOST_OPEN = 32  # that nobody has a path of: kept because the next path is often in the same directory


class Pin:
    """An open directory, closed when the last who knows of it is gone."""

    __slots__ = ("descriptor", "name", "__weakref__")

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.name = b"/proc/self/fd/%d/." % descriptor

    def __del__(self) -> None:
        os.close(self.descriptor)

    @property
    def path(self) -> Pinned:
        """The directory itself: calls that do not follow a last link take it, too."""
        return Pinned(self.name, self)


class Pinned(bytes):
    """A path through a pin. What is added to it keeps the pin as well."""

    pin: Pin

    def __new__(cls, path: bytes, pin: Pin) -> Pinned:
        made = super().__new__(cls, path)
        made.pin = pin
        return made

    def __add__(self, more: bytes) -> Pinned:  # type: ignore[override]
        return Pinned(bytes(self) + more, self.pin)


class Folder:
    """A directory by its name in another one. It is opened when it is used, and may be closed in between."""

    __slots__ = ("_above", "_name", "_pin", "_recent")

    def __init__(self, above: Folder | None, name: bytes, recent: deque[Pin]) -> None:
        self._above, self._name, self._recent = above, name, recent
        self._pin: weakref.ref[Pin] | None = None

    def enter(self, name: bytes) -> Folder:
        return Folder(self, name, self._recent)

    @property
    def path(self) -> Pinned:
        """Raises FileNotFoundError when it is no directory any more."""
        return self.open().path

    def at(self, name: bytes) -> Pinned:
        pin = self.open()
        return Pinned(pin.name + b"/" + name, pin)

    def open(self) -> Pin:
        return self._known() or self._opened()

    def _opened(self) -> Pin:
        closed: list[Folder] = []
        folder: Folder | None = self
        while folder is not None and (pin := folder._known()) is None:
            closed.append(folder)
            folder = folder._above
        for folder in reversed(closed):
            pin = folder._pinned(Pin(enter(pin.descriptor, folder._name)))
        assert pin is not None
        return pin

    def _known(self) -> Pin | None:
        return self._pin() if self._pin else None

    def _pinned(self, pin: Pin) -> Pin:
        self._pin = weakref.ref(pin)
        self._recent.append(pin)
        return pin


class Root(Folder):
    """Where a tree begins: a path of the engine's own, or one that a user has given."""

    __slots__ = ("_kept",)

    def __init__(self, path: str | bytes, within: str | bytes = b"") -> None:
        super().__init__(None, os.fsencode(path), deque(maxlen=MOST_OPEN))
        self._kept = Pin(os.open(self._name, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC))
        self._pin = weakref.ref(self._kept)
        if within:
            check(self._kept.descriptor, os.fsencode(within))


def check(descriptor: int, within: bytes) -> None:
    """Links may have led anywhere when it was opened. Where it is says the kernel."""
    base = os.path.realpath(within)
    if not (os.readlink(b"/proc/self/fd/%d" % descriptor) + b"/").startswith(base.rstrip(b"/") + b"/"):
        raise FileNotFoundError(f"a directory of {os.fsdecode(within)} was moved away")


def enter(above: int, name: bytes) -> int:
    try:
        return os.open(name, INTO, dir_fd=above)
    except NotADirectoryError as error:
        raise FileNotFoundError(error.errno, error.strerror, name) from None


def entered(path: Pinned) -> Pinned:
    """A directory just made, or just looked at, by its path: from now on no name leads to it."""
    descriptor = os.open(path, INTO)
    return Pin(descriptor).path
