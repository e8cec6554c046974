"""A container without an engine: a tracer in a forked child, the machine's own programs borrowed."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from voldemo.engine import nodes
from voldemo.engine.runtime.spec import ROOT_PATH, ExecFailed, Mount, Program, Spec, User
from voldemo.engine.runtime.tracer import Tracer

BORROWED = tuple(Mount(path, path, "bind", read_only=True) for path in ("/usr", "/bin", "/sbin", "/lib", "/lib64"))
PYTHON = "/usr/bin/python3"

ROOT = User()


class Result(NamedTuple):
    code: int
    out: str
    failed: tuple[int, str] | None = None


class Box:
    """One container's files; `run` may be called again and again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.upper = folder / "container" / "upper"
        self.upper.mkdir(parents=True)
        self.exe = folder / "exe"
        self.layers: list[Path] = []
        self.mounts: list[Mount] = []
        self.more: dict[str, object] = {}

    # -- what is in it

    def layer(self, entries: dict[str, str | None], owners: dict[str, tuple[int, int, int]] | None = None) -> Path:
        """A layer on top of those there are. None: a directory; a leading ">": a symbolic link."""
        tree = self.folder / f"layer{len(self.layers)}"
        tree.mkdir()
        for name, content in entries.items():
            _entry(tree / name, content)
        for name, (uid, gid, mode) in (owners or {}).items():
            path = tree / name
            nodes.give(os.fsencode(path), uid, gid, mode, nodes.LAYER if path.is_file() else 0)
        self.layers.insert(0, tree)
        return tree

    def mount(self, target: str, kind: str = "volume", **more: object) -> Path:
        source = self.folder / ("mounted" + target.replace("/", "-"))
        source.mkdir(exist_ok=True)
        self.mounts.append(Mount(target, str(source), kind, **more))  # type: ignore[arg-type]
        return source

    # -- running

    def spec(self, argv: Sequence[str], user: User, cwd: str) -> Spec:
        program = Program(tuple(argv), (f"PATH={ROOT_PATH}", "HOME=/root", "LC_ALL=C"), cwd, user)
        layers = tuple(str(layer) for layer in self.layers)
        mounts = (*BORROWED, *self.mounts)
        return Spec("0123456789ab", program, str(self.upper), layers, mounts, hostname="box", **self.more)  # type: ignore[arg-type]

    def run(self, *argv: str, user: User = ROOT, cwd: str = "/") -> Result:
        return start(self.spec(argv, user, cwd), self.exe)

    def sh(self, script: str, **more: object) -> str:
        return self.run("/bin/sh", "-c", script, **more).out  # type: ignore[arg-type]

    def bash(self, script: str, **more: object) -> str:
        return self.run("/bin/bash", "-c", script, **more).out  # type: ignore[arg-type]

    def python(self, source: str, **more: object) -> str:
        return self.run(PYTHON, "-IS", "-c", source, **more).out  # type: ignore[arg-type]


def _entry(path: Path, content: str | None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if content is None:
        path.mkdir(exist_ok=True)
    elif content.startswith(">"):
        path.symlink_to(content[1:])
    else:
        path.write_text(content)
        nodes.give(os.fsencode(path), 0, 0, 0o644, nodes.LAYER)


def start(spec: Spec, exe: Path) -> Result:
    out_read, out_write = os.pipe()
    told_read, told_write = os.pipe()
    pid = os.fork()
    if pid == 0:
        _child(spec, exe, out_write, told_write)
    os.close(out_write)
    os.close(told_write)
    out, told = _all(out_read), _all(told_read)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert status == 0, out.decode(errors="replace")
    code, _, failed = told.decode().partition(" ")
    text = out.decode(errors="surrogateescape")
    return Result(int(code), text, (int(failed.split()[0]), failed.split()[1]) if failed else None)


def _all(descriptor: int) -> bytes:
    with os.fdopen(descriptor, "rb") as file:
        return file.read()


def _child(spec: Spec, exe: Path, out: int, told: int) -> None:
    try:
        os.dup2(out, 2)  # what the tracer itself has to say belongs to the result
        code = _serve(spec, exe, out)
        os.write(told, code.encode())
        os._exit(0)
    except BaseException:
        traceback.print_exc(file=sys.__stderr__)
        sys.__stderr__.flush()
    finally:
        os._exit(1)


def _serve(spec: Spec, exe: Path, out: int) -> str:
    codes: dict[int, int] = {}
    null = os.open("/dev/null", os.O_RDWR)
    tracer = Tracer(spec, os.fsencode(exe))
    try:
        init = tracer.spawn(spec.program, (null, out, out))
    except ExecFailed as error:
        return f"127 {error.errno} {error.what}"
    control, _other = os.pipe()
    tracer.serve(control, lambda: None, lambda pid, code: codes.update({pid: code}))
    return str(codes[init])
