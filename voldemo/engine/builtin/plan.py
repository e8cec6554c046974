"""What an image will be made of, layer by layer, before any byte is copied."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from voldemo.engine.builtin.host import Host, join

# Documentation, translations, what needs a desktop or an init system, character sets besides Unicode,
# and the parts of PostgreSQL that only its JIT compiler uses: most of the size.
UNWANTED = re.compile(
    r"/usr/share/(applications|bash-completion|bug|doc|doc-base|fish|gdb|icons|info|lintian|locale|man|menu|metainfo"
    r"|pixmaps|polkit-1|zsh|zoneinfo/right|zoneinfo/posix)(/|$)"
    r"|/usr/lib/(systemd|udev|sysusers\.d|tmpfiles\.d|x86_64-linux-gnu/(gconv|libLLVM))"
    r"|/usr/lib/postgresql/\d+/lib/(bitcode|llvmjit)"
    r"|/etc/(alternatives|apparmor\.d|cron|default|init\.d|logrotate|rc\d|rcS|systemd|udev)"
    r"|/(boot|dev|home|media|mnt|proc|root|run|srv|sys|tmp|var)(/|$)"
)
SYSTEM_IDS = 1000  # owners from here on are the host's people, and mean nothing in an image
FILE, DIRECTORY, LINK, HARD_LINK = "file", "dir", "symlink", "hardlink"
KINDS = {stat.S_IFREG: FILE, stat.S_IFDIR: DIRECTORY, stat.S_IFLNK: LINK}
OTHERS_READ = 0o004


@dataclass(frozen=True)
class Item:
    """A file, directory or link of an image. `source`: a path of the host, or the content itself."""

    path: str
    kind: str
    mode: int = 0o755
    uid: int = 0
    gid: int = 0
    mtime: int = 0
    target: str = ""
    source: str | bytes | None = None
    size: int = 0


@dataclass
class Layer:
    instruction: str  # as `docker history` shows it
    items: dict[str, Item] = field(default_factory=dict)
    date: int = 0

    def dated(self, date: int) -> Layer:
        """What has no date of its own gets the newest of the layer, so that making it twice gives the same layer."""
        date = max([date, *(item.mtime for item in self.items.values())])
        items = {path: item if item.mtime else replace(item, mtime=date) for path, item in self.items.items()}
        return Layer(self.instruction, items, date)


class Plan:
    def __init__(self, host: Host) -> None:
        self.host = host
        self.layers: list[Layer] = []
        self._present: set[str] = {"/"}
        self._inodes: dict[tuple[int, int], str] = {}

    def layer(self, instruction: str = "") -> Layer:
        self._inodes.clear()
        self.layers.append(Layer(instruction))
        return self.layers[-1]

    def dated(self) -> list[Layer]:
        layers: list[Layer] = []
        date = 0
        for layer in self.layers:
            layers.append(layer.dated(date))
            date = layers[-1].date
        return layers

    def has(self, path: str) -> bool:
        return path in self._present

    def directory(self, path: str, mode: int = 0o755, uid: int = 0, gid: int = 0) -> None:
        self._put(Item(path, DIRECTORY, mode, uid, gid))

    def link(self, path: str, target: str) -> None:
        self._put(Item(path, LINK, 0o777, target=target))

    def hard_link(self, path: str, target: str) -> None:
        self._put(Item(path, HARD_LINK, target=target))

    def file(self, path: str, content: bytes, mode: int = 0o644) -> None:
        self._put(Item(path, FILE, mode, source=content, size=len(content)))

    def _put(self, item: Item) -> None:
        """A later layer may replace what an earlier one has."""
        self._parents(item.path)
        self._present.add(item.path)
        self.layers[-1].items[item.path] = item

    def copy(self, paths: Iterable[str]) -> None:
        """From the host, at the places they have there; what is there already stays as it is."""
        for path in paths:
            self._copy(path)

    def program(self, path: str, at: str) -> None:
        """A program of the host under another name."""
        source = self.host.follow(path)
        found = self.host.lstat(source)
        assert found is not None
        self._put(Item(at, FILE, 0o755, mtime=int(found.st_mtime), source=self.host.real(source), size=found.st_size))

    def _copy(self, path: str) -> None:
        place = self.host.place(path)
        if place in self._present or UNWANTED.match(place):
            return
        found = self.host.lstat(place)
        kind = KINDS.get(stat.S_IFMT(found.st_mode)) if found else None
        if found is None or kind is None:
            return
        if kind == FILE and not (found.st_mode & OTHERS_READ and self.host.readable(place)):
            return
        self._parents(place)
        self._present.add(place)
        owner = {"uid": system_id(found.st_uid), "gid": system_id(found.st_gid)}
        mode = stat.S_IMODE(found.st_mode)
        if kind == DIRECTORY:
            item = Item(place, kind, mode, **owner)  # its date on the host changes with every package
        elif kind == LINK:
            item = Item(place, kind, mode, **owner, mtime=int(found.st_mtime), target=self._target(place))
        else:
            item = Item(
                place, kind, mode, **owner, mtime=int(found.st_mtime), source=self.host.real(place), size=found.st_size
            )
            item = self._once(item, (found.st_dev, found.st_ino), found.st_nlink)
        self.layers[-1].items[place] = item

    def _once(self, item: Item, inode: tuple[int, int], links: int) -> Item:
        first = self._inodes.setdefault(inode, item.path) if links > 1 else item.path
        if first == item.path:
            return item
        return replace(item, kind=HARD_LINK, target=first, source=None, size=0)

    def _target(self, place: str) -> str:
        """A choice that update-alternatives made is written down as a link to what was chosen."""
        target = self.host.readlink(place)
        if not join(place.rpartition("/")[0], target).startswith("/etc/alternatives/"):
            return target
        return self.host.follow(place)

    def _parents(self, path: str) -> None:
        parent = path.rpartition("/")[0]
        if not parent or parent in self._present:
            return
        found = self.host.lstat(parent)
        if found is not None and stat.S_ISDIR(found.st_mode) and not UNWANTED.match(parent):
            self._copy(parent)
        else:
            self.directory(parent)


def system_id(number: int) -> int:
    return number if number < SYSTEM_IDS else 0
