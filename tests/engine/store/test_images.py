"""Images: their names, their sizes, how they come, go and travel."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import threading

import pytest

from engine.store.made import config, directory, entry, joined, stream, symlink, tar
from voldemo.engine.errors import BadParameter, Conflict, NotFound
from voldemo.engine.store import Store

BUSY, STOPPED = ("c" * 64, True), ("d" * 64, False)


@pytest.fixture
def image(store, layer):
    """`image("name:tag", "content", …)`: one layer for each content."""

    def make(*tags: str, contents=("a",), parent: str = "", **more):
        layers = [layer(entry(text, text.encode() * 10)) for text in contents]
        return store.images.create(config(*layers, **more), tags, parent=parent)

    return make


def test_found_by_every_name(store, image):
    made = image("app", "other/app:v1")
    assert made.tags == ("app:latest", "other/app:v1")
    for ref in ("app", "app:latest", "library/app", "other/app:v1", made.id, made.id[7:], made.id[7:19], made.id[:15]):
        assert store.images.get(ref) == made
    for ref in ("app:2", "other/app", "sha256:0000"):
        with pytest.raises(NotFound, match="^No such image: "):
            store.images.get(ref)
    with pytest.raises(NotFound, match="^No such image: nosuch:latest$"):
        store.images.get("nosuch")


def test_a_tag_moves(store, image):
    old, new = image("app"), image("app", contents=["b"])
    assert store.images.get("app") == new
    assert store.images.get(old.id).tags == ()
    store.images.tag(old.id, "app")
    assert store.images.get("app").id == old.id
    with pytest.raises(BadParameter, match="must be lowercase"):
        store.images.tag("app", "App")


def test_sizes(store, image):
    one, two = image("one", contents=["base", "x"]), image("two", contents=["base", "yy"])
    assert (one.size, two.size) == (50, 60)
    assert (store.images.shared_size(one), store.images.unique_size(two)) == (40, 20)
    assert store.usage_layers() == 70


def test_the_same_configuration_is_the_same_image(store, image):
    one, two = image("one"), image("two")
    assert one.id == two.id == "sha256:" + hashlib.sha256(one.raw).hexdigest()
    assert two.tags == ("one:latest", "two:latest")


@pytest.mark.parametrize(
    "raw",
    [b"no json", b"[]", b"{}", b'{"rootfs": 1}', b'{"rootfs": {"diff_ids": ["../x"]}}', b"[" * 100_000]
    + [b'{"rootfs":{}, "config": []}', b'{"rootfs":{}, "created": 5}', b'{"rootfs":{}, "config": {"Labels": 1}}'],
)
def test_configurations_that_are_none(store, raw):
    with pytest.raises(BadParameter, match="invalid image JSON"):
        store.images.create(raw)
    assert store.images.list() == []


def test_an_image_of_layers_nobody_has(store):
    with pytest.raises(BadParameter, match="does not exist"):
        store.images.create({"rootfs": {"diff_ids": ["sha256:" + "0" * 64]}})


def test_removing_a_name_then_the_image(store, image, root):
    made = image("app", "app:2")
    assert store.images.remove("app:2") == [{"Untagged": "app:2"}]
    assert store.images.remove("app") == [
        {"Untagged": "app:latest"},
        {"Deleted": made.id},
        {"Deleted": made.layers[0].diff_id},
    ]
    assert not any((root / "layers").iterdir())
    assert not (root / "images" / made.id[7:]).exists()


def test_shared_layers_stay(store, image):
    one, two = image("one", contents=["base", "x"]), image("two", contents=["base", "y"])
    gone = store.images.remove("one")
    assert {"Deleted": one.id} in gone
    assert len(gone) == 3
    assert all(layer.path.is_dir() for layer in two.layers)


def test_untagged_parents_go_along(store, image):
    parent = image(contents=["base"])
    child = image("app", contents=["base", "x"], parent=parent.id)
    assert {"Deleted": parent.id} in store.images.remove(child.id)
    parent = image(contents=["base"])
    image("app", contents=["base", "x"], parent=parent.id)
    with pytest.raises(Conflict, match=r"\(cannot be forced\) - image has dependent child images$"):
        store.images.remove(parent.id, force=True)
    assert {"Deleted": parent.id} not in store.images.remove("app", prune_parents=False)


def test_objections(store, image):
    made = image("app")
    short = made.id[7:19]
    with pytest.raises(
        Conflict,
        match=rf'^conflict: unable to remove repository reference "app" \(must force\) - container dddddddddddd is '
        rf"using its referenced image {short}$",
    ):
        store.images.remove("app", in_use=lambda id: STOPPED)
    with pytest.raises(
        Conflict,
        match=rf"unable to delete {short} \(cannot be forced\) - image is being used by running container c{{12}}$",
    ):
        store.images.remove(made.id, force=True, in_use=lambda id: BUSY)
    with pytest.raises(Conflict, match=r"\(must be forced\) - image is being used by stopped container d{12}$"):
        store.images.remove(made.id, in_use=lambda id: STOPPED)
    store.images.tag("app", "elsewhere/app")
    with pytest.raises(Conflict, match=r"\(must be forced\) - image is referenced in multiple repositories$"):
        store.images.remove(made.id)
    assert store.images.remove(made.id, force=True)[:2] == [
        {"Untagged": "app:latest"},
        {"Untagged": "elsewhere/app:latest"},
    ]


def test_a_container_keeps_its_layers(store, image):
    made = image("app")
    store.containers.put("c", {"layers": [layer.diff_id for layer in made.layers]})
    store.images.remove("app", force=True, in_use=lambda id: STOPPED)
    assert made.layers[0].path.is_dir()
    store.containers.remove("c")
    assert not made.layers[0].path.exists()


def test_layers_are_held_while_a_container_of_them_is_made(store, layer):
    kept = layer(entry("f", b"1"))
    image = store.images.create({"rootfs": {"diff_ids": [kept.diff_id]}}, ["one"])
    with store.layers.held([kept.diff_id, kept.diff_id]):
        store.images.remove("one")
        assert kept.path.exists()
        store.containers.put("c", {"layers": [kept.diff_id]})
    store.images.sweep()
    assert kept.path.exists()
    store.containers.remove("c")
    assert not kept.path.exists()
    with pytest.raises(NotFound, match="does not exist"), store.layers.held([kept.diff_id]):
        pass
    assert store.images.find(image.id) is None


def test_digests_go_with_their_last_tag(store, image):
    made = image("app")
    name = "app@sha256:" + "1" * 64
    store.images.add_digest("app", name)
    assert store.images.get(name).digests == (name,)
    assert store.images.remove("app")[:2] == [{"Untagged": "app:latest"}, {"Untagged": name}]
    assert store.images.find(made.id) is None


def test_saved_and_loaded_in_another_store(store, image, tmp_path):
    one, two = image("one:1", "reg.example:5000/x/y:2", contents=["base", "x"]), image("two", contents=["base", "y"])
    data = joined(store.images.save(["one:1", "reg.example:5000/x/y:2", "two", one.id]))
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        assert len(archive.getnames()) == len(set(archive.getnames()))
    other = Store.open(tmp_path / "other")
    said = list(other.images.load(io.BytesIO(gzip.compress(data))))
    assert said == ["Loaded image: one:1", "Loaded image: reg.example:5000/x/y:2", "Loaded image: two:latest"]
    assert len(other.images.list()) == 2
    assert other.images.get("two").raw == two.raw
    assert joined(other.images.save(["one:1", "reg.example:5000/x/y:2", "two", one.id])) == data
    other.close()


def test_saved_by_id_has_no_name(store, image):
    made = image("one")
    data = joined(store.images.save([made.id]))
    store.images.remove("one")
    assert list(store.images.load(io.BytesIO(data))) == [f"Loaded image ID: {made.id}"]


def without(data: bytes, *left_out: str, **replaced: bytes) -> io.BytesIO:
    entries = []
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for info in archive:
            content = archive.extractfile(info).read() if info.isfile() else None
            if info.name.rpartition("/")[2] in left_out:
                continue
            content = replaced.get(info.name.replace(".", "_").rpartition("/")[2], content)
            entries.append(entry(info.name, content) if content is not None else directory(info.name))
    return stream(*entries)


def test_an_oci_layout_alone(store, image):
    made = image("one:1", contents=["a", "b"])
    data = joined(store.images.save(["one:1"]))
    store.images.remove("one:1")
    assert list(store.images.load(without(data, "manifest.json", "repositories"))) == ["Loaded image: one:1"]
    assert store.images.get("one:1").id == made.id


def test_an_old_docker_layout_with_links(store, image):
    made = image("old:1", contents=["a", "b"])
    layers = [joined(store.layers.tar(layer.diff_id)) for layer in made.layers]
    name = made.id[7:] + ".json"
    manifest = [{"Config": name, "RepoTags": ["old:1"], "Layers": ["x/layer.tar", "y/layer.tar"]}]
    archive = stream(
        entry("z/layer.tar", gzip.compress(layers[0])),
        symlink("x/layer.tar", "../z/layer.tar"),
        entry("y/layer.tar", layers[1]),
        entry(name, made.raw),
        entry("manifest.json", json.dumps(manifest).encode()),
    )
    store.images.remove("old:1")
    assert list(store.images.load(archive)) == ["Loaded image: old:1"]
    assert store.images.get("old:1").id == made.id


def test_archives_that_lie(store, image, root):
    made = image("one:1", contents=["a", "b"])
    data = joined(store.images.save(["one:1"]))
    store.images.remove("one:1")
    config_name, layer_name = made.id[7:], made.layers[0].diff_id[7:]
    lies = [
        (without(data, "manifest.json", "index.json"), "no manifest.json"),
        (without(data, config_name), "is missing"),
        (without(data, layer_name), "is missing"),
        (without(data, **{config_name: made.raw + b" "}), "has the digest"),
        (without(data, **{layer_name: tar(entry("a", b"evil"))}), "invalid diffID"),
        (without(data, manifest_json=b"{}"), "manifest.json"),
        (without(data, manifest_json=b"[1]"), "manifest.json"),
        (without(data, manifest_json=b"["), "manifest.json"),
        (without(data, manifest_json=b'[{"Config": 1}]'), "Config"),
        (without(data, manifest_json=b'[{"Config": "../../../etc/passwd"}]'), "is missing"),
        (without(data, "manifest.json", index_json=b'{"manifests": [{"digest": "sha256:../../x"}]}'), "is missing"),
        (io.BytesIO(b"hi"), "unexpected EOF"),
        (io.BytesIO(b""), "no manifest.json"),
        (stream(entry("../../x", b"")), "invalid entry name"),
    ]
    short = json.dumps([{"Config": f"blobs/sha256/{config_name}", "RepoTags": ["one:1"], "Layers": []}]).encode()
    lies.append((without(data, manifest_json=short), "layers length mismatch"))
    for archive, words in lies:
        with pytest.raises(BadParameter, match=words):
            list(store.images.load(archive))
        assert store.images.list() == []
        assert not any((root / "tmp").iterdir())


def test_images_outlive_the_engine(store, image, root):
    made = image("app", contents=["a", "b"], config={"Labels": {"k": "v"}})
    store.close()
    again = Store.open(root)
    assert again.images.get("app") == made
    assert again.images.get("app").labels == {"k": "v"}
    assert again.images.get("app").trees == [layer.path for layer in reversed(made.layers)]
    again.close()


def test_many_threads(store, layer):
    base = layer(entry("base", b"x"))
    failures = []

    def work(number: int) -> None:
        try:
            for turn in range(5):
                name = f"t{number}:{turn}"
                top = store.layers.add_tar(stream(entry(f"top{turn}", b"y")))
                store.images.create(config(base, top, comment=name), [name])
                assert store.images.get(name).size == 2
                store.images.remove(name)
        except Exception as error:
            failures.append(error)

    keep = store.images.create(config(base), ["keep"])
    threads = [threading.Thread(target=work, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert store.images.list() == [keep]
