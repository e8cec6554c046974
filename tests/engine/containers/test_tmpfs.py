"""Folders that stand for tmpfs."""

import os

import pytest

from voldemo.engine import nodes
from voldemo.engine.containers import tmpfs
from voldemo.engine.errors import Failed


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", tmpfs.Options()),
        ("rw,noexec,size=64k", tmpfs.Options(size=65536, no_exec=True)),
        ("size=1G,mode=700,uid=5,gid=6,ro", tmpfs.Options(1 << 30, 0o700, 5, 6, True)),
    ],
)
def test_options(text, wanted):
    assert tmpfs.parse(text) == wanted


@pytest.mark.parametrize(("text", "wanted"), [("", True), ("exec", False), ("exec,noexec", True), ("size=1k", True)])
def test_programs_run_only_where_it_is_asked_for(text, wanted):
    assert tmpfs.parse(text, no_exec=True).no_exec is wanted


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("foo=1", 'invalid tmpfs option "foo"'),
        ("foo", 'invalid tmpfs option "foo"'),
        ("size=zz", "invalid argument"),
        ("size=-1", "invalid argument"),
        ("mode=9", "invalid argument"),
        ("uid=x", "invalid argument"),
    ],
)
def test_options_that_are_refused(text, said):
    with pytest.raises(Failed) as caught:
        tmpfs.parse(text)
    assert said in str(caught.value)


@pytest.fixture
def folders(tmp_path):
    made = tmpfs.Folders(tmp_path)
    made.open()
    yield made
    made.close()


def test_owner_and_mode(folders):
    place = folders.make("c/0", tmpfs.Options(mode=0o1777, uid=5, gid=6), 0o755)
    node = nodes.read(os.fsencode(place))
    assert (node.uid, node.gid, place.stat().st_mode & 0o7777) == (5, 6, 0o1777)


def test_gone_when_removed(folders):
    place = folders.make("c/0", tmpfs.Options(), 0o755)
    (place / "f").write_text("x")
    folders.remove("c")
    assert not place.exists()
    folders.remove("c")


def test_what_a_killed_engine_left_is_swept(tmp_path):
    killed = tmpfs.Folders(tmp_path)
    killed.open()
    place = killed.make("c/0", tmpfs.Options(), 0o755)
    again = tmpfs.Folders(tmp_path)
    again.open()
    assert not place.exists()
    again.close()
    assert not again.folder.exists()
