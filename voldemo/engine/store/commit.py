"""A layer made of what a container changed: a tree, and the tar that says the same."""

# Names of files in a container are bytes, which pathlib cannot hold.
# ruff: noqa: PTH102, PTH208

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from voldemo.engine import nodes
from voldemo.engine.nodes import LAYER, WHITEOUT
from voldemo.engine.store import tars
from voldemo.engine.store.changes import differences, untouched
from voldemo.engine.store.copies import NEW, PIECE, READ, copy_file, copy_special
from voldemo.engine.store.files import room
from voldemo.engine.store.pins import Folder, Root
from voldemo.engine.store.tarheader import BLOCK, Member
from voldemo.engine.store.tarsplit import Skeleton
from voldemo.engine.store.view import Found, Parts, View, describe


def make_layer(made: Path, upper: Path, layers: Sequence[Path], *, link: bool) -> tuple[str, int]:
    """`made/tree`, and its tar's skeleton: (digest, bytes of the tar). `link`: nothing runs, so files can be shared."""
    tree = os.fsencode(made / "tree")
    with room():
        os.mkdir(tree, 0o755)
        _fill(tree, View(upper, layers), link)
        return _write_tar(made, tree)


class _Target:
    """The new tree. What was a link when its name was listed may have been a directory when its content was: no path
    through a name that has been made here is followed."""

    def __init__(self, tree: bytes) -> None:
        self._folders: dict[Parts, Folder] = {(): Root(tree)}

    def folder(self, parts: Parts) -> Folder:
        found = self._folders.get(parts)
        if found is None:
            found = self._folders[parts] = self.folder(parts[:-1]).enter(parts[-1])
        return found

    def place(self, parts: Parts) -> bytes:
        return self.folder(parts[:-1]).at(parts[-1])


def _fill(tree: bytes, view: View, link: bool) -> None:
    target = _Target(tree)
    copied: dict[int, Parts] = {}
    folders: list[tuple[Parts, int]] = []
    for item in differences(view, alike=untouched):
        with suppress(FileNotFoundError):  # gone since it was listed: something runs there
            if item.found is None:
                _whiteout(target.place((*item.parts[:-1], WHITEOUT + item.parts[-1])))
            elif item.found.is_dir:
                os.mkdir(target.place(item.parts), 0o700)
                place = target.folder(item.parts).path
                nodes.give(place, item.found.uid, item.found.gid, item.found.mode)
                folders.append((item.parts, item.found.mtime_ns))
            else:
                _put(item.found, target, copied, link)
    for parts, mtime in reversed(folders):
        os.utime(target.folder(parts).path, ns=(mtime, mtime))


def _whiteout(place: bytes) -> None:
    descriptor = os.open(place, NEW, 0o600)
    try:
        nodes.write(descriptor, nodes.Node(flags=LAYER))
        os.utime(descriptor, ns=(0, 0))
    finally:
        os.close(descriptor)


def _put(found: Found, target: _Target, copied: dict[int, Parts], link: bool) -> None:
    inode, place = found.stat.st_ino, target.place(found.parts)
    if inode in copied:
        os.link(target.place(copied[inode]), place, follow_symlinks=False)
        return
    if not found.is_file:
        copy_special(found, place)
    elif not (link and _share(found, place)):
        copy_file(found, place, LAYER)
    if found.stat.st_nlink > 1:
        copied[inode] = found.parts


def _share(found: Found, place: bytes) -> bool:
    """One inode for both: it is the layer's from now on. Names that share it in the container must not fall apart."""
    if found.stat.st_nlink > 1 and not found.flags & LAYER:
        return False
    try:
        os.link(found.real, place, follow_symlinks=False)
    except OSError as error:
        if error.errno in (errno.EMLINK, errno.EPERM, errno.EXDEV):
            return False
        raise
    node = nodes.read(place) or nodes.DEFAULT
    nodes.write(place, node._replace(flags=node.flags | LAYER))
    return True


def _write_tar(made: Path, tree: bytes) -> tuple[str, int]:
    skeleton = Skeleton(made)
    digest = hashlib.sha256()
    names: list[bytes] = []
    total = 0

    def raw(data: bytes) -> int:
        skeleton.raw(data)
        digest.update(data)
        return len(data)

    try:
        for member, path in _members(tree):
            total += raw(tars.header(member))
            if member.kind == "file" and member.size:
                skeleton.content(len(names), 0, member.size)
                names.append(b"tree/" + member.name)
                for data in _read(path, member.size):
                    digest.update(data)
                total += member.size + raw(bytes(-member.size % BLOCK))
        total += raw(tars.END)
        skeleton.finish(names)
    finally:
        skeleton.close()
    return "sha256:" + digest.hexdigest(), total


def _members(tree: bytes) -> Iterator[tuple[Member, bytes]]:
    """In the order of their names, so that the same changes are the same tar."""
    first: dict[int, bytes] = {}
    pending = [((), tree)]
    while pending:
        parts, folder = pending.pop()
        if parts:
            yield _member(parts, folder, first), folder
        if stat.S_ISDIR(os.lstat(folder).st_mode):
            names = sorted(os.listdir(folder), reverse=True)
            pending += [((*parts, name), folder + b"/" + name) for name in names]


def _member(parts: Parts, path: bytes, first: dict[int, bytes]) -> Member:
    found = describe(Found(parts, path, os.lstat(path)))
    name = b"/".join(parts)
    earlier = first.setdefault(found.stat.st_ino, name)
    member = Member(name, found.kind, found.mode, found.uid, found.gid, found.mtime_ns, link=found.link)
    if earlier != name:
        member.kind, member.link = "hardlink", earlier
    elif found.is_file:
        member.size = found.size
    return member


def _read(path: bytes, size: int) -> Iterator[bytes]:
    descriptor = os.open(path, READ)
    try:
        while size and (data := os.read(descriptor, min(PIECE, size))):
            size -= len(data)
            yield data
    finally:
        os.close(descriptor)
