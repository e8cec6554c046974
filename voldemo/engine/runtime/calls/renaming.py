"""A file gets another name, or two of them change places."""

from __future__ import annotations

import errno

from voldemo.engine.runtime import descriptors, memory, owners, raw
from voldemo.engine.runtime.calls import call, changing, names
from voldemo.engine.runtime.credentials import Credential
from voldemo.engine.runtime.descriptors import signed
from voldemo.engine.runtime.directory import Found
from voldemo.engine.runtime.raw import AT_FDCWD
from voldemo.engine.runtime.task import Task

_EXCHANGE, _WHITEOUT, _NOREPLACE = 2, 4, 1


def _rename(task: Task, old_at: int, old_path: bytes, new_at: int, new_path: bytes, flags: int) -> int:
    if flags & _WHITEOUT or flags & ~(_EXCHANGE | _NOREPLACE):
        return -errno.EINVAL
    old = descriptors.find(task, old_at, names.without_slash(old_path), False)
    new = descriptors.find(task, new_at, names.without_slash(new_path), False)
    if old.directory.mount is new.directory.mount:
        changing.removable(old)
    elif not old.mode:
        return -errno.EXDEV  # the way to it is looked at first
    if flags & _NOREPLACE and new.mode:
        return -errno.EEXIST
    if old.directory.mount is not new.directory.mount:
        _check_busy(task, old, new)
        return -errno.EXDEV
    changing.names(task, old, True)
    changing.names(task, new, bool(new.mode))
    return _rename_found(task, old, new, flags)


def _check_busy(task: Task, old: Found, new: Found) -> None:
    for found in (old, new):
        if found.mode and changing.is_mountpoint(found):
            changing.names(task, found, True)


def _rename_found(task: Task, old: Found, new: Found, flags: int) -> int:
    tree = task.world.tree
    side = _side(old)
    for found in (old, new):
        if found.mode and raw.kind(found.mode) == raw.DIRECTORY:
            path = tree.directory_of(task, found).path
            names.check_no_mounts(task, path)
            if found is old or flags & _EXCHANGE:
                tree.complete_all(task, found)
            else:
                tree.complete(tree.directory_of(task, found))
    _bring_up(task, old)
    names.keep_hidden(task, old)
    if new.mode and flags & _EXCHANGE:
        _bring_up(task, new)
    names.keep_hidden(task, new)
    raw.rename(old.directory.at, old.name, new.directory.at, new.name, flags)
    changing.content_changed(new)
    _after_rename(task, old, new, side)
    return 0


def _bring_up(task: Task, found: Found) -> None:
    """What is to be moved has to be in the upper tree."""
    if found.at != found.directory.at:
        task.world.tree.complete(found.directory)
        found.at = found.directory.at


def _side(found: Found) -> tuple[int, int] | None:
    if raw.kind(found.mode) in (raw.REGULAR, raw.DIRECTORY):
        return None
    return owners.of(found)[:2]


def _after_rename(task: Task, old: Found, new: Found, side: tuple[int, int] | None) -> None:
    if side is not None:
        owners.set_side(new.directory.at, new.name, *side, new.mount)
    kinds = {raw.kind(old.mode), raw.kind(new.mode)}
    if raw.DIRECTORY in kinds:
        names.moved(task, old.path)
        names.moved(task, new.path)
    elif raw.LINK in kinds:
        Credential.forget()


@call("rename")
def rename(task: Task, old: int, new: int, *_: int) -> int:
    return _rename(task, AT_FDCWD, memory.string(task, old), AT_FDCWD, memory.string(task, new), 0)


@call("renameat")
def renameat(task: Task, old_at: int, old: int, new_at: int, new: int, *_: int) -> int:
    return _rename(task, signed(old_at), memory.string(task, old), signed(new_at), memory.string(task, new), 0)


@call("renameat2")
def renameat2(task: Task, old_at: int, old: int, new_at: int, new: int, flags: int, *_: int) -> int:
    return _rename(task, signed(old_at), memory.string(task, old), signed(new_at), memory.string(task, new), flags)
