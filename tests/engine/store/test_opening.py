"""What a store makes of the folder it is given, whoever left it so."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading

import pytest

from engine.store.made import entry, stream
from voldemo.engine.errors import BadParameter, Conflict, Failed, NotFound
from voldemo.engine.store import Store, files
from voldemo.engine.store.opening import FOLDERS

HOLD = """
import sys
from pathlib import Path
from voldemo.engine.store import Store
store = Store.open(Path(sys.argv[1]))
print("open", flush=True)
sys.stdin.read()
"""


def test_nobody_else_may_look(store, root):
    assert root.stat().st_mode & 0o777 == 0o700


def test_in_use_by_a_living_engine_and_free_after_kill_9(root):
    with subprocess.Popen([sys.executable, "-c", HOLD, root], stdin=-1, stdout=-1) as engine:
        assert engine.stdout.readline() == b"open\n"
        with pytest.raises(Conflict, match="^another engine is using .*: stop it, or choose another folder$"):
            Store.open(root)
        engine.send_signal(signal.SIGKILL)
    Store.open(root).close()


def test_in_use_by_ourselves(store, root):
    with pytest.raises(Conflict):
        Store.open(root)


@pytest.mark.parametrize("version", ["2", "banana", "", "\0"])
def test_of_another_version(root, version):
    Store.open(root).close()
    (root / "version").write_text(version)
    with pytest.raises(Failed, match="was written by another version of this engine"):
        Store.open(root)
    assert (root / "version").read_text() == version


def test_half_written_things_go(root):
    Store.open(root).close()
    for name in ("tmp", "trash"):
        deep = root / name / "x" / "y"
        deep.mkdir(parents=True)
        (deep / "file").touch()
        (root / name / "file").touch()
    Store.open(root).close()
    assert not any((root / "tmp").iterdir())
    assert not any((root / "trash").iterdir())


def test_a_tree_deeper_than_any_path_goes_too(root):
    Store.open(root).close()
    folder = os.open(root / "trash", os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("deeper", dir_fd=folder)
        below = os.open("deeper", os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = below
    os.close(folder)
    Store.open(root).close()
    assert not any((root / "trash").iterdir())


def test_copies_a_tracer_was_making_go(root):
    store = Store.open(root)
    store.containers.put("c", {})
    upper = store.containers.upper("c")
    (upper / "d").mkdir()
    (upper / "d/.wh..tmp.1").touch()
    (upper / "d/kept").touch()
    (upper / ".wh..tmp.dir/x").mkdir(parents=True)
    store.close()
    Store.open(root).close()
    assert [path.name for path in upper.rglob("*")] == ["d", "kept"]


def test_a_file_system_without_attributes(root, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(os, "setxattr", refuse)
    with pytest.raises(Failed, match="keeps no extended attributes"):
        Store.open(root)


def test_a_folder_that_cannot_be_one(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(Failed, match="cannot be used: "):
        Store.open(tmp_path / "file")


def test_a_damaged_record_is_named(root):
    store = Store.open(root)
    store.volumes.create("data")
    store.close()
    (root / "volumes/data/volume.json").write_bytes(b"{")
    with pytest.raises(Failed, match="volume.json is damaged"):
        Store.open(root)


DAMAGE = {
    "cut short": lambda file: file.write_bytes(file.read_bytes()[:-7]),
    "no text": lambda file: file.write_bytes(b"\xff\0{"),
    "another shape": lambda file: file.write_bytes(b"[]"),
    "nothing of ours": lambda file: file.write_bytes(b'{"a": 1}'),
    "a folder": lambda file: (file.unlink(), file.mkdir()),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_record_is_named_whatever_it_is_of(root, damage):
    store = Store.open(root)
    store.volumes.create("data")
    layer = store.layers.add_tar(stream(entry("f", b"1")))
    store.images.create({"rootfs": {"diff_ids": [layer.diff_id]}}, ["one"])
    store.close()
    files = [*root.glob("layers/*/*.json"), *root.glob("images/*/*.json"), root / "volumes/data/volume.json"]
    assert len(files) == 4
    for file in files:
        kept = file.read_bytes()
        damage(file)
        with pytest.raises(Failed, match=f"^the engine's file {file} is damaged .*: move {file.parent} away, or "):
            Store.open(root)
        file.rmdir() if file.is_dir() else file.unlink()
        file.write_bytes(kept)
    Store.open(root).close()


@pytest.mark.parametrize("names", [b"[]", b"{", b'{"one": []}'])
def test_damaged_names_of_images(root, names):
    Store.open(root).close()
    (root / "images/names.json").write_bytes(names)
    with pytest.raises(Failed, match=r"names.json is damaged .*: move .*names.json away"):
        Store.open(root)


@pytest.mark.parametrize("name", FOLDERS)
def test_a_file_in_the_place_of_a_folder(root, name):
    root.mkdir()
    (root / name).write_text("mine")
    with pytest.raises(Failed, match=rf"{name} is damaged \(file exists\): move .*{name} away"):
        Store.open(root)


def test_a_container_without_its_files_is_named(root):
    store = Store.open(root)
    store.containers.put("c", {})
    store.close()
    store.containers.upper("c").rmdir()
    with pytest.raises(Failed, match="containers/c/upper is damaged .*: move .*containers/c away"):
        Store.open(root)


def test_records(store, root):
    record = {"name": "web", "nested": {"list": [1]}}
    store.containers.put("c1", record)
    record["nested"]["list"].append(2)
    assert store.containers.get("c1") == {"name": "web", "nested": {"list": [1]}}
    store.containers.get("c1")["nested"]["list"].append(3)
    assert store.containers.all() == {"c1": {"name": "web", "nested": {"list": [1]}}}
    with (root / "containers/c1/record.json").open("rb") as old:
        store.containers.put("c1", {"name": "again"})
        assert b"nested" in old.read()  # a record is replaced, never written over
    assert store.containers.upper("c1").is_dir()
    store.close()
    again = Store.open(root)
    assert again.containers.get("c1") == {"name": "again"}
    again.containers.remove("c1")
    assert again.containers.ids() == []
    with pytest.raises(NotFound, match="^No such container: c1$"):
        again.containers.get("c1")
    with pytest.raises(BadParameter):
        again.networks.put("../x", {})
    again.close()


def test_records_from_many_threads(store):
    def work(number: int) -> None:
        for turn in range(20):
            store.containers.put(f"c{number}", {"turn": turn})
            assert store.containers.get(f"c{number}") == {"turn": turn}

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(record == {"turn": 19} for record in store.containers.all().values())


def test_a_full_disk_is_said_in_dockers_words(store, root, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    for make in (lambda: store.volumes.create("data"), lambda: store.containers.put("c", {})):
        with pytest.raises(Failed, match="^no space left on device$"):
            make()
    assert store.volumes.list() == []
    assert store.containers.ids() == []
    assert not any((root / "tmp").iterdir())
    assert not any((root / "volumes").iterdir())


def test_on_a_full_disk_things_can_still_end_and_go(store, root, monkeypatch):
    store.containers.put("c", {"running": True})
    wanted, freed = files.write_synced, []

    def full(path, data):
        if (root / "ballast").exists():
            freed.append(path)
            raise OSError(errno.ENOSPC, "No space left on device")
        wanted(path, data)

    monkeypatch.setattr(files, "write_synced", full)
    store.containers.put("c", {"running": False})
    assert len(freed) == 1
    assert store.containers.get("c") == {"running": False}
    store.containers.remove("c")
    store.close()
    assert (root / "ballast").stat().st_size == files.BALLAST  # there is room again


def test_closing_twice_is_nothing(root):
    store = Store.open(root)
    store.volumes.create("data")
    store.volumes.remove("data")
    store.close()
    store.close()
    assert not any((root / "trash").iterdir())


def test_the_reserve_is_small_enough_for_a_small_disk():
    assert files.RESERVE <= 64 << 20
