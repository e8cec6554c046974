"""Tars made to hurt: nothing outside of the tree changes, nothing half-done stays, a sentence is said."""

from __future__ import annotations

import gzip
import io
import tarfile
import threading

import pytest

from engine.store.made import directory, entry, hardlink, joined, stream, symlink, tar
from voldemo.engine.errors import BadParameter, Failed
from voldemo.engine.store import files, tarheader


@pytest.fixture
def outside(tmp_path):
    """A file next to the store that no tar may reach."""
    target = tmp_path / "outside"
    target.mkdir()
    (target / "file").write_bytes(b"untouched")
    yield target
    assert [path.name for path in target.iterdir()] == ["file"]
    assert (target / "file").read_bytes() == b"untouched"


def refused(store, root, data: bytes, words: str):
    with pytest.raises(BadParameter, match=words):
        store.layers.add_tar(io.BytesIO(data))
    assert not any((root / "tmp").iterdir())
    assert not any((root / "layers").iterdir())


def test_names_that_climb(store, root, outside):
    for name in ("../outside/file", "a/../../outside/file", "/../x", ".."):
        refused(store, root, tar(entry(name, b"evil")), "invalid entry name")


def test_absolute_names_start_at_the_root(store, outside):
    layer = store.layers.add_tar(stream(entry(str(outside / "file"), b"evil")))
    assert (layer.path / str(outside / "file")[1:]).read_bytes() == b"evil"


@pytest.mark.parametrize("kind", ["file", "dir", "symlink", "hardlink", "fifo"])
def test_nothing_goes_through_a_planted_link(store, root, outside, kind):
    evil = {
        "file": entry("link/file", b"evil"),
        "dir": directory("link/new"),
        "symlink": symlink("link/file", "x"),
        "hardlink": hardlink("link/h", "own"),
        "fifo": entry("link/fifo", type=tarfile.FIFOTYPE),
    }[kind]
    for target in (str(outside), "../../../../outside", "."):
        refused(store, root, tar(entry("own", b"x"), symlink("link", target), evil), "in the way")


def test_a_file_takes_a_links_place_and_is_not_written_through_it(store, outside):
    layer = store.layers.add_tar(stream(symlink("l", str(outside / "file")), entry("l", b"own", mode=0o777)))
    assert not (layer.path / "l").is_symlink()
    assert (layer.path / "l").read_bytes() == b"own"


def test_attributes_of_a_link_are_not_its_targets(store, outside):
    before = (outside / "file").stat()
    store.layers.add_tar(stream(symlink("l", str(outside / "file"), mtime=5)))
    assert (outside / "file").stat() == before


def test_hard_links_out_of_the_tree(store, root, outside):
    for target in ("../outside/file", str(outside / "file"), "nothing", "dir", "", "self"):
        refused(store, root, tar(directory("dir"), hardlink("self", target)), "invalid hardlink|invalid entry name")
    refused(store, root, tar(symlink("l", str(outside)), hardlink("h", "l/file")), "in the way")
    refused(store, root, tar(entry(".wh.x", b""), hardlink("h", ".wh.x")), "invalid hardlink")


def test_a_file_used_as_a_directory(store, root):
    refused(store, root, tar(entry("f", b""), entry("f/x", b"")), "in the way")


def test_whiteouts_are_plain_empty_files_whatever_they_came_as(store):
    layer = store.layers.add_tar(
        stream(directory(".wh.d"), symlink(".wh.l", "/etc"), entry(".wh.x/inside", b"no"), entry("d/.wh..wh..opq", b""))
    )
    assert (layer.path / ".wh.d").stat().st_size == 0
    assert not (layer.path / ".wh.l").is_symlink()
    assert not (layer.path / ".wh.x").exists()
    assert (layer.path / "d/.wh..wh..opq").is_file()


def test_a_claim_of_ten_gigabytes_with_little_behind_it(store, root):
    info, _ = entry("big")
    info.size = 10 << 30
    refused(store, root, info.tobuf() + b"x" * 5000, "unexpected EOF")


def test_an_impossible_number(store, root):
    info, _ = entry("big")
    block = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    block[124:136] = b"\xff" * 12  # size: -1
    refused(store, root, checked(block), "invalid tar header")
    block[124:136] = b"\x80" + b"\x7f" * 11
    refused(store, root, checked(block), "invalid tar header")
    block[124:136] = b"12345678xyz\0"
    refused(store, root, checked(block), "invalid tar header")


def checked(block: bytearray) -> bytes:
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block[:512])
    return bytes(block)


@pytest.mark.parametrize(
    ("records", "words"),
    [
        (b"13 path=../x\n", "invalid entry name"),
        (b"99 path=x\n", "invalid tar header"),
        (b"path=x\n", "invalid tar header"),
        (b"12 path=a\0b\n", "invalid tar header"),
        (b"9 size=-1\n", "invalid tar header"),
        (b"31 size=99999999999999999999999\n", "invalid tar header"),
        (b"9 uid=1x\n", "invalid tar header"),
        (b"0 a=b\n", "invalid tar header"),
    ],
)
def test_pax_records_that_lie(store, root, records, words):
    info = tarfile.TarInfo("PaxHeaders/x")
    info.type, info.size = tarfile.XHDTYPE, len(records)
    data = info.tobuf() + records.ljust(512, b"\0") + tar(entry("plain", b""))
    refused(store, root, data, words)


def test_headers_that_are_none(store, root):
    refused(store, root, b"this is no tar" * 100, "invalid tar header")
    refused(store, root, tar(entry("a", b"x"))[:700], "unexpected EOF")
    refused(store, root, tar(entry("a", type=b"V")), "unhandled tar header type")
    refused(store, root, tar(entry("n" * 300 + "/x", b"")), "too long")
    refused(store, root, tar(entry("d/" * 2000, b"")), "too long")
    refused(store, root, tar(entry("d/" * 300, b"")), "directories deep")


def test_a_long_name_of_a_gigabyte_is_not_read(store, root):
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 1 << 30
    refused(store, root, info.tobuf(tarfile.GNU_FORMAT) + b"x" * 4096, "invalid tar header")


def test_extended_attributes_are_left_out(store):
    info, data = entry("f", b"x")
    info.pax_headers = {"SCHILY.xattr.user.voldemo": "forged", "SCHILY.xattr.security.capability": "x"}
    archive = tar((info, data))
    layer = store.layers.add_tar(io.BytesIO(archive))
    assert joined(store.layers.tar(layer.diff_id)) == archive


def test_a_bomb_stops_at_the_disks_reserve(store, root, monkeypatch):
    bomb = gzip.compress(tar(entry("zeros", bytes(80 << 20))), 1)
    monkeypatch.setattr(files, "RESERVE", 1 << 60)
    with pytest.raises(Failed, match="^no space left on device$"):
        store.layers.add_tar(io.BytesIO(bomb))
    assert not any((root / "tmp").iterdir())


@pytest.mark.parametrize("version", ["0.0", "0.1", "1.0"])
def test_sparse_files_of_pax(store, version):
    pieces, size = [(0, 3), (1_000_000, 4)], 2_000_000
    data = b"abc" + b"wxyz"
    headers, body = {"GNU.sparse.name": "sparse"}, data
    flat = [number for piece in pieces for number in piece]
    if version == "1.0":
        table = "".join(f"{number}\n" for number in [len(pieces), *flat]).encode()
        body = table.ljust(512, b"\0") + data
        headers |= {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(size)}
    elif version == "0.1":
        headers |= {"GNU.sparse.size": str(size), "GNU.sparse.map": ",".join(map(str, flat))}
    archive = tar((*pax_sparse(headers, body, pieces if version == "0.0" else [], size),))
    layer = store.layers.add_tar(io.BytesIO(archive))
    content = (layer.path / "sparse").read_bytes()
    assert content == b"abc" + bytes(999_997) + b"wxyz" + bytes(size - 1_000_004)
    assert (layer.path / "sparse").stat().st_blocks * 512 < size
    assert layer.size == size
    assert joined(store.layers.tar(layer.diff_id)) == archive


def pax_sparse(headers, body, pieces, size):
    info, _ = entry("GNUSparseFile.0/sparse", body)
    info.pax_headers = headers
    if pieces:  # 0.0 repeats its keys, which tarfile cannot write: the first piece's are enough to be one file
        info.pax_headers |= {"GNU.sparse.size": str(size), "GNU.sparse.map": "0,3,1000000,4"}
    return (info, body)


def test_a_sparse_map_that_lies(store, root):
    for table in ("0,3,1,4", "0,99", "5,3,9999999,4", "0", "0,-3", "1,x"):
        info, data = entry("s", b"abcwxyz")
        info.pax_headers = {"GNU.sparse.size": "100", "GNU.sparse.map": table}
        refused(store, root, tar((info, data)), "invalid tar header")


def test_the_old_sparse_format(store):
    block = bytearray(entry("s")[0].tobuf(tarfile.GNU_FORMAT))
    block[156:157] = b"S"
    block[124:136] = b"%011o\0" % 7
    block[386:434] = b"%011o\0%011o\0%011o\0%011o\0" % (0, 3, 512, 4)
    block[483:495] = b"%011o\0" % 600
    archive = checked(block) + b"abcwxyz".ljust(512, b"\0") + bytes(1024)
    layer = store.layers.add_tar(io.BytesIO(archive))
    assert (layer.path / "s").read_bytes() == b"abc" + bytes(509) + b"wxyz" + bytes(84)
    assert joined(store.layers.tar(layer.diff_id)) == archive


def test_more_entries_than_anyone_needs(store, root, monkeypatch):
    monkeypatch.setattr("voldemo.engine.store.tars.MOST_MEMBERS", 10)
    refused(store, root, tar(*(entry(f"f{number}", b"") for number in range(12))), "more than 10 entries")


def test_many_links_with_owners_do_not_stop_an_image(store):
    """A directory has room for few records; the rest are root's, which is no reason to refuse."""
    layer = store.layers.add_tar(stream(*(symlink(f"link-{n}-{'x' * 100}", "t", uid=5, gid=5) for n in range(200))))
    assert len(list(layer.path.iterdir())) == 200


def test_signed_checksums_are_accepted():
    block = bytearray(tarfile.TarInfo("caf\xe9").tobuf(encoding="latin-1", format=tarfile.USTAR_FORMAT))
    block[148:156] = b" " * 8
    signed = sum(byte - 256 if byte > 127 else byte for byte in block)
    block[148:156] = b"%06o\0 " % signed
    assert tarheader.parse(bytes(block)).name == b"caf\xe9"


def test_the_same_layer_from_many_threads(store, root):
    data = tar(*(entry(f"d{n % 7}/f{n}", b"x" * n) for n in range(200)))
    found = []
    threads = [threading.Thread(target=lambda: found.append(store.layers.add_tar(io.BytesIO(data)))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    assert len(set(found)) == 1
    assert not any((root / "tmp").iterdir())
