"""Copying in and out: `docker cp` and the archive calls below it."""

import io
import tarfile

import pytest
from docker.types import Mount

from engine.conformance.lab import refused, sh


@pytest.fixture(scope="module")
def box(module_lab):
    container = module_lab.start(volumes=[f"{module_lab.volume().name}:/d", f"{module_lab.volume().name}:/ro:ro"])
    sh(container, "mkdir /s; echo content > /s/f; chown 7:8 /s/f; chmod 640 /s/f; ln -s f /s/l; ln -s /s /to-s")
    return container


@pytest.fixture
def place(box, request):
    """A new folder of the test's own in the container."""
    name = request.node.name.split("[")[0]
    sh(box, f"mkdir -p /{name}")
    return f"/{name}"


def tar_of(*members):
    """Of (name, content, fields of the TarInfo)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content, fields in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            for field, value in fields.items():
                setattr(member, field, value)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def get(container, path):
    chunks, stat = container.get_archive(path)
    return tarfile.open(fileobj=io.BytesIO(b"".join(chunks))), stat


# out


def test_a_file_comes_as_a_tar(box):
    tar, stat = get(box, "/s/f")
    (member,) = tar.getmembers()
    assert (member.name, member.uid, member.gid, member.mode & 0o7777) == ("f", 7, 8, 0o640)
    assert tar.extractfile(member).read() == b"content\n"
    assert (stat["name"], stat["size"], stat["linkTarget"]) == ("f", 8, "")
    assert stat["mode"] == 0o640
    assert stat["mtime"][10] == "T"


def test_a_folder_comes_with_its_name(box):
    tar, stat = get(box, "/s")
    assert sorted(tar.getnames()) == ["s", "s/f", "s/l"]
    assert stat["mode"] == 1 << 31 | 0o755


def test_a_folder_with_a_dot_comes_without_its_name(box):
    tar, _ = get(box, "/s/.")
    assert {name.removeprefix("./") for name in tar.getnames()} == {".", "f", "l"}


def test_a_symlink_comes_as_itself(box):
    tar, stat = get(box, "/s/l")
    (member,) = tar.getmembers()
    assert (member.issym(), member.linkname) == (True, "f")
    assert stat["linkTarget"] == "/s/f"


def test_a_path_through_a_symlink(box):
    tar, _ = get(box, "/to-s/f")
    assert tar.getnames() == ["f"]


def test_out_of_a_volume(box):
    sh(box, "echo in volume > /d/v")
    tar, _ = get(box, "/d/v")
    assert tar.extractfile("v").read() == b"in volume\n"


def test_out_of_a_container_that_is_stopped(lab):
    container = lab.shell("echo x > /f; echo y > /d/g", volumes=["/d"])
    assert [get(container, path)[0].getnames() for path in ("/f", "/d/g")] == [["f"], ["g"]]


def test_what_is_not_there(box):
    with refused(404, f"Could not find the file /nope in container {box.id}"):
        box.get_archive("/nope")


def test_a_file_is_no_folder(box):
    with refused(500, "not a directory"):
        box.get_archive("/s/f/")


# in


def test_a_tar_is_unpacked(box, place):
    assert box.put_archive(place, tar_of(("a", b"A", {}), ("b/c", b"C", {})))
    assert sh(box, f"cd {place}; cat a b/c") == "AC"


def test_owners_modes_and_times_of_the_tar_count(box, place):
    box.put_archive(place, tar_of(("f", b"", {"uid": 12, "gid": 34, "mode": 0o4711, "mtime": 981173106})))
    assert sh(box, f"stat -c '%u:%g %a %Y' {place}/f") == "12:34 4711 981173106"


def test_links_are_made(box, place):
    symlink = ("l", b"", {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"})
    link = ("h", b"", {"type": tarfile.LNKTYPE, "linkname": "f"})
    box.put_archive(place, tar_of(("f", b"x", {}), symlink, link))
    assert sh(box, f"cd {place}; readlink l; test f -ef h && echo same").split() == ["/etc/passwd", "same"]


def test_what_is_there_is_replaced(box, place):
    sh(box, f"echo old > {place}/f; echo other > {place}/g")
    box.put_archive(place, tar_of(("f", b"new", {})))
    assert sh(box, f"cat {place}/f {place}/g") == "newother"


def test_into_a_volume(box):
    box.put_archive("/d", tar_of(("put", b"x", {"uid": 33})))
    assert sh(box, "stat -c %u /d/put") == "33"


def test_into_a_read_only_volume_is_refused(box):
    with refused(400, "mounted volume is marked read-only"):
        box.put_archive("/ro", tar_of(("f", b"", {})))


def test_into_a_read_only_container_is_refused(lab):
    container = lab.create(read_only=True)
    with refused(400, "container rootfs is marked read-only"):
        container.put_archive("/", tar_of(("f", b"", {})))


def test_into_a_container_that_was_never_started(lab):
    container = lab.create("cat", "/d/f", volumes=["/d"])
    container.put_archive("/d", tar_of(("f", b"before", {})))
    container.start()
    container.wait()
    assert container.logs() == b"before"


def test_a_read_only_mount_below_is_told_as_what_it_is(lab):
    box = lab.start(volumes=[f"{lab.volume().name}:/d", f"{lab.volume().name}:/d/sub:ro"])
    with refused(500, "openat sub/f: read-only file system"):
        box.put_archive("/d", tar_of(("sub/f", b"x", {})))


def test_a_tmpfs_is_not_seen(lab):
    """What `docker cp` puts there lies below it."""
    box = lab.start(tmpfs={"/t": ""}, mounts=[Mount("/u", None, type="tmpfs")])
    for place in ("/t", "/u"):
        box.put_archive(place, tar_of(("f", b"x", {})))
        sh(box, f"echo own > {place}/g")
        assert sh(box, f"ls {place}") == "g"
        assert get(box, place)[0].getnames() == [place[1:], f"{place[1:]}/f"]


def test_a_mount_is_not_replaced(lab):
    box = lab.start(volumes=[f"{lab.volume().name}:/d/sub"])
    with refused(500, "device or resource busy"):
        box.put_archive("/d", tar_of(("sub", b"x", {})))
    assert sh(box, "stat -c %F /d/sub; touch /d/sub/f") == "directory"


def test_into_a_folder_that_is_not_there(box):
    with refused(404, f"Could not find the file /nope in container {box.id}"):
        box.put_archive("/nope", tar_of(("f", b"", {})))


def test_into_a_file(box):
    with refused(400, "extraction point is not a directory"):
        box.put_archive("/s/f", tar_of(("f", b"", {})))


def test_a_folder_does_not_replace_a_file_when_told_not_to(box, place):
    sh(box, f"touch {place}/f")
    url = box.client.api._url("/containers/{0}/archive", box.id)
    options = {"path": place, "noOverwriteDirNonDir": "true"}
    answer = box.client.api._put(url, params=options, data=tar_of(("f", b"", {"type": tarfile.DIRTYPE})))
    assert answer.status_code == 500
    assert "cannot overwrite non-directory" in answer.json()["message"]


@pytest.mark.parametrize("name", ["../climbed", "a/../../climbed"])
def test_a_name_that_climbs_is_refused(box, place, name):
    with refused(500, f'invalid entry name "{name}"'):
        box.put_archive(place, tar_of((name, b"x", {})))


def test_a_link_in_the_tar_does_not_lead_out(lab, box, place):
    link = ("out", b"", {"type": tarfile.SYMTYPE, "linkname": str(lab.folder)})
    box.put_archive(place, tar_of(link, ("out/f", b"x", {})))
    assert not list(lab.folder.iterdir())


# docker cp


def test_cp_in_gives_files_to_root(lab, box, place):
    file = lab.folder / "f"
    file.write_text("x")
    file.chmod(0o640)
    lab.docker("cp", str(file), f"{box.name}:{place}/g")
    assert sh(box, f"stat -c '%u:%g %a' {place}/g") == "0:0 640"


def test_cp_in_with_a_keeps_owners(lab, box, place):
    file = lab.folder / "f"
    file.write_text("x")
    lab.docker("cp", "--archive", str(file), f"{box.name}:{place}/")
    assert sh(box, f"stat -c %u:%g {place}/f") == f"{file.stat().st_uid}:{file.stat().st_gid}"


def test_cp_out(lab, box):
    lab.docker("cp", f"{box.name}:/s", str(lab.folder / "new"))
    assert (lab.folder / "new" / "f").read_text() == "content\n"
    assert (lab.folder / "new" / "l").readlink().name == "f"


def test_cp_out_follows_a_link_when_told(lab, box):
    lab.docker("cp", "--follow-link", f"{box.name}:/s/l", str(lab.folder / "copy"))
    assert (lab.folder / "copy").read_text() == "content\n"


def test_cp_of_a_folder_into_one_that_is_there(lab, box, place):
    (lab.folder / "src").mkdir()
    (lab.folder / "src" / "f").touch()
    lab.docker("cp", str(lab.folder / "src"), f"{box.name}:{place}")
    lab.docker("cp", f"{lab.folder}/src/.", f"{box.name}:{place}")
    assert sh(box, f"cd {place}; find . | sort").split() == [".", "./f", "./src", "./src/f"]


def test_cp_through_pipes(lab, box, place):
    lab.host(f"tar -C /etc -cf - passwd | docker cp - {box.name}:{place}")
    assert lab.host(f"docker cp {box.name}:{place}/passwd - | tar -tf -") == "passwd\n"


def test_cp_of_what_is_not_there(lab, box):
    said = lab.docker("cp", f"{box.name}:/nope", str(lab.folder), code=1)
    assert said == f"Error response from daemon: Could not find the file /nope in container {box.name}"


def test_cp_into_a_missing_folder(lab, box):
    (lab.folder / "f").touch()
    said = lab.docker("cp", str(lab.folder / "f"), f"{box.name}:/nope/there/", code=1)
    assert said.splitlines()[-1] == "no such directory"


def test_cp_of_a_missing_container(lab):
    said = lab.docker("cp", "vdc-nope:/f", str(lab.folder), code=1)
    assert said == "Error response from daemon: No such container: vdc-nope"
