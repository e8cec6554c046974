"""The engine looks into a container that runs, and something in there changes directories for links at every moment."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from engine.store.made import directory, entry, tar
from voldemo.engine.errors import EngineError
from voldemo.engine.runtime.spec import Mount
from voldemo.engine.store import Union, tree_size

SECRET = b"the host's own words"
LARGE = 1 << 20
WORK = 0.5  # seconds each is tried

SWAP = """
import ctypes
exchange = ctypes.CDLL(None).renameat2
print(flush=True)
while True:
    exchange(-100, b"%(a)s", -100, b"%(b)s", 2)
"""


class Scene:
    """`/a` and `/b` of a container: a directory, and a link to a folder of the host, in turns."""

    def __init__(self, folder: Path, mounted: bool) -> None:
        self.outside = folder / "outside"
        self.outside.mkdir()
        for name in ("file", "inner"):
            (self.outside / name).write_bytes(SECRET) if name == "file" else (self.outside / name).mkdir()
        (self.outside / "inner" / "file").write_bytes(SECRET)
        (self.outside / "large").write_bytes(bytes(LARGE))
        self.upper, self.volume = folder / "upper", folder / "volume"
        for each in (self.upper, self.volume):
            each.mkdir()
        self.tree = self.volume if mounted else self.upper
        (self.tree / "a" / "inner").mkdir(parents=True)
        for name in ("a/file", "a/inner/file"):
            (self.tree / name).write_bytes(b"harmless")
        (self.tree / "b").symlink_to(self.outside)
        self.top = "/data" if mounted else ""
        self.mounts = (Mount("/data", str(self.volume), "volume"),) if mounted else ()
        self.before = self.state()

    def calm(self) -> None:
        """Nobody runs any more, and /a is the directory."""
        self.swapper.kill()
        self.swapper.wait()
        if (self.tree / "a").is_symlink():
            for old, new in (("a", "c"), ("b", "a"), ("c", "b")):
                (self.tree / old).rename(self.tree / new)

    @property
    def union(self) -> Union:
        return Union(self.upper, (), self.mounts)

    def state(self) -> list[tuple]:
        paths = [self.outside, *sorted(self.outside.rglob("*"))]
        kept = [(path.name, *os.lstat(path)[:6], os.lstat(path).st_mtime_ns) for path in paths]
        return [*kept, *((path.name, os.listxattr(path)) for path in paths)]

    def check(self) -> None:
        assert self.state() == self.before
        assert (self.outside / "file").read_bytes() == (self.outside / "inner" / "file").read_bytes() == SECRET


@pytest.fixture(params=["root", "volume"])
def scene(tmp_path, request):
    scene = Scene(tmp_path, request.param == "volume")
    names = {"a": scene.tree / "a", "b": scene.tree / "b"}
    process = subprocess.Popen([sys.executable, "-IS", "-c", SWAP % names], stdout=subprocess.PIPE)
    process.stdout.readline()
    scene.swapper = process
    yield scene
    scene.calm()
    process.stdout.close()


def packed(scene: Scene, path: str) -> None:
    assert SECRET not in b"".join(scene.union.pack(scene.top + path))


def read(scene: Scene) -> None:
    assert scene.union.read_file(scene.top + "/a/file") == b"harmless"


def listed(scene: Scene) -> None:
    for found in scene.union.walk(scene.top or "/"):
        assert found.size != len(SECRET) or not found.is_file


def unpack(scene: Scene) -> None:
    union = scene.union
    data = tar(directory("inner", mode=0o777), entry("new", b"x"), entry("inner/new", b"x"), directory("d/e"))
    union.unpack(scene.top + "/a", io.BytesIO(data))


def unpack_above(scene: Scene) -> None:
    """Through a name that leads on, for the tar says so."""
    data = tar(entry("a/inner/new", b"x", mtime=1), entry("a/file2", b"x"), entry("a/p", type=tarfile.FIFOTYPE))
    scene.union.unpack(scene.top or "/", io.BytesIO(data))


def replace_directory(scene: Scene) -> None:
    data = tar(directory("a/gone"), directory("a/gone/inner"), entry("a/gone/inner/file", b"x"), entry("a/gone", b"x"))
    scene.union.unpack(scene.top or "/", io.BytesIO(data))


def make(scene: Scene) -> None:
    scene.union.make_dirs(scene.top + "/a/inner/deep/er", 0o777)


def write(scene: Scene) -> None:
    scene.union.write_file(scene.top + "/a/inner/written", b"x", 0o777)


def measure(scene: Scene) -> None:
    assert tree_size(scene.tree) < LARGE


def populate(scene: Scene) -> None:
    image = scene.outside.parent / "image"
    if not image.exists():
        (image / "d" / "a" / "inner").mkdir(parents=True)
        (image / "d" / "a" / "inner" / "new").write_bytes(b"x")
    target = scene.tree / "a" / "inner"
    Union(None, [image]).copy_into(target, "/d", str(scene.tree))


WORKS: list[Callable[[Scene], None]] = [
    lambda scene: packed(scene, "/a"),
    lambda scene: packed(scene, "/a/file"),
    lambda scene: packed(scene, "/a/inner"),
    lambda scene: packed(scene, "/"),
    read,
    listed,
    unpack,
    unpack_above,
    replace_directory,
    make,
    write,
    measure,
    populate,
]
NAMES = [
    "pack",
    "pack-file",
    "pack-inner",
    "pack-all",
    "read",
    "list",
    "unpack",
    "unpack-above",
    "replace",
    "make",
    "write",
    "measure",
    "populate",
]


@pytest.mark.parametrize("work", WORKS, ids=NAMES)
def test_no_link_leads_the_engine_out(scene, work):
    """It may fail, as what it works on goes away; it may not work on anything else."""
    end = time.monotonic() + WORK
    while time.monotonic() < end:
        with suppress(EngineError, FileNotFoundError, FileExistsError, NotADirectoryError, IsADirectoryError):
            work(scene)
        scene.check()
    scene.calm()
    work(scene)  # when nobody interferes it works, so that the above has shown something


@pytest.mark.parametrize("scene", ["root"], indirect=True)
def test_the_changes_of_a_container_lead_nowhere_out(store, scene):
    for _ in range(20):
        assert all(change.path.count("/") <= 3 for change in scene.union.changes())
        with suppress(FileNotFoundError, EngineError):
            layer = store.layers.add_changes(scene.upper, (), running=True)
            assert SECRET not in b"".join(store.layers.tar(layer.diff_id))
    scene.check()
