"""Pruning volumes: what it takes, what it leaves."""

from engine.conformance.lab import LABEL, refused


def prune(lab, **filters):
    wanted = [f"{LABEL}={lab.label}", *filters.pop("label", [])]
    return lab.client.volumes.prune(filters={"label": wanted, **filters})


def anonymous(lab, **labels):
    return lab.client.volumes.create(labels=lab.labels | labels)


def test_takes_anonymous_volumes_only(lab):
    named, nameless = lab.volume(), anonymous(lab)
    assert prune(lab)["VolumesDeleted"] == [nameless.name]
    assert [volume.name for volume in lab.left()] == [named.name]


def test_with_all_takes_named_ones_too(lab):
    made = {lab.volume().name, anonymous(lab).name}
    assert set(prune(lab, all=True)["VolumesDeleted"]) == made


def test_leaves_what_a_container_uses_even_a_stopped_one(lab):
    used = lab.volume()
    lab.shell("true", volumes=[f"{used.name}:/d"])
    assert not prune(lab, all=True)["VolumesDeleted"]


def test_nothing_to_prune(lab):
    assert prune(lab) == {"VolumesDeleted": [], "SpaceReclaimed": 0}


def test_says_how_many_bytes_it_freed(lab):
    volume = lab.volume()
    lab.run("head -c 12345 /dev/zero > /d/f", volumes=[f"{volume.name}:/d"])
    assert prune(lab, all=True)["SpaceReclaimed"] == 12345


def test_filters_by_label(lab):
    hot, _cold = lab.volume(labels={"tier": "hot"}), lab.volume(labels={"tier": "cold"})
    assert prune(lab, all=True, label=["tier=hot"])["VolumesDeleted"] == [hot.name]


def test_filters_by_absent_label(lab):
    lab.volume(labels={"keep": "1"})
    spare = lab.volume()
    assert prune(lab, all=True, **{"label!": ["keep"]})["VolumesDeleted"] == [spare.name]


def test_refuses_an_unknown_filter(lab):
    with refused(400, "invalid filter 'colour'"):
        prune(lab, colour="blue")


def test_refuses_all_with_a_value_that_is_none(lab):
    with refused(400, "invalid filter 'all'"):
        prune(lab, all="perhaps")


def test_cli_prune(lab):
    volume = lab.volume()
    lab.run("head -c 2000 /dev/zero > /d/f", volumes=[f"{volume.name}:/d"])
    said = lab.docker("volume", "prune", "--all", "--force", "--filter", f"label={LABEL}={lab.label}")
    assert said == f"Deleted Volumes:\n{volume.name}\n\nTotal reclaimed space: 2kB"


def test_cli_prune_of_nothing(lab):
    said = lab.docker("volume", "prune", "--force", "--filter", f"label={LABEL}={lab.label}")
    assert said == "Total reclaimed space: 0B"
