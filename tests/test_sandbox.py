"""Whatever an experiment makes is gone afterwards, however it ends; nothing else is ever touched."""

import fcntl
import os
import signal
from contextlib import contextmanager, suppress

import children
import pytest
from docker import DockerClient
from docker.errors import APIError, ImageNotFound, NotFound

from voldemo import sandbox
from voldemo.engines import describe, url
from voldemo.errors import explain
from voldemo.images import BUSYBOX, DEBIAN, REDIS
from voldemo.notebook import one_line
from voldemo.sandbox import LABEL, Sandbox, sweep, things
from voldemo.words import Sentence, say

pytestmark = pytest.mark.usefixtures("own_home")


def mine(client) -> list[sandbox.Thing]:
    """What this home has on the engine and on the disk."""
    return [thing for thing in things(client) if thing.sandbox.startswith(sandbox.key())]


def locks() -> list[str]:
    return [path.name for path in sandbox._sandboxes().glob("*.lock")]


def fill(box: Sandbox) -> None:
    """One of everything a sandbox can make, in use and built on one another."""
    mounts = [box.mount(f"/{kind}", kind) for kind in ("volume", "anonymous", "bind", "tmpfs")]
    container = box.start(mounts=mounts)
    container.exec_run(["sh", "-c", "for each in volume anonymous bind tmpfs; do echo x > /$each/file; done"])
    lower = box.commit(container)
    box.commit(box.create(image=lower.id), "CMD true")
    box.start(image=REDIS)  # declares a VOLUME: the engine makes one without any label
    box.client.networks.create(box.id, labels=box.labels, internal=True)


KINDS = {"container", "image", "network", "volume", "folder"}


def test_all_that_was_made_is_labelled_and_gone_afterwards(client):
    volumes = {volume.name for volume in client.volumes.list()}
    with Sandbox(client) as box:
        fill(box)
        made = things(client, box.id)
        declared = anonymous_of(box, REDIS)
        assert {thing.kind for thing in made} == KINDS
        assert {thing.sandbox for thing in made} == {box.id}
        assert declared not in volumes
    assert (mine(client), locks()) == ([], [])
    with pytest.raises(NotFound):
        client.volumes.get(declared)


def anonymous_of(box: Sandbox, image: str) -> str:
    (container,) = box.client.containers.list(filters={"label": box.label, "ancestor": image})
    return sandbox.volume_at(container, "/data")


def test_what_was_made_is_gone_after_a_failure_and_the_failure_is_told(client):
    with pytest.raises(ZeroDivisionError), Sandbox(client) as box:  # noqa: PT012
        fill(box)
        raise ZeroDivisionError
    assert (mine(client), locks()) == ([], [])


# ---- what a box makes


def test_a_script_gets_its_arguments_as_they_are_and_both_streams_are_read(client):
    with Sandbox(client) as box:
        said = box.run('echo "$1"; echo err >&2', "it's $HOME; *")
        assert sorted(said.splitlines()) == ["err", "it's $HOME; *"]  # the engine gives no order to the two
        assert things(client, box.id) == []


def test_a_container_stays_and_stops_at_once(client):
    with Sandbox(client) as box:
        container = box.start()
        container.stop(timeout=60)  # one that ignored SIGTERM would take a minute
        container.reload()
        assert (container.status, container.attrs["State"]["ExitCode"]) == ("exited", 0)


@pytest.mark.parametrize(
    ("kind", "type", "made"),
    [
        ("volume", "volume", ["volume"]),
        ("anonymous", "volume", ["volume"]),
        ("bind", "bind", ["folder"]),
        ("tmpfs", "tmpfs", []),
    ],
)
def test_each_kind_of_mount_is_that_kind_and_labelled(client, kind, type, made):
    with Sandbox(client) as box:
        container = box.start(mounts=[box.mount("/data", kind)])
        container.reload()
        assert [(mount["Type"], mount["Destination"]) for mount in container.attrs["Mounts"]] == [(type, "/data")]
        assert [thing.kind for thing in things(client, box.id)] == ["container", *made]


def test_a_layer_needs_no_mount_and_other_words_are_refused(client):
    with Sandbox(client) as box:
        assert box.mount("/data", "layer") is None
        with pytest.raises(ValueError, match="not 'disk'"):
            box.mount("/data", "disk")


def test_a_frame_knows_its_engine(client):
    with Sandbox(client) as box:
        frame = box.frame([{"a": 1}])
    assert frame.a.tolist() == [1]
    assert frame.attrs["engine"] == str(describe(client))


def test_a_name_the_learner_took_is_refused_and_their_volume_left_alone(client):
    name = f"vd-learners-own-{sandbox.key()}"
    theirs = client.volumes.create(name)
    try:
        before = client.volumes.get(name).attrs
        with pytest.raises(Sentence) as refused, Sandbox(client) as box:
            box.volume(name)
        assert str(refused.value) == say("volume.taken", name=name)
        assert client.volumes.get(name).attrs == before
    finally:
        theirs.remove()


def test_a_missing_image_is_told_with_what_to_do(client):
    with pytest.raises(ImageNotFound) as missing, Sandbox(client) as box:
        box.run("true", image="voldemo-no-such:1")
    assert str(explain(missing.value)) == say("image.missing", image="voldemo-no-such:1")


# ---- when removal is not simple


def test_a_container_that_is_being_removed_already_is_waited_for(client):
    """--rm removes it while we do: the engine answers 409."""
    for _ in range(5):
        with Sandbox(client) as box:
            box.start(auto_remove=True, image=DEBIAN).kill()
        assert mine(client) == []


def test_what_the_engine_refuses_is_raised_after_the_rest_is_gone(client):
    box = Sandbox(client).__enter__()
    stuck = box.volume()
    box.volume()
    box.folder()
    with in_use(client, stuck), pytest.raises(APIError, match="in use"):
        box.close()
    assert [(thing.kind, thing.name) for thing in mine(client)] == [("volume", stuck.name)]
    stuck.remove()


def test_a_failure_inside_is_told_rather_than_that_of_the_removal(client):
    box = Sandbox(client).__enter__()
    stuck = box.volume()
    with in_use(client, stuck):
        assert not box.__exit__(ZeroDivisionError, ZeroDivisionError(), None)  # neither raises nor swallows
    assert [thing.name for thing in mine(client)] == [stuck.name]
    stuck.remove()


@contextmanager
def in_use(client, *volumes):
    """A container of the learner's uses them, so the engine removes none."""
    binds = [f"{volume.name}:/{number}" for number, volume in enumerate(volumes)]
    user = client.containers.create(BUSYBOX, "true", volumes=binds, network_mode="none")
    try:
        yield
    finally:
        user.remove()


def test_files_that_root_made_for_a_learner_are_removed(client, relay, short_path):
    """A learner is not root; the container is, and writes to the folder of theirs that it binds."""
    short_path.chmod(0o755)
    (short_path / "docker.sock").chmod(0o666)
    (short_path / "theirs").mkdir()
    (short_path / "theirs").chmod(0o777)
    assert children.answer(write_as_root, relay.url, str(short_path / "theirs")) == (0, [])


def write_as_root(pipe, where: str, home: str) -> None:
    children.give_up_rights()
    os.umask(0)
    os.environ["VOLDEMO_HOME"] = home
    client = DockerClient(where)
    with Sandbox(client) as box:
        folder = box.folder()
        box.run("mkdir -m 700 /data/kept /data/.hidden; echo x > /data/kept/file", mounts=[box_bind(folder)])
        owner = (folder / "kept").stat().st_uid
    pipe.send((owner, mine(client)))


def box_bind(folder):
    return sandbox.Mount("/data", str(folder), type="bind")


# ---- sweeping


@pytest.fixture
def left(client):
    """`left(sandbox)`: a volume with its label. Removed at the end, whoever should have done it."""
    made = []

    def make(name: str):
        made.append(client.volumes.create(labels={LABEL: name}))
        return made[-1]

    yield make
    for volume in made:
        with suppress(NotFound):
            volume.remove()


def exists(client, volume) -> bool:
    return volume in client.volumes.list()


def test_a_sweep_takes_the_dead_and_nobody_else(client, left):
    dead, foreign = left(f"{sandbox.key()}-0dead000"), left("0f0e0d0c-0dead000")
    exercise = left(sandbox.exercise())
    unlabelled = client.volumes.create()
    try:
        with Sandbox(client) as box:
            living = box.volume()
            sweep(client)
            kept = [exists(client, each) for each in (dead, foreign, exercise, living, unlabelled)]
    finally:
        unlabelled.remove()
    assert kept == [False, True, True, True, True]


def test_one_that_cannot_be_swept_does_not_keep_the_others(client, left):
    stuck, loose = left(f"{sandbox.key()}-00000000"), left(f"{sandbox.key()}-ffffffff")
    with in_use(client, stuck), pytest.raises(APIError, match="in use"):
        sweep(client)
    assert (exists(client, stuck), exists(client, loose)) == (True, False)


def test_the_lock_of_a_dead_sandbox_that_left_nothing_is_removed(client):
    sandbox._lock(f"{sandbox.key()}-0dead000").touch()
    sweep(client)
    assert locks() == []


def test_two_kernels_sweep_at_once(client, left):
    for number in range(8):
        left(f"{sandbox.key()}-{number:08}")
        (sandbox._folders(f"{sandbox.key()}-{number:08}") / "folder").mkdir(parents=True)
    sweeps = [children.start(sweep_and_tell, url(client)) for _ in range(2)]
    for _, pipe in sweeps:
        children.receive(pipe)
    for _, pipe in sweeps:
        pipe.send("go")
    assert [children.receive(pipe) for _, pipe in sweeps] == ["swept", "swept"]
    assert (mine(client), locks()) == ([], [])


def sweep_and_tell(pipe, where: str) -> None:
    client = DockerClient(where)
    pipe.send("ready")
    pipe.recv()
    try:
        sweep(client)
        pipe.send("swept")
    except Exception as error:
        pipe.send(repr(error))


# ---- interrupts, kill -9, and an engine that dies


def experiment(pipe, where: str) -> None:
    """Makes one of everything, says so, and stays."""
    try:
        with Sandbox(DockerClient(where)) as box:
            fill(box)
            container = box.start()
            pipe.send(box.id)
            container.wait()
    except KeyboardInterrupt as error:
        pipe.send(one_line(error))


def test_an_interrupted_experiment_leaves_nothing_and_says_one_sentence(client):
    child, pipe = children.start(experiment, url(client))
    name = children.receive(pipe)
    assert {thing.kind for thing in things(client, name)} == KINDS
    os.kill(child.pid, signal.SIGINT)
    assert children.receive(pipe) == say("interrupted")
    assert (mine(client), locks()) == ([], [])


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize(
    ("call", "make"),
    [
        ("/containers/create", lambda box: box.create()),
        ("/volumes/create", lambda box: box.volume()),
        ("/commit", lambda box: box.commit(box.create())),
    ],
)
def test_an_interrupt_waits_for_what_the_engine_is_making(client, relay, call, make):
    """Whoever left at once would not learn of it, and would find nothing to remove yet."""
    relay.tell(at=call, action=interrupt)
    with pytest.raises(KeyboardInterrupt), Sandbox(DockerClient(relay.url)) as box:
        make(box)
    client.volumes.create(labels={LABEL: f"{sandbox.key()}-0dead000"}).remove()  # the engine has done what it was asked
    assert mine(client) == []


def test_an_interrupt_waits_for_the_removal(client, relay):
    with pytest.raises(KeyboardInterrupt), Sandbox(DockerClient(relay.url)) as box:  # noqa: PT012
        fill(box)
        relay.tell(at="DELETE", action=interrupt)
    assert (mine(client), locks()) == ([], [])


def test_what_a_killed_kernel_left_is_swept_but_not_while_it_lives(client):
    child, pipe = children.start(experiment, url(client))
    name = children.receive(pipe)
    sweep(client)
    assert {thing.kind for thing in things(client, name)} == KINDS
    child.kill()
    child.join()
    assert {thing.kind for thing in things(client, name)} == KINDS
    sweep(client)
    assert (mine(client), locks()) == ([], [])


def test_an_engine_that_stops_in_the_middle_is_told_and_the_next_sweep_cleans_up(client, relay):
    through = DockerClient(relay.url)
    with pytest.raises(OSError, match="Connection") as lost, Sandbox(through) as box:  # noqa: PT012
        fill(box)
        relay.cut(at="/containers/create")
        box.start()
    assert str(explain(lost.value)) == say("engine.gone")
    assert {thing.kind for thing in mine(client)} == KINDS
    sweep(client)
    assert mine(client) == []


def test_a_sweep_between_making_and_taking_the_lock_costs_nothing(client, own_home, monkeypatch):
    take, swept = fcntl.flock, []

    def sweep_first(lock, how):
        if how == fcntl.LOCK_EX and not swept:
            swept.append(sandbox.sweep(client))
        take(lock, how)

    monkeypatch.setattr("voldemo.sandbox.fcntl.flock", sweep_first)
    with Sandbox(client) as box:
        volume = box.volume()
        assert sandbox.alive(box.id)
        assert sandbox.sweep(client) == []
        volume.reload()
    assert swept == [[]]
