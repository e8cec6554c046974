"""The engine's view of a container's root: layers, what the container changed, mounts, and links that stay inside."""

# Paths are bytes here.
# ruff: noqa: PTH102, PTH106, PTH108, PTH123, PTH211

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path
from typing import NamedTuple

import pytest

from engine.store.made import directory, entry, hardlink, joined, stream, symlink, tar
from voldemo.engine import nodes
from voldemo.engine.errors import BadParameter, Forbidden, NotFound
from voldemo.engine.store import Union
from voldemo.engine.store.copies import copy_special


class Mount(NamedTuple):
    target: str
    source: str
    kind: str = "volume"
    read_only: bool = False
    within: str = ""


class Root:
    """A container's tree, changed as its tracer changes it."""

    def __init__(self, upper: Path, layers: list[Path]) -> None:
        self.path = upper
        self.upper = os.fsencode(upper)
        self.layers = layers
        self.union = Union(upper, layers)

    def look(self, name: str) -> bytes:
        return self.union.writable(self.union.lookup(name, follow=False))

    def complete(self, name: str) -> bytes:
        """As before a directory is listed: all it shows is in `upper`."""
        folder = self.union.lookup(name, follow=False)
        real = self.union.writable(folder)
        for child in self.union.list(name):
            place = real + b"/" + child.parts[-1]
            if child.is_dir:
                self.union.writable(child)
            elif not os.path.lexists(place) and child.is_link:
                copy_special(child, place)
            elif not os.path.lexists(place):
                os.link(child.real, place)
        nodes.give(real, folder.uid, folder.gid, folder.mode, nodes.COMPLETE)
        return real

    def remove(self, name: str) -> None:
        folder, _, last = name.rpartition("/")
        os.unlink(self.complete(folder or "/") + b"/" + last.encode())


@pytest.fixture
def rooted(store):
    def make(*layers) -> Root:
        store.containers.put("c1", {})
        trees = [store.layers.add_tar(stream(*entries)).path for entries in reversed(layers)]
        return Root(store.containers.upper("c1"), trees)

    return make


BASE = (
    directory("etc"),
    entry("etc/passwd", b"root", uid=0, mtime=100),
    entry("etc/group", b"group", gid=9, mode=0o640, mtime=100),
    entry("etc/gone", b"x"),
    directory("data", 0o700, uid=70, gid=71, mtime=50),
    entry("data/one", b"1", uid=70, mtime=100),
    directory("data/sub"),
    entry("data/sub/two", b"22", mtime=100),
    symlink("link", "/etc/passwd", uid=3, gid=4),
    symlink("up", "../../../../etc"),
    symlink("loop", "loop"),
    entry("busy", b"box" * 100, mode=0o755, mtime=100),
    hardlink("sh", "busy"),
)
MORE = (
    entry("etc/.wh.gone", b""),
    entry("etc/new", b"new"),
    directory("opaque"),
    entry("opaque/.wh..wh..opq", b""),
    entry("opaque/own", b"own"),
)


def test_lookup_through_layers(rooted):
    root = rooted((*BASE, directory("opaque"), entry("opaque/below", b"")), MORE)
    union = root.union
    assert union.read_file("/etc/passwd") == b"root"
    assert union.lookup("/etc/gone") is None
    assert union.lookup("/etc/.wh.gone") is None
    assert [found.parts[-1] for found in union.list("/etc")] == [b"group", b"new", b"passwd"]
    assert [found.parts[-1] for found in union.list("opaque")] == [b"own"]
    found = union.lookup("/data")
    assert (found.uid, found.gid, found.mode, found.kind) == (70, 71, 0o700, "dir")
    assert not any(root.path.iterdir())  # looking changes nothing


def test_links_stay_inside(rooted):
    union = rooted(BASE).union
    assert union.lookup("/link").path == b"/etc/passwd"
    found = union.lookup("/link", follow=False)
    assert (found.kind, found.link, found.uid, found.gid) == ("symlink", b"/etc/passwd", 3, 4)
    assert union.read_file("/up/passwd") == b"root"
    assert union.lookup("/../../etc/../etc/passwd").path == b"/etc/passwd"
    with pytest.raises(BadParameter, match="too many levels"):
        union.lookup("/loop")
    with pytest.raises(NotFound):
        union.read_file("/nothing")
    with pytest.raises(BadParameter):
        union.read_file("/etc")


def test_a_layers_file_over_a_directory_and_back(rooted):
    root = rooted(
        (directory("a"), entry("a/x", b""), entry("b", b"file")),
        (entry("a", b"now a file"), directory("b"), entry("b/y", b"")),
        (directory("a"), entry("a/z", b"")),
    )
    assert [found.path for found in root.union.walk("/")] == [b"/", b"/a", b"/a/z", b"/b", b"/b/y"]


def test_untouched_is_unchanged(rooted):
    root = rooted(BASE, MORE)
    assert root.union.changes() == []
    for name in ("/", "/etc", "/data", "/data/sub", "/opaque"):
        root.complete(name)
    assert root.union.changes() == []
    assert root.union.size_rw() == 0


def test_changes_are_told_as_docker_tells_them(rooted):
    root = rooted(BASE, MORE)
    (root.path / "added").write_bytes(b"12345")
    root.remove("/etc/group")
    place = root.look("/data") + b"/one"
    with open(place, "wb") as file:
        file.write(b"changed")
    os.mkdir(root.upper + b"/dir")
    nodes.give(root.upper + b"/dir", 0, 0, 0o755, nodes.COMPLETE)
    os.symlink("t", root.upper + b"/dir/l")
    assert [tuple(change) for change in root.union.changes()] == [
        ("A", "/added"),
        ("C", "/data"),
        ("C", "/data/one"),
        ("A", "/dir"),
        ("A", "/dir/l"),
        ("C", "/etc"),
        ("D", "/etc/group"),
    ]
    assert root.union.size_rw() == 5 + 7 + 1


def test_a_copy_that_says_the_same_is_no_change_but_costs(rooted):
    root = rooted(BASE)
    place = root.upper + b"/busy"
    with open(place, "wb") as file:
        file.write(b"box" * 100)
    nodes.give(place, 0, 0, 0o755)
    os.utime(place, (100, 100))
    assert root.union.changes() == []
    assert root.union.size_rw() == 300
    nodes.give(place, 0, 0, 0o700)
    assert root.union.changes() == [("C", "/busy")]


def test_a_directory_made_anew_hides_what_was_in_it(rooted):
    root = rooted(BASE)
    root.complete("/")
    root.look("/data/sub")
    os.rmdir(root.upper + b"/data/sub")
    os.rmdir(root.upper + b"/data")
    os.mkdir(root.upper + b"/data")
    nodes.give(root.upper + b"/data", 0, 0, 0o755, nodes.COMPLETE)
    assert root.union.list("/data") == []
    assert root.union.changes() == [("C", "/data"), ("D", "/data/one"), ("D", "/data/sub")]


def test_the_engines_own_files_are_no_changes(rooted):
    root = rooted((entry("bin", b""),))
    for name in ("etc", "proc", "dev"):
        (root.path / name).mkdir()
    for name in ("etc/hosts", "etc/hostname", "etc/resolv.conf", ".dockerenv"):
        (root.path / name).touch()
    assert root.union.changes() == []
    (root.path / "etc/mine").touch()
    assert root.union.changes() == [("C", "/etc"), ("A", "/etc/mine")]
    assert root.union.changes(exclude=["/etc/mine"]) == []


def test_odd_names(rooted):
    root = rooted((entry("caf\udce9", b"e"),))
    with open(root.upper + b"/new\nline\xff", "wb"):
        pass
    assert [tuple(change) for change in root.union.changes()] == [("A", "/new\nline\ufffd")]
    assert root.union.read_file("/caf\udce9") == b"e"
    assert sorted(read(root.union.pack("/", b"."))) == [".", "caf\udce9", "new\nline\udcff"]


@pytest.mark.parametrize("running", [False, True])
def test_a_layer_of_the_changes_shows_the_same_root(rooted, store, running):
    root = rooted(BASE, MORE)
    root.remove("/etc/group")
    (root.path / "added").write_bytes(b"12345")
    os.link(root.path / "added", root.path / "again")
    nodes.give(os.fsencode(root.path / "added"), 8, 9, 0o4711)
    os.symlink("/etc", root.upper + b"/s")
    os.mkfifo(root.upper + b"/fifo")
    with open(root.look("/data") + b"/one", "wb") as file:
        file.write(b"changed")
    layer = store.layers.add_changes(root.path, root.layers, running=running)
    shown = {found.path: (found.kind, found.uid, found.gid, found.mode, found.link) for found in root.union.walk()}
    again = Union(None, [layer.path, *root.layers])
    assert {found.path: (found.kind, found.uid, found.gid, found.mode, found.link) for found in again.walk()} == shown
    assert again.read_file("/data/one") == b"changed"
    assert again.lookup("/added").stat.st_ino == again.lookup("/again").stat.st_ino
    shared = (layer.path / "data/one").stat().st_ino == (root.path / "data/one").stat().st_ino
    assert shared != running
    assert not nodes.read(os.fsencode(root.path / "added")).flags  # its two names stay one file
    assert root.union.size_rw() == 5 + 7 + 4
    data = joined(store.layers.tar(layer.diff_id))
    assert store.layers.add_tar(io.BytesIO(data)) == layer
    assert list(read([data])) == ["added", "again", "data", "data/one", "etc", "etc/.wh.group", "fifo", "s"]


def test_a_shared_file_is_the_layers_from_then_on(rooted, store):
    root = rooted(BASE)
    (root.path / "mine").write_bytes(b"x")
    store.layers.add_changes(root.path, root.layers, running=False)
    assert nodes.read(os.fsencode(root.path / "mine")).flags & nodes.LAYER
    assert root.union.changes() == [("A", "/mine")]


def test_the_same_changes_are_the_same_layer(rooted, store):
    root = rooted(BASE)
    for name in ("b", "a", "c"):
        (root.path / name).write_bytes(name.encode())
        os.utime(root.path / name, (5, 5))
    one = store.layers.add_changes(root.path, root.layers, running=True)
    assert store.layers.add_changes(root.path, root.layers, running=True) == one


def read(pieces) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(joined(pieces)), errors="surrogateescape") as archive:
        return {info.name: info for info in archive}


def test_packing(rooted):
    root = rooted(BASE, MORE)
    found = read(root.union.pack("/data"))
    assert list(found) == ["data", "data/one", "data/sub", "data/sub/two"]
    assert (found["data"].uid, found["data"].mode, found["data/one"].size) == (70, 0o700, 1)
    assert read(root.union.pack("/link"))["link"].linkname == "/etc/passwd"
    whole = read(root.union.pack("/", b"."))
    assert whole["sh"].islnk()
    assert whole["sh"].linkname == "busy"
    assert "etc/gone" not in whole
    with pytest.raises(NotFound):
        root.union.pack("/nothing")


def test_unpacking(rooted):
    root = rooted(BASE)
    root.union.unpack(
        "/up",
        stream(
            entry("passwd", b"replaced", uid=5, gid=6, mode=0o4755, mtime=77),
            directory("sub", 0o700, uid=8, mtime=66),
            entry("sub/deep/file", b"deep"),
            symlink("s", "sub"),
            entry("s/through", b"followed inside"),
            hardlink("h", "passwd"),
        ),
    )
    found = root.union.lookup("/etc/passwd")
    assert (found.uid, found.gid, found.mode, found.mtime_ns) == (5, 6, 0o4755, 77 * 10**9)
    assert root.union.read_file("/etc/sub/through") == b"followed inside"
    assert root.union.lookup("/etc/h").stat.st_ino == found.stat.st_ino
    assert (root.layers[0] / "etc/passwd").read_bytes() == b"root"  # the image is as it was
    assert ("C", "/etc/passwd") in root.union.changes()
    assert root.union.lookup("/etc/sub").mtime_ns == 66 * 10**9


def test_unpacking_replaces_kinds(rooted):
    root = rooted(BASE)
    root.union.unpack("/", stream(entry("data", b"now a file"), directory("busy"), entry("busy/x", b"")))
    assert root.union.read_file("/data") == b"now a file"
    assert [found.path for found in root.union.walk("/busy")] == [b"/busy", b"/busy/x"]
    for made in (entry("etc", b""), directory("sh")):
        with pytest.raises(BadParameter, match="cannot overwrite"):
            root.union.unpack("/", stream(made), no_overwrite_dir_non_dir=True)


def test_unpacking_with_an_owner(rooted):
    root = rooted(BASE)
    root.union.unpack("/", stream(entry("f", b"", uid=1), directory("d", uid=1)), uid=33, gid=34)
    assert {(root.union.lookup(name).uid, root.union.lookup(name).gid) for name in ("/f", "/d")} == {(33, 34)}


@pytest.mark.parametrize(
    "entries",
    [
        [entry("../x", b"")],
        [hardlink("h", "../../x")],
        [hardlink("h", "nothing")],
        [entry(".wh.x", b"")],
        [directory(".wh.d")],
        [entry("f", b""), entry("f/x", b"")],
    ],
)
def test_unpacking_what_is_hostile(rooted, entries):
    root = rooted(BASE)
    with pytest.raises(BadParameter):
        root.union.unpack("/data", stream(*entries))


def test_a_planted_link_leads_inside(rooted, tmp_path):
    root = rooted(BASE)
    evil = stream(symlink("evil", str(tmp_path)), entry("evil/file", b"x"))
    root.union.make_dirs("/into")
    root.union.unpack("/into", evil)
    assert not (tmp_path / "file").exists()
    assert root.union.read_file(f"/into{tmp_path}/file") == b"x"  # below the folder unpacked into, as Docker has it


def test_links_that_lead_in_circles(rooted):
    root = rooted(BASE)
    with pytest.raises(BadParameter, match="too many levels of symbolic links"):
        root.union.unpack("/", stream(symlink("a", "b"), symlink("b", "a"), entry("a/file", b"x")))


def test_a_cut_archive_leaves_no_half_file(rooted):
    root = rooted(BASE)
    with pytest.raises(BadParameter, match="unexpected EOF"):
        root.union.unpack("/etc", io.BytesIO(tar(entry("passwd", b"x" * 5000))[:2000]))
    assert root.union.read_file("/etc/passwd") == b"root"
    assert not list(root.path.glob("etc/.wh*"))


def test_mounts_cover_the_root(rooted, tmp_path):
    root = rooted(BASE)
    volume, bind = tmp_path / "volume", tmp_path / "bind"
    volume.mkdir()
    bind.mkdir()
    (bind / "host").write_bytes(b"host")
    (volume / ".wh.allowed").touch()
    mounts = [Mount("/data", str(volume)), Mount("/mnt/b", str(bind), "bind", True)]
    union = Union(root.path, root.layers, mounts)
    assert [found.path for found in union.list("/data")] == [b"/data/.wh.allowed"]
    assert union.read_file("/mnt/../mnt/b/host" if (root.path / "mnt").exists() else "/data/.wh.allowed") in (
        b"",
        b"host",
    )
    union.unpack("/data", stream(entry("f", b"in the volume", uid=9)))
    assert (volume / "f").read_bytes() == b"in the volume"
    assert nodes.read(os.fsencode(volume / "f")).uid == 9
    (root.path / "mnt/b").mkdir(parents=True)
    assert union.lookup("/mnt/b/host").uid == os.getuid()
    with pytest.raises(Forbidden, match="mounted volume is marked read-only"):
        union.unpack("/mnt/b", stream(entry("f", b"")))


def test_a_volume_is_filled_from_the_image_once(rooted, tmp_path):
    root = rooted(BASE)
    volume = tmp_path / "v"
    volume.mkdir()
    assert root.union.copy_into(volume, "/data")
    assert (volume / "sub/two").read_bytes() == b"22"
    assert (volume / "one").stat().st_mtime == 100
    assert nodes.read(os.fsencode(volume))[:2] == (70, 71)
    assert nodes.read(os.fsencode(volume / "one")) == nodes.Node(70)
    assert (volume / "one").stat().st_nlink == 1
    assert not root.union.copy_into(volume, "/data")
    assert not root.union.copy_into(volume, "/busy")
    assert not root.union.copy_into(volume, "/nothing")


def test_writing_files_and_directories(rooted):
    root = rooted(BASE)
    root.union.write_file("/etc/passwd", b"new", 0o600, 1, 2)
    root.union.write_file("/srv/app/file", b"x")
    found = root.union.make_dirs("/up/deep/er", 0o750, 3, 4)
    assert (found.path, found.uid, found.gid, found.mode) == (b"/etc/deep/er", 3, 4, 0o750)
    assert root.union.read_file("/etc/passwd") == b"new"
    with pytest.raises(BadParameter, match="not a directory"):
        root.union.make_dirs("/busy/x")


def test_stale_owner_of_a_link_does_not_stick(rooted):
    root = rooted(BASE)
    place = root.upper + b"/l"
    os.symlink("x", place)
    os.setxattr(root.upper, nodes.side_name(b"l"), nodes.SIDE_RECORD.pack(7, 7, 12345))
    assert root.union.lookup("/l", follow=False).uid == 0
