"""Against docker-registry itself."""

import io
import json

from engine.registry.conftest import tar_of
from voldemo.engine.registry import Credentials, Pull, Push, Registries
from voldemo.engine.store import Reference, Union

EMPTY = Credentials()


def made(store, name: str):
    layers = [store.layers.add_entries([]), store.layers.add_tar(io.BytesIO(tar_of(f=b"x" * 100_000)))]
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Cmd": ["sh"]},
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
    }
    return store.images.create(config, tags=[name])


def push(store, image, reference) -> list[dict]:
    blocks: list[bytes] = []
    Push(store, image, Registries().find(reference), EMPTY).run(blocks.append)
    return [json.loads(block) for block in blocks]


def test_pushed_it_can_be_pulled(store, real_registry):
    reference = Reference.parse(f"{real_registry}/some/thing:2")
    image = made(store, str(reference))
    said = push(store, image, reference)
    assert said[0]["status"] == f"The push refers to repository [{real_registry}/some/thing]"
    assert said[-1]["aux"]["Tag"] == "2"
    store.images.remove(str(reference), force=True)
    pull = Pull(store, reference, Registries().find(reference), EMPTY)
    pull.resolve()
    blocks: list[bytes] = []
    pull.run(blocks.append)
    again = store.images.get(str(reference))
    assert again.id == image.id
    assert again.digests == (f"{real_registry}/some/thing@{said[-1]['aux']['Digest']}",)
    assert Union(None, again.trees).read_file("/f") == b"x" * 100_000


def test_pushed_twice_nothing_is_sent_again(store, real_registry):
    reference = Reference.parse(f"{real_registry}/again:1")
    image = made(store, str(reference))
    push(store, image, reference)
    said = [message.get("status") for message in push(store, image, reference)]
    assert said.count("Layer already exists") == 2


def test_a_mirror_stands_for_the_registry_without_a_name(store, real_registry):
    image = made(store, "thing:3")
    push(store, image, Reference.parse(f"{real_registry}/library/thing:3"))
    store.images.remove("thing:3", force=True)
    reference = Reference.parse("thing:3")
    pull = Pull(store, reference, Registries(f"http://{real_registry}").find(reference), EMPTY)
    pull.resolve()
    blocks: list[bytes] = []
    pull.run(blocks.append)
    assert json.loads(blocks[0]) == {"status": "Pulling from library/thing", "id": "3"}
    assert store.images.get("thing:3").id == image.id
