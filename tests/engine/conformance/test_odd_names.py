"""Names that are no text, or have a line end in them: they go through everything a file can go through."""

import io
import os
import subprocess
import tarfile
from collections.abc import Iterable
from urllib.parse import quote_from_bytes

import pytest

from engine.conformance.lab import BUSYBOX, sh

NAMES = (
    b"new\nline",
    b"no \xff\xfe text",
    b" blanks ",
    b"-dash",
    b"'\"\\$(quotes)",
    "한글".encode(),
    b"x" * 255,
    b"d\n\xff/d\n\xff/f\n\xff",
)
FOUND = sorted(NAMES)


def tar_of(names: Iterable[bytes], below: str = "") -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", errors="surrogateescape") as tar:
        for name in names:
            info = tarfile.TarInfo(below + os.fsdecode(name))
            info.size = len(name)
            tar.addfile(info, io.BytesIO(name))
    return made.getvalue()


def names_in(tar: bytes, below: str) -> list[bytes]:
    with tarfile.open(fileobj=io.BytesIO(tar), errors="surrogateescape") as archive:
        files = [member for member in archive if member.isfile() and member.name.startswith(below)]
        for file in files:
            assert archive.extractfile(file).read() == os.fsencode(file.name.removeprefix(below))
        return sorted(os.fsencode(file.name.removeprefix(below)) for file in files)


def found(lab, image: str = BUSYBOX, *options: str) -> list[bytes]:
    """In /d, as the processes of a container see them, each with its own name in it."""
    script = 'cd /d && find . -type f -print0 && find . -type f -exec sh -c \'[ "$(cat "$1")" = "${1#./}" ]\' - {} \\;'
    command = ["docker", "run", "--rm", "--network=none", *options, image, "sh", "-c", script]
    said = subprocess.run(command, env=lab.environment, check=True, stdout=subprocess.PIPE).stdout
    return sorted(name.removeprefix(b"./") for name in said.split(b"\0")[:-1])


@pytest.fixture
def box(lab):
    """A container with all of them in /d."""
    container = lab.create("sh", "-c", "cat > /dev/null")
    assert container.put_archive("/", tar_of(NAMES, "d/"))
    return container


def test_made_by_a_process_and_removed_again(lab):
    container = lab.start()
    script = """mkdir /d; cd /d; for name in 'new\\nline' 'no \\377\\376 text' ' blanks '; do
        name=$(printf "$name"); printf %s "$name" > "$name"; mv "$name" "$name.2"; mv "$name.2" "$name"; done
        cat ./*; ls -A | wc -c"""
    expected = sorted(NAMES[:3])
    said = container.exec_run(["sh", "-c", script]).output
    assert said == b"".join(expected) + b"%d\n" % sum(len(name) + 1 for name in expected)
    assert sh(container, "rm /d/*; ls -A /d") == ""


def test_in_diff(box):
    """JSON holds text only: what is none is shown as such."""
    shown = {change["Path"] for change in box.diff()}
    assert shown >= {f"/d/{name.decode(errors='replace')}" for name in NAMES}


def test_copied_out(box):
    blocks, _ = box.get_archive("/d")
    assert names_in(b"".join(blocks), "d/") == FOUND


def test_exported(box):
    assert names_in(b"".join(box.export()), "d/") == FOUND


def test_copied_by_the_client_both_ways(lab, box, tmp_path):
    subprocess.run(["docker", "cp", f"{box.id}:/d", tmp_path / "d"], env=lab.environment, check=True)
    files = [os.path.join(folder, name) for folder, _, names in os.walk(os.fsencode(tmp_path / "d")) for name in names]
    assert sorted(os.path.relpath(file, os.fsencode(tmp_path / "d")) for file in files) == FOUND
    other = lab.create()
    subprocess.run(["docker", "cp", tmp_path / "d", f"{other.id}:/"], env=lab.environment, check=True)
    assert names_in(b"".join(other.get_archive("/d")[0]), "d/") == FOUND


@pytest.mark.parametrize("name", NAMES[:6], ids=ascii)
def test_one_asked_for_by_its_name(lab, box, name):
    """The SDK writes an address as text; here its query holds bytes."""
    api = lab.client.api
    path = f"{api._url('/containers/{0}/archive', box.id)}?path={quote_from_bytes(b'/d/' + name)}"
    assert names_in(api.get(path).content, "") == [name]


def test_committed_saved_and_loaded(lab, box):
    image = box.commit(lab.name(), conf={"Labels": lab.labels})
    name = image.tags[0]
    assert found(lab, name) == FOUND
    saved = b"".join(image.save(named=True))
    lab.client.images.remove(name)
    lab.client.images.load(saved)
    assert found(lab, name) == FOUND


def test_built(lab):
    name = lab.name()
    context = tar_of(NAMES, "d/")
    with tarfile.open(fileobj=(both := io.BytesIO(context)), mode="a") as tar:
        text = f"FROM {BUSYBOX}\nCOPY d /d\n".encode()
        info = tarfile.TarInfo("Dockerfile")
        info.size = len(text)
        tar.addfile(info, io.BytesIO(text))
    lab.client.images.build(
        fileobj=io.BytesIO(both.getvalue()), custom_context=True, tag=name, labels=lab.labels, rm=True
    )
    assert found(lab, name) == FOUND


def test_from_an_image_into_a_volume(lab, box):
    image = box.commit(lab.name(), conf={"Labels": lab.labels})
    volume = lab.volume()
    assert found(lab, image.tags[0], "-v", f"{volume.name}:/d") == FOUND
    assert found(lab, BUSYBOX, "-v", f"{volume.name}:/d") == FOUND


def test_a_folder_of_the_host(lab, tmp_path):
    folder = os.path.join(os.fsencode(tmp_path), b"new\nline")
    os.mkdir(folder)
    for name in NAMES[:-1]:
        with open(os.path.join(folder, name), "wb") as file:
            file.write(name)
    said = lab.run("cd /d; ls -A | wc -c", mounts=[bind("/d", os.fsdecode(folder))]).said
    assert int(said) == sum(len(name) + 1 for name in NAMES[:-1])


def bind(target: str, source: str) -> dict:
    return {"Type": "bind", "Source": source, "Target": target}
