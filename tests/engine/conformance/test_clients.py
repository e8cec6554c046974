"""Many clients at once, each at work of another kind, while others listen: no error, and nobody misses an event.

A dozen of them here; VOLDEMO_CLIENTS=50 for more.
"""

import io
import os
import tarfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from itertools import islice

import pytest
from docker import DockerClient

CLIENTS = int(os.environ.get("VOLDEMO_CLIENTS", "12"))
LISTENERS = 4
TURNS = 5
LINES = 300
SCRIPT = ["sh", "-c", f"seq {LINES}"]
RUN = ["create", "start", "die", "destroy"]  # what a container lives through

Told = dict[str, list[str]]  # the id of a thing: what happened to it, in this order


class Listener:
    """Hears all there is, until it hears of the volume that marks the end."""

    def __init__(self, url: str, end: str):
        self.client, self.end = DockerClient(url, timeout=60), end
        self.heard: Told = defaultdict(list)
        since = int(time.time())  # Docker answers a moment before it listens
        self.stream = self.client.events(decode=True, since=since)
        self.thread = threading.Thread(target=self.listen)
        self.thread.start()

    def listen(self) -> None:
        for event in self.stream:
            self.heard[event["Actor"]["ID"]].append(event["Action"].partition(":")[0])
            if event["Actor"]["ID"] == self.end:
                return

    def close(self) -> None:
        self.thread.join()
        self.stream.close()
        self.client.close()


@contextmanager
def listening(lab, url: str, count: int) -> Iterator[list[Listener]]:
    end = lab.name()
    listeners = [Listener(url, end) for _ in range(count)]
    try:
        yield listeners
    finally:
        lab.volume(end)
        for listener in listeners:
            listener.close()


def keeps_volumes(lab, client, name) -> Told:
    volume = client.volumes.create(name, labels=lab.labels)
    assert client.volumes.get(name).attrs == volume.attrs
    assert name in {each.name for each in client.volumes.list()}
    volume.remove()
    return {name: ["create", "destroy"]}


def runs(lab, client, name) -> Told:
    container = client.containers.create("busybox:1.37", SCRIPT, name=name, labels=lab.labels, network_mode="none")
    container.start()
    assert container.wait()["StatusCode"] == 0
    assert len(container.logs().split()) == LINES
    container.remove()
    return {container.id: RUN}


def follows(lab, client, name) -> Told:
    container = client.containers.run(
        "busybox:1.37", SCRIPT, name=name, labels=lab.labels, network_mode="none", detach=True
    )
    heard = b"".join(container.logs(stream=True, follow=True)).split()
    assert heard == [str(number).encode() for number in range(1, LINES + 1)]
    container.wait()
    container.remove()
    return {container.id: RUN}


def executes(lab, client, name) -> Told:
    container = client.containers.run(
        "busybox:1.37", ["sleep", "1000"], name=name, labels=lab.labels, network_mode="none", detach=True
    )
    for number in range(3):
        assert container.exec_run(["sh", "-c", f"echo {name} {number}"]).output == f"{name} {number}\n".encode()
    container.remove(force=True)
    execs = ["exec_create", "exec_start", "exec_die"] * 3
    return {container.id: ["create", "start", *execs, "kill", "die", "destroy"]}


def copies(lab, client, name) -> Told:
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        info = tarfile.TarInfo("file")
        info.size = 100_000
        archive.addfile(info, io.BytesIO(name.encode().ljust(100_000)))
    container = client.containers.create("busybox:1.37", SCRIPT, name=name, labels=lab.labels, network_mode="none")
    container.put_archive("/tmp", tar.getvalue())
    blocks, _ = container.get_archive("/tmp/file")
    with tarfile.open(fileobj=io.BytesIO(b"".join(blocks))) as archive:
        assert archive.extractfile("file").read().strip() == name.encode()
    container.remove()
    return {container.id: ["create", "extract-to-dir", "archive-path", "destroy"]}


def commits(lab, client, name) -> Told:
    container = client.containers.create("busybox:1.37", SCRIPT, name=name, labels=lab.labels, network_mode="none")
    image = container.commit(name, conf={"Labels": lab.labels | {"name": name}})
    container.remove()
    client.images.remove(name)
    return {container.id: ["create", "commit", "destroy"], image.id: ["create", "tag", "untag", "delete"]}


def types(lab, client, name) -> Told:
    """At a terminal: docker run --rm."""
    volume = client.volumes.create(name, labels=lab.labels)
    script = f"echo {name} > /d/f; cat /d/f"
    said = lab.docker("run", "--rm", "-v", f"{name}:/d", "--network=none", "busybox:1.37", "sh", "-c", script)
    assert said == name
    volume.remove()
    return {name: ["create", "mount", "unmount", "destroy"]}


def listens(lab, client, name) -> Told:
    """For a while."""
    with closing(client.events(decode=True, since=int(time.time()), filters={"volume": name})) as events:
        client.volumes.create(name, labels=lab.labels).remove()
        assert [event["Action"] for event in islice(events, 2)] == ["create", "destroy"]
    return {name: ["create", "destroy"]}


WORK = (keeps_volumes, runs, follows, executes, copies, commits, types, listens)


@pytest.fixture
def crowd(lab, url):
    def one(number: int) -> Told:
        done: Told = {}
        with closing(DockerClient(url, timeout=120)) as client:
            for turn in range(TURNS):
                work = WORK[(number + turn) % len(WORK)]
                done |= work(lab, client, f"{lab.label}-{number}-{turn}")
        return done

    def all_of_them() -> Told:
        with ThreadPoolExecutor(CLIENTS) as pool:
            return {key: told for each in pool.map(one, range(CLIENTS)) for key, told in each.items()}

    return all_of_them


def test_nobody_fails_and_nobody_misses_anything(lab, url, crowd):
    with listening(lab, url, LISTENERS) as listeners:
        done = crowd()
    assert len(done) >= CLIENTS * TURNS
    for listener in listeners:
        assert {key: listener.heard[key] for key in done} == done
