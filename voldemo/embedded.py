"""The engine of our own, as a process beside the kernels: started once, reused by all, ended only when told to.

It speaks Docker's API on a socket in voldemo's home; everything else about it is in `voldemo.engine`.
"""

from __future__ import annotations

import errno
import fcntl
import os
import platform
import select
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from voldemo.home import home, key
from voldemo.words import Sentence

SOCKET_BYTES = 107  # what Linux takes as a socket's path
START_SECONDS = 60  # a store that was cut short is put in order first
REASON_BYTES = 4096
STOP_SECONDS = 60  # containers get the ten seconds that `docker stop` grants them
CREDENTIALS = struct.Struct("=iii")  # pid, uid, gid
ATTRIBUTE = "user.voldemo.probe"
PROGRAM = (sys.executable, "-X", "utf8", "-m", "voldemo.engine")  # a container's names are UTF-8, whatever ours are
# Where buildx is installed, `docker build` and Compose would ask for BuildKit, which this engine has not.
CLASSIC_BUILDER = {"DOCKER_BUILDKIT": "0"}


@dataclass(frozen=True)
class Place:
    """Where an embedded engine keeps everything, and where it is spoken to."""

    root: Path
    socket: Path
    log: Path
    lock: Path

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    @property
    def variables(self) -> dict[str, str]:
        """What makes the docker command and Compose use this engine."""
        return {"DOCKER_HOST": self.url, **CLASSIC_BUILDER}


def place() -> Place:
    """This home's engine. Where home is no good for a store or a socket, in a temporary folder of the home's own."""
    ours = home()
    near = ours if len(os.fsencode(ours / "engine.sock")) <= SOCKET_BYTES else temporary()
    store = ours if keeps_attributes(ours) else temporary()
    return Place(store / "engine", near / "engine.sock", ours / "engine.log", ours / "engine.lock")


def temporary() -> Path:
    """A folder only we can write to, though anybody may make one by its name: that one is refused."""
    folder = Path(tempfile.gettempdir()) / f"voldemo-{key()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o077:
        raise Sentence("embedded.not_ours", folder=folder)
    return folder


def keeps_attributes(folder: Path) -> bool:
    """Can owners be written beside files there? Network homes often cannot."""
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        try:
            os.setxattr(file.fileno(), ATTRIBUTE, b"")
        except (AttributeError, OSError):  # not Linux; not there
            return False
    return True


def start() -> Place:
    """The running engine's place; one is started if none runs. Raises Sentence where it cannot run."""
    require_machine()
    where = place()
    with _alone(where.lock):  # two kernels at once: the second finds the first one's engine
        if pid(where) is None:
            _launch(where)
    return where


def require_machine() -> None:
    if sys.platform != "linux" or platform.machine() != "x86_64":
        raise Sentence("embedded.machine", machine=f"{platform.system()} {platform.machine()}")


def pid(where: Place) -> int | None:
    """The process that listens on the socket, as the system knows it; None: nobody does."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(where.socket))
            return CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size))[0]
    except (FileNotFoundError, ConnectionRefusedError):
        return None
    except OSError as error:
        raise Sentence("embedded.silent", url=where.url, why=error.strerror) from error


def stop() -> int | None:
    """End the engine as SIGTERM does, and its containers with it; its pid, or None where none runs."""
    where = place()
    with _alone(where.lock):
        number = pid(where)
        if number is None:
            return None
        with _watched(number) as ended:
            os.kill(number, signal.SIGTERM)
            if not select.select([ended], [], [], STOP_SECONDS)[0]:
                raise Sentence("embedded.stays", pid=number, seconds=STOP_SECONDS)
    return number


@contextmanager
def trial() -> Iterator[Place]:
    """An engine with nothing in it, for as long as the block lasts: can one run here?"""
    require_machine()
    with tempfile.TemporaryDirectory(prefix="vd-", dir=place().root.parent) as name:
        folder = Path(name)
        short = Path(tempfile.mkdtemp(prefix="vd-"))
        where = Place(folder / "root", short / "engine.sock", folder / "log", folder / "lock")
        try:
            process = _launch(where)
            yield where
            process.terminate()
            process.wait(STOP_SECONDS)
        finally:
            shutil.rmtree(short)


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    with lock.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _launch(where: Place) -> subprocess.Popen:
    """A process in a session of its own, so that it outlives us. It writes one line when it listens."""
    with _log(where.log) as said:
        process = subprocess.Popen(
            [*PROGRAM, "--socket", where.socket, "--root", where.root],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=said,
            cwd="/",
            start_new_session=True,
        )
    with process.stdout as pipe:
        heard = select.select([pipe], [], [], START_SECONDS)[0] and pipe.readline()
    if not heard:
        process.kill()
        process.wait()
        raise Sentence("embedded.refused", why=_last_line(where.log))
    threading.Thread(target=process.wait, daemon=True).start()  # should it end before us, nothing is left of it
    return process


def _log(path: Path) -> IO[bytes]:
    """A new one, with room for a reason: on a full disk an engine could not say why it ends."""
    try:
        with path.open("wb") as file:
            file.write(b"\n" * REASON_BYTES)
        return path.open("r+b")
    except OSError as error:
        raise Sentence("embedded.refused", why=f"{path}: {error.strerror}") from error


def _last_line(log: Path) -> str:
    """Why the engine ended: it says so in its last line, after its own name."""
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    said = next((line.strip() for line in reversed(lines) if line.strip()), os.strerror(errno.ETIMEDOUT))
    return said.removeprefix("voldemo.engine: ").rstrip(".")


@contextmanager
def _watched(number: int) -> Iterator[int]:
    """Readable once that very process has ended: a number alone could be somebody else's by then."""
    descriptor = os.pidfd_open(number)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
