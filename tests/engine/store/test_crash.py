"""`kill -9` at any moment: the store opens again, and holds every operation that was said to be done."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys

import pytest

from voldemo.engine.store import Store, Union

WRITER = """
import io, json, os, sys, tarfile
from pathlib import Path
from voldemo.engine.store import Store

store = Store.open(Path(sys.argv[1]))
number = int(sys.argv[2])

def done(*words):
    os.write(1, json.dumps(words).encode() + b"\\n")

def tar(count):
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for at in range(10):
            info = tarfile.TarInfo(f"d{at % 3}/f{at}-{count}")
            info.size = 5000
            archive.addfile(info, io.BytesIO(bytes([count % 256]) * 5000))
    made.seek(0)
    return made

while True:
    number += 1
    name = f"n{number}"
    store.volumes.create(name, labels={"n": name})
    done("volume", name)
    layer = store.layers.add_tar(tar(number))
    image = store.images.create({"rootfs": {"diff_ids": [layer.diff_id]}, "config": {}}, [name])
    done("image", name, image.id)
    store.containers.put(name, {"turn": 1, "layers": [layer.diff_id]})
    done("container", name, 1)
    store.containers.put(name, {"turn": 2, "layers": [layer.diff_id]})
    done("container", name, 2)
    (store.containers.upper(name) / "mine").write_bytes(b"mine")
    store.layers.add_changes(store.containers.upper(name), [layer.path], running=False)
    if number % 2:
        store.volumes.remove(name)
        done("no volume", name)
        store.containers.remove(name)
        done("no container", name)
        store.images.remove(name)
        done("no image", name)
"""


class Expected:
    """What the writer said was done; what it was about when it was killed may be so or not."""

    def __init__(self) -> None:
        self.now: dict[tuple[str, str], object] = {}

    def say(self, kind: str, name: str, value: object = True) -> None:
        if kind.startswith("no "):
            self.now[kind[3:], name] = None
        else:
            self.now[kind, name] = value

    def check(self, store: Store) -> None:
        last = max((int(name[1:]) for _, name in self.now), default=0)
        for (kind, name), value in self.now.items():
            found = getattr(self, kind)(store, name, value, int(name[1:]) == last)
            if not found:
                self.now[kind, name] = None  # gone, and killed before it could say so

    def volume(self, store: Store, name: str, value: object, last: bool) -> bool:
        found = store.volumes.find(name)
        assert last or bool(found) == bool(value)
        if found:
            assert found.path.is_dir()
            assert found.labels == {"n": name}
        return bool(found)

    def container(self, store: Store, name: str, value: object, last: bool) -> bool:
        found = store.containers.find(name)
        assert last or bool(found) == bool(value)
        if found and value:
            assert found["turn"] >= value
            assert store.containers.upper(name).is_dir()
        return bool(found)

    def image(self, store: Store, name: str, value: object, last: bool) -> bool:
        found = store.images.find(name)
        assert last or bool(found) == bool(value)
        if found:
            assert len([one for one in Union(None, found.trees).walk() if one.is_file and one.size == 5000]) == 10
            assert sum(map(len, store.layers.tar(found.layers[0].diff_id))) == found.layers[0].tar_size
        return bool(found)


@pytest.mark.parametrize("seed", range(3))
def test_killed_at_random_moments(root, seed):
    chance, expected, number = random.Random(seed), Expected(), 0
    for _ in range(8):
        with subprocess.Popen([sys.executable, "-c", WRITER, root, str(number)], stdout=subprocess.PIPE) as writer:
            for _ in range(chance.randint(1, 40)):
                kind, name, *value = json.loads(writer.stdout.readline())
                expected.say(kind, name, *value)
            writer.send_signal(signal.SIGKILL)
            for line in writer.stdout.read().splitlines():
                expected.say(*json.loads(line))
        number = max(int(name[1:]) for _, name in expected.now)
        store = Store.open(root)
        expected.check(store)
        used = {layer.diff_id for image in store.images.list() for layer in image.layers}
        held = {digest for record in store.containers.all().values() for digest in record["layers"]}
        assert {layer.diff_id for layer in store.layers.all()} <= used | held
        store.close()
        assert not any((root / "tmp").iterdir())
        assert not any((root / "trash").iterdir())
