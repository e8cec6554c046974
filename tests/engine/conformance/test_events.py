"""What the engine tells while things happen."""

import json
import time

import pytest

from engine.conformance.lab import sh


@pytest.fixture
def told(lab):
    """Tells what was told since the test began: (type, action) of all that is the lab's."""
    begin = time.time()

    def told(**filters):
        found = lab.client.events(since=f"{begin:.9f}", until=f"{time.time():.9f}", decode=True, filters=filters)
        return [event for event in found if lab.label in json.dumps(event) or "image" in filters]

    return told


def actions(events):
    return [f"{event['Type']} {event['Action']}" for event in events]


def test_of_a_volume(lab, told):
    lab.volume().remove()
    assert actions(told()) == ["volume create", "volume destroy"]


def test_of_a_volume_that_is_there_already(lab, told):
    lab.volume(lab.volume().name)
    assert actions(told(type="volume")).count("volume create") == 1


def test_a_volume_event_names_the_volume_and_its_driver(lab, told):
    volume = lab.volume()
    (event,) = told()
    assert event["Actor"]["ID"] == volume.name
    assert event["Actor"]["Attributes"]["driver"] == "local"
    assert event["scope"] == "local"
    assert event["time"] == event["timeNano"] // 1_000_000_000


def test_of_a_container_from_create_to_destroy(lab, told):
    container = lab.shell("exit 3")
    container.remove()
    events = told(type="container")
    assert actions(events) == ["container create", "container start", "container die", "container destroy"]
    assert events[2]["Actor"]["Attributes"]["exitCode"] == "3"
    assert {event["Actor"]["ID"] for event in events} == {container.id}
    assert {event["Actor"]["Attributes"]["name"] for event in events} == {container.name}
    assert {event["Actor"]["Attributes"]["image"] for event in events} == {"busybox:1.37"}


def test_labels_are_told_too(lab, told):
    lab.create(labels={"tier": "hot"})
    (event,) = told(type="container")
    assert event["Actor"]["Attributes"]["tier"] == "hot"


def test_a_volume_is_mounted_and_unmounted(lab, told):
    volume = lab.volume()
    container = lab.shell("true", volumes=[f"{volume.name}:/d"])
    events = [event for event in told(type="volume") if event["Action"] in ("mount", "unmount")]
    assert [event["Action"] for event in events] == ["mount", "unmount"]
    attributes = events[0]["Actor"]["Attributes"]
    assert attributes == {
        "container": container.id,
        "destination": "/d",
        "driver": "local",
        "propagation": "",
        "read/write": "true",
    }


def test_of_stop(lab, told):
    container = lab.start()
    container.stop(timeout=0)
    said = actions(told(container=container.id))
    assert said[:4] == [
        "container create",
        "container start",
        "container kill",
        "container kill",
    ]
    assert sorted(said[4:]) == ["container die", "container stop"]  # in no order


def test_of_kill(lab, told):
    container = lab.start()
    container.kill()
    container.wait()
    events = told(container=container.id)
    assert actions(events)[2:] == ["container kill", "container die"]
    assert events[2]["Actor"]["Attributes"]["signal"] == "9"


def test_of_pause_rename_and_restart(lab, told):
    container = lab.start()
    container.pause()
    container.unpause()
    container.rename(lab.name())
    container.restart(timeout=0)
    said = [action.split()[1] for action in actions(told(container=container.id))]
    said = [action for action in said if action not in ("kill", "die", "stop")]
    assert {"pause", "unpause"} <= set(said)  # these two come from below, late or twice
    assert [action for action in said if action not in ("pause", "unpause")] == [
        "create",
        "start",
        "rename",
        "start",
        "restart",
    ]


def test_of_exec(lab, told):
    container = lab.start()
    sh(container, "exit 4")
    said = told(container=container.id)[2:]
    assert actions(said) == [
        "container exec_create: sh -c exec 2>&1\nexit 4",
        "container exec_start: sh -c exec 2>&1\nexit 4",
        "container exec_die",
    ]
    assert said[2]["Actor"]["Attributes"]["exitCode"] == "4"


def test_of_copying(lab, told):
    container = lab.create()
    container.get_archive("/etc/passwd")[0].close()
    lab.client.api.put_archive(container.id, "/", bytes(10240))
    assert actions(told(container=container.id))[1:] == ["container archive-path", "container extract-to-dir"]


def test_of_images(lab, told):
    image = lab.image()
    image.tag(lab.name())
    lab.client.images.remove(image.id, force=True)
    said = actions(told(type="image", image=image.id))
    assert said == ["image create", "image tag", "image tag", "image untag", "image untag", "image delete"]


def test_filters(lab, told):
    volume, container = lab.volume(), lab.create()
    assert actions(told(event="create", type="volume")) == ["volume create"]
    assert actions(told(volume=volume.name)) == ["volume create"]
    assert actions(told(container=container.name)) == ["container create"]
    assert actions(told(label="=".join(*lab.labels.items()), type="container")) == ["container create"]
    assert actions(told(event="nope")) == []


def test_a_listener_hears_at_once(lab):
    stream = lab.client.events(decode=True, filters={"type": "volume", "event": "create"})
    volume = lab.volume()
    assert any(event["Actor"]["ID"] == volume.name for event in stream)
    stream.close()


def test_cli_events(lab):
    begin = f"{time.time():.9f}"
    volume = lab.volume()
    said = lab.docker("events", "--since", begin, "--until", f"{time.time():.9f}", "--filter", f"volume={volume.name}")
    assert said.split(" ", 1)[1] == f"volume create {volume.name} (driver=local)"
