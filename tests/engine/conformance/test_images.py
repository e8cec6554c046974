"""Images: names, lists, removal, and how they travel as tars."""

import io
import json
import tarfile

import pytest

from engine.conformance.lab import LABEL, refused


@pytest.fixture
def image(lab):
    return lab.image(script="echo content > /f")


def test_a_tag_is_one_more_name(lab, image):
    name = lab.name()
    assert image.tag(name, "two")
    image.reload()
    assert sorted(image.tags) == sorted([*image.tags[:1], f"{name}:two"])
    assert lab.client.images.get(f"{name}:two").id == image.id


def test_without_a_tag_it_is_latest(lab, image):
    name = lab.name()
    image.tag(name)
    assert lab.client.images.get(name).id == lab.client.images.get(f"{name}:latest").id


def test_a_tag_moves(lab, image):
    name, other = lab.name(), lab.image(script="true")
    image.tag(name)
    other.tag(name)
    assert lab.client.images.get(name).id == other.id


@pytest.mark.parametrize("name", ["Upper", "a//b", "-a", "a:b:c"])
def test_a_bad_name_is_refused(lab, image, name):
    with refused(400, "invalid reference format"):
        lab.client.api.tag(image.id, name)


def test_an_image_that_is_not_there(lab):
    with refused(404, "No such image: vdc-nope:latest"):
        lab.client.images.get("vdc-nope")


def test_an_image_is_found_by_the_start_of_its_id(lab, image):
    assert lab.client.images.get(image.id.split(":")[1][:12]).id == image.id


def test_inspect(lab, image):
    attrs = image.attrs
    assert attrs["Id"].startswith("sha256:")
    assert (attrs["Os"], attrs["Architecture"]) == ("linux", "amd64")
    assert attrs["RootFS"]["Type"] == "layers"
    assert attrs["RepoTags"] == image.tags
    assert attrs["Config"]["Labels"] == lab.labels
    assert attrs["Created"][10] == "T"


def summary(lab, **filters):
    return lab.client.api.images(filters={"label": f"{LABEL}={lab.label}"} | filters)


def test_list(lab, image):
    (row,) = summary(lab)
    assert row["Id"] == image.id
    assert row["RepoTags"] == image.tags
    assert row["Size"] == image.attrs["Size"]
    assert row["Labels"] == lab.labels
    assert isinstance(row["Created"], int)


def test_list_filters_by_reference(lab, image):
    (name,) = image.tags
    assert [row["Id"] for row in summary(lab, reference=name)] == [image.id]
    assert [row["Id"] for row in summary(lab, reference=f"{lab.label}*")] == [image.id]
    assert summary(lab, reference="nope*") == []


def test_list_filters_dangling(lab, image):
    nameless = lab.create().commit(conf={"Labels": lab.labels})
    assert [row["Id"] for row in summary(lab, dangling=True)] == [nameless.id]
    assert [row["Id"] for row in summary(lab, dangling=False)] == [image.id]


def test_remove_says_what_went(lab, image):
    (name,) = image.tags
    rows = lab.client.api.remove_image(name)
    assert rows[0] == {"Untagged": name}
    assert rows[1] == {"Deleted": image.id}
    assert all(row["Deleted"].startswith("sha256:") for row in rows[1:])


def test_remove_of_one_of_two_names_only_untags(lab, image):
    image.tag(name := lab.name())
    assert lab.client.api.remove_image(name) == [{"Untagged": f"{name}:latest"}]
    image.reload()


def test_remove_by_id_of_an_image_with_two_names(lab, image):
    image.tag(lab.name())
    short = image.id.split(":")[1][:12]
    with refused(409, f"unable to delete {short} (must be forced) - image is referenced in multiple repositories"):
        lab.client.api.remove_image(image.id)
    lab.client.api.remove_image(image.id, force=True)


def test_remove_of_an_image_that_runs(lab, image):
    container = lab.start(image=image.id)
    short = image.id.split(":")[1][:12]
    words = (
        f"unable to delete {short} (cannot be forced) - image is being used by running container {container.short_id}"
    )
    for force in (False, True):
        with refused(409, words):
            lab.client.api.remove_image(image.id, force=force)


def test_remove_of_an_image_that_a_stopped_container_uses(lab, image):
    container = lab.create(image=image.id)
    (name,) = image.tags
    words = f'unable to remove repository reference "{name.removesuffix(":latest")}'
    with refused(
        409, "conflict: ", words, f"(must force) - container {container.short_id} is using its referenced image"
    ):
        lab.client.api.remove_image(name)
    assert lab.client.api.remove_image(name, force=True)[0] == {"Untagged": name}


def test_remove_of_an_image_with_children(lab, image):
    child = lab.image(script="true", base=image.id)
    with refused(409, "unable to delete", "image has dependent child images"):
        lab.client.api.remove_image(image.id)
    assert lab.says("cat /f", image=child.id) == "content"


def test_a_name_goes_though_the_image_has_children(lab, image):
    child = lab.image(script="true", base=image.id)
    assert lab.client.api.remove_image(image.tags[0]) == [{"Untagged": image.tags[0]}]
    assert lab.says("cat /f", image=child.id) == "content"
    lab.client.api.tag(image.id, *image.tags[0].split(":"))  # without a name it would go with its child


def test_remove_of_what_is_not_there(lab):
    with refused(404, "No such image: vdc-nope:latest"):
        lab.client.images.remove("vdc-nope")


def test_prune_takes_nameless_images(lab, image):
    nameless = lab.create().commit(conf={"Labels": lab.labels})
    lab.client.containers.prune(filters={"label": f"{LABEL}={lab.label}"})
    deleted = lab.client.images.prune(filters={"label": f"{LABEL}={lab.label}"})["ImagesDeleted"]
    assert {"Deleted": nameless.id} in deleted
    image.reload()


def test_save_and_load_give_the_same_image(lab, image):
    (name,) = image.tags
    saved = b"".join(image.save(named=name))
    lab.client.images.remove(image.id, force=True)
    (loaded,) = lab.client.images.load(saved)
    assert loaded.id == image.id
    assert loaded.tags == [name]
    assert lab.says("cat /f", image=loaded.id) == "content"


def test_load_says_what_it_loaded(lab, image):
    (name,) = image.tags
    (lab.folder / "image.tar").write_bytes(b"".join(image.save(named=name)))
    assert lab.docker("load", "--quiet", "--input", str(lab.folder / "image.tar")) == f"Loaded image: {name}"
    (lab.folder / "image.tar").write_bytes(b"".join(image.save()))
    assert lab.docker("load", "--quiet", "--input", str(lab.folder / "image.tar")) == f"Loaded image ID: {image.id}"


def test_a_saved_image_names_its_layers_and_its_config(lab, image):
    with tarfile.open(fileobj=io.BytesIO(b"".join(image.save(named=True)))) as tar:
        (entry,) = json.load(tar.extractfile("manifest.json"))
        config = json.load(tar.extractfile(entry["Config"]))
        assert entry["RepoTags"] == image.tags
        assert config["rootfs"]["diff_ids"] == image.attrs["RootFS"]["Layers"]
        with tarfile.open(fileobj=tar.extractfile(entry["Layers"][-1])) as layer:
            assert "f" in layer.getnames()


def test_a_whiteout_travels_in_a_layer(lab):
    image = lab.image(script="rm /etc/group")
    with tarfile.open(fileobj=io.BytesIO(b"".join(image.save()))) as tar:
        (entry,) = json.load(tar.extractfile("manifest.json"))
        with tarfile.open(fileobj=tar.extractfile(entry["Layers"][-1])) as layer:
            assert "etc/.wh.group" in layer.getnames()


def test_two_images_travel_in_one_tar(lab):
    names = [lab.image(script=f"echo {n} > /f").tags[0] for n in (1, 2)]
    path = lab.folder / "two.tar"
    lab.docker("save", "--output", str(path), *names)
    for name in names:
        lab.client.images.remove(name)
    assert sorted(lab.docker("load", "--input", str(path)).splitlines()[-2:]) == [f"Loaded image: {n}" for n in names]


def test_load_refuses_what_is_no_image(lab):
    (lab.folder / "no.tar").write_bytes(b"nothing" * 300)
    said = lab.docker("load", "--input", str(lab.folder / "no.tar"), code=1)
    assert said.splitlines()[-1] != ""


def tar_of(**files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def test_import_makes_an_image_of_one_layer(lab):
    name = lab.name()
    answer = lab.client.api.import_image_from_data(tar_of(f=b"12345"), name, changes=[f"LABEL {LABEL}={lab.label}"])
    image = lab.client.images.get(name)
    assert json.loads(answer.splitlines()[-1])["status"] == image.id
    assert len(image.attrs["RootFS"]["Layers"]) == 1
    assert image.attrs["Size"] == 5
    (row,) = image.history()
    assert row["Comment"].startswith("Imported from ")


def test_export_is_the_whole_tree_in_one_tar(lab):
    container = lab.shell("echo x > /f; rm /etc/group; chown 5:6 /f; echo y > /d/g", volumes=["/d"])
    with tarfile.open(fileobj=io.BytesIO(b"".join(container.export()))) as tar:
        names = tar.getnames()
        member = tar.getmember("f")
    assert {"f", "etc/passwd", "bin/busybox", "d"} <= set(names)
    assert not {"etc/group", "d/g"} & set(names)
    assert (member.uid, member.gid, member.size) == (5, 6, 2)


def test_export_and_import_lose_history_but_no_file(lab):
    container = lab.shell("echo content > /f")
    (lab.folder / "c.tar").write_bytes(b"".join(container.export()))
    name = lab.name()
    lab.docker("import", "--change", f"LABEL {LABEL}={lab.label}", str(lab.folder / "c.tar"), name)
    assert lab.says("cat /f", image=name) == "content"
    assert len(lab.client.images.get(name).history()) == 1


def test_cli_images(lab, image):
    (name,) = image.tags
    said = lab.docker(
        "images", "--filter", f"label={LABEL}={lab.label}", "--format", "{{.Repository}} {{.Tag}} {{.ID}}"
    )
    assert said == f"{name.removesuffix(':latest')} latest {image.id.split(':')[1][:12]}"


def test_cli_rmi(lab, image):
    (name,) = image.tags
    assert lab.docker("rmi", name).splitlines()[:2] == [f"Untagged: {name}", f"Deleted: {image.id}"]


def test_cli_run_of_an_image_that_cannot_be_had(lab):
    said = lab.docker("run", "--pull=never", "vdc-nope", code=125)
    assert said.splitlines()[0] == "docker: Error response from daemon: No such image: vdc-nope:latest"


def test_create_from_an_image_that_is_not_there(lab):
    with refused(404, "No such image: vdc-nope:latest"):
        lab.create(image="vdc-nope")
