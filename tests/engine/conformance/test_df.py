"""`docker system df`: who is counted, and what it weighs."""

from engine.conformance.lab import until


def rows(lab, kind):
    return {row.get("Name") or row["Id"]: row for row in lab.client.df()[kind] or []}


def test_a_volume_weighs_what_is_in_it(lab):
    volume = lab.volume()
    lab.run("head -c 12345 /dev/zero > /d/f; mkdir /d/e; head -c 5 /dev/zero > /d/e/g", volumes=[f"{volume.name}:/d"])
    assert rows(lab, "Volumes")[volume.name]["UsageData"] == {"RefCount": 0, "Size": 12350}


def test_a_hard_link_weighs_nothing(lab):
    volume = lab.volume()
    lab.run("head -c 1000 /dev/zero > /d/f; ln /d/f /d/g", volumes=[f"{volume.name}:/d"])
    assert rows(lab, "Volumes")[volume.name]["UsageData"]["Size"] == 1000


def test_a_volume_knows_how_many_containers_use_it(lab):
    volume = lab.volume()
    for _ in range(2):
        lab.create(volumes=[f"{volume.name}:/d"])
    assert rows(lab, "Volumes")[volume.name]["UsageData"]["RefCount"] == 2


def test_a_container_weighs_what_it_wrote(lab):
    container = lab.shell("head -c 777 /dev/zero > /f")
    until(lambda: rows(lab, "Containers")[container.id]["State"] == "exited")  # Docker's list is a moment behind
    assert rows(lab, "Containers")[container.id]["SizeRw"] == 777


def test_an_image_knows_how_many_containers_use_it(lab):
    image = lab.image()
    lab.create(image=image.id)
    assert rows(lab, "Images")[image.id]["Containers"] == 1


def test_images_share_their_layers(lab):
    base = lab.client.images.get("busybox:1.37").attrs["Size"]
    image = lab.image(script="head -c 5000 /dev/zero > /f")
    row = rows(lab, "Images")[image.id]
    assert (row["Size"], row["SharedSize"]) == (base + 5000, base)


def test_layers_are_counted_once(lab):
    lab.image(script="head -c 5000 /dev/zero > /f")
    usage = lab.client.df()
    assert usage["LayersSize"] <= sum(row["Size"] for row in usage["Images"])


def test_cli_df(lab):
    header, *lines = lab.docker("system", "df").splitlines()
    assert header.split() == ["TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"]
    assert [line.rsplit(maxsplit=4)[0].split("  ")[0] for line in lines] == [
        "Images",
        "Containers",
        "Local Volumes",
        "Build Cache",
    ]


def test_cli_df_lists_volumes(lab):
    volume = lab.volume()
    lab.run("head -c 2000 /dev/zero > /d/f", volumes=[f"{volume.name}:/d"])
    said = lab.docker("system", "df", "--verbose")
    assert [volume.name, "0", "2kB"] in [line.split() for line in said.splitlines()]
