"""A new volume is filled with what the image has at its place."""

import pytest
from docker.types import Mount

from engine.conformance.lab import sh

SCRIPT = """
mkdir -p /d/sub; echo content > /d/f; chmod 640 /d/f; chown 33:100 /d/f
ln -s f /d/link; ln -s /etc/passwd /d/absolute; ln /d/f /d/hard
chmod 1777 /d/sub; chown 1000:1000 /d/sub; mkfifo /d/pipe; touch -d '2001-02-03 04:05:06' /d/sub
chown 5:6 /d; chmod 2755 /d
"""


@pytest.fixture(scope="module")
def image(module_lab):
    return module_lab.image(script=SCRIPT).id


def listed(lab, image, script="ls -A /d", mode="", **options):
    name = options.pop("name", None) or lab.volume().name
    return lab.says(script, image=image, volumes=[f"{name}:/d{mode}"], **options).split()


CONTENT = ["absolute", "f", "hard", "link", "pipe", "sub"]


def test_a_named_volume_is_filled(lab, image):
    assert listed(lab, image) == CONTENT


def test_an_anonymous_volume_is_filled(lab, image):
    assert lab.says("ls -A /d", image=image, volumes=["/d"]).split() == CONTENT


def test_a_volume_by_mount_is_filled(lab, image):
    assert lab.says("ls -A /d", image=image, mounts=[Mount("/d", lab.volume().name)]).split() == CONTENT


def test_owners_and_modes_are_kept(lab, image):
    script = "cd /d; stat -c '%n=%u:%g=%a' . f sub link"
    assert listed(lab, image, script) == [".=5:6=2755", "f=33:100=640", "sub=1000:1000=1777", "link=0:0=777"]


def test_symlinks_are_kept_as_they_are(lab, image):
    assert listed(lab, image, "readlink /d/link; readlink /d/absolute") == ["f", "/etc/passwd"]


def test_hard_links_are_kept(lab, image):
    assert listed(lab, image, "test /d/f -ef /d/hard && stat -c %h /d/f") == ["2"]


def test_times_are_kept(lab, image):
    assert listed(lab, image, "date -ud @$(stat -c %Y /d/sub) +%F,%T") == ["2001-02-03,04:05:06"]


def test_a_pipe_is_kept(lab, image):
    assert listed(lab, image, "stat -c %F /d/pipe") == ["fifo"]


def test_nocopy_leaves_it_empty(lab, image):
    assert listed(lab, image, mode=":nocopy") == []
    assert lab.says("ls -A /d", image=image, mounts=[Mount("/d", lab.volume().name, no_copy=True)]) == ""


def test_a_read_only_volume_is_filled_too(lab, image):
    assert listed(lab, image, mode=":ro") == CONTENT


def test_a_volume_with_content_is_left_alone(lab, image):
    name = lab.volume().name
    lab.run("touch /d/mine", volumes=[f"{name}:/d"])
    assert listed(lab, image, name=name) == ["mine"]


def test_a_volume_is_not_filled_twice(lab, image):
    name = lab.volume().name
    assert listed(lab, image, "rm /d/link; ls -A /d", name=name) == ["absolute", "f", "hard", "pipe", "sub"]
    assert "link" not in listed(lab, image, name=name)


def test_an_emptied_volume_is_filled_again(lab, image):
    name = lab.volume().name
    listed(lab, image, "rm -r /d/*", name=name)
    assert listed(lab, image, name=name) == CONTENT


def test_it_is_filled_when_the_container_is_created(lab, image):
    volume = lab.volume()
    lab.create(image=image, volumes=[f"{volume.name}:/d"])
    assert lab.says("ls -A /other", volumes=[f"{volume.name}:/other"]).split() == CONTENT


def test_a_change_in_the_volume_leaves_the_image_alone(lab, image):
    name = lab.volume().name
    listed(lab, image, "echo changed > /d/f", name=name)
    assert lab.says("cat /d/f", image=image) == "content"


def test_the_first_container_wins(lab, image):
    name = lab.volume().name
    other = lab.image(script="mkdir /d; touch /d/other").id
    assert listed(lab, other, name=name) == ["other"]
    assert listed(lab, image, name=name) == ["other"]


def test_a_bind_is_never_filled(lab, image):
    assert lab.says("ls -A /d", image=image, volumes=[f"{lab.folder}:/d"]) == ""


def test_a_tmpfs_is_never_filled(lab, image):
    assert lab.says("ls -A /d", image=image, tmpfs={"/d": ""}) == ""


def test_an_empty_subpath_is_filled(lab, image):
    name = lab.volume().name
    lab.run("mkdir /v/part", volumes=[f"{name}:/v"])
    assert lab.says("ls -A /d", image=image, mounts=[Mount("/d", name, subpath="part")]).split() == CONTENT


def test_a_place_the_image_does_not_have_is_an_empty_folder_of_root(lab):
    assert lab.says("stat -c '%u:%g %a' /new; ls -A /new", volumes=[f"{lab.volume().name}:/new"]) == "0:0 755"


def test_an_image_can_make_a_place_for_another_user(lab):
    image = lab.image("USER 1001", script="mkdir /d; chown 1001:1001 /d").id
    volume = f"{lab.volume().name}:/d"
    assert lab.says("touch /d/f; stat -c %u /d/f", image=image, volumes=[volume]) == "1001"
    assert sh(lab.start(volumes=[volume]), "stat -c %u /d /d/f").split() == ["1001", "1001"]


def test_a_volume_over_etc_has_places_for_the_engines_own_files(lab):
    volume = lab.volume()
    lab.run("true", volumes=[f"{volume.name}:/etc:ro"])
    names = "hostname hosts resolv.conf"
    assert lab.says(f"cd /d && stat -c '%n %a %s' {names}", volumes=[f"{volume.name}:/d"]).splitlines() == [
        f"{name} 755 0" for name in names.split()
    ]
