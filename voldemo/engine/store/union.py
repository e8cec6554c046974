"""What the engine itself does with the files of a container: reads, lists, packs, unpacks, measures."""

# Names of files in a container are bytes, which pathlib cannot hold.
# ruff: noqa: PTH102, PTH104, PTH108, PTH112, PTH114

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from voldemo.engine import nodes
from voldemo.engine.errors import BadParameter, Forbidden, NotFound
from voldemo.engine.store import changes, packing
from voldemo.engine.store.copies import NEW, copy_directory, give, open_file
from voldemo.engine.store.files import TEMPORARY, room
from voldemo.engine.store.pins import Root, entered
from voldemo.engine.store.sizes import tree_size
from voldemo.engine.store.view import Found, Parts, Place, View, split


class Union:
    def __init__(self, upper: Path | None, layers: Sequence[Path], mounts: Iterable[Place] = ()) -> None:
        self.view = View(upper, layers, mounts)
        self._bare = View(upper, layers)

    def lookup(self, path: str | bytes, follow: bool = True) -> Found | None:
        return self.view.resolve(path, follow)

    def _need(self, path: str | bytes) -> Found:
        found = self.lookup(path)
        if found is None:
            raise NotFound(f"{os.fsdecode(path)}: no such file or directory")
        return found

    def read_file(self, path: str | bytes, limit: int = 1 << 20) -> bytes:
        found = self._need(path)
        if not found.is_file:
            raise BadParameter(f"{os.fsdecode(path)}: is a directory" if found.is_dir else f"{path!r}: no regular file")
        try:
            descriptor = open_file(found.real)
        except FileNotFoundError:
            raise NotFound(f"{os.fsdecode(path)}: no such file or directory") from None
        with os.fdopen(descriptor, "rb") as file:
            return file.read(limit)

    def list(self, path: str | bytes) -> list[Found]:
        folder = self._need(path)
        if not folder.is_dir:
            raise BadParameter(f"{os.fsdecode(path)}: not a directory")
        children = (self.view.child(folder, name) for name in self.view.names(folder))
        return [child for child in children if child is not None]

    def walk(self, path: str | bytes = b"/") -> Iterator[Found]:
        """`path` and all in it, links not followed, a directory before what is in it."""
        return packing.walk(self.view, self._need(path))

    def changes(self, exclude: Iterable[str] = ()) -> list[changes.Change]:
        return changes.changes(self._bare, frozenset(split(path) for path in exclude))

    def size_rw(self) -> int:
        return changes.size_rw(self._bare)

    def size_root(self) -> int:
        return self.size_rw() + sum(tree_size(layer) for layer in self.view.layers)

    def pack(self, path: str | bytes, name: bytes | None = None) -> Iterator[bytes]:
        """A tar of `path` (a link as a link); its first entry is called `name`, or as the path's last part."""
        found = self.lookup(path, follow=False)
        if found is None:
            raise NotFound(f"{os.fsdecode(path)}: no such file or directory")
        return packing.pack(self.view, found, (split(path) or (b".",))[-1] if name is None else name)

    def copy_into(self, volume: Path, path: str | bytes, within: str = "") -> bool:
        """Fill an empty volume with what the image has at `path`. False: there was nothing to do."""
        found = self.view.resolve(path)
        target = Root(str(volume), within)
        if found is None or not found.is_dir or os.listdir(target.path):
            return False
        copy_directory(self.view, found, target)
        return True

    def writable(self, found: Found) -> bytes:
        """The real directory behind `found`, made in `upper` (as are those above it) where only layers have it."""
        if found.mount is not None:
            if found.mount.read_only:
                raise Forbidden("mounted volume is marked read-only")
            return found.real
        if found.in_upper:
            return found.real
        if self.view.upper is None:
            raise Forbidden("container rootfs is marked read-only")
        real = self.writable(self._there(found.parts[:-1])) + b"/" + found.parts[-1]
        with suppress(FileExistsError):  # the container itself may have looked there just now
            os.mkdir(real, 0o700)
        real = entered(real)
        nodes.give(real, found.uid, found.gid, found.mode)
        os.utime(real, ns=(found.mtime_ns, found.mtime_ns))
        return real

    def make_dirs(self, path: str | bytes, mode: int = 0o755, uid: int = 0, gid: int = 0) -> Found:
        """The directory at `path`, links followed; what is missing is made with this owner."""
        return self._make(split(path), mode, uid, gid)

    def _make(self, parts: Parts, mode: int, uid: int, gid: int) -> Found:
        found = self.view.resolve(b"/".join(parts))
        if found is None:
            above = self._make(parts[:-1], mode, uid, gid)
            if parts[-1].startswith(nodes.WHITEOUT) and above.mount is None:
                raise BadParameter(f"names starting with {nodes.WHITEOUT.decode()} are the engine's own")
            with room():
                real = self.writable(above) + b"/" + parts[-1]
                try:
                    os.mkdir(real, 0o700)
                except FileExistsError:
                    raise BadParameter(f"{os.fsdecode(b'/'.join(parts))}: not a directory") from None
                nodes.give(entered(real), uid, gid, mode, nodes.COMPLETE if above.mount is None else 0)
            found = self._there((*above.parts, parts[-1]))
        if not found.is_dir:
            raise BadParameter(f"/{os.fsdecode(b'/'.join(parts))}: not a directory")
        return found

    def _there(self, parts: Parts) -> Found:
        """Looked up again, for it has been changed here."""
        found = self.view.resolve(b"/".join(parts), follow=False)
        if found is None:
            raise NotFound(f"/{os.fsdecode(b'/'.join(parts))}: no such file or directory")
        return found

    def write_file(self, path: str | bytes, data: bytes, mode: int = 0o644, uid: int = 0, gid: int = 0) -> None:
        """A whole new file in the place of what is there; what ran with the old one keeps that."""
        parts = split(path)
        folder = self._make(parts[:-1], 0o755, 0, 0)
        self.replace(folder, parts[-1], iter([data]), mode, uid, gid, None)

    def replace(self, folder: Found, name: bytes, data: Iterable[bytes], mode: int, uid: int, gid: int, mtime) -> None:
        real = self.writable(folder)
        made = real + b"/" + TEMPORARY + secrets.token_hex(8).encode()
        with room():
            try:
                descriptor = os.open(made, NEW, 0o600)
                with os.fdopen(descriptor, "wb") as file:
                    for piece in data:
                        file.write(piece)
                    file.flush()
                    give(descriptor, uid, gid, mode)
                    if mtime is not None:
                        os.utime(descriptor, ns=(mtime, mtime))
                self.clear(real, name)
                os.rename(made, real + b"/" + name)
            except BaseException:
                if os.path.lexists(made):
                    os.unlink(made)
                raise

    def clear(self, real: bytes, name: bytes) -> None:
        """Away with a directory that something else shall replace."""
        place = real + b"/" + name
        if os.path.isdir(place) and not os.path.islink(place):
            shutil.rmtree(place)  # by open directories: what runs there may put a link in the place of one

    def unpack(
        self,
        path: str | bytes,
        stream: BinaryIO,
        *,
        uid: int | None = None,
        gid: int | None = None,
        no_overwrite_dir_non_dir: bool = False,
    ) -> None:
        """A tar (compressed or not) into the directory `path`, with its owners unless `uid` and `gid` are given."""
        folder = self._need(path)
        if not folder.is_dir:
            raise BadParameter("extraction point is not a directory")
        packing.Extraction(self, folder, uid, gid, no_overwrite_dir_non_dir).run(stream)
