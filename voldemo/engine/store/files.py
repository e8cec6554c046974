"""One folder, and how things in it are written, published and removed: `kill -9` finds each whole or not at all."""

# Names of files in a container are bytes, which pathlib cannot hold.
# ruff: noqa: PTH101, PTH104, PTH106, PTH108

from __future__ import annotations

import ctypes
import errno
import itertools
import json
import os
import queue
import secrets
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from voldemo.engine.errors import BadParameter, Failed, NotFound

FULL = "no space left on device"
TEMPORARY = b".wh..tmp."  # no container sees such a name; swept when the store opens
RESERVE = 16 << 20  # bytes of the disk that unpacking leaves alone
DEPTH = 16  # directories
BALLAST = 1 << 18  # bytes kept on the disk for when it is full
NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def room() -> Iterator[None]:
    """A full disk in here is told in Docker's words."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise Failed(FULL) from error
        raise


def check_room(path: Path, wanted: int = 0) -> None:
    status = os.statvfs(path)
    if status.f_bavail * status.f_frsize < wanted + RESERVE:
        raise Failed(FULL)


@contextmanager
def directory(path: Path | bytes) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def sync_directory(path: Path) -> None:
    with directory(path) as descriptor:
        os.fsync(descriptor)


def sync_filesystem(path: Path) -> None:
    """One wait for a whole tree, instead of one for each of its files."""
    with directory(path) as descriptor:
        if _libc.syncfs(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))


def write_synced(path: Path, data: bytes) -> None:
    descriptor = os.open(path, NEW_FILE, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def unfinished(place: Path, record: str, tree: str) -> bool:
    """The power went before the record of a new thing was on the disk: nobody has been told that it exists."""
    path = place / record
    if path.exists() and path.stat().st_size:
        return False
    return not (tree and (place / tree).exists() and any((place / tree).iterdir()))


@contextmanager
def intact(path: Path, whole: Path | None = None) -> Iterator[None]:
    """A record of ours is read in here. One that cannot be is told by name: nothing is guessed about what it held.

    `whole`: what it is the record of, and goes with it.
    """
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, AttributeError, BadParameter, NotFound) as error:
        damage = f"the engine's file {path} is damaged ({reason(error)})"
        raise Failed(f"{damage}: move {whole or path} away, or choose another folder") from error


def reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return f"it lacks {error}" if isinstance(error, KeyError) else str(error)


def read_json(path: Path) -> dict:
    found = json.loads(path.read_bytes())
    if not isinstance(found, dict):
        raise TypeError("it holds no object")
    return found


class Files:
    """`tmp` holds what is being made, `trash` what is going: neither survives the next opening."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.tmp = root / "tmp"
        self.trash = root / "trash"
        self._ballast = root / "ballast"
        self._gone: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._sweeper: threading.Thread | None = None
        self._lock = threading.Lock()

    def temporary(self) -> Path:
        return self.tmp / secrets.token_hex(12)

    @contextmanager
    def making(self) -> Iterator[Path]:
        """A new folder that is gone again if what is made in it fails, or was not moved away."""
        made = self.temporary()
        with room():
            made.mkdir(0o700)
            try:
                yield made
            except BaseException:  # at once: the disk may be full of just this
                remove_tree(os.fsencode(made), os.fsencode(self.trash))
                raise
            self.discard(made)

    def write(self, path: Path, data: bytes, spare: bool = False) -> None:
        """`spare`: this must work on a full disk too, as it tells of something that goes or has ended."""
        self.update(path, data, spare)
        with room():
            sync_directory(path.parent)

    def update(self, path: Path, data: bytes, spare: bool = True) -> None:
        """Whole, but after a power cut it may be the former one."""
        try:
            self._replace(path, data)
        except Failed:
            if not spare or not self.drop_ballast():
                raise
            self._replace(path, data)

    def drop_ballast(self) -> bool:
        try:
            self._ballast.unlink()
        except FileNotFoundError:
            return False
        return True

    def take_ballast(self) -> None:
        if not self._ballast.exists():
            with suppress(Failed):  # for another day, then
                self._replace(self._ballast, bytes(BALLAST))

    def _replace(self, path: Path, data: bytes) -> None:
        made = self.temporary()
        with room():
            try:
                write_synced(made, data)
                made.rename(path)
            except BaseException:
                made.unlink(missing_ok=True)
                raise

    def publish(self, made: Path, place: Path) -> None:
        with room():
            made.rename(place)
            sync_directory(place.parent)

    def publish_small(self, made: Path, place: Path, name: str, data: bytes) -> None:
        """With its record, and one wait for both: a journal takes what was renamed before along. See `unfinished`."""
        descriptor = os.open(made / name, NEW_FILE, 0o600)
        with room(), os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            made.rename(place)
            try:
                os.fsync(descriptor)
            except OSError:
                place.rename(made)  # it has not come to be
                raise

    def discard(self, path: Path) -> bool:
        """Out of sight at once, off the disk a little later. False: there was nothing."""
        place = self.trash / secrets.token_hex(12)
        try:
            path.rename(place)
        except FileNotFoundError:
            return False
        self._sweep(os.fsencode(place))
        return True

    def remove(self, path: Path) -> bool:
        """As `discard`, and still gone after a power cut."""
        found = self.discard(path)
        if found:
            sync_directory(path.parent)
        return found

    def _sweep(self, path: bytes) -> None:
        with self._lock:
            if self._sweeper is None:
                self._sweeper = threading.Thread(target=self._work, name="store-trash", daemon=True)
                self._sweeper.start()
        self._gone.put(path)

    def _work(self) -> None:
        while (path := self._gone.get()) is not None:
            with suppress(OSError):  # what cannot go now, the next opening removes or complains about
                remove_tree(path, os.fsencode(self.trash))
                self.take_ballast()

    def close(self) -> None:
        with self._lock:
            sweeper, self._sweeper = self._sweeper, None
        if sweeper:
            self._gone.put(None)
            sweeper.join()


_numbers = itertools.count()


def remove_tree(path: bytes, beside: bytes) -> None:
    """However deep: what lies deeper than DEPTH is first moved up into `beside`, so no path grows without end."""
    if not stat.S_ISDIR(os.lstat(path).st_mode):
        os.unlink(path)
        return
    pending = [path]
    while pending:
        _remove_directory(pending.pop(), DEPTH, beside, pending)


def _remove_directory(folder: bytes, depth: int, beside: bytes, pending: list[bytes]) -> None:
    for path, is_directory in _entries(folder):
        if not is_directory:
            os.unlink(path)
        elif depth:
            _remove_directory(path, depth - 1, beside, pending)
        else:
            place = b"%s/%s%s-%d" % (beside, TEMPORARY, secrets.token_hex(8).encode(), next(_numbers))
            os.chmod(path, 0o700)  # a directory can only be moved by who may write to it
            os.rename(path, place)
            pending.append(place)
    os.rmdir(folder)


def _entries(folder: bytes) -> list[tuple[bytes, bool]]:
    if stat.S_IMODE(os.lstat(folder).st_mode) & 0o700 != 0o700:
        os.chmod(folder, 0o700)
    with os.scandir(folder) as entries:
        return [(entry.path, entry.is_dir(follow_symlinks=False)) for entry in entries]
