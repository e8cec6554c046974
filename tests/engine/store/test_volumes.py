"""Volumes: Docker's rules and words, and a price that does not grow with their number."""

from __future__ import annotations

import os

import pytest

from voldemo.engine.errors import BadParameter, NotFound
from voldemo.engine.store import Store, tree_size


def test_made_found_and_gone(store, root):
    made = store.volumes.create("data", labels={"a": "b"})
    assert made.path == root / "volumes/data/_data"
    assert made.path.is_dir()
    assert (made.labels, made.options, made.kind, made.anonymous) == ({"a": "b"}, {}, "plain", False)
    assert store.volumes.create("data", labels={"other": ""}) == made
    assert store.volumes.list() == [made]
    store.volumes.remove("data")
    assert not made.path.exists()
    with pytest.raises(NotFound, match="^get data: no such volume$"):
        store.volumes.get("data")
    with pytest.raises(NotFound, match="^get data: no such volume$"):
        store.volumes.remove("data")
    store.volumes.remove("data", force=True)


def test_without_a_name_it_is_anonymous(store):
    made = store.volumes.create()
    assert len(made.name) == 64
    assert made.labels == {"com.docker.volume.anonymous": ""}
    assert made.anonymous


@pytest.mark.parametrize("name", ["x y", "-a", ".a", "a/b", "../a", "a\n", "é1", "a b"])
def test_names_that_are_none(store, name):
    with pytest.raises(BadParameter) as caught:
        store.volumes.create(name)
    assert str(caught.value) == (
        f'create {name}: "{name}" includes invalid characters for a local volume name, only '
        '"[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path'
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"foo": "bar"}, 'create vv: invalid option: "foo"'),
        ({"type": "none", "o": "bind"}, 'create vv: missing required option: "device"'),
        ({"type": "tmpfs", "o": "size=1m"}, 'create vv: missing required option: "device"'),
        ({"device": "/x"}, 'create vv: missing required option: "type"'),
        ({"o": "bind", "device": "/x"}, 'create vv: missing required option: "type"'),
        ({"size": "1g"}, "create vv: quota size requested but no quota support"),
    ],
)
def test_options_that_are_none(store, options, words):
    with pytest.raises(BadParameter) as caught:
        store.volumes.create("vv", options=options)
    assert str(caught.value) == words
    assert store.volumes.list() == []


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"type": "none", "o": "bind", "device": "/srv"}, "bind"),
        ({"type": "none", "o": "rbind,ro", "device": "/srv"}, "bind"),
        ({"type": "tmpfs", "device": "tmpfs", "o": "size=1m,uid=5"}, "tmpfs"),
        ({"type": "nfs", "device": ":/x", "o": "addr=1.2.3.4"}, "other"),
        ({"type": "cifs", "device": "//h/x"}, "other"),
    ],
)
def test_kinds_of_the_local_driver(store, options, kind):
    made = store.volumes.create("vv", options=options)
    assert (made.kind, made.device, made.options) == (kind, options["device"], options)


def test_other_refusals(store):
    with pytest.raises(BadParameter, match="volume name is too short, names should be at least two"):
        store.volumes.create("a")
    with pytest.raises(BadParameter, match="too long"):
        store.volumes.create("a" * 256)
    with pytest.raises(NotFound, match='^create vv: error looking up volume plugin nope: plugin "nope" not found$'):
        store.volumes.create("vv", driver="nope")


def test_volumes_outlive_the_engine(store, root):
    made = store.volumes.create("data", options={"type": "tmpfs", "device": "tmpfs"}, labels={"ü": "\n"})
    (made.path / "file").write_bytes(b"x")
    store.close()
    again = Store.open(root)
    assert again.volumes.get("data") == made
    assert again.volumes.size("data") == 1
    again.close()


def test_sizes(store, tmp_path):
    made = store.volumes.create("data")
    (made.path / "a").write_bytes(b"x" * 1000)
    os.link(made.path / "a", made.path / "b")
    (made.path / "d").mkdir()
    (made.path / "d/l").symlink_to("12345")
    assert store.volumes.size("data") == tree_size(made.path) == 1005
