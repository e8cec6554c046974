"""Volumes as such: create, list, inspect, remove."""

import json

import pytest
from docker.errors import NotFound

from engine.conformance.lab import LABEL, refused


def test_a_volume_says_what_it_is(lab):
    attrs = lab.volume("vdc-described-" + lab.label, labels={"tier": "hot"}).attrs
    assert attrs["Name"] == "vdc-described-" + lab.label
    assert attrs["Driver"] == "local"
    assert attrs["Scope"] == "local"
    assert attrs["Labels"]["tier"] == "hot"
    assert attrs["Options"] is None
    assert attrs["Mountpoint"].endswith(f"/volumes/{attrs['Name']}/_data")
    assert attrs["CreatedAt"][10] == "T"


def test_a_volume_inspects_as_it_was_created(lab):
    volume = lab.volume()
    assert lab.client.volumes.get(volume.name).attrs == volume.attrs


def test_the_same_name_is_the_same_volume(lab):
    first = lab.volume(labels={"which": "first"})
    again = lab.volume(first.name, labels={"which": "second"})
    assert again.attrs == first.attrs


def test_options_of_a_volume_that_exists_are_ignored(lab):
    volume = lab.volume()
    again = lab.volume(volume.name, driver_opts={"type": "tmpfs", "device": "tmpfs"})
    assert again.attrs["Options"] is None


def test_without_a_name_it_is_anonymous(lab):
    volume = lab.client.volumes.create(labels=lab.labels)
    assert len(volume.name) == 64
    assert int(volume.name, 16)
    assert volume.attrs["Labels"] == {"com.docker.volume.anonymous": "", **lab.labels}


def test_options_are_kept(lab):
    options = {"type": "tmpfs", "device": "tmpfs", "o": "size=1m"}
    assert lab.volume(driver_opts=options).attrs["Options"] == options


@pytest.mark.parametrize("name", ["with space", "-dash", ".dot", "_under", "sla/sh", "a:b", "é"])
def test_a_bad_name_is_refused(lab, name):
    words = 'includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed'
    with refused(400, f'"{name}"', words, "If you intended to pass a host directory, use absolute path"):
        lab.volume(name)


def test_a_name_of_one_letter_is_too_short(lab):
    with refused(400, "volume name is too short, names should be at least two alphanumeric characters"):
        lab.volume("d")


@pytest.mark.parametrize("name", ["Data_1.2-", "0x-", "a.."])
def test_a_good_name_is_accepted(lab, name):
    assert lab.volume(name + lab.label).name == name + lab.label


def test_an_unknown_option_is_refused(lab):
    with refused(400, 'invalid option: "colour"'):
        lab.volume(driver_opts={"colour": "blue"})


def test_a_type_needs_a_device(lab):
    with refused(400, 'missing required option: "device"'):
        lab.volume(driver_opts={"type": "tmpfs"})


def test_a_refused_volume_does_not_exist(lab):
    name = lab.name()
    with refused(400):
        lab.volume(name, driver_opts={"colour": "blue"})
    with pytest.raises(NotFound):
        lab.client.volumes.get(name)


def names(lab, **filters):
    found = lab.client.volumes.list(filters=filters | {"label": [f"{LABEL}={lab.label}", *filters.get("label", [])]})
    return {volume.name for volume in found}


def test_list_filters_by_name(lab):
    logs, data = lab.volume("logs-" + lab.label), lab.volume("data-" + lab.label)
    assert names(lab, name="logs-") == {logs.name}
    assert names(lab, name=lab.label) == {logs.name, data.name}
    assert names(lab, name=["logs-", "data-"]) == {logs.name, data.name}


def test_list_filters_by_label(lab):
    hot, cold = lab.volume(labels={"tier": "hot"}), lab.volume(labels={"tier": "cold"})
    lab.volume()
    assert names(lab, label=["tier"]) == {hot.name, cold.name}
    assert names(lab, label=["tier=hot"]) == {hot.name}
    assert names(lab, label=["tier=warm"]) == set()


def test_list_filters_by_use(lab):
    used, spare = lab.volume(), lab.volume()
    lab.create(volumes=[f"{used.name}:/d"])
    assert names(lab, dangling="true") == {spare.name}
    assert names(lab, dangling="false") == {used.name}


def test_list_filters_by_driver(lab):
    volume = lab.volume()
    assert names(lab, driver="local") == {volume.name}
    assert names(lab, driver="nosuch") == set()


def test_list_refuses_an_unknown_filter(lab):
    with refused(400, "invalid filter 'colour'"):
        lab.client.volumes.list(filters={"colour": "blue"})


def test_list_refuses_a_filter_value_that_is_none(lab):
    with refused(400, "invalid filter 'dangling=[maybe]'"):
        lab.client.volumes.list(filters={"dangling": "maybe"})


def test_no_volumes_is_an_empty_list(lab):
    found = lab.client.api.volumes(filters={"label": "no.such.label"})
    assert found["Volumes"] == []


def test_remove(lab):
    volume = lab.volume()
    volume.remove()
    with refused(404, f"get {volume.name}: no such volume"):
        lab.client.volumes.get(volume.name)


def test_remove_of_what_is_not_there(lab):
    with refused(404, "get vdc-nope: no such volume"):
        lab.client.api.remove_volume("vdc-nope")


def test_cli_forced_remove_of_what_is_not_there_is_fine(lab):
    assert lab.docker("volume", "rm", "--force", "vdc-nope") == "vdc-nope"


@pytest.mark.parametrize("state", ["created", "running", "exited"])
def test_a_volume_in_use_cannot_be_removed(lab, state):
    volume = lab.volume()
    container = lab.create(volumes=[f"{volume.name}:/d"])
    if state != "created":
        container.start()
    if state == "exited":
        container.kill()
        container.wait()
    with refused(409, f"remove {volume.name}: volume is in use - [{container.id}]"):
        volume.remove()
    with refused(409, "volume is in use"):
        volume.remove(force=True)
    container.remove(force=True)
    volume.remove()


def test_a_removed_volume_comes_back_empty(lab):
    volume = lab.volume()
    assert lab.says("echo kept > /d/f; cat /d/f", volumes=[f"{volume.name}:/d"]) == "kept"
    volume.remove()
    lab.volume(volume.name)
    assert lab.says("ls -A /d", volumes=[f"{volume.name}:/d"]) == ""


def test_data_outlives_its_containers(lab):
    volume = lab.volume()
    lab.run("echo kept > /d/f", volumes=[f"{volume.name}:/d"])
    assert lab.says("cat /d/f", volumes=[f"{volume.name}:/d"]) == "kept"


def test_cli_create_says_the_name(lab):
    name = lab.name()
    assert lab.docker("volume", "create", name) == name


def test_cli_list(lab):
    names = sorted(lab.volume().name for _ in range(3))
    ls = ("volume", "ls", "--filter", f"label={LABEL}={lab.label}")
    assert lab.docker(*ls, "--quiet").split() == names
    header, *rows = lab.docker(*ls).splitlines()
    assert header.split() == ["DRIVER", "VOLUME", "NAME"]
    assert [row.split() for row in rows] == [["local", name] for name in names]


def test_cli_inspect(lab):
    volume = lab.volume()
    (shown,) = json.loads(lab.docker("volume", "inspect", volume.name))
    assert {key: shown[key] for key in volume.attrs} == volume.attrs


def test_cli_inspect_of_what_is_not_there(lab):
    said = lab.docker("volume", "inspect", "vdc-nope", code=1)
    assert said.splitlines()[-1] == "Error response from daemon: get vdc-nope: no such volume"


def test_cli_remove_goes_on_after_an_error(lab):
    volume = lab.volume()
    said = lab.docker("volume", "rm", "vdc-nope", volume.name, code=1)
    assert said.splitlines() == [volume.name, "Error response from daemon: get vdc-nope: no such volume"]


def test_cli_remove_in_use(lab):
    volume = lab.volume()
    container = lab.create(volumes=[f"{volume.name}:/d"])
    said = lab.docker("volume", "rm", volume.name, code=1)
    assert said == f"Error response from daemon: remove {volume.name}: volume is in use - [{container.id}]"
