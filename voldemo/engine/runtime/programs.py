"""The cache of programs as the kernel gets to see them: under the right name, asking for the right loader.

An entry is a hard link to a layer's file where the file can be run as it is and nobody can change it, a copy otherwise:
what has been looked at is then what is run, whoever writes to the original meanwhile.
"""

from __future__ import annotations

import errno
import os
from struct import unpack_from
from typing import TYPE_CHECKING

from voldemo.engine import nodes
from voldemo.engine.runtime import elf, raw
from voldemo.engine.runtime.raw import fail

if TYPE_CHECKING:
    from voldemo.engine.runtime.elf import Image

Identity = tuple[int, int, int, int, int]  # device, inode, size, mtime, ctime
HOST_LOADER = b"/lib64/ld-linux-x86-64.so.2"
_CHUNK = 1 << 20
_BIRTH_TIME, _BIRTH_AT = 0x800, 80  # STATX_BTIME, and where it is in struct statx


def identity(descriptor: int) -> Identity:
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _stable(descriptor: int, layer: bool) -> tuple[int, ...]:
    """Linking a layer's file changes its ctime, and nothing else ever does. The birth says which file has an inode's
    number: a layer removed makes room for another, of the same size and time if somebody wants so."""
    key = identity(descriptor)
    if not layer:
        return key
    try:
        raw.statx(descriptor, b"", raw.EMPTY_PATH, _BIRTH_TIME)
    except OSError as error:
        if error.errno != errno.ENOSYS:
            raise
        return key
    known, seconds, nanoseconds = unpack_from("<I", raw.STAT)[0], *unpack_from("<qI", raw.STAT, _BIRTH_AT)
    return (*key[:4], seconds, nanoseconds) if known & _BIRTH_TIME else key


class Programs:
    def __init__(self, folder: bytes) -> None:
        os.makedirs(folder, exist_ok=True)
        self.folder = folder
        self.at = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self._images: dict[Identity, Image] = {}

        self._same: dict[tuple[int, ...], bool] = {}
        self._there: set[bytes] = set()

    def image(self, descriptor: int) -> Image:
        key = identity(descriptor)
        image = self._images.get(key)
        if image is None:
            image = self._images[key] = elf.read(descriptor)
        return image

    def is_layers(self, descriptor: int) -> bool:
        node = nodes.read(descriptor)
        return node is not None and bool(node.flags & nodes.LAYER)

    def entry(self, descriptor: int, image: Image, name: bytes, loader: int | None) -> bytes:
        """Where the program is in the cache, relative to its folder. `loader`: the container's, None if static."""
        layer = self.is_layers(descriptor)
        key = _stable(descriptor, layer)
        loader_name = b""
        if loader is not None and not self._is_hosts(image.interpreter, loader):
            loader_name = self._loader(loader)
        place = b"-".join(b"%x" % part for part in key) + (b"-" + loader_name if loader_name else b"")
        path = place + b"/" + name
        if path in self._there or self._exists(path):
            self._there.add(path)
            return path
        os.makedirs(self.folder + b"/" + place, exist_ok=True)
        self._add(descriptor, image, place, name, loader_name, layer)
        self._there.add(path)
        return path

    def _exists(self, path: bytes) -> bool:
        return os.path.lexists(self.folder + b"/" + path)

    def forget(self) -> None:
        """Entries were removed: what is there has to be looked at again."""
        self._there.clear()

    # -- entries

    def _add(self, descriptor: int, image: Image, place: bytes, name: bytes, loader: bytes, layer: bool) -> None:
        folder = self.folder + b"/" + place
        whole = folder + b"/.whole"
        if not os.path.lexists(whole):
            runnable = os.fstat(descriptor).st_mode & 0o100
            if loader or not layer or not runnable or not _link(descriptor, whole):
                self._copy(descriptor, image, whole, loader)
        try:
            os.link(whole, folder + b"/" + name)
        except FileExistsError:
            pass
        except OSError as error:
            if error.errno not in (errno.EMLINK, errno.EPERM):
                raise
            self._copy(descriptor, image, folder + b"/" + name, loader)

    def _copy(self, descriptor: int, image: Image, target: bytes, loader: bytes) -> None:
        temporary = os.path.dirname(target) + b"/.new-" + os.urandom(12).hex().encode()
        fresh = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o700)
        try:
            _copy_all(descriptor, fresh)
            if loader:
                elf.set_interpreter(fresh, image, self.folder + b"/" + loader)
            self._check(fresh, image, loader)
            os.fchmod(fresh, 0o755)
        finally:
            os.close(fresh)
        os.rename(temporary, target)

    def _check(self, fresh: int, image: Image, loader: bytes) -> None:
        """Somebody may have written to the original between the look and the copy."""
        wanted = image._replace(interpreter=self.folder + b"/" + loader) if loader else image
        if image.kind != "unknown" and elf.read(fresh) != wanted:
            raise fail(errno.ETXTBSY)

    # -- loaders

    def _loader(self, descriptor: int) -> bytes:
        layer = self.is_layers(descriptor)
        name = b"ld-" + b"-".join(b"%x" % part for part in _stable(descriptor, layer))
        if name not in self._there and not self._exists(name):
            path = self.folder + b"/" + name
            runnable = os.fstat(descriptor).st_mode & 0o100
            if not layer or not runnable or not _link(descriptor, path):
                self._copy(descriptor, elf.UNKNOWN, path, b"")
        self._there.add(name)
        return name

    def _is_hosts(self, path: bytes, descriptor: int) -> bool:
        """Is the host's loader byte for byte the container's? Then the program can stay as it is. The path is one the
        kernel takes for the host's, so no other will do: a program may ask for any."""
        if path != HOST_LOADER:
            return False
        key = identity(descriptor)
        if key not in self._same:
            self._same[key] = _equal(path, descriptor)
        return self._same[key]


def _link(descriptor: int, target: bytes) -> bool:
    try:
        os.link(b"/proc/self/fd/%d" % descriptor, target, follow_symlinks=True)
    except FileExistsError:
        return True
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EACCES):
            raise
        return False
    return True


def _equal(path: bytes, descriptor: int) -> bool:
    try:
        other = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        size = os.fstat(descriptor).st_size
        if os.fstat(other).st_size != size:
            return False
        return all(
            os.pread(other, _CHUNK, offset) == os.pread(descriptor, _CHUNK, offset) for offset in range(0, size, _CHUNK)
        )
    finally:
        os.close(other)


def _copy_all(source: int, target: int) -> None:
    """Holes stay holes: what takes no room in a container must not take it here."""
    size = os.fstat(source).st_size
    os.ftruncate(target, size)
    end = 0
    while (start := _data_from(source, end, size)) < size:
        end = os.lseek(source, start, os.SEEK_HOLE)
        os.lseek(target, start, os.SEEK_SET)
        while start < end and (sent := os.sendfile(target, source, start, end - start)):
            start += sent


def _data_from(source: int, offset: int, size: int) -> int:
    try:
        return os.lseek(source, offset, os.SEEK_DATA)
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
        return size  # there is none


def trim(folder: bytes, most: int) -> None:
    """Keep the cache below `most` bytes, the longest unused going first. Only while no container runs."""
    entries = []
    for entry in os.scandir(folder):
        status = entry.stat(follow_symlinks=False)
        size = sum(part.stat(follow_symlinks=False).st_size for part in os.scandir(entry.path)) if entry.is_dir() else 0
        entries.append((status.st_atime_ns, size or status.st_size, entry))
    total = sum(size for _, size, _ in entries)
    for _, size, entry in sorted(entries, key=lambda each: each[0]):
        if total <= most:
            return
        if entry.is_dir(follow_symlinks=False):
            for part in os.scandir(entry.path):
                os.unlink(part.path)
            os.rmdir(entry.path)
        else:
            os.unlink(entry.path)
        total -= size
