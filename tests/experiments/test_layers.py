import pytest

from voldemo.experiments import layers
from voldemo.images import BUSYBOX, DEBIAN, POSTGRES, REDIS


def test_history_adds_up_to_the_image(client):
    frame = layers.history(client, BUSYBOX)
    assert list(frame.step) == list(range(1, len(frame) + 1))
    # What the files take: the containerd store's own Size also counts the compressed blobs.
    with_files = frame.bytes.sum()
    assert 1_000_000 < with_files <= client.images.get(BUSYBOX).attrs["Size"]


def test_only_what_writes_files_adds_bytes(client):
    frame = layers.instructions(client, POSTGRES).set_index("instruction")
    assert frame.adds[["RUN", "COPY"]].all()
    assert not frame.adds[["ENV", "EXPOSE", "VOLUME", "ENTRYPOINT", "CMD", "STOPSIGNAL"]].any()


def test_images_on_one_base_share_its_layers(client):
    frame = layers.shared(client, (DEBIAN, POSTGRES, REDIS))
    base = frame[frame.image == DEBIAN]
    assert (base.images == 3).all()
    assert set(base.layer) < set(frame[frame.image == POSTGRES].layer)
    assert frame[frame.image == POSTGRES].images.min() == 1
    assert frame.bytes.notna().all()


def test_layer_bytes_are_those_of_the_history(client):
    frame = layers.shared(client, (POSTGRES,))
    assert frame.bytes.sum() == layers.history(client, POSTGRES).bytes.sum()


def test_containers_share_the_image(client):
    frame = layers.containers(client, counts=(1, 5), image=BUSYBOX).set_index("containers")
    assert frame.shared_bytes[1] == frame.shared_bytes[5] > 1_000_000
    assert frame.writable_bytes[1] >= 1024
    assert frame.writable_bytes[5] == 5 * frame.writable_bytes[1]
    assert list(frame.times) == [1, 1]


def test_the_first_append_to_a_file_of_the_image_copies_it(client):
    frame = layers.copy_up(client, mib=(1, 4))
    copied = frame.set_index(["place", "append", "file_bytes"]).copied
    assert copied[copied].index.to_list() == [("layer", "first", 1 << 20), ("layer", "first", 4 << 20)]
    assert (frame.seconds > 0).all()
    assert (frame[frame.place == "volume"].writable_bytes < 1 << 20).all()


def test_a_deleted_file_stays_unless_it_was_deleted_in_the_same_step(client):
    frame = layers.deleted(client, text="geheim 'x' $y", mib=2).set_index("delete")
    assert not frame.visible.any()
    assert frame.recovered.to_dict() == {"later step": True, "same step": False}
    assert frame.image_bytes_added["later step"] >= 2 << 20
    assert frame.image_bytes_added["same step"] < 1 << 20


def test_diff_and_whiteout(client):
    frame = layers.diff(client)
    assert {row.path: (row.kind, row.committed) for row in frame.itertuples()} == {
        "/added": ("A", "added"),
        "/etc": ("C", "etc"),
        "/etc/group": ("C", "etc/group"),
        "/etc/passwd": ("D", "etc/.wh.passwd"),
    }


def test_commit_takes_the_writable_layer_alone(client):
    frame = layers.commit(client)
    assert list(frame.kind[frame.in_image]) == ["layer"]
    assert len(frame) == 5


def test_a_step_that_fails_tells_why(client):
    with layers.Sandbox(client) as box, pytest.raises(RuntimeError, match="exit status 3: oh"):
        layers.committed_after(box, "echo oh; exit 3", BUSYBOX)
