"""What must hold before a name or a node is changed."""

from __future__ import annotations

import errno

from voldemo.engine import nodes
from voldemo.engine.runtime import owners, raw
from voldemo.engine.runtime.credentials import EXECUTE, FOWNER, SUPERUSER, WRITE, Owner
from voldemo.engine.runtime.directory import Directory, Found
from voldemo.engine.runtime.raw import fail
from voldemo.engine.runtime.task import Task

STICKY, SETGID, SETUID = 0o1000, 0o2000, 0o4000


def existing(found: Found) -> Found:
    if not found.mode:
        raise fail(errno.ENOENT)
    return found


def removable(found: Found) -> Found:
    """Where nothing can be removed, that is told before what is not there."""
    if not found.mode:
        found.directory.mount.writable()
    return existing(found)


def absent(found: Found) -> Found:
    if found.mode:
        raise fail(errno.EEXIST)
    return found


def is_mountpoint(found: Found) -> bool:
    """Or a directory named by "." or "..", which can no more be moved away."""
    return found.mount is not found.directory.mount or found.name == found.directory.prefix


def _above(task: Task, found: Found) -> Directory:
    """Where a mountpoint is: what is mounted knows only itself."""
    directory = found.directory
    if found.mount.directory is not directory or not directory.path:
        return directory
    return task.world.tree.walk(task, SUPERUSER, directory.path.rpartition(b"/")[0])


def names(task: Task, found: Found, removing: bool = False) -> Owner:
    """May the process add, or take away, this name? The answer is who owns the directory."""
    directory = found.directory
    if directory.mount.kind in ("proc", "pts"):
        raise fail(errno.EPERM if found.mode else errno.ENOENT)
    busy = is_mountpoint(found)
    if busy:
        directory = _above(task, found)
    directory.mount.writable()
    owner = owners.of_directory(directory)
    credential = task.credential
    if not credential.may(owner, WRITE | EXECUTE):
        raise fail(errno.EACCES)
    sticky = removing and owner[2] & STICKY and not credential.has(FOWNER)
    if sticky and credential.uid not in (owner[0], owners.of(found)[0]):
        raise fail(errno.EPERM)
    if busy:
        raise fail(errno.EBUSY)
    if directory.mount.kind == "root" and found.name.startswith(nodes.WHITEOUT):
        raise fail(errno.EPERM)
    return owner


def content_changed(found: Found) -> None:
    """The room a mount of limited size has left must be counted anew."""
    if found.mount.size and found.mount.quota is not None:
        found.mount.quota.forget()


def attributes(task: Task, found: Found) -> Owner:
    """May the process change owner, mode or times here at all? The answer is who owns the node."""
    existing(found)
    found.mount.writable()
    return owner_of(found)


def owner_of(found: Found) -> Owner:
    if found.magic:
        raw.stat(found.at, found.name, 0)
        return owners.of_path(b"/proc/" + found.name, found.mount)
    return owners.of(found)
