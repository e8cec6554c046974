"""Listing and inspecting containers."""

import json

import pytest

from engine.conformance.lab import LABEL, refused


def found(lab, **filters):
    wanted = [f"{LABEL}={lab.label}", *filters.pop("label", [])]
    rows = lab.client.api.containers(all=True, filters={"label": wanted, **filters})
    return {row["Id"] for row in rows}


def test_list_shows_what_runs(lab):
    running, _ = lab.start(), lab.create()
    (row,) = lab.client.api.containers(filters={"label": f"{LABEL}={lab.label}"})
    assert row["Id"] == running.id
    assert (row["State"], row["Image"], row["Command"]) == ("running", "busybox:1.37", "sleep 1000000")
    assert row["Names"] == [f"/{running.name}"]
    assert row["Labels"] == lab.labels
    assert row["ImageID"] == lab.client.images.get("busybox:1.37").id
    assert row["HostConfig"] == {"NetworkMode": "none"}
    assert isinstance(row["Created"], int)


def test_list_shows_all_newest_first(lab):
    made = [lab.create().id for _ in range(3)]
    rows = lab.client.api.containers(all=True, filters={"label": f"{LABEL}={lab.label}"})
    assert [row["Id"] for row in rows] == made[::-1]


def test_list_is_limited(lab):
    made = [lab.create().id for _ in range(3)]
    rows = lab.client.api.containers(limit=2, filters={"label": f"{LABEL}={lab.label}"})
    assert [row["Id"] for row in rows] == made[:0:-1]


def test_filter_status(lab):
    created, running, exited = lab.create(), lab.start(), lab.shell("true")
    assert found(lab, status="created") == {created.id}
    assert found(lab, status=["running", "exited"]) == {running.id, exited.id}


def test_filter_exited(lab):
    three, _ = lab.shell("exit 3"), lab.shell("exit 0")
    assert found(lab, exited="3") == {three.id}


def test_filter_name_and_id(lab):
    one, _ = lab.create(name=f"{lab.label}-apple"), lab.create(name=f"{lab.label}-pear")
    assert found(lab, name="app") == {one.id}
    assert found(lab, name=f"^/{one.name}$") == {one.id}
    assert found(lab, id=one.id[:20]) == {one.id}


def test_filter_label(lab):
    hot, _ = lab.create(labels={"tier": "hot"}), lab.create(labels={"tier": "cold"})
    assert found(lab, label=["tier=hot"]) == {hot.id}


def test_filter_ancestor(lab):
    image = lab.image()
    one, _ = lab.create(image=image.id), lab.create()
    assert found(lab, ancestor=image.tags[0]) == {one.id}
    assert len(found(lab, ancestor="busybox:1.37")) == 2


def test_filter_volume(lab):
    volume = lab.volume()
    one, _ = lab.create(volumes=[f"{volume.name}:/d"]), lab.create(volumes=["/other"])
    assert found(lab, volume=volume.name) == {one.id}
    assert found(lab, volume="/d") == {one.id}


def test_filter_before_and_since(lab):
    one, two, three = (lab.create() for _ in range(3))
    assert found(lab, before=two.id) == {one.id}
    assert found(lab, since=two.id) == {three.id}


def test_filter_with_a_value_that_is_none(lab):
    with refused(400, "invalid filter 'status=sleepy'"):
        found(lab, status="sleepy")


def test_an_unknown_filter(lab):
    with refused(400, "invalid filter 'colour'"):
        found(lab, colour="blue")


def test_inspect_shows_what_was_asked_for(lab):
    options = {
        "environment": {"A": "b"},
        "user": "33",
        "working_dir": "/etc",
        "hostname": "boxer",
        "entrypoint": ["sleep"],
        "tty": True,
        "stop_signal": "SIGINT",
    }
    container = lab.create("5", **options)
    container.reload()
    config = container.attrs["Config"]
    assert "A=b" in config["Env"]
    assert any(entry.startswith("PATH=") for entry in config["Env"])
    assert (config["User"], config["WorkingDir"], config["Hostname"]) == ("33", "/etc", "boxer")
    assert (config["Entrypoint"], config["Cmd"]) == (["sleep"], ["5"])
    assert (config["Tty"], config["StopSignal"]) == (True, "SIGINT")
    assert (container.attrs["Path"], container.attrs["Args"]) == ("sleep", ["5"])


def test_inspect_shows_who_it_is(lab):
    container = lab.create()
    container.reload()
    attrs = container.attrs
    assert attrs["Name"] == f"/{container.name}"
    assert attrs["Image"] == lab.client.images.get("busybox:1.37").id
    assert attrs["Config"]["Image"] == "busybox:1.37"
    assert attrs["Config"]["Hostname"] == container.id[:12]
    assert attrs["Created"][10] == "T"
    assert attrs["HostConfig"]["NetworkMode"] == "none"
    assert attrs["HostConfig"]["RestartPolicy"] == {"Name": "no", "MaximumRetryCount": 0}
    assert attrs["RestartCount"] == 0


def test_inspect_shows_limits(lab):
    container = lab.create(mem_limit="64m", nano_cpus=500_000_000, pids_limit=50)
    container.reload()
    config = container.attrs["HostConfig"]
    assert (config["Memory"], config["NanoCpus"], config["PidsLimit"]) == (64 << 20, 500_000_000, 50)


def test_inspect_of_what_is_not_there(lab):
    with refused(404, "No such container: vdc-nope"):
        lab.client.containers.get("vdc-nope")


def test_cli_inspect_finds_the_kind_by_itself(lab):
    container, volume = lab.create(), lab.volume()
    (one, two) = json.loads(lab.docker("inspect", container.name, volume.name))
    assert (one["Id"], two["Name"]) == (container.id, volume.name)


def test_cli_inspect_of_what_is_not_there(lab):
    said = lab.docker("inspect", "vdc-nope", code=1)
    assert said.splitlines()[-1] == "Error: No such object: vdc-nope"


def test_environment_and_image_environment_join(lab):
    image = lab.image("ENV A=image B=image")
    assert lab.says("echo $A $B", image=image.id, environment={"A": "own"}).split() == ["own", "image"]


def test_home_follows_the_user(lab):
    assert lab.says("echo $HOME") == "/root"
    assert lab.says("echo $HOME", user="www-data") == "/var/www"


def test_hostname_and_hosts(lab):
    said = lab.says("hostname; cat /etc/hosts", hostname="boxer", extra_hosts={"db": "10.1.2.3"})
    assert said.splitlines()[0] == "boxer"
    assert ["10.1.2.3", "db"] in [line.split() for line in said.splitlines()]


def test_entrypoint_and_command_of_the_image(lab):
    image = lab.image('ENTRYPOINT ["echo", "a"]', 'CMD ["b"]')
    container = lab.client.containers.create(image.id, labels=lab.labels, network_mode="none")
    container.start()
    container.wait()
    assert container.logs() == b"a b\n"


def test_an_entrypoint_drops_the_images_command(lab):
    image = lab.image('CMD ["b"]')
    container = lab.client.containers.create(image.id, entrypoint="echo", labels=lab.labels, network_mode="none")
    container.start()
    container.wait()
    assert container.logs() == b"\n"


@pytest.mark.parametrize("word", ["a b", "$HOME", "'", '"', "é", "\\", "", "a\nb"])
def test_words_arrive_as_they_are(lab, word):
    container = lab.start("printf", "[%s]", word)
    container.wait()
    assert container.logs().decode() == f"[{word}]"


def test_devices_are_there(lab):
    said = lab.says(
        "head -c 3 /dev/zero | wc -c; head -c 3 /dev/urandom | wc -c; cat /dev/null; echo x > /dev/full; tty"
    )
    assert said.splitlines() == ["3", "3", "sh: write error: No space left on device", "not a tty"]


def test_proc_is_there(lab):
    assert lab.says("readlink /proc/1/exe; cat /proc/1/comm; cat /proc/sys/kernel/ostype").split() == [
        "/bin/sh",
        "sh",
        "Linux",
    ]


def test_mounting_is_not_allowed(lab):
    assert lab.says("mount -t tmpfs x /tmp") == "mount: permission denied (are you root?)"
