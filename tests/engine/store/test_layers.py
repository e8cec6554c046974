"""Layers from tars: what is in them, what it weighs, and that the same tar comes out again."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import os
import tarfile

import pytest

from engine.store.made import directory, entry, hardlink, joined, stream, symlink, tar
from voldemo.engine import nodes
from voldemo.engine.errors import BadParameter, NotFound, Unsupported
from voldemo.engine.store import Entry, Store

SAMPLE = (
    directory("./"),
    directory("etc", 0o755),
    entry("etc/passwd", b"root:x:0:0\n", mode=0o644, mtime=1_600_000_000),
    entry("etc/shadow", b"secret", mode=0o040, uid=7, gid=42),
    entry("bin", b"\x7fELF" * 300_000, mode=0o4755),
    hardlink("bin2", "bin"),
    symlink("lib", "usr/lib", uid=5, gid=6),
    entry("fifo", type=tarfile.FIFOTYPE, mode=0o600),
    entry("dev/null", type=tarfile.CHRTYPE, devmajor=1, devminor=3),
    entry("empty", b""),
    entry("caf\udce9\n" + "x" * 200, b"odd name"),
)


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("format", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_a_layer_is_its_tree_and_gives_the_same_tar_back(store, format):
    data = tar(*SAMPLE, format=format)
    layer = store.layers.add_tar(io.BytesIO(data))
    assert layer.diff_id == digest(data)
    assert (layer.path / "etc/passwd").read_bytes() == b"root:x:0:0\n"
    assert (layer.path / "etc/passwd").stat().st_mtime == 1_600_000_000
    assert (layer.path / "lib").readlink().as_posix() == "usr/lib"
    assert not (layer.path / "dev/null").exists()
    assert (os.fsencode(layer.path) + b"/caf\xe9\n" + b"x" * 200) in [
        e.path for e in os.scandir(os.fsencode(layer.path))
    ]
    assert joined(store.layers.tar(layer.diff_id)) == data
    assert store.layers.tar_size(layer.diff_id) == len(data)


def test_size_counts_hard_links_once_and_links_by_their_length(layer):
    assert layer(*SAMPLE).size == 11 + 6 + 1_200_000 + len("usr/lib") + len(b"odd name")


def test_owners_and_modes_are_noted_and_every_file_is_marked(layer):
    tree = os.fsencode(layer(*SAMPLE).path)
    assert nodes.read(tree + b"/etc/shadow") == nodes.Node(7, 42, 0o040, nodes.LAYER)
    assert nodes.read(tree + b"/etc/passwd") == nodes.Node(flags=nodes.LAYER)
    assert nodes.read(tree + b"/bin").mode == 0o4755
    assert os.lstat(tree + b"/bin").st_mode & 0o7777 == 0o755
    assert os.lstat(tree + b"/etc/shadow").st_mode & 0o777 == 0o640
    uid, gid, inode = nodes.SIDE_RECORD.unpack(os.getxattr(tree, nodes.side_name(b"lib")))
    assert (uid, gid, inode) == (5, 6, os.lstat(tree + b"/lib").st_ino & 0xFFFFFFFF)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, lambda d: gzip.compress(d) * 1])
def test_compressed_layers_are_the_same_layers(store, pack):
    data = tar(*SAMPLE)
    assert store.layers.add_tar(io.BytesIO(pack(data)), expect=digest(data)).diff_id == digest(data)


def test_gzip_in_several_members(store):
    data = tar(*SAMPLE)
    packed = gzip.compress(data[:5000]) + gzip.compress(data[5000:])
    assert store.layers.add_tar(io.BytesIO(packed)).diff_id == digest(data)


def test_zstd_is_refused_with_a_sentence(store):
    with pytest.raises(Unsupported, match="zstd"):
        store.layers.add_tar(io.BytesIO(b"\x28\xb5\x2f\xfd" + b"x" * 100))


@pytest.mark.parametrize("cut", [10, 400, -1])
def test_a_cut_or_damaged_gzip_is_refused(store, root, cut):
    packed = gzip.compress(tar(*SAMPLE))
    with pytest.raises(BadParameter):
        store.layers.add_tar(io.BytesIO(packed[:cut]))
    with pytest.raises(BadParameter):
        store.layers.add_tar(io.BytesIO(packed[:30] + b"\xff" * 40 + packed[70:]))
    assert not any((root / "tmp").iterdir())
    assert not any((root / "layers").iterdir())


def test_what_a_later_entry_replaces_still_comes_out_again(store):
    data = tar(
        entry("a", b"first" * 1000),
        entry("a", b"second"),
        entry("d/x/deep", b"kept" * 500),
        entry("d/y", b"kept too"),
        entry("d", b"now a file"),
        entry("f", b"file"),
        directory("f"),
        entry("f/inside", b"in"),
        entry("b/.wh.c", b"a whiteout with content"),
        entry(".wh..wh.plnk/1", b"aufs"),
        entry("s", b"will be a link"),
        symlink("s", "/etc"),
    )
    layer = store.layers.add_tar(io.BytesIO(data))
    tree = layer.path
    assert (tree / "a").read_bytes() == b"second"
    assert (tree / "d").read_bytes() == b"now a file"
    assert (tree / "f/inside").read_bytes() == b"in"
    assert (tree / "b/.wh.c").read_bytes() == b""
    assert not (tree / ".wh..wh.plnk").exists()
    assert joined(store.layers.tar(layer.diff_id)) == data


def test_a_wrong_digest_is_refused(store, root):
    with pytest.raises(BadParameter, match="invalid diffID"):
        store.layers.add_tar(stream(*SAMPLE), expect="sha256:" + "0" * 64)
    assert not any((root / "layers").iterdir())


def test_progress_is_told(store):
    seen = []
    data = tar(*SAMPLE)
    store.layers.add_tar(io.BytesIO(data), progress=seen.append)
    assert seen[-1] == len(data)


def test_the_same_layer_twice_is_one(store, root):
    one, two = (store.layers.add_tar(stream(*SAMPLE)) for _ in range(2))
    assert one == two
    assert len(list((root / "layers").iterdir())) == 1


def test_entries_make_the_same_layer_every_time(store, tmp_path):
    (tmp_path / "program").write_bytes(b"#!")
    wanted = [
        Entry(b"bin", "dir"),
        Entry(b"bin/sh", source=tmp_path / "program", mode=0o755),
        Entry(b"bin/ash", "hardlink", link=b"bin/sh"),
        Entry(b"etc/" + b"long" * 50, source=b"text", mode=0o600, uid=3_000_000, gid=1),
    ]
    one = store.layers.add_entries(wanted)
    assert store.layers.add_entries(wanted) == one
    assert (one.path / "bin/ash").stat().st_ino == (one.path / "bin/sh").stat().st_ino
    assert nodes.read(os.fsencode(one.path / ("etc/" + "long" * 50)))[:3] == (3_000_000, 1, nodes.AS_ON_DISK)


def test_a_layer_without_an_image_goes_at_the_next_opening(root):
    store = Store.open(root)
    layer = store.layers.add_tar(stream(*SAMPLE))
    store.close()
    store = Store.open(root)
    with pytest.raises(NotFound):
        store.layers.get(layer.diff_id)
    store.close()
    assert not any((root / "layers").iterdir())
