"""What a program is started with, and what is said when it cannot be."""

from __future__ import annotations

import errno
from typing import Any

from voldemo.engine import errors
from voldemo.engine.runtime.launcher import ExecFailed
from voldemo.engine.runtime.spec import ROOT_PATH, Program

CREATE = (
    "failed to create task for container: failed to create shim task: OCI runtime create failed: "
    "runc create failed: unable to start container process: error during container init: "
)
NOT_FOUND, NOT_EXECUTABLE = 127, 126


class NoProgram(errors.BadParameter):
    """The program could not be started; `code` is what the container exits with."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code


def explain(error: ExecFailed, program: Program, before: str) -> NoProgram | errors.Failed:
    """In the words of the program that Docker uses for it."""
    name = program.argv[0] if program.argv else ""
    match error.errno:
        case errno.ENOENT | errno.ENOTDIR if error.what == "cwd":
            why = f'chdir to cwd ("{program.cwd}") set in config.json failed: no such file or directory'
            return NoProgram(before + why, NOT_FOUND)
        case _ if error.what == "cwd":
            return NoProgram(
                before + f'chdir to cwd ("{program.cwd}") set in config.json failed: permission denied', 126
            )
        case errno.ENOENT | errno.ENOTDIR if "/" in name:
            return NoProgram(f'{before}exec: "{name}": stat {name}: no such file or directory', NOT_FOUND)
        case errno.ENOENT:
            return NoProgram(f'{before}exec: "{name}": executable file not found in $PATH', NOT_FOUND)
        case errno.EISDIR:
            return NoProgram(f'{before}exec: "{name}": is a directory: permission denied', NOT_EXECUTABLE)
        case errno.EACCES | errno.EPERM:
            return NoProgram(f'{before}exec: "{name}": permission denied', NOT_EXECUTABLE)
        case errno.ENOEXEC:
            return NoProgram(f"{before}exec {name}: exec format error", NOT_EXECUTABLE)
        case number:
            return errors.Failed(f'{before}exec: "{name}": {error.what or errno.errorcode.get(number, number)}')


def environment(
    config: dict[str, Any],
    home: str,
    added: list[str] | None = None,
    tty: bool | None = None,
    linked: dict[str, str] | None = None,
) -> tuple[str, ...]:
    """In the order Docker builds it; the last one of a name counts."""
    known = {"PATH": ROOT_PATH, "HOSTNAME": config["Hostname"], **(linked or {})}
    if config["Tty"] if tty is None else tty:
        known["TERM"] = "xterm"
    for entry in (*config["Env"], *(added or ())):
        name, equals, value = entry.partition("=")
        if equals:
            known[name] = value
        else:
            known.pop(name, None)
    known.setdefault("HOME", home)
    return tuple(f"{name}={value}" for name, value in known.items())
