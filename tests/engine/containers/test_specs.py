"""-v and --mount: what is understood, and Docker's words for what is not."""

import pytest

from voldemo.engine.containers import mounts, mountspec, volumespec
from voldemo.engine.containers.volumespec import destination
from voldemo.engine.errors import BadParameter, EngineError, Failed


def test_a_named_volume():
    point = volumespec.parse("data:/d/../v/")
    assert (point.kind, point.name, point.destination, point.mode, point.writable) == (
        "volume",
        "data",
        "/v",
        "z",
        True,
    )


def test_a_bind_with_options():
    point = volumespec.parse("/tmp:/d:ro,rslave")
    assert (point.kind, point.source, point.writable, point.propagation) == ("bind", "/tmp", False, "rslave")


def test_an_anonymous_one():
    assert volumespec.parse("/d").anonymous
    assert not volumespec.parse("/d:ro").writable


def test_nocopy():
    assert not volumespec.parse("data:/d:nocopy").copy


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("data:/", "invalid volume specification: 'data:/': invalid mount config for type \"volume\": "
                   "invalid specification: destination can't be '/'"),
        ("data:d", "invalid volume specification: 'data:d': invalid mount config for type \"volume\": "
                   "invalid mount path: 'd' mount path must be absolute"),
        ("a:b:c:d", "invalid volume specification: 'a:b:c:d'"),
        (":/a", "invalid volume specification: ':/a'"),
        ("data:/a:foo", "invalid mode: foo"),
        ("data:/a:ro,rw", "invalid mode: ro,rw"),
        ("data:/a:rshared", "invalid volume specification: 'data:/a:rshared': invalid mount config for type "
                            '"volume": field BindOptions must not be specified'),
    ],
)  # fmt: skip
def test_v_that_is_refused(spec, said):
    with pytest.raises(EngineError) as caught:
        volumespec.parse(spec)
    assert str(caught.value) == said


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"Type": "foo", "Target": "/a"}, 'invalid mount config for type "foo": mount type unknown'),
        ({"Type": "bind", "Target": "/a"}, 'invalid mount config for type "bind": field Source must not be empty'),
        ({"Type": "bind", "Source": "/tmp"}, 'invalid mount config for type "bind": field Target must not be empty'),
        ({"Type": "bind", "Source": "/nowhere/x", "Target": "/a"},
         'invalid mount config for type "bind": bind source path does not exist: /nowhere/x'),
        ({"Type": "volume", "Source": "v1", "Target": "/"},
         "invalid mount config for type \"volume\": invalid specification: destination can't be '/'"),
        ({"Type": "tmpfs", "Source": "x", "Target": "/a"},
         'invalid mount config for type "tmpfs": field Source must not be specified'),
        ({"Type": "bind", "Source": "/tmp", "Target": "/a", "VolumeOptions": {}},
         'VolumeOptions must not be specified on mount type "bind"'),
        ({"Type": "volume", "Source": "v1", "Target": "/a", "VolumeOptions": {"Subpath": "../x"}},
         'invalid mount config for type "volume": subpath must be a relative path within the volume'),
        ({"Type": "volume", "Target": "/a", "VolumeOptions": {"Subpath": "x"}},
         'invalid mount config for type "volume": must not set Subpath when using anonymous volumes'),
    ],
)  # fmt: skip
def test_mount_that_is_refused(entry, said):
    with pytest.raises(BadParameter) as caught:
        mountspec.parse(entry)
    assert str(caught.value) == said


@pytest.mark.parametrize(
    "host",
    [
        {"Binds": ["v1:/a", "v2:/a"]},
        {"Binds": ["v1:/a"], "Tmpfs": {"/a/": ""}},
        {"Binds": ["v1:/a"], "Mounts": [{"Type": "volume", "Source": "v2", "Target": "/a"}]},
        {"Mounts": [{"Type": "tmpfs", "Target": "/a"}, {"Type": "tmpfs", "Target": "/a"}]},
    ],
)
def test_one_place_for_two(host):
    with pytest.raises(BadParameter, match="^Duplicate mount point: /a$"):
        mounts.requested(host)


def test_wrong_types_are_refused_and_do_no_harm():
    for host in ({"Binds": "x"}, {"Mounts": ["x"]}, {"Tmpfs": []}, {"Mounts": [{"Type": 1}]}):
        with pytest.raises(BadParameter, match="cannot unmarshal"):
            mounts.requested(host)


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("/a\0b", "lstat /a\0b: invalid argument"),
        ("/" + "n" * 256, f"lstat /{'n' * 256}: file name too long"),
        ("/n" * 2048, f"lstat {'/n' * 2048}: file name too long"),
    ],
)
def test_no_file_can_have_such_a_name(target, said):
    with pytest.raises(Failed) as caught:
        destination(target)
    assert str(caught.value) == said


@pytest.mark.parametrize("target", ["/", "/.", "/..", "//", "/a/.."])
def test_nothing_goes_over_the_root(target):
    with pytest.raises(BadParameter, match="destination can't be '/'"):
        destination(target)
