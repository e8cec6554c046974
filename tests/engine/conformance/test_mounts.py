"""Every kind of mount, and which one wins."""

import pytest
from docker.types import Mount

from engine.conformance.lab import DEBIAN, differs, refused, sh


def mount_of(container, target):
    container.reload()
    (mount,) = [mount for mount in container.attrs["Mounts"] if mount["Destination"] == target]
    return mount


def test_a_named_volume_is_made_when_a_container_wants_it(lab):
    name = lab.name()
    container = lab.create(volumes=[f"{name}:/d"])
    volume = lab.client.volumes.get(name)
    assert volume.attrs["Labels"] is None
    container.remove(v=True)
    volume.remove()


def test_inspect_shows_a_named_volume(lab):
    volume = lab.volume()
    assert mount_of(lab.create(volumes=[f"{volume.name}:/d"]), "/d") == {
        "Type": "volume",
        "Name": volume.name,
        "Source": volume.attrs["Mountpoint"],
        "Destination": "/d",
        "Driver": "local",
        "Mode": "z",
        "RW": True,
        "Propagation": "",
    }


def test_inspect_shows_a_read_only_volume(lab):
    mount = mount_of(lab.create(volumes=[f"{lab.volume().name}:/d:ro"]), "/d")
    assert (mount["Mode"], mount["RW"]) == ("ro", False)


def test_inspect_shows_a_bind(lab):
    assert mount_of(lab.create(volumes=[f"{lab.folder}:/d"]), "/d") == {
        "Type": "bind",
        "Source": str(lab.folder),
        "Destination": "/d",
        "Mode": "",
        "RW": True,
        "Propagation": "rprivate",
    }


def test_inspect_shows_a_tmpfs_mount(lab):
    assert mount_of(lab.create(mounts=[Mount("/d", None, type="tmpfs")]), "/d") == {
        "Type": "tmpfs",
        "Source": "",
        "Destination": "/d",
        "Mode": "",
        "RW": True,
        "Propagation": "",
    }


def test_inspect_does_not_show_the_tmpfs_option(lab):
    container = lab.create(tmpfs={"/d": "size=1m"})
    container.reload()
    assert container.attrs["Mounts"] == []
    assert container.attrs["HostConfig"]["Tmpfs"] == {"/d": "size=1m"}


def test_inspect_keeps_what_was_asked_for(lab):
    binds = [f"{lab.volume().name}:/a:ro", f"{lab.folder}:/b"]
    container = lab.create(volumes=binds)
    container.reload()
    assert container.attrs["HostConfig"]["Binds"] == binds


def test_the_list_shows_mounts_too(lab):
    volume = lab.volume()
    lab.create(volumes=[f"{volume.name}:/d"])
    (row,) = lab.client.api.containers(all=True, filters={"volume": volume.name})
    assert [(mount["Type"], mount["Name"], mount["Destination"]) for mount in row["Mounts"]] == [
        ("volume", volume.name, "/d")
    ]


def test_two_containers_see_each_others_writes(lab):
    volume = lab.volume()
    first, second = (lab.start(volumes=[f"{volume.name}:/d"]) for _ in range(2))
    sh(first, "echo from first > /d/f")
    assert sh(second, "cat /d/f") == "from first"


def test_a_bind_is_the_folder_of_the_host(lab):
    (lab.folder / "f").write_text("from the host")
    said = lab.says("cat /d/f; echo from inside > /d/g", volumes=[f"{lab.folder}:/d"])
    assert said == "from the host"
    assert (lab.folder / "g").read_text() == "from inside\n"


def test_a_bind_may_be_one_file(lab):
    file = lab.folder / "f"
    file.write_text("before")
    said = lab.says("cat /etc/passwd; echo after > /etc/passwd", volumes=[f"{file}:/etc/passwd"])
    assert said == "before"
    assert file.read_text() == "after\n"


def test_a_bound_file_keeps_its_inode_and_misses_a_rename(lab):
    file = lab.folder / "f"
    file.write_text("before")
    container = lab.start(volumes=[f"{file}:/f"])
    (lab.folder / "new").write_text("after")
    (lab.folder / "new").rename(file)
    assert sh(container, "cat /f") == "before"


def test_a_bind_hides_what_the_image_has_there(lab):
    assert lab.says("ls -A /etc", volumes=[f"{lab.folder}:/etc"]).split() == ["hostname", "hosts", "resolv.conf"]


def test_a_missing_source_is_made_by_v(lab):
    missing = lab.folder / "a" / "b"
    lab.run("touch /d/f", volumes=[f"{missing}:/d"])
    assert (missing / "f").exists()


def test_a_missing_source_is_refused_by_mount(lab):
    missing = lab.folder / "missing"
    with refused(400, f'invalid mount config for type "bind": bind source path does not exist: {missing}'):
        lab.create(mounts=[Mount("/d", str(missing), type="bind")])
    assert not missing.exists()


def test_cli_mount_says_what_is_missing(lab):
    said = lab.docker("run", "--mount", f"type=bind,src={lab.folder}/missing,dst=/d", "busybox:1.37", code=125)
    assert f"bind source path does not exist: {lab.folder}/missing" in said


@pytest.mark.parametrize("mode", ["-v", "--mount"])
def test_a_read_only_volume_refuses_writes(lab, mode):
    volume = lab.volume()
    lab.run("echo kept > /d/f", volumes=[f"{volume.name}:/d"])
    how = {
        "-v": {"volumes": [f"{volume.name}:/d:ro"]},
        "--mount": {"mounts": [Mount("/d", volume.name, read_only=True)]},
    }[mode]
    said = lab.says("touch /d/g; echo x > /d/f; rm /d/f; mkdir /d/h; cat /d/f", **how)
    assert said.splitlines() == [
        "touch: /d/g: Read-only file system",
        "sh: can't create /d/f: Read-only file system",
        "rm: can't remove '/d/f': Read-only file system",
        "mkdir: can't create directory '/d/h': Read-only file system",
        "kept",
    ]


def test_a_read_only_bind_refuses_writes(lab):
    said = lab.says("touch /d/g", volumes=[f"{lab.folder}:/d:ro"])
    assert said == "touch: /d/g: Read-only file system"
    assert not list(lab.folder.iterdir())


def test_one_volume_at_two_places_one_of_them_read_only(lab):
    name = lab.volume().name
    said = lab.says("echo x > /rw/f; cat /ro/f; touch /ro/g", volumes=[f"{name}:/rw", f"{name}:/ro:ro"])
    assert said.splitlines() == ["x", "touch: /ro/g: Read-only file system"]


def test_a_mount_below_a_mount_wins_in_any_order(lab):
    outer, inner = lab.volume().name, lab.volume().name
    lab.run("echo inner > /d/f", volumes=[f"{inner}:/d"])
    for binds in ([f"{outer}:/d", f"{inner}:/d/in"], [f"{inner}:/d/in", f"{outer}:/d"]):
        assert lab.says("cat /d/in/f", volumes=binds) == "inner"


def test_a_writable_mount_below_a_read_only_one(lab):
    outer, inner = lab.volume().name, lab.volume().name
    lab.run("mkdir /d/in", volumes=[f"{outer}:/d"])
    said = lab.says("touch /d/in/f && echo fine; touch /d/f", volumes=[f"{outer}:/d:ro", f"{inner}:/d/in"])
    assert said.splitlines() == ["fine", "touch: /d/f: Read-only file system"]


def test_a_mount_below_a_read_only_one_needs_a_place_there(lab):
    outer, inner = lab.volume().name, lab.volume().name
    with refused(500, 'mount: make mountpoint "/d/in": mkdirat', "/d/in: read-only file system"):
        lab.run("true", volumes=[f"{outer}:/d:ro", f"{inner}:/d/in"])
    assert lab.says("ls /d", volumes=[f"{outer}:/d"]) == ""


def test_an_inner_mount_leaves_its_mount_point_in_the_outer_volume(lab):
    outer = lab.volume().name
    lab.run("touch /d/in/f", volumes=[f"{outer}:/d", f"{lab.volume().name}:/d/in"])
    assert lab.says("find /d | sort", volumes=[f"{outer}:/d"]).split() == ["/d", "/d/in"]


def test_the_same_place_twice_is_refused(lab):
    one, two = lab.volume().name, lab.volume().name
    with refused(400, "Duplicate mount point: /d"):
        lab.create(volumes=[f"{one}:/d", f"{two}:/d"])
    with refused(400, "Duplicate mount point: /d"):
        lab.create(volumes=[f"{one}:/d"], mounts=[Mount("/d", two)])


def test_a_tmpfs_on_a_bind_is_refused(lab):
    with refused(400, "Duplicate mount point: /d"):
        lab.create(volumes=[f"{lab.volume().name}:/d"], tmpfs={"/d": ""})


def test_the_root_cannot_be_mounted_over(lab):
    with refused(500, "invalid volume specification", "destination can't be '/'"):
        lab.create(volumes=[f"{lab.volume().name}:/"])


def test_a_relative_target_is_refused(lab):
    with refused(500, "invalid mount path: 'd' mount path must be absolute"):
        lab.create(volumes=[f"{lab.volume().name}:d"])


def test_an_unknown_mode_is_refused(lab):
    with refused(500, "invalid mode: sometimes"):
        lab.create(volumes=[f"{lab.volume().name}:/d:sometimes"])


def test_an_unknown_kind_is_refused(lab):
    with refused(400, 'invalid mount config for type "magic": mount type unknown'):
        lab.create(mounts=[{"Type": "magic", "Target": "/d", "Source": "x"}])


def test_a_bind_needs_a_source(lab):
    with refused(400, "field Source must not be empty"):
        lab.create(mounts=[{"Type": "bind", "Target": "/d"}])


def test_a_relative_bind_source_is_taken_for_a_volume_name(lab):
    with refused(400, '"../x" includes invalid characters for a local volume name'):
        lab.create(volumes=["../x:/d"])


def test_targets_are_tidied(lab):
    container = lab.create(volumes=[f"{lab.volume().name}:/a//b/../c/"])
    assert mount_of(container, "/a/c")


def test_mount_points_are_made_in_the_container(lab):
    container = lab.shell("true", volumes=[f"{lab.volume().name}:/new/deep"])
    assert {(row["Kind"], row["Path"]) for row in container.diff()} == {(1, "/new"), (1, "/new/deep")}


def test_the_container_sees_its_mounts(lab):
    said = lab.says("grep ' /d ' /proc/mounts", volumes=[f"{lab.volume().name}:/d:ro"])
    assert said.split()[3].split(",")[0] == "ro"


def test_mountpoint_knows_a_mount(lab):
    assert lab.says(
        "mountpoint /d; mountpoint /etc", image=DEBIAN, volumes=[f"{lab.volume().name}:/d"]
    ).splitlines() == [
        "/d is a mountpoint",
        "/etc is not a mountpoint",
    ]


def test_a_rename_does_not_cross_mounts(lab):
    said = lab.says("echo x > /d/f; ln /d/f /f; mv /d/f /f; cat /f", volumes=[f"{lab.volume().name}:/d"])
    assert said.splitlines() == ["ln: /f: Invalid cross-device link", "x"]


def test_a_subpath_is_a_part_of_a_volume(lab):
    name = lab.volume().name
    lab.run("mkdir -p /d/a/b; echo deep > /d/a/b/f", volumes=[f"{name}:/d"])
    assert lab.says("ls /s; cat /s/f", mounts=[Mount("/s", name, subpath="a/b")]).split() == ["f", "deep"]


def test_a_subpath_must_exist(lab):
    container = lab.create(mounts=[Mount("/s", lab.volume().name, subpath="missing")])
    with refused(404, "cannot access path", "no such file or directory"):
        container.start()


def test_a_subpath_must_stay_inside(lab):
    with refused(400, "must be a relative path"):
        lab.create(mounts=[Mount("/s", lab.volume().name, subpath="../up")])


def test_a_symlink_in_a_subpath_cannot_lead_out(lab):
    name = lab.volume().name
    lab.run("ln -s / /d/out", volumes=[f"{name}:/d"])
    container = lab.create(mounts=[Mount("/s", name, subpath="out/etc")])
    with refused(400, "path concatenation escapes the base directory"):
        container.start()


def test_an_image_can_be_mounted(lab):
    said = lab.docker("run", "--rm", "--network=none", "--mount", "type=image,src=busybox:1.37,dst=/i", "busybox:1.37",
                      "sh", "-c", "ls /i/bin/busybox; touch /i/f; true")  # fmt: skip
    assert {"/i/bin/busybox", "touch: /i/f: Read-only file system"} <= set(said.splitlines())


def test_volumes_from_another_container(lab):
    name = lab.volume().name
    first = lab.create(volumes=[f"{name}:/d"])
    lab.run("echo x > /d/f", volumes_from=[first.name])
    second = lab.shell("cat /d/f", volumes_from=[first.id])
    assert second.logs() == b"x\n"
    assert mount_of(second, "/d")["Name"] == mount_of(first, "/d")["Name"] == name


def test_volumes_from_read_only(lab):
    first = lab.create(volumes=[f"{lab.volume().name}:/d"])
    assert lab.says("touch /d/f", volumes_from=[f"{first.name}:ro"]) == "touch: /d/f: Read-only file system"


def test_volumes_from_keeps_read_only(lab):
    first = lab.create(volumes=[f"{lab.volume().name}:/d:ro"])
    assert lab.says("touch /d/f", volumes_from=[first.name]) == "touch: /d/f: Read-only file system"


def test_an_own_volume_wins_over_volumes_from(lab):
    theirs, mine = lab.volume().name, lab.volume().name
    first = lab.create(volumes=[f"{theirs}:/d"])
    container = lab.create(volumes=[f"{mine}:/d"], volumes_from=[first.name])
    assert mount_of(container, "/d")["Name"] == mine


def test_volumes_from_a_container_that_is_not_there(lab):
    with refused(400, "No such container: vdc-nope"):
        lab.create(volumes_from=["vdc-nope"])


def test_a_mount_is_in_the_way_of_root_and_who_may_not_write_there_is_told_so(lab):
    box = lab.start(volumes=[f"{lab.volume().name}:/d", f"{lab.volume().name}:/d/sub"])
    for deed in ("rmdir /d/sub", "mv /d/sub /d/x", "rm /etc/hosts"):
        assert sh(box, deed, user="0").endswith("Device or resource busy")
        assert sh(box, deed, user="1001").endswith("Permission denied")


@differs("embedded", "every mount has a device number of its own, as if each were a disk")
def test_volumes_on_one_disk_have_one_device_number(lab):
    volumes = [f"{lab.volume().name}:/d", f"{lab.volume().name}:/e"]
    assert lab.says("stat -c %d /d /e | uniq | wc -l", volumes=volumes) == "1"


@pytest.mark.parametrize("deed", ["rmdir /d/none", "mv /d/none /d/other"])
def test_in_a_read_only_mount_that_is_told_before_what_is_not_there(lab, deed):
    assert lab.says(deed, volumes=[f"{lab.volume().name}:/d:ro"]).endswith("Read-only file system")


def test_between_mounts_what_is_not_there_cannot_be_moved(lab):
    said = lab.says("mv /d/none /none", volumes=[f"{lab.volume().name}:/d:ro"])
    assert said == "mv: can't rename '/d/none': No such file or directory"
