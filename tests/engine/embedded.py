"""An embedded engine of its own for a test run, with the pinned images where their tars are at hand."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import h11
from docker import DockerClient
from docker.errors import DockerException

import voldemo

IMAGES = Path(__file__).parents[2] / ".cache" / "images"
NEEDED = ("busybox-1.37.tar", "debian-13-slim.tar")
ORDINARY = 1000  # the uid of a user who is not root
PYTHONS = (sys.executable, "/usr/bin/python3")
PATIENCE = 30.0  # seconds to start, and to stop


@contextmanager
def embedded(images: tuple[str, ...] = NEEDED) -> Iterator[str]:
    """The URL of an engine that lives as long as the block."""
    with Engine(images=images) as engine:
        yield engine.url


def somebody() -> list[int]:
    """Those it must run for: whoever runs the tests, and, where root does, an ordinary user too."""
    return [0, ORDINARY] if os.geteuid() == 0 else [os.geteuid()]


class Engine:
    """A process that can be killed, and started again on what it left."""

    def __init__(self, uid: int | None = None, images: tuple[str, ...] = NEEDED) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="vd-"))  # a socket's path must stay short
        self.url = f"unix://{self.folder / 'engine.sock'}"
        self._log = self.folder / "engine.log"
        self._images = images
        self._cwd: Path | None = None
        self._python = [sys.executable]
        if uid not in (None, os.geteuid()):
            self._become(uid)

    def __enter__(self) -> Engine:
        try:
            self.start()
            _load(self.url, self._images)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.stop()
        finally:
            shutil.rmtree(self.folder)

    def start(self) -> None:
        command = [*self._python, "-m", "voldemo.engine", "--socket", self.url[7:], "--root", self.folder / "root"]
        with self._log.open("ab") as output:
            self.process = subprocess.Popen(
                command, cwd=self._cwd, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        deadline = time.monotonic() + PATIENCE
        while not _answers(self.url):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the engine does not answer:\n{self.said()}")
            time.sleep(0.05)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        code = _wait(self.process)
        if os.environ.get("VOLDEMO_ENGINE_LOG"):
            Path(os.environ["VOLDEMO_ENGINE_LOG"]).write_text(self._log.read_text(errors="replace"))
        assert code == 0, f"the engine ended with {code}:\n{self.said()}"

    def kill_everything(self) -> None:
        """SIGKILL for the engine, its tracers and all they trace. Nothing of it is left afterwards."""
        handles = [os.pidfd_open(pid) for pid in (self.process.pid, *below(self.process.pid))]
        try:
            for handle in handles:
                signal.pidfd_send_signal(handle, signal.SIGKILL)
            for handle in handles:
                ended, _, _ = select.select([handle], [], [], PATIENCE)
                assert ended, "something outlives its SIGKILL"
        finally:
            for handle in handles:
                os.close(handle)
        self.process.wait()

    def said(self) -> str:
        return self._log.read_text(errors="replace")[-4000:]

    def _become(self, uid: int) -> None:
        """Another user may not be able to read this repository, nor its interpreter."""
        who = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--no-new-privs", "--"]
        self._cwd = self.folder / "code"
        for package in (Path(voldemo.__path__[0]), Path(h11.__path__[0])):
            shutil.copytree(package, self._cwd / package.name, ignore=shutil.ignore_patterns("__pycache__"))
        subprocess.run(["chmod", "-R", "a+rX", self._cwd], check=True)
        os.chown(self.folder, uid, uid)
        self._python = next([*who, python] for python in PYTHONS if _runs([*who, python]))


def _runs(python: list[str]) -> bool:
    """By itself, too: setpriv still has root's rights when it starts it."""
    check = "import os, sys; sys.exit(sys.version_info < (3, 11) or not os.access(sys.executable, os.X_OK))"
    return subprocess.run([*python, "-c", check], stderr=subprocess.DEVNULL, cwd="/").returncode == 0


def below(pid: int) -> Iterator[int]:
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, file.read_text().split()):
            yield child
            yield from below(child)


def _answers(url: str) -> bool:
    try:
        with closing(DockerClient(url, version="1.47", timeout=5)) as client:
            return client.ping()
    except (DockerException, OSError):
        return False


def _wait(process: subprocess.Popen) -> int:
    try:
        return process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _load(url: str, images: tuple[str, ...]) -> None:
    with closing(DockerClient(url, timeout=120)) as client:
        for name in images:
            if os.access(IMAGES / name, os.R_OK):
                with (IMAGES / name).open("rb") as tar:
                    client.images.load(tar)
