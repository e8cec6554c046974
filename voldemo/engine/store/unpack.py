"""Unpacking a layer's tar into a tree: through open directories only, so that no link a tar plants is ever followed."""

# Names of files in a container are bytes, which pathlib cannot hold.
# ruff: noqa: PTH208

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from voldemo.engine import nodes
from voldemo.engine.nodes import AS_ON_DISK, LAYER, Node
from voldemo.engine.store.files import check_room
from voldemo.engine.store.tarheader import BadTar, Member
from voldemo.engine.store.tars import Reader, clean_name, text
from voldemo.engine.store.tarsplit import Skeleton

Parts = tuple[bytes, ...]
OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
MOST_DEPTH = 256  # directories open at once; deeper ones are refused
ROOM_EVERY = 1 << 26
META = b".wh..wh."  # names of a layer's own bookkeeping: only the opaque mark means something


class Tree:
    """A folder, and the chain of directories last walked in it, kept open: a tar's entries come folder by folder."""

    def __init__(self, root: Path) -> None:
        self._chain: list[tuple[bytes, int]] = [(b"", os.open(root, OPEN_DIRECTORY))]

    def parent(self, parts: Parts) -> int:
        """The open directory at `parts`, made where there is none."""
        if len(parts) > MOST_DEPTH:
            raise BadTar(f"more than {MOST_DEPTH} directories deep")
        depth = 0
        while depth < len(parts) and depth + 1 < len(self._chain) and self._chain[depth + 1][0] == parts[depth]:
            depth += 1
        self.forget(depth + 1)
        for part in parts[depth:]:
            self._chain.append((part, self._enter(self._chain[-1][1], part, parts)))
        return self._chain[-1][1]

    def _enter(self, above: int, part: bytes, parts: Parts) -> int:
        try:
            return os.open(part, OPEN_DIRECTORY, dir_fd=above)
        except FileNotFoundError:
            os.mkdir(part, 0o755, dir_fd=above)
            descriptor = os.open(part, OPEN_DIRECTORY, dir_fd=above)
            os.fchmod(descriptor, 0o755)
            return descriptor
        except OSError as error:
            if error.errno in (errno.ENOTDIR, errno.ELOOP):
                path = text(b"/".join(parts))
                raise BadTar(f'"{path}": an earlier entry of the archive is in the way, and is no directory') from error
            raise

    def forget(self, keep: int = 1) -> None:
        while len(self._chain) > keep:
            os.close(self._chain.pop()[1])

    def close(self) -> None:
        self.forget(0)


def give(descriptor: int, member: Member, flags: int, directory: bool) -> None:
    real = nodes.real_mode(member.mode, directory)
    os.fchmod(descriptor, real)
    node = Node(member.uid, member.gid, AS_ON_DISK if real == member.mode else member.mode, flags)
    if node != nodes.DEFAULT or directory:
        nodes.write(descriptor, node)


def give_link(above: int, name: bytes, uid: int, gid: int) -> None:
    """The owner of what can carry no attribute. Where its directory has no room for more, it is root's."""
    if not (uid or gid):
        return
    inode = os.stat(name, dir_fd=above, follow_symlinks=False).st_ino
    try:
        os.setxattr(above, nodes.side_name(name), nodes.SIDE_RECORD.pack(uid, gid, inode & 0xFFFFFFFF))
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.E2BIG, errno.ERANGE, errno.EOPNOTSUPP):
            raise


class Unpacker:
    """`layer/tree` and the skeleton beside it. `size` counts as Docker does: hard links once, directories not."""

    def __init__(self, folder: Path, reader: Reader, skeleton: Skeleton) -> None:
        self._folder = folder
        (folder / "tree").mkdir(0o755)
        self._tree = Tree(folder / "tree")
        self._reader = reader
        self._skeleton = skeleton
        self.names: list[bytes] = []  # of file NUMBER, under the layer's folder
        self._numbers: dict[bytes, int] = {}
        self._times: dict[Parts, int] = {}
        self._written = 0

    def close(self) -> None:
        self._tree.close()

    def run(self) -> None:
        for member in self._reader:
            parts = clean_name(member.name)
            if not any(part.startswith(nodes.WHITEOUT) for part in parts[:-1]):
                self._add(member, parts)
        for parts, mtime in self._times.items():
            os.utime(self._tree.parent(parts), ns=(mtime, mtime))

    def _add(self, member: Member, parts: Parts) -> None:
        if member.kind == "device" or (not parts and member.kind != "dir"):
            return
        if not parts:
            self._describe_directory(member, parts)
            return
        name = parts[-1]
        if name.startswith(META) and name != nodes.OPAQUE:
            return
        if name.startswith(nodes.WHITEOUT):
            member.kind = "whiteout"
        above = self._tree.parent(parts[:-1])
        if member.kind == "dir" and self._is_directory(above, name):
            self._describe_directory(member, parts)
            return
        self._clear(above, parts)
        getattr(self, f"_{member.kind}")(member, parts, above)

    def _is_directory(self, above: int, name: bytes) -> bool:
        try:
            return stat.S_ISDIR(os.stat(name, dir_fd=above, follow_symlinks=False).st_mode)
        except FileNotFoundError:
            return False

    def _describe_directory(self, member: Member, parts: Parts) -> None:
        give(self._tree.parent(parts), member, 0, True)
        self._times[parts] = member.mtime_ns

    def _dir(self, member: Member, parts: Parts, above: int) -> None:
        self._describe_directory(member, parts)

    def _file(self, member: Member, parts: Parts, above: int) -> None:
        descriptor = os.open(parts[-1], NEW_FILE, 0o600, dir_fd=above)
        try:
            if member.size or member.pieces:
                self._fill(descriptor, member, parts)
            give(descriptor, member, LAYER, False)
            os.utime(descriptor, ns=(member.mtime_ns, member.mtime_ns))
        finally:
            os.close(descriptor)

    def _fill(self, descriptor: int, member: Member, parts: Parts) -> None:
        number = self._number(parts)
        if member.pieces is not None:
            os.ftruncate(descriptor, member.size)
        for offset, data in self._reader.body():
            self._skeleton.content(number, offset, len(data))
            self._count(len(data))
            while data:
                written = os.pwrite(descriptor, data, offset)
                data, offset = data[written:], offset + written

    def _number(self, parts: Parts) -> int:
        name = b"/".join((b"tree", *parts))
        self._numbers[name] = len(self.names)
        self.names.append(name)
        return self._numbers[name]

    def _count(self, size: int) -> None:
        before, self._written = self._written, self._written + size
        if before // ROOM_EVERY != self._written // ROOM_EVERY:
            check_room(self._folder)

    def _whiteout(self, member: Member, parts: Parts, above: int) -> None:
        """Whatever it came as, an empty file; content it may have had goes into the skeleton."""
        descriptor = os.open(parts[-1], NEW_FILE, 0o600, dir_fd=above)
        nodes.write(descriptor, Node(flags=LAYER))
        os.close(descriptor)

    def _symlink(self, member: Member, parts: Parts, above: int) -> None:
        if not member.link or b"\0" in member.link or len(member.link) > 4095:
            raise BadTar(f'"{text(member.name)}": a symbolic link needs a target')
        os.symlink(member.link, parts[-1], dir_fd=above)
        os.utime(parts[-1], ns=(member.mtime_ns, member.mtime_ns), dir_fd=above, follow_symlinks=False)
        give_link(above, parts[-1], member.uid, member.gid)

    def _fifo(self, member: Member, parts: Parts, above: int) -> None:
        os.mkfifo(parts[-1], nodes.real_mode(member.mode, False), dir_fd=above)
        os.utime(parts[-1], ns=(member.mtime_ns, member.mtime_ns), dir_fd=above, follow_symlinks=False)
        give_link(above, parts[-1], member.uid, member.gid)

    def _hardlink(self, member: Member, parts: Parts, above: int) -> None:
        source = clean_name(member.link)
        refused = BadTar(f'invalid hardlink "{text(member.name)}" -> "{text(member.link)}"')
        if not source or source == parts or any(part.startswith(nodes.WHITEOUT) for part in source):
            raise refused
        there = os.dup(self._tree.parent(source[:-1]))
        try:
            found = os.stat(source[-1], dir_fd=there, follow_symlinks=False)
            if stat.S_ISDIR(found.st_mode):
                raise refused
            here = self._tree.parent(parts[:-1])
            os.link(source[-1], parts[-1], src_dir_fd=there, dst_dir_fd=here, follow_symlinks=False)
            if not stat.S_ISREG(found.st_mode):
                give_link(here, parts[-1], member.uid, member.gid)
        except FileNotFoundError as error:
            raise refused from error
        finally:
            os.close(there)

    def _clear(self, above: int, parts: Parts) -> None:
        """A later entry takes an earlier one's place; content the skeleton points to is kept beside the tree."""
        try:
            found = os.stat(parts[-1], dir_fd=above, follow_symlinks=False)
        except FileNotFoundError:
            return
        if stat.S_ISDIR(found.st_mode):
            self._clear_directory(parts)
            os.rmdir(parts[-1], dir_fd=self._tree.parent(parts[:-1]))
        else:
            self._clear_file(above, parts)

    def _clear_directory(self, parts: Parts) -> None:
        self._times.pop(parts, None)
        descriptor = self._tree.parent(parts)
        for name in os.listdir(descriptor):
            inside = (*parts, os.fsencode(name))
            self._clear(self._tree.parent(parts), inside)
        self._tree.forget(len(parts))

    def _clear_file(self, above: int, parts: Parts) -> None:
        number = self._numbers.pop(b"/".join((b"tree", *parts)), None)
        if number is None:
            os.unlink(parts[-1], dir_fd=above)
            return
        kept = self._folder / "kept"
        kept.mkdir(exist_ok=True)
        self.names[number] = b"kept/%d" % number
        os.rename(parts[-1], os.fsencode(kept) + b"/%d" % number, src_dir_fd=above)
