import pandas as pd
import pytest

from voldemo import frames


@pytest.mark.parametrize(
    ("created_by", "instruction"),
    [
        ("/bin/sh -c #(nop) ADD file:1a2b in / ", "ADD"),
        ('/bin/sh -c #(nop)  CMD ["bash"]', "CMD"),
        ("/bin/sh -c echo VOLUME", "RUN"),
        ("RUN /bin/sh -c apt-get update # buildkit", "RUN"),
        ("COPY docker-entrypoint.sh /usr/local/bin/ # buildkit", "COPY"),
        ("|1 VERSION=2 /bin/sh -c make", "RUN"),
        ("# debian.sh --arch 'amd64' out/ 'trixie'", "-"),
        ("sh -ec rm /secret", "-"),
        ("", "-"),
    ],
)
def test_instruction(created_by, instruction):
    assert frames.instruction(created_by) == instruction


def _step(created_by: str, size: int) -> dict:
    return {"CreatedBy": created_by, "Size": size}


def test_history_is_lowest_first():
    frame = frames.history([_step("CMD x", 0), _step("RUN /bin/sh -c make # buildkit", 7), _step("ADD rootfs /", 5)])
    assert list(frame.instruction) == ["ADD", "RUN", "CMD"]
    assert list(frame.bytes) == [5, 7, 0]
    assert frame.created_by[1] == "make # buildkit"


A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64


@pytest.mark.parametrize(
    ("ids", "steps", "sizes"),
    [
        ([A, B], [_step("CMD x", 0), _step("RUN b", 2), _step("ADD a", 1)], [1, 2]),
        ([A, B], [_step("RUN mkdir", 0), _step("ADD a", 1)], [1, 0]),
        ([A, frames.EMPTY, B], [_step("sh -c b", 2), _step("sh -c true", 0), _step("ADD a", 1)], [1, 0, 2]),
        ([A, B], [_step("sh -c ?", 3)], [pd.NA, pd.NA]),
        ([], [], []),
    ],
    ids=["plain", "a layer without bytes", "an empty layer", "unknown", "no layers"],
)
def test_layers_get_the_bytes_of_their_steps(ids, steps, sizes):
    frame = frames.layers({"RootFS": {"Layers": ids}}, steps)
    assert list(frame.bytes.fillna(-1)) == [-1 if size is pd.NA else size for size in sizes]
    assert list(frame.layer) == [frames.short(each) for each in ids]


def test_changes():
    frame = frames.changes([{"Kind": 1, "Path": "/a"}, {"Kind": 2, "Path": "/b"}, {"Kind": 0, "Path": "/c"}])
    assert frame.to_dict("list") == {"kind": ["A", "D", "C"], "path": ["/a", "/b", "/c"]}
    assert list(frames.changes(None).columns) == ["kind", "path"]


def test_volumes_without_labels_or_any():
    frame = frames.volumes([{"Name": "a", "Driver": "local", "Scope": "local", "Labels": None}])
    assert frame.labels[0] == ""
    assert list(frames.volumes(None).columns) == ["name", "driver", "scope", "labels", "created"]


def test_mounts_of_a_container():
    mount = {"Type": "bind", "Destination": "/data", "RW": False}
    assert frames.mounts({"Mounts": [mount]}).rw.to_list() == [False]
