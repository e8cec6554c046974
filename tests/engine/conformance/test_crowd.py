"""Many clients at once."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from docker.errors import APIError

from engine.conformance.lab import LABEL, refused


@pytest.fixture(scope="module")
def crowd():
    with ThreadPoolExecutor(20) as pool:
        yield lambda work: list(pool.map(work, range(20)))


def status(work):
    """The work, but for its answer's status."""

    def tried(number):
        try:
            work(number)
        except APIError as error:
            return error.status_code
        return 200

    return tried


def test_volumes_of_many_names(lab, crowd):
    made = crowd(lambda n: lab.volume(f"{lab.label}-v{n}").name)
    assert {thing.name for thing in lab.left()} == set(made)


def test_volumes_of_one_name(lab, crowd):
    name = lab.name()
    made = crowd(lambda _: lab.volume(name).attrs["CreatedAt"])
    assert len(set(made)) == 1


def test_containers_of_one_name(lab, crowd):
    said = crowd(status(lambda _: lab.create(name=f"{lab.label}-same")))
    assert (said.count(200), said.count(409)) == (1, 19)


def test_runs_at_once(lab, crowd):
    said = crowd(lambda n: lab.says(f"echo {n}", name=f"{lab.label}-r{n}"))
    assert said == [str(n) for n in range(20)]


def test_writers_to_one_volume(lab, crowd):
    volume = lab.volume()
    crowd(lambda n: lab.run(f"echo {n} >> /d/f; touch /d/{n}", name=f"{lab.label}-w{n}", volumes=[f"{volume.name}:/d"]))
    said = lab.says("sort -n /d/f; ls /d | wc -l", volumes=[f"{volume.name}:/d"]).split()
    assert said == [*map(str, range(20)), "21"]


def test_execs_in_one_container(lab, crowd):
    container = lab.start()
    said = crowd(lambda n: container.exec_run(["sh", "-c", f"echo {n}"]).output)
    assert said == [f"{n}\n".encode() for n in range(20)]


def test_one_removal_wins(lab, crowd):
    volume = lab.volume()
    said = crowd(status(lambda _: volume.remove()))
    assert 200 in said
    assert set(said) <= {200, 404, 409}
    with refused(404):
        volume.reload()


def test_filling_one_volume(lab, crowd):
    image = lab.image(script="mkdir /d; for n in $(seq 50); do echo $n > /d/$n; done")
    volume = lab.volume()
    crowd(lambda n: lab.create(name=f"{lab.label}-c{n}", image=image.id, volumes=[f"{volume.name}:/d"]))
    assert (
        lab.says("cat /d/* | sort -n | tail -n 1; ls /d | wc -l", volumes=[f"{volume.name}:/d"]).split() == ["50"] * 2
    )


def test_listing_while_things_come_and_go(lab, crowd):
    def work(n):
        if n % 2:
            lab.volume(f"{lab.label}-l{n}").remove()
        return len(lab.client.api.volumes(filters={"label": f"{LABEL}={lab.label}"})["Volumes"])

    assert max(crowd(work)) <= 10
