"""Who a process of the container is, as it believes: ids, groups and capabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from voldemo.engine.runtime import raw
from voldemo.engine.runtime.spec import DOCKER_CAPABILITIES

if TYPE_CHECKING:
    from voldemo.engine.runtime.directory import Directory

CHOWN, DAC_OVERRIDE, FOWNER, KILL = 0, 1, 3, 5  # numbers of capabilities
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

    __slots__ = ("uids", "gids", "groups", "uid", "gid", "known", "powers", "overrides")
    _all: dict[tuple, Credential] = {}
    bounding = DOCKER_CAPABILITIES  # one container, one tracer: what its root may do

    def __init__(self, uids: Ids, gids: Ids, groups: tuple[int, ...]) -> None:
        self.uids, self.gids, self.groups = uids, gids, groups
        self.uid, self.gid = uids.file, gids.file
        self.known: dict[bytes, Directory] = {}
        self.powers = self.bounding if self.uid == 0 else 0
        self.overrides = self.has(DAC_OVERRIDE)

    @classmethod
    def of(cls, uids: Ids, gids: Ids, groups: tuple[int, ...] = ()) -> Credential:
        key = (uids, gids, groups)
        found = cls._all.get(key)
        if found is None:
            found = cls._all[key] = cls(uids, gids, groups)
        return found

    @classmethod
    def bound(cls, capabilities: int) -> None:
        """Before the first process; SUPERUSER, who is the engine itself, was there before and keeps all."""
        cls.bounding = capabilities
        cls._all.clear()

    @classmethod
    def forget(cls) -> None:
        """A name means something else now, or may be passed by others."""
        SUPERUSER.known.clear()
        for credential in cls._all.values():
            credential.known.clear()

    def real(self) -> Credential:
        """For access(2), which asks for the real ids."""
        return self.of(Ids.all(self.uids.real), Ids.all(self.gids.real), self.groups)

    def has(self, capability: int) -> bool:
        return bool(self.powers >> capability & 1)

    def within(self, gid: int) -> bool:
        return gid == self.gid or gid in self.groups

    def may(self, owner: Owner, wanted: int) -> bool:
        uid, gid, mode, _ = owner
        if self.overrides:
            return not wanted & EXECUTE or raw.kind(mode) == raw.DIRECTORY or bool(mode & 0o111)
        if uid == self.uid:
            mode >>= 6
        elif self.within(gid):
            mode >>= 3
        return mode & wanted == wanted


Owner = tuple[int, int, int, int]  # uid, gid, whole mode, flags of nodes.Node
SUPERUSER = Credential.of(Ids.all(0), Ids.all(0))
