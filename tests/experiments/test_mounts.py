from voldemo.engines import api
from voldemo.experiments import mounts


def test_over_a_path_that_is_not_empty(client):
    frame = mounts.over(client).set_index(["mount", "source"])
    assert {key: tuple(row) for key, row in zip(frame.index, frame.to_numpy().tolist(), strict=True)} == {
        # sees the image's file, sees the source's file, the image's file was copied
        ("volume", "empty"): (True, False, True),
        ("volume", "filled"): (False, True, False),
        ("nocopy", "empty"): (False, False, False),
        ("nocopy", "filled"): (False, True, False),
        ("bind", "empty"): (False, False, False),
        ("bind", "filled"): (False, True, False),
        ("tmpfs", "empty"): (False, False, None),
    }


def test_readonly_is_one_mount_alone(client):
    frame = mounts.readonly(client).set_index("path")
    assert frame.wrote.to_dict() == {"/etc": False, "/data": False, "/data/cache": True, "/tmp": True}
    assert set(frame.error[~frame.wrote]) == {"Read-only file system"}


def test_a_mount_inside_a_readonly_one_needs_its_mount_point(client):
    frame = mounts.nested(client).set_index("mount_point")
    assert frame.started.to_dict() == {False: False, True: True}
    assert "read-only file system" in frame.error[False]


def test_a_missing_bind_source(client):
    frame = mounts.missing(client).set_index("flag")
    knows_create_mountpoint = api(client) >= (1, 42)
    assert frame.started.to_dict() == {
        "-v": True,
        "--mount": False,
        "--mount, CreateMountpoint": knows_create_mountpoint,
    }
    assert (frame.created == frame.started).all()
    assert "does not exist" in frame.error["--mount"]


def test_a_volume_keeps_the_files_of_the_image_that_filled_it(client):
    frame = mounts.rebuilt(client)
    assert frame.set_index(["mount", "image"]).sees.to_dict() == {
        ("volume", "v1"): "v1",
        ("same volume", "v2"): "v1",
        ("new volume", "v2"): "v2",
        ("no mount", "v2"): "v2",
    }


def test_ownership(client):
    frame = mounts.ownership(client).set_index("mount")
    assert frame.wrote.to_dict() == {
        "volume": False,
        "volume, image's folder is theirs": True,
        "volume, chowned before": True,
        "bind": False,
        "tmpfs": True,
    }
    assert frame.owner["volume"] == 0
    assert frame.owner["volume, image's folder is theirs"] == mounts.USER


def test_a_full_tmpfs(client):
    frame = mounts.full(client, size=1 << 20)
    assert list(frame.written_bytes) == [1 << 19, 1 << 20, 1 << 20]
    assert list(frame.error) == ["", "", "No space left on device"]
