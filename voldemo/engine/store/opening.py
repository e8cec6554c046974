"""Opening a store's folder: nobody else may have it open, we must understand it, and what was half done goes."""

# Names of files in a container are bytes, which pathlib cannot hold.
# ruff: noqa: PTH208

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

from voldemo.engine.errors import Conflict, Failed
from voldemo.engine.store.files import TEMPORARY, Files, intact, remove_tree, room

VERSION = "1"
FOLDERS = ("layers", "images", "volumes", "containers", "networks", "exe", "tmp", "trash")
PROBE = b"user.voldemo"


def take(root: Path) -> int:
    """The descriptor that holds the folder: the system lets go of it with the process, however that ends."""
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        if root.stat().st_uid == os.geteuid():
            root.chmod(0o700)
        lock = os.open(root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise Failed(f"the engine's folder {root} cannot be used: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise Conflict(f"another engine is using {root}: stop it, or choose another folder") from error
    except BaseException:
        os.close(lock)
        raise
    return lock


def prepare(files: Files) -> None:
    root = files.root
    _check_version(root / "version")
    with room():
        for name in FOLDERS:
            with intact(root / name):
                (root / name).mkdir(mode=0o700, exist_ok=True)
        _sweep(files)
        _check_attributes(root)
        if not (root / "version").exists():
            files.write(root / "version", VERSION.encode())
        files.take_ballast()


def _check_version(path: Path) -> None:
    if not path.exists():
        return
    with intact(path, path.parent):
        found = path.read_text(errors="replace").strip()
    if found != VERSION:
        raise Failed(
            f"{path.parent} was written by another version of this engine (its format is {found[:20]!r}, this one's "
            f"{VERSION!r}): use that version, or choose another folder"
        )


def _check_attributes(root: Path) -> None:
    probe = root / "tmp" / "attributes"
    probe.touch()
    try:
        os.setxattr(probe, PROBE, b"x" * 16)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EPERM, errno.ENOSYS):
            raise
        raise Failed(
            f"the file system of {root} keeps no extended attributes, in which owners are noted: "
            "choose another folder, on a local disk"
        ) from error
    finally:
        probe.unlink()


def _sweep(files: Files) -> None:
    """What was being made or removed when the last engine ended."""
    trash = os.fsencode(files.trash)
    for folder in (files.tmp, files.trash):
        for name in os.listdir(os.fsencode(folder)):
            path = os.fsencode(folder) + b"/" + name
            if os.path.lexists(path):
                remove_tree(path, trash)
    for name in os.listdir(trash):
        remove_tree(trash + b"/" + name, trash)


def sweep_temporaries(upper: bytes, trash: bytes) -> None:
    """Copies that a container's tracer, or the engine, was making when it was killed."""
    pending = [upper]
    with intact(Path(os.fsdecode(upper)), Path(os.fsdecode(upper)).parent):
        os.stat(upper)
    while pending:
        folder = pending.pop()
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith(TEMPORARY):
                    remove_tree(entry.path, trash)
                elif entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
