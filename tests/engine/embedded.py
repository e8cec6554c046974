"""An embedded engine of its own for a test run, with the pinned images where their tars are at hand."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from docker import DockerClient
from docker.errors import DockerException

IMAGES = Path(__file__).parents[2] / ".cache" / "images"
NEEDED = ("busybox-1.37.tar", "debian-13-slim.tar")
PATIENCE = 30.0  # seconds to start, and to stop


@contextmanager
def embedded(images: tuple[str, ...] = NEEDED) -> Iterator[str]:
    """The URL of an engine that lives as long as the block."""
    folder = Path(tempfile.mkdtemp(prefix="vd-"))  # a socket's path must stay short
    try:
        with _process(folder) as url:
            _load(url, images)
            yield url
    finally:
        shutil.rmtree(folder)


@contextmanager
def _process(folder: Path) -> Iterator[str]:
    socket, log = folder / "engine.sock", folder / "engine.log"
    command = [sys.executable, "-m", "voldemo.engine", "--socket", socket, "--root", folder / "root"]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        _await(process, f"unix://{socket}", log)
        yield f"unix://{socket}"
    finally:
        process.send_signal(signal.SIGTERM)
        code = _wait(process)
        said = log.read_text(errors="replace")
        if os.environ.get("VOLDEMO_ENGINE_LOG"):
            Path(os.environ["VOLDEMO_ENGINE_LOG"]).write_text(said)
    assert code == 0, f"the engine ended with {code}:\n{said[-4000:]}"


def _await(process: subprocess.Popen, url: str, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while not _answers(url):
        if process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(f"the engine does not answer:\n{log.read_text(errors='replace')[-4000:]}")
        time.sleep(0.05)


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
            if (IMAGES / name).exists():
                with (IMAGES / name).open("rb") as tar:
                    client.images.load(tar)
