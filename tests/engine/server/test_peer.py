"""The socket: whose it is, who may speak to it, and what becomes of one that nobody answers at."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.server.raw import Client, Loop
from voldemo.engine import peer
from voldemo.engine.errors import Conflict, Failed


@pytest.fixture
def folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="vd-peer-"))
    yield folder
    shutil.rmtree(folder)


def test_only_its_user_may_open_it(folder: Path) -> None:
    with peer.listen(folder / "s"):
        assert (folder / "s").stat().st_mode & 0o777 == 0o600


def test_a_socket_nobody_answers_at_is_replaced(folder: Path) -> None:
    peer.listen(folder / "s").close()
    assert (folder / "s").exists()
    with peer.listen(folder / "s"), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(folder / "s"))


def test_a_living_engine_is_left_alone(folder: Path) -> None:
    with peer.listen(folder / "s"):
        with pytest.raises(Conflict, match="another engine is running at .*/s: stop it, or use another socket"):
            peer.listen(folder / "s")
        assert (folder / "s").exists()


def test_what_is_no_socket_is_left_alone(folder: Path) -> None:
    (folder / "s").write_text("precious")
    with pytest.raises(Conflict, match="is not a socket: it is left alone"):
        peer.listen(folder / "s")
    assert (folder / "s").read_text() == "precious"


@pytest.mark.parametrize(
    ("name", "text"), [("x" * 120, "is longer than the 107 bytes"), ("missing/s", "no such file or directory")]
)
def test_an_impossible_address_is_one_sentence(folder: Path, name: str, text: str) -> None:
    with pytest.raises(Failed, match=text):
        peer.listen(folder / name)


def test_only_the_socket_that_was_bound_is_removed(folder: Path) -> None:
    peer.listen(folder / "s").close()
    known = peer.identity(folder / "s")
    (folder / "s").rename(folder / "old")
    (folder / "s").touch()
    peer.remove(folder / "s", known)
    assert (folder / "s").exists()
    (folder / "old").rename(folder / "s")
    peer.remove(folder / "s", known)
    assert not (folder / "s").exists()


def test_another_user_is_turned_away(monkeypatch: pytest.MonkeyPatch) -> None:
    with Loop([]) as loop:
        with Client(loop.socket) as client:
            assert client.ask("GET", "/_ping").status == 404
        monkeypatch.setattr(peer, "uid_of", lambda _: 12345)
        with Client(loop.socket) as client:
            answer = client.ask("GET", "/_ping")
    wanted = "this engine serves the user who started it, and no other"
    assert (answer.status, answer.message) == (403, wanted)


def test_the_kernel_says_who_the_other_side_is(folder: Path) -> None:
    with peer.listen(folder / "s") as listener, socket.socket(socket.AF_UNIX) as client:
        client.connect(str(folder / "s"))
        accepted, _ = listener.accept()
        with accepted:
            assert peer.uid_of(accepted) == os.geteuid()
