"""What a container changes stays in its own layer, and can be looked at, committed and counted."""

import pytest

from engine.conformance.lab import DEBIAN, sh

CHANGED, ADDED, DELETED = 0, 1, 2


def diff(container):
    return {row["Path"]: row["Kind"] for row in container.diff() or []}


def test_nothing_done_is_nothing_changed(lab):
    assert diff(lab.shell("cat /etc/passwd; ls /bin > /dev/null")) == {}


def test_an_added_file(lab):
    assert diff(lab.shell("touch /etc/new")) == {"/etc": CHANGED, "/etc/new": ADDED}


def test_a_changed_file(lab):
    assert diff(lab.shell("echo x >> /etc/passwd")) == {"/etc": CHANGED, "/etc/passwd": CHANGED}


def test_a_changed_mode(lab):
    assert diff(lab.shell("chmod 600 /etc/passwd")) == {"/etc": CHANGED, "/etc/passwd": CHANGED}


def test_a_deleted_file(lab):
    assert diff(lab.shell("rm /etc/passwd")) == {"/etc": CHANGED, "/etc/passwd": DELETED}


def test_a_deleted_folder_is_one_row(lab):
    assert diff(lab.shell("rm -r /var")) == {"/var": DELETED}


def test_a_replaced_folder(lab):
    changed = diff(lab.shell("rm -r /var; mkdir /var; touch /var/new"))
    assert changed == {"/var": CHANGED, "/var/new": ADDED, "/var/tmp": DELETED}


def test_a_renamed_file(lab):
    assert diff(lab.shell("mv /etc/passwd /etc/p")) == {"/etc": CHANGED, "/etc/passwd": DELETED, "/etc/p": ADDED}


def test_a_new_folder_with_files(lab):
    assert diff(lab.shell("mkdir -p /a/b; touch /a/b/f")) == {"/a": ADDED, "/a/b": ADDED, "/a/b/f": ADDED}


def test_what_came_and_went_does_not_show(lab):
    assert diff(lab.shell("touch /f; rm /f")) == {}


def test_what_is_in_a_volume_does_not_show(lab):
    assert diff(lab.shell("touch /d/f", volumes=[f"{lab.volume().name}:/d"])) == {"/d": ADDED}


def test_cli_diff(lab):
    container = lab.shell("touch /etc/new; rm /etc/group")
    assert sorted(lab.docker("diff", container.name).splitlines()) == ["A /etc/new", "C /etc", "D /etc/group"]


def test_two_containers_of_an_image_do_not_see_each_other(lab):
    lab.shell("echo mine > /etc/passwd")
    assert lab.says("head -n 1 /etc/passwd").startswith("root:")


def test_a_container_keeps_its_changes_over_a_restart(lab):
    container = lab.shell("cat /f; echo before > /f")
    container.start()
    container.wait()
    assert container.logs().splitlines()[-1] == b"before"


def size(lab, container):
    (row,) = lab.client.api.containers(all=True, size=True, filters={"id": container.id})
    return row.get("SizeRw", 0), row["SizeRootFs"]


def test_the_size_of_a_container_is_what_it_wrote(lab):
    container = lab.shell("head -c 12345 /dev/zero > /f")
    image = lab.client.images.get("busybox:1.37").attrs["Size"]
    assert size(lab, container) == (12345, image + 12345)


def test_one_byte_more_copies_the_whole_file_up(lab):
    image = lab.image(script="head -c 100000 /dev/zero > /big")
    container = lab.shell("printf x >> /big", image=image.id)
    assert size(lab, container)[0] == 100001


def test_deleting_frees_nothing_in_the_image(lab):
    image = lab.image(script="head -c 100000 /dev/zero > /big")
    container = lab.shell("rm /big", image=image.id)
    assert size(lab, container) == (0, image.attrs["Size"])


def test_a_volume_does_not_count_in_the_size(lab):
    container = lab.shell("head -c 12345 /dev/zero > /d/f", volumes=[f"{lab.volume().name}:/d"])
    assert size(lab, container)[0] == 0


def test_inspect_has_sizes_when_asked(lab):
    container = lab.shell("head -c 10 /dev/zero > /f")
    plain = lab.client.api.inspect_container(container.id)
    assert "SizeRw" not in plain
    assert '"SizeRw": 10' in lab.docker("container", "inspect", "--size", container.name)


# commit


def test_commit_makes_a_layer_on_top(lab):
    base = lab.client.images.get("busybox:1.37")
    image = lab.image(script="echo x > /f")
    layers, below = (one.attrs["RootFS"]["Layers"] for one in (image, base))
    assert layers[:-1] == below
    assert image.attrs["Size"] == base.attrs["Size"] + 2


def test_a_commit_keeps_files_owners_and_deletions(lab):
    image = lab.image(script="mkdir -m 700 /a; echo x > /a/f; chown 7:8 /a/f; rm /etc/group; ln -s a /l")
    script = "stat -c %u:%g:%a /a/f /a; ls /etc/group; readlink /l"
    assert lab.says(script, image=image.id).splitlines() == [
        "7:8:644",
        "0:0:700",
        "ls: /etc/group: No such file or directory",
        "a",
    ]


def test_a_commit_leaves_volumes_out(lab):
    container = lab.shell("echo x > /d/f; echo y > /own", volumes=[f"{lab.volume().name}:/d"])
    image = container.commit(lab.name(), changes=[f"LABEL {next(iter(lab.labels))}={lab.label}"])
    assert lab.says("ls -A /d; cat /own", image=image.id) == "y"


def test_a_file_deleted_in_an_upper_layer_still_counts(lab):
    big = lab.image(script="head -c 100000 /dev/zero > /big")
    slim = lab.image(script="rm /big", base=big.id)
    assert slim.attrs["Size"] == big.attrs["Size"]
    assert lab.says("ls /big", image=slim.id) == "ls: /big: No such file or directory"


def test_a_deleted_folder_stays_deleted_when_it_is_made_again(lab):
    one = lab.image(script="mkdir /a; touch /a/old")
    two = lab.image(script="rm -r /a; mkdir /a; touch /a/new", base=one.id)
    assert lab.says("ls -A /a", image=two.id) == "new"


def test_commit_takes_what_the_container_was_given(lab):
    container = lab.create("sleep", "5", environment={"A": "b"}, working_dir="/etc", user="33")
    config = container.commit(lab.name(), conf={"Labels": lab.labels}).attrs["Config"]
    assert config["Cmd"] == ["sleep", "5"]
    assert "A=b" in config["Env"]
    assert (config["WorkingDir"], config["User"]) == ("/etc", "33")


def test_commit_takes_changes_like_a_dockerfile(lab):
    changes = ['CMD ["echo", "hi"]', "ENV A=1", "WORKDIR /w", "USER 5:6", "EXPOSE 80", "VOLUME /v"]
    config = lab.image(*changes).attrs["Config"]
    assert config["Cmd"] == ["echo", "hi"]
    assert "A=1" in config["Env"]
    assert (config["WorkingDir"], config["User"]) == ("/w", "5:6")
    assert (config["ExposedPorts"], config["Volumes"]) == ({"80/tcp": {}}, {"/v": {}})


def test_commit_keeps_author_and_comment(lab):
    image = lab.create().commit(lab.name(), message="why", author="who", conf={"Labels": lab.labels})
    assert (image.attrs["Author"], image.attrs["Comment"]) == ("who", "why")


def test_cli_commit_says_the_id(lab):
    container = lab.create()
    name = lab.name()
    said = lab.docker("commit", "--change", f"LABEL {next(iter(lab.labels))}={lab.label}", container.name, name)
    assert said == lab.client.images.get(name).id


# history


def test_history_shows_every_layer_and_what_it_weighs(lab):
    image = lab.image(script="head -c 5000 /dev/zero > /f")
    newest, *older = image.history()
    assert newest["Id"] == image.id
    assert newest["Size"] == 5000
    assert sum(row["Size"] for row in older) == lab.client.images.get("busybox:1.37").attrs["Size"]


def test_history_shows_names(lab):
    (name,) = lab.image().tags
    assert lab.client.images.get(name).history()[0]["Tags"] == [name]


def test_cli_history(lab):
    image = lab.image(script="head -c 5000 /dev/zero > /f")
    said = lab.docker("history", image.id)
    assert said.splitlines()[0].split() == ["IMAGE", "CREATED", "CREATED", "BY", "SIZE", "COMMENT"]
    assert "5kB" in said.split()


# copy-up, seen from inside


@pytest.fixture(scope="module")
def box(module_lab):
    return module_lab.start(image=DEBIAN)


def test_a_hard_link_to_a_file_of_the_image(box):
    script = "cd /etc; ln passwd /etc/p; echo more >> /etc/p; test passwd -ef p && tail -n 1 passwd; stat -c %h p"
    assert sh(box, script).split() == ["more", "2"]


def test_a_file_open_for_reading_and_one_for_writing(box):
    script = "exec 3>> /etc/group; echo new >&3; tail -n 1 /etc/group"
    assert sh(box, script) == "new"


def test_a_removed_file_can_still_be_read_by_who_has_it_open(box):
    assert sh(box, "exec 3< /etc/debian_version; rm /etc/debian_version; cat <&3; ls /etc/debian_version").startswith(
        "13"
    )


def test_a_folder_of_the_image_can_be_renamed(box):
    said = sh(box, "mv /usr/share/base-files /usr/share/moved; ls /usr/share/base-files /usr/share/moved | head -n 2")
    assert "No such file or directory" in said
    assert "motd" in sh(box, "ls /usr/share/moved")


def test_times_are_kept_when_a_mode_changes(box):
    script = (
        "cd /usr/share/base-passwd; stat -c %Y passwd.master; chmod 600 passwd.master; stat -c '%Y %a' passwd.master"
    )
    before, after = sh(box, script).splitlines()
    assert after == f"{before} 600"


def test_truncating_a_file_of_the_image(box):
    assert sh(box, ": > /etc/host.conf; stat -c %s /etc/host.conf") == "0"


def layers(image):
    return image.attrs["RootFS"]["Layers"]


def committed(container, lab):
    return container.commit(lab.name(), conf={"Labels": lab.labels})


def test_a_commit_of_nothing_adds_no_layer(lab):
    image = committed(lab.shell("ls -R /etc /var"), lab)
    base = lab.client.images.get(image.attrs["Parent"])
    assert layers(image) == layers(base)
    assert image.history()[0]["Size"] == 0


def test_a_place_for_a_mount_is_committed(lab):
    image = committed(lab.shell("true", volumes=[f"{lab.volume().name}:/some/place"]), lab)
    assert lab.says("ls -d /some/place", image=image.id) == "/some/place"


def test_a_file_written_anew_with_the_same_content_is_committed(lab):
    container = lab.shell("cp -p /etc/passwd /tmp/p; cp -p /tmp/p /etc/passwd; rm /tmp/p")
    assert diff(container) == {}
    image = committed(container, lab)
    base = lab.client.images.get(image.attrs["Parent"])
    assert len(layers(image)) == len(layers(base)) + 1
    assert image.attrs["Size"] > base.attrs["Size"]


def test_what_ends_while_it_is_committed_is_committed(lab):
    for _ in range(5):
        committed(lab.start("true"), lab)


def test_every_root_says_that_it_is_a_containers(lab):
    assert lab.says("stat -c '%F %a %s' /.dockerenv; readlink /etc/mtab") == "regular empty file 755 0\n/proc/mounts"
