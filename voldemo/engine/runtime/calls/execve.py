"""execve: which file, may it be run, by which loader; the kernel then runs the cache's copy of it."""

from __future__ import annotations

import errno
import os
from struct import pack, unpack

from voldemo.engine.runtime import descriptors, memory, raw
from voldemo.engine.runtime.calls import call, changing
from voldemo.engine.runtime.credentials import EXECUTE, Credential, Ids, Owner
from voldemo.engine.runtime.elf import Image
from voldemo.engine.runtime.raw import AT_FDCWD, REGULAR, fail, kind
from voldemo.engine.runtime.scratch import LARGE, SLOT, SLOTS, START
from voldemo.engine.runtime.task import Task

_DEEPEST_SCRIPT = 5
_TRIES = 4


class Program:
    """A file opened to be run: what was checked is what is held."""

    __slots__ = ("found", "descriptor", "image", "owner")

    def __init__(self, task: Task, path: bytes) -> None:
        self.found = changing.existing(descriptors.find(task, AT_FDCWD, path))
        self.owner = self._checked(task)
        self.descriptor = self._opened()
        self.image: Image = task.world.programs.image(self.descriptor)

    def _checked(self, task: Task) -> Owner:
        found = self.found
        if kind(found.mode) != REGULAR or found.mount.kind in ("proc", "sys") and not found.magic:
            raise fail(errno.EACCES)
        if found.mount.no_exec:
            raise fail(errno.EACCES)
        owner = changing.owner_of(found)
        memory_file = found.magic and found.mount.kind == "proc"
        if not memory_file and not task.credential.may(owner, EXECUTE):
            raise fail(errno.EACCES)
        return owner

    def _opened(self) -> int:
        found = self.found
        if found.magic:
            return os.open(found.name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=found.at)
        with raw.Pinned(found.at, found.name) as node:
            if kind(node.mode) != REGULAR:
                raise fail(errno.EACCES)
            return os.open(node.path, os.O_RDONLY | os.O_CLOEXEC)

    def close(self) -> None:
        os.close(self.descriptor)


def _resolve(task: Task, path: bytes) -> tuple[Program, Program, bytes, list[bytes]]:
    """The program itself, what is run for it, that one's path, and what comes before the arguments of a script."""
    first = program = Program(task, path)
    before: list[bytes] = []
    for _ in range(_DEEPEST_SCRIPT):
        image = program.image
        if image.kind != "script":
            return first, program, path, before
        before = [image.interpreter, *([image.argument] if image.argument else []), path, *before[1:]]
        path = image.interpreter
        if program is not first:
            program.close()
        program = Program(task, path)
    program.close()
    raise fail(errno.ELOOP)


@call("execve")
def execve(task: Task, path: int, arguments: int, *_: int) -> None:
    name = memory.string(task, path)
    first, program, real, before = _resolve(task, name)
    try:
        entry = _cached(task, program, real)
        virtual = program.found.path if not program.found.magic else real
        credential = _credential(task, program) if not before else task.credential
    finally:
        first.close()
        if program is not first:
            program.close()
    if before:
        task.point(1, _argument_list(task, before, arguments))
    task.point(0, _padded(task, entry, real) + b"\0")
    task.executing = (virtual, credential, real)


def _cached(task: Task, program: Program, path: bytes) -> bytes:
    programs = task.world.programs
    image = program.image
    name = path[path.rfind(b"/") + 1 :] or b"program"
    if image.kind == "static":
        return programs.entry(program.descriptor, image, name, None)
    if image.kind != "dynamic":
        raise fail(errno.ENOEXEC)
    loader = Program(task, image.interpreter)
    try:
        return programs.entry(program.descriptor, image, name, loader.descriptor)
    finally:
        loader.close()


def _padded(task: Task, entry: bytes, path: bytes) -> bytes:
    """As long as the path the program was called by, so that it can be put in its place (AT_EXECFN)."""
    start = task.hold(os.dup(task.world.programs.at))
    whole = start + b"/" + entry
    missing = len(path) - len(whole)
    return start + b"/" * (1 + max(0, min(missing, SLOT - 1 - len(whole)))) + entry


def _credential(task: Task, program: Program) -> Credential:
    credential, (uid, gid, mode, _) = task.credential, program.owner
    uids, gids = credential.uids, credential.gids
    if task.world.spec.no_new_privileges:
        mode = 0
    if mode & changing.SETUID:
        uids = Ids(uids.real, uid, uid, uid)
    if mode & changing.SETGID and mode & 0o010:
        gids = Ids(gids.real, gid, gid, gid)
    uids = uids._replace(saved=uids.effective)
    gids = gids._replace(saved=gids.effective)
    return Credential.of(uids, gids, credential.groups)


# -- argument lists of scripts


def _argument_list(task: Task, before: list[bytes], address: int) -> bytes:
    """A new list: the strings of `before`, then pointers to all arguments but the first. It knows where it will lie."""
    pointers = _pointers(task, address)[1:] if address else []
    text = b"".join(part + b"\0" for part in before)
    size = 8 * (len(before) + len(pointers) + 1)
    at = _next_address(task, size + len(text)) + size
    found = []
    for part in before:
        found.append(at)
        at += len(part) + 1
    return pack(f"<{len(found) + len(pointers) + 1}Q", *found, *pointers, 0) + text


def _next_address(task: Task, size: int) -> int:
    """Where the scratch space will put the next `size` bytes."""
    space = task.space
    if size <= SLOT:
        free = ~space.used & (space.used + 1)
        return START + (free.bit_length() - 1) * SLOT
    free = ~space.used_large & (space.used_large + 1)
    return START + SLOTS * SLOT + (free.bit_length() - 1) * LARGE


def _pointers(task: Task, address: int) -> list[int]:
    found: list[int] = []
    while True:
        size = 4096 - address % 4096
        part = memory.read(task, address, size - size % 8 or 8)
        values = unpack(f"<{len(part) // 8}Q", part)
        if 0 in values:
            return found + list(values[: values.index(0)])
        found += values
        address += len(part)
        if len(found) * 8 > LARGE:
            raise fail(errno.E2BIG)
