"""Volumes nobody named: where they come from, and when they go."""

import pytest
from docker.errors import NotFound

from engine.conformance.lab import until

ANONYMOUS = {"com.docker.volume.anonymous": ""}


def anonymous_of(lab, container):
    container.reload()
    (mount,) = container.attrs["Mounts"]
    return lab.client.volumes.get(mount["Source"].split("/")[-2])


def exists(lab, volume):
    try:
        return bool(lab.client.volumes.get(volume.name))
    except NotFound:
        return False


def test_v_with_a_path_alone_makes_one(lab):
    volume = anonymous_of(lab, lab.create(volumes=["/d"]))
    assert len(volume.name) == 64
    assert volume.attrs["Labels"] == ANONYMOUS


def test_a_mount_without_source_makes_one(lab):
    container = lab.create(mounts=[{"Type": "volume", "Target": "/d"}])
    assert anonymous_of(lab, container).attrs["Labels"] == ANONYMOUS


def test_an_images_volume_makes_one(lab):
    image = lab.image("VOLUME /d", script="mkdir /d; echo from the image > /d/f")
    container = lab.shell("cat /d/f", image=image.id)
    assert container.logs() == b"from the image\n"
    assert anonymous_of(lab, container).attrs["Labels"] == ANONYMOUS


def test_each_container_gets_its_own(lab):
    one, two = (anonymous_of(lab, lab.create(volumes=["/d"])) for _ in range(2))
    assert one.name != two.name


def test_a_named_volume_takes_the_place_of_the_images(lab):
    image, volume = lab.image("VOLUME /d"), lab.volume()
    assert anonymous_of(lab, lab.create(image=image.id, volumes=[f"{volume.name}:/d"])).name == volume.name


def test_a_tmpfs_takes_the_place_of_the_images(lab):
    container = lab.create(image=lab.image("VOLUME /d").id, tmpfs={"/d": ""})
    container.reload()
    assert container.attrs["Mounts"] == []


def test_it_outlives_its_container(lab):
    container = lab.create(volumes=["/d"])
    volume = anonymous_of(lab, container)
    container.remove()
    assert exists(lab, volume)
    volume.remove()


def test_rm_v_removes_it(lab):
    container = lab.create(volumes=["/d"])
    volume = anonymous_of(lab, container)
    container.remove(v=True)
    assert not exists(lab, volume)


def test_rm_v_leaves_named_ones(lab):
    volume = lab.volume()
    lab.create(volumes=[f"{volume.name}:/d"]).remove(v=True)
    assert exists(lab, volume)


def test_run_rm_removes_it(lab):
    container = lab.create("true", volumes=["/d"], auto_remove=True)
    volume = anonymous_of(lab, container)
    container.start()
    until(lambda: not exists(lab, volume))
    with pytest.raises(NotFound):
        container.reload()


def test_run_rm_leaves_named_ones(lab):
    volume = lab.volume()
    lab.docker("run", "--rm", "--network=none", "-v", f"{volume.name}:/d", "busybox:1.37", "true")
    assert exists(lab, volume)


def test_its_data_survives_a_restart(lab):
    container = lab.shell("cat /d/f; echo before >> /d/f", volumes=["/d"])
    container.start()
    container.wait()
    assert container.logs().splitlines()[-1] == b"before"
