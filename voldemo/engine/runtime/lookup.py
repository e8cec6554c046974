"""Which file a program's name means, found before there is a process, so that a refusal costs none."""

from __future__ import annotations

import errno
import os

from voldemo.engine.runtime import owners
from voldemo.engine.runtime.credentials import EXECUTE, SUPERUSER, Credential
from voldemo.engine.runtime.directory import Found
from voldemo.engine.runtime.raw import DIRECTORY, REGULAR, kind
from voldemo.engine.runtime.scratch import Space
from voldemo.engine.runtime.spec import ROOT_PATH, ExecFailed, Program
from voldemo.engine.runtime.task import Place, Task
from voldemo.engine.runtime.world import World


def locate(world: World, credential: Credential, program: Program) -> tuple[bytes, bytes]:
    """The path to execute, and the canonical working directory."""
    outsider = Task(world, world.init, credential, Place(b"", 0), Space())
    try:
        cwd = _directory(outsider, os.fsencode(program.cwd or "/"))
        return _program(outsider, cwd, program), cwd
    finally:
        outsider.release()


def _directory(task: Task, path: bytes) -> bytes:
    credential = task.credential
    task.credential = SUPERUSER
    try:
        found = task.world.tree.find(task, path if path[:1] == b"/" else b"/" + path)
        if kind(found.mode) != DIRECTORY:
            raise OSError(errno.ENOTDIR if found.mode else errno.ENOENT, "")
        directory = task.world.tree.directory_of(task, found)
        return directory.path
    except OSError as error:
        raise ExecFailed(error.errno or errno.EIO, "cwd") from error
    finally:
        task.credential = credential


def _program(task: Task, cwd: bytes, program: Program) -> bytes:
    name = os.fsencode(program.argv[0])
    if b"/" in name:
        return name
    refused = errno.ENOENT
    for folder in _search_path(program).split(b":"):
        path = (folder.rstrip(b"/") if folder else cwd) + b"/" + name
        try:
            found = task.world.tree.find(task, path, True, cwd)
        except OSError:
            continue
        if _runnable(task, found):
            return path
        if found.mode and kind(found.mode) != DIRECTORY:
            refused = errno.EACCES
    raise ExecFailed(refused, "lookup")


def _runnable(task: Task, found: Found) -> bool:
    return kind(found.mode) == REGULAR and task.credential.may(owners.of(found), EXECUTE)


def _search_path(program: Program) -> bytes:
    for entry in program.env:
        if entry.startswith("PATH="):
            return os.fsencode(entry[5:])
    return os.fsencode(ROOT_PATH)
