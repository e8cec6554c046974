"""Who a process is: USER by name or number, looked up in the container's own /etc/passwd and /etc/group."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from voldemo.engine.errors import BadParameter, EngineError, Failed, NotFound
from voldemo.engine.runtime.spec import User
from voldemo.engine.store import Union

LIMIT = 1 << 20
MAX_ID = (1 << 31) - 1


@dataclass(frozen=True)
class Passwd:
    name: str
    uid: int
    gid: int
    home: str


@dataclass(frozen=True)
class Group:
    name: str
    gid: int
    members: tuple[str, ...]


def read(root: Union, path: str) -> list[str]:
    try:
        return root.read_file(path, LIMIT).decode(errors="replace").splitlines()
    except (NotFound, BadParameter, OSError):
        return []


def number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else None


def passwd(root: Union) -> Iterator[Passwd]:
    for line in read(root, "/etc/passwd"):
        fields = line.split(":")
        uid, gid = (number(fields[2]), number(fields[3])) if len(fields) >= 6 else (None, None)
        if uid is not None and gid is not None:
            yield Passwd(fields[0], uid, gid, fields[5])


def groups(root: Union) -> Iterator[Group]:
    for line in read(root, "/etc/group"):
        fields = line.split(":")
        gid = number(fields[2]) if len(fields) >= 4 else None
        if gid is not None:
            yield Group(fields[0], gid, tuple(fields[3].split(",")))


Entry = TypeVar("Entry", Passwd, Group)


def find(entries: Iterable[Entry], text: str) -> Entry | None:
    wanted = number(text)
    for entry in entries:
        own = entry.uid if isinstance(entry, Passwd) else entry.gid
        if entry.name == text or (wanted is not None and own == wanted):
            return entry
    return None


@dataclass(frozen=True)
class Identity:
    user: User
    home: str


def resolve(root: Union, text: str, extra: Sequence[str] = (), refuse: type[EngineError] = Failed) -> Identity:
    """`name`, `uid`, `name:group`, `uid:gid`; the texts are Docker's."""
    name, _, group = text.partition(":")
    uid, gid, home, login = 0, 0, "/", ""
    entry = find(passwd(root), name or "0")
    if entry is not None:
        uid, gid, home, login = entry.uid, entry.gid, entry.home, entry.name
    elif name:
        uid = identifier(name, "user", "passwd", refuse)
    elif not name:
        home = "/root"
    every = list(groups(root))
    if group:
        gid = group_id(every, group, refuse)
        member = ()
    else:
        member = tuple(each.gid for each in every if login and login in each.members)
    added = tuple(group_id(every, each, refuse) for each in extra)
    return Identity(User(uid, gid, tuple(dict.fromkeys((gid, *member, *added)))), home or "/")


def group_id(every: list[Group], text: str, refuse: type[EngineError]) -> int:
    found = find(every, text)
    return found.gid if found else identifier(text, "group", "group", refuse)


def identifier(text: str, kind: str, file: str, refuse: type[EngineError]) -> int:
    value = number(text)
    if value is None:
        raise refuse(f"unable to find {kind} {text}: no matching entries in {file} file")
    if value > MAX_ID:
        raise refuse(f"uids and gids must be in range 0-{MAX_ID}")
    return value
