"""Tars out of a container and into it."""

# Names of files in a container are bytes, which pathlib cannot hold.
# ruff: noqa: PTH102, PTH108, PTH211

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO

from voldemo.engine import nodes
from voldemo.engine.errors import BadParameter, Forbidden
from voldemo.engine.store import tars
from voldemo.engine.store.compression import open_stream
from voldemo.engine.store.copies import PIECE, open_file, own_special
from voldemo.engine.store.files import check_room, room
from voldemo.engine.store.pins import entered
from voldemo.engine.store.tarheader import BadTar, Member
from voldemo.engine.store.tars import Reader, clean_name, text
from voldemo.engine.store.view import Found, Parts, View

if TYPE_CHECKING:
    from voldemo.engine.store.union import Union

MOST_LINKS = 40


def walk(view: View, start: Found) -> Iterator[Found]:
    pending = [start]
    while pending:
        found = pending.pop()
        yield found
        if found.is_dir:
            children = (view.child(found, name) for name in reversed(view.names(found)))
            pending += [child for child in children if child is not None]


def pack(view: View, start: Found, name: bytes) -> Iterator[bytes]:
    return tars.write(_members(view, start, name))


def _members(view: View, start: Found, name: bytes) -> Iterator[tuple[Member, Iterator[bytes]]]:
    first: dict[tuple[int, int], bytes] = {}
    depth = len(start.parts)
    for found in walk(view, start):
        if found.kind in ("socket", "device"):
            continue
        path = b"/".join((name, *found.parts[depth:])).removeprefix(b"./")
        member = Member(path, found.kind, found.mode, found.uid, found.gid, found.mtime_ns, found.size, found.link)
        inode = (found.stat.st_dev, found.stat.st_ino)
        if found.stat.st_nlink > 1 and not found.is_dir and first.setdefault(inode, path) != path:
            member.kind, member.link, member.size = "hardlink", first[inode], 0
        if member.kind != "file":
            yield member, iter(())
            continue
        with suppress(FileNotFoundError):  # gone since it was listed: something runs there
            descriptor = open_file(found.real)
            try:
                yield member, _content(descriptor, member.size)
            finally:  # here: a generator that nobody began is closed without a word
                os.close(descriptor)


def _content(descriptor: int, size: int) -> Iterator[bytes]:
    """Exactly `size` bytes, whatever a running container does to the file meanwhile."""
    while size:
        data = os.read(descriptor, min(PIECE, size)) or bytes(min(PIECE, size))
        size -= len(data)
        yield data


MAKERS = {"file": "openat", "dir": "mkdirat", "symlink": "symlinkat", "hardlink": "linkat", "fifo": "mknodat"}


class Extraction:
    def __init__(self, union: Union, folder: Found, uid: int | None, gid: int | None, strict: bool) -> None:
        self._union = union
        self._base = folder.parts
        self._uid = uid
        self._gid = gid
        self._strict = strict
        self._times: dict[Parts, int] = {}

    def run(self, stream: BinaryIO) -> None:
        self._reader = Reader(open_stream(stream))
        self._union.writable(self._folder(()))
        with room():
            for member in self._reader:
                try:
                    self._add(member)
                except Forbidden:  # in a read-only mount below
                    name = text(member.name).rstrip("/")
                    raise BadTar(f"{MAKERS[member.kind]} {name}: read-only file system") from None
            for parts, mtime in self._times.items():
                self._set_time(self._union.lookup(b"/".join(parts), follow=False), mtime)

    def _set_time(self, found: Found | None, mtime: int) -> None:
        if found is not None and found.is_dir:  # what runs there may have put something else in its place
            os.utime(found.real, ns=(mtime, mtime))

    def _folder(self, parts: Parts) -> Found:
        return self._union.make_dirs(b"/".join((*self._base, *self._inside(parts))))

    def _inside(self, parts: Parts) -> Parts:
        """Where links lead when the folder unpacked into is the root: what a tar brings stays below it."""
        pending, done, links = list(parts), [], 0
        while pending:
            part = pending.pop(0)
            if part == b"..":
                done = done[:-1]
            elif part not in (b"", b"."):
                found = self._union.lookup(b"/".join((*self._base, *done, part)), follow=False)
                if found is None or not found.is_link:
                    done.append(part)
                    continue
                links += 1
                if links > MOST_LINKS:
                    raise BadTar(f'"{text(b"/".join(parts))}": too many levels of symbolic links')
                done = [] if found.link.startswith(b"/") else done
                pending = [*found.link.split(b"/"), *pending]
        return tuple(done)

    def _add(self, member: Member) -> None:
        parts = clean_name(member.name)
        if not parts or member.kind == "device":
            return
        folder = self._folder(parts[:-1])
        if folder.mount is None and parts[-1].startswith(nodes.WHITEOUT):
            raise BadTar(f'"{text(member.name)}": names starting with {nodes.WHITEOUT.decode()} are the engine\'s own')
        member.uid = member.uid if self._uid is None else self._uid
        member.gid = member.gid if self._gid is None else self._gid
        old = self._union.view.child(folder, parts[-1])
        if old and self._strict:
            self._refuse(old, member)
        if old and old.parts in self._union.view.mounts and not (old.is_dir and member.kind == "dir"):
            raise BadTar(f"unlinkat {text(old.path)}: device or resource busy")
        getattr(self, f"_{member.kind}")(member, folder, parts[-1], old)

    def _refuse(self, old: Found, member: Member) -> None:
        if old.is_dir and member.kind != "dir":
            raise BadParameter(
                f'cannot overwrite directory "{text(old.path)}" with non-directory "{text(member.name)}"'
            )
        if not old.is_dir and member.kind == "dir":
            raise BadParameter(
                f'cannot overwrite non-directory "{text(old.path)}" with directory "{text(member.name)}"'
            )

    def _dir(self, member: Member, folder: Found, name: bytes, old: Found | None) -> None:
        real = self._union.writable(folder) + b"/" + name
        if old is not None and old.is_dir:
            real = self._union.writable(old)
            flags = old.flags & nodes.COMPLETE if old.in_upper else 0
        else:
            if old is not None and old.in_upper:
                os.unlink(real)
            os.mkdir(real, 0o700)
            real = entered(real)
            flags = nodes.COMPLETE if folder.mount is None else 0
        nodes.give(real, member.uid, member.gid, member.mode, flags)
        self._times[*folder.parts, name] = member.mtime_ns

    def _file(self, member: Member, folder: Found, name: bytes, old: Found | None) -> None:
        if member.pieces is not None:
            raise BadTar(f'"{text(member.name)}": sparse files are not supported here')
        content = self._checked(self._union.writable(folder))
        self._union.replace(folder, name, content, member.mode, member.uid, member.gid, member.mtime_ns)

    def _checked(self, real: bytes) -> Iterator[bytes]:
        for offset, data in self._reader.body():
            if not offset % (1 << 26):
                check_room(real)
            yield data

    def _prepare(self, folder: Found, name: bytes) -> bytes:
        real = self._union.writable(folder)
        self._union.clear(real, name)
        place = real + b"/" + name
        if os.path.lexists(place):
            os.unlink(place)
        return place

    def _symlink(self, member: Member, folder: Found, name: bytes, old: Found | None) -> None:
        if not member.link or len(member.link) > 4095:
            raise BadTar(f'"{text(member.name)}": a symbolic link needs a target')
        place = self._prepare(folder, name)
        os.symlink(member.link, place)
        os.utime(place, ns=(member.mtime_ns, member.mtime_ns), follow_symlinks=False)
        own_special(place, member.uid, member.gid)

    def _fifo(self, member: Member, folder: Found, name: bytes, old: Found | None) -> None:
        place = self._prepare(folder, name)
        os.mkfifo(place, nodes.real_mode(member.mode, False))
        own_special(place, member.uid, member.gid)

    def _hardlink(self, member: Member, folder: Found, name: bytes, old: Found | None) -> None:
        source = clean_name(member.link)
        found = self._union.lookup(b"/".join((*self._base, *source)), follow=False) if source else None
        if found is None or found.is_dir or found.mount != folder.mount:
            raise BadTar(f'invalid hardlink "{text(member.name)}" -> "{text(member.link)}"')
        if found.parts == (*folder.parts, name):
            return
        place = self._prepare(folder, name)
        if found.flags & nodes.LAYER or not found.in_upper:
            raise BadTar(f'invalid hardlink "{text(member.name)}" -> "{text(member.link)}"')
        os.link(found.real, place, follow_symlinks=False)
