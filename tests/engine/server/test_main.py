"""python -m voldemo.engine: how it starts, how it refuses, how it stops."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.server.raw import Client

PATIENCE = 20


@pytest.fixture
def folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="vd-main-"))
    yield folder
    shutil.rmtree(folder)


class Engine:
    def __init__(self, folder: Path, name: str = "s", root: str = "root") -> None:
        self.socket = folder / name
        reader, writer = os.pipe()
        command = [sys.executable, "-m", "voldemo.engine", "--socket", self.socket, "--root", folder / root]
        self.process = subprocess.Popen(
            [*command, "--ready-fd", str(writer)],
            pass_fds=[writer], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        os.close(writer)
        with os.fdopen(reader) as ready:
            self.said = ready.readline()

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        self.process.send_signal(number)
        return self.end()

    def end(self) -> tuple[int, str]:
        _, errors = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, errors

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


@pytest.fixture
def start(folder: Path) -> Iterator[Callable[..., Engine]]:
    started: list[Engine] = []

    def start(**options: str) -> Engine:
        started.append(Engine(folder, **options))
        return started[-1]

    yield start
    for engine in started:
        engine.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_starts_answers_and_stops_without_a_trace(start: Callable[..., Engine], number: int) -> None:
    engine = start()
    assert engine.said == f"listening at unix://{engine.socket}\n"
    with Client(engine.socket) as client:
        assert client.ask("GET", "/_ping").body == b"OK"
        assert engine.stop(number) == (0, "")
    assert not engine.socket.exists()


def test_the_address_of_a_living_engine_is_refused(start: Callable[..., Engine]) -> None:
    first = start()
    second = start(root="other")
    wanted = f"voldemo.engine: another engine is running at {first.socket}: stop it, or use another socket\n"
    assert second.end() == (1, wanted)
    with Client(first.socket) as client:
        assert client.ask("GET", "/_ping").status == 200
    assert first.stop()[0] == 0


def test_the_folder_of_a_living_engine_is_refused(start: Callable[..., Engine]) -> None:
    first = start()
    second = start(name="t")
    code, said = second.end()
    assert (code, said.count("\n")) == (1, 1)
    assert "another engine is using" in said
    assert not second.socket.exists()
    assert first.stop()[0] == 0


def test_a_socket_that_was_left_behind_is_replaced(start: Callable[..., Engine]) -> None:
    first = start()
    first.process.kill()
    first.end()
    assert first.socket.exists()
    second = start()
    with Client(second.socket) as client:
        assert client.ask("GET", "/_ping").status == 200
    assert second.stop()[0] == 0


def test_a_client_in_the_middle_of_something_does_not_keep_it(start: Callable[..., Engine]) -> None:
    engine = start()
    with socket.socket(socket.AF_UNIX) as half, Client(engine.socket) as listener:
        half.connect(str(engine.socket))
        half.sendall(b"PUT /x HTTP/1.1\r\nHost: d\r\nContent-Length: 10\r\n\r\nabc")
        listener.send(b"GET /events HTTP/1.1\r\nHost: d\r\n\r\n")
        listener.head()
        assert engine.stop() == (0, "")
