"""The pinned images, had from a registry or from a folder of tars. A tar never replaces an image of the learner's."""

import gzip
import io
import secrets
import tarfile

import pytest
from docker.errors import ImageNotFound, NotFound
from docker.models.images import ImageCollection

from voldemo import images
from voldemo.images import PINNED, file_name, load, missing, pull, save, status
from voldemo.sandbox import Sandbox
from voldemo.words import Sentence, say

NAME = f"voldemo-test-{secrets.token_hex(4)}:1"


@pytest.fixture
def pinned(client, monkeypatch):
    """An image of our own stands for the pinned ones: other tests need those at the same time."""
    monkeypatch.setattr(images, "PINNED", (NAME,))
    with Sandbox(client) as box:
        box.commit(box.create(), "CMD true").tag(NAME)
        yield


def test_an_image_is_missing_however_the_engine_says_so(client, monkeypatch):
    def refuse(_, name):
        raise NotFound(f"{name} is made from programs that this machine lacks")

    monkeypatch.setattr(ImageCollection, "get", refuse)
    assert missing(client) == list(PINNED)


def test_the_tests_have_all_images(client):
    frame = status(client)
    assert list(frame.columns) == ["image", "present", "bytes"]
    assert list(frame.image) == list(PINNED)
    assert frame.present.all()
    assert (frame.bytes > 1_000_000).all()
    assert missing(client) == []


def test_each_image_is_pinned_to_a_version():
    assert len(set(PINNED)) == len(PINNED)
    for image in PINNED:
        assert image.partition(":")[2][0].isdigit()


def test_an_image_that_is_not_there_has_no_size(client, monkeypatch):
    monkeypatch.setattr(images, "PINNED", ("voldemo-no-such:1",))
    assert missing(client) == ["voldemo-no-such:1"]
    assert status(client).bytes.isna().all()


def test_what_was_saved_can_be_loaded_elsewhere(client, pinned, tmp_path):
    asked = []
    assert save(client, tmp_path / "new" / "folder") == [tmp_path / "new" / "folder" / file_name(NAME)]
    client.images.remove(NAME)
    assert load(client, tmp_path / "new" / "folder", track=lambda names: asked.extend(names) or names) == {}
    assert missing(client) == []
    assert asked == [NAME]


def test_what_is_present_is_not_loaded_again(client, pinned, tmp_path):
    (tmp_path / file_name(NAME)).write_text("not even a tar")
    assert load(client, tmp_path) == {}


def test_a_tar_is_there_whole_or_not_at_all(client, pinned, tmp_path, monkeypatch):
    def cut_short(*_, **__):
        yield b"half"
        raise KeyboardInterrupt

    monkeypatch.setattr("docker.models.images.Image.save", cut_short)
    with pytest.raises(KeyboardInterrupt):
        save(client, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there(client, tmp_path):
    with pytest.raises(Sentence) as refused:
        load(client, tmp_path / "nowhere")
    assert str(refused.value) == say("images.no_folder", folder=tmp_path / "nowhere")


def tar(**members: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as out:
        for name, content in members.items():
            member = tarfile.TarInfo(name.replace("_", "."))
            member.size = len(content)
            out.addfile(member, io.BytesIO(content.encode()))
    return buffer.getvalue()


BROKEN = {
    "empty": b"",
    "text": b"not a tar",
    "cut": gzip.compress(tar(manifest_json="[]"))[:40],
    "no json": tar(manifest_json="{"),
    "another json": tar(manifest_json='[["a"]]'),
    "no index": tar(index_json="{}"),
    "padded": tar(manifest_json="[]" + " " * (1 << 20)),
}
OTHER = {
    "by another path": tar(**{"./manifest_json": '[{"RepoTags": ["mine:1"]}]'}),
    "in the old file": tar(repositories='{"mine": {"1": "0a"}}', manifest_json=f'[{{"RepoTags": ["{NAME}"]}}]'),
    "no names": tar(manifest_json="[]"),
    "another name": tar(manifest_json='[{"RepoTags": ["busybox:1.37"]}]'),
    "one more": tar(manifest_json=f'[{{"RepoTags": ["{NAME}", "mine:1"]}}]'),
    "one more in the index": tar(
        manifest_json=f'[{{"RepoTags": ["{NAME}"]}}]',
        index_json='{"manifests": [{"annotations": {"io.containerd.image.name": "mine:1"}}, {}]}',
    ),
}


@pytest.mark.parametrize("content", [*BROKEN.values(), *OTHER.values()], ids=[*BROKEN, *OTHER])
def test_a_tar_that_is_not_that_image_is_refused_and_nothing_loaded(client, monkeypatch, tmp_path, content):
    monkeypatch.setattr(images, "PINNED", (NAME,))
    monkeypatch.setattr(type(client.images), "load", lambda *_: pytest.fail("loaded"))
    path = tmp_path / file_name(NAME)
    path.write_bytes(content)
    why = load(client, tmp_path)[NAME]
    key = "images.not_a_tar" if content in BROKEN.values() else "images.other_names"
    assert why.startswith(say(key, path=path, image=NAME, why="\0", names="\0").split("\0")[0])


def test_a_tar_that_is_not_there(client, monkeypatch, tmp_path):
    monkeypatch.setattr(images, "PINNED", (NAME,))
    assert load(client, tmp_path) == {NAME: "No such file or directory"}


def test_a_registry_that_cannot_be_reached_is_told_for_each_image(client, monkeypatch):
    """Port 1 of the engine's own machine: nobody listens there."""
    monkeypatch.setattr(images, "PINNED", ("localhost:1/one:1", "localhost:1/two:1"))
    failed = pull(client)
    assert set(failed) == set(images.PINNED)
    assert all("connection refused" in why for why in failed.values())
    with pytest.raises(ImageNotFound):
        client.images.get("localhost:1/one:1")


def test_what_is_present_is_not_pulled(client, pinned):
    assert pull(client) == {}


def test_a_pull_that_breaks_off_tells_why(client, monkeypatch):
    """No registry can be reached here, so the stream of one that breaks off is made up."""
    stream = [{"status": "Downloading"}, {"error": "unexpected EOF", "errorDetail": {"message": "unexpected EOF"}}]
    monkeypatch.setattr("voldemo.images.PINNED", ("voldemo-no-such:1",))
    monkeypatch.setattr(client.api, "pull", lambda image, **options: iter(stream))
    assert pull(client) == {"voldemo-no-such:1": "unexpected EOF"}
