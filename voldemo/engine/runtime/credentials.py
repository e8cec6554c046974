"""Who a process of the container is, as it believes: ids, groups and capabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from voldemo.engine.runtime import raw

if TYPE_CHECKING:
    from voldemo.engine.runtime.directory import Directory

DOCKER_CAPABILITIES = 0x00000000A80425FB  # what Docker leaves to root in a container
READ, WRITE, EXECUTE = 4, 2, 1


class Ids(NamedTuple):
    """Real, effective, saved and file system id, in the order of /proc/PID/status."""

    real: int
    effective: int
    saved: int
    file: int

    @classmethod
    def all(cls, number: int) -> Ids:
        return cls(number, number, number, number)


class Credential:
    """One object per distinct identity: `known` remembers which directories it may pass through, by path."""

    __slots__ = ("uids", "gids", "groups", "uid", "gid", "known")
    _all: dict[tuple, Credential] = {}

    def __init__(self, uids: Ids, gids: Ids, groups: tuple[int, ...]) -> None:
        self.uids, self.gids, self.groups = uids, gids, groups
        self.uid, self.gid = uids.file, gids.file
        self.known: dict[bytes, Directory] = {}

    @classmethod
    def of(cls, uids: Ids, gids: Ids, groups: tuple[int, ...] = ()) -> Credential:
        key = (uids, gids, groups)
        found = cls._all.get(key)
        if found is None:
            found = cls._all[key] = cls(uids, gids, groups)
        return found

    @classmethod
    def forget(cls) -> None:
        """A name means something else now, or may be passed by others."""
        for credential in cls._all.values():
            credential.known.clear()

    def real(self) -> Credential:
        """For access(2), which asks for the real ids."""
        return self.of(Ids.all(self.uids.real), Ids.all(self.gids.real), self.groups)

    def within(self, gid: int) -> bool:
        return gid == self.gid or gid in self.groups

    def may(self, owner: Owner, wanted: int) -> bool:
        uid, gid, mode, _ = owner
        if self.uid == 0:
            return not wanted & EXECUTE or raw.kind(mode) == raw.DIRECTORY or bool(mode & 0o111)
        if uid == self.uid:
            mode >>= 6
        elif self.within(gid):
            mode >>= 3
        return mode & wanted == wanted


Owner = tuple[int, int, int, int]  # uid, gid, whole mode, flags of nodes.Node
SUPERUSER = Credential.of(Ids.all(0), Ids.all(0))
