"""Clients that go away in the middle of something: the engine forgets them, keeps nothing of theirs, and goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from docker import DockerClient

from engine.conformance.lab import cli_environment, until
from engine.embedded import Engine, somebody
from engine.faults import Mortal, half_made, image_of, tar_of, unused_layers
from engine.registry.conftest import Registry, registry  # noqa: F401 (a fixture)
from engine.server.raw import Client, request

BUSYBOX = "busybox:1.37"
PATIENCE = 20


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine(images=("busybox-1.37.tar",)) as engine:
        yield engine


@pytest.fixture(scope="module")
def docker(engine, tmp_path_factory) -> Callable[..., str]:
    """The real client, of which nothing is left when it has ended."""
    environment = cli_environment(engine.url, tmp_path_factory.mktemp("docker-config"))

    def run(*words: str) -> str:
        return subprocess.run(["docker", *words], env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout

    return run


@pytest.fixture(scope="module")
def container(docker):
    """One that has said much, has much in a file, and repeats what it is told."""
    script = "head -c 3000000 /dev/zero > /big; seq 30000; exec cat"
    docker("run", "-di", "--name=busy", "--network=none", BUSYBOX, "sh", "-c", script)
    until(lambda: docker("logs", "--tail=1", "busy") == "30000\n")
    yield
    docker("rm", "-f", "busy")


class State:
    """What an engine holds for its clients."""

    def __init__(self, engine: Engine) -> None:
        with closing(DockerClient(engine.url, version="1.47")) as docker:
            self.ask(engine, docker)

    def ask(self, engine: Engine, docker: DockerClient) -> None:
        process = Path(f"/proc/{engine.process.pid}")
        self.descriptors = Counter(self.kinds(process / "fd"))
        self.others = Counter(half_made(engine.folder / "root"))
        self.others["listeners"] = docker.info()["NEventsListener"]
        self.others.update(each.name for each in docker.containers.list(all=True))
        self.others.update(tag for image in docker.images.list() for tag in image.tags)

    def more_than(self, other: State) -> list[str]:
        return [*(self.descriptors - other.descriptors), *(self.others - other.others)]

    @staticmethod
    def kinds(folder: Path) -> Iterator[str]:
        for link in folder.iterdir():
            try:
                yield os.readlink(link).partition(":")[0]
            except FileNotFoundError:  # closed meanwhile
                continue


class Stalling:
    """A registry that begins an answer, and never comes to its end."""

    def __init__(self, lying: Registry, where: str) -> None:
        self.name = f"127.0.0.1:{lying.port}/thing"
        self.silent, self._go = threading.Event(), threading.Event()
        layer = lying.blob(bytes(1000), size=1000)
        lying.image(tar_of({"f": b"1"}), layers=[layer])
        stalled = {"layer": f"blobs/{layer['digest']}", "manifest": "manifests/1"}[where]
        lying.answers[f"/v2/thing/{stalled}"] = self.stall

    def stall(self, handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(bytes(500))
        self.silent.set()
        self._go.wait(2 * PATIENCE)

    def close(self) -> None:
        self._go.set()


@pytest.fixture(params=["layer", "manifest"])
def stalling(request, registry) -> Iterator[Stalling]:  # noqa: F811
    with closing(Stalling(registry, request.param)) as stalling:
        yield stalling


@pytest.fixture
def forgotten(engine, container) -> Iterator[None]:
    """Afterwards all is as before, and nothing was told to the log but where the engine listens."""
    before = State(engine)
    yield
    deadline = time.monotonic() + PATIENCE
    while (more := State(engine).more_than(before)) and time.monotonic() < deadline:
        time.sleep(0.05)  # no event tells that nothing happens
    assert not more
    assert engine.said().count("\n") == 1, engine.said()


def go_away_from(engine: Engine, asked: bytes, read: int = 1, say: bytes = b"") -> None:
    """The headers, a little of the answer, and good-bye."""
    with Client(Path(engine.url[7:])) as client:
        client.send(asked)
        status, _ = client.head()
        assert status in (101, 200), client.buffer
        client.send(say)
        client.exactly(read)


READERS = {
    "logs": ("GET", "/containers/busy/logs?stdout=1&follow=1", 100),
    "wait": ("POST", "/containers/busy/wait", 0),
    "stats": ("GET", "/containers/busy/stats", 10),
    "archive": ("GET", "/containers/busy/archive?path=/big", 100),
    "export": ("GET", "/containers/busy/export", 100),
    "save": ("GET", f"/images/{BUSYBOX}/get", 100),
    "events": ("GET", "/events", 0),
}


@pytest.mark.parametrize(("method", "path", "read"), READERS.values(), ids=READERS)
def test_one_that_read(engine, forgotten, method, path, read):
    go_away_from(engine, request(method, path, b"" if method == "POST" else None), read)


@pytest.mark.parametrize(("say", "read"), [(b"", 0), (b"hello\n", 14), (b"hello\n" * 100_000, 0)])
def test_one_that_was_attached(engine, forgotten, say, read):
    asked = request("POST", "/containers/busy/attach?stream=1&stdin=1&stdout=1", b"")
    go_away_from(engine, asked, read, say)


def test_one_that_read_what_a_process_says(engine, docker, forgotten):
    with closing(DockerClient(engine.url)) as client:
        made = client.api.exec_create("busy", ["yes"])["Id"]
    go_away_from(engine, request("POST", f"/exec/{made}/start", b"{}", Content_Type="application/json"), 100)
    docker("exec", "busy", "killall", "yes")


def test_one_that_built(engine, forgotten):
    """What RUN had begun ends with it."""
    lines = f"FROM {BUSYBOX}\nRUN echo be''gun; sleep 1000\n"
    context = tar_of({"Dockerfile": lines.encode()})
    with Client(Path(engine.url[7:])) as client:
        client.send(request("POST", "/build?t=half", context, Content_Type="application/x-tar"))
        assert client.head()[0] == 200
        client.until(b"begun")


@pytest.mark.parametrize("stalling", ["layer"], indirect=True)
def test_one_that_pulled(engine, forgotten, stalling):
    """Its transfer ends at once, however long the registry says nothing."""
    before = State(engine)
    with Client(Path(engine.url[7:])) as client:
        client.send(request("POST", f"/images/create?fromImage={stalling.name}&tag=1", b""))
        assert client.head()[0] == 200
        assert stalling.silent.wait(PATIENCE)
    until(lambda: not State(engine).more_than(before))


@pytest.mark.parametrize("stalling", ["layer"], indirect=True)
def test_one_that_pushed(engine, docker, stalling):
    """Its image stays, and nothing else."""
    docker("tag", BUSYBOX, f"{stalling.name}:2")
    before = State(engine)
    with Client(Path(engine.url[7:])) as client:
        client.send(request("POST", f"/images/{stalling.name}/push?tag=2", b""))
        assert client.head()[0] == 200
    until(lambda: not State(engine).more_than(before))
    docker("rmi", f"{stalling.name}:2")


SENDERS = {
    "load": ("POST", "/images/load", image_of("half")),
    "import": ("POST", "/images/create?fromSrc=-&repo=half", tar_of({"f": bytes(100_000)})),
    "archive": ("PUT", "/containers/busy/archive?path=/tmp", tar_of({"half": bytes(100_000)})),
    "build": ("POST", "/build?t=half", tar_of({"Dockerfile": b"FROM scratch\nCOPY f /\n", "f": bytes(100_000)})),
}


@pytest.mark.parametrize("part", [0, 700, 20_000])
@pytest.mark.parametrize(("method", "path", "body"), SENDERS.values(), ids=SENDERS)
def test_one_that_sent(engine, docker, forgotten, method, path, body, part):
    with Client(Path(engine.url[7:])) as client:
        client.send(request(method, path, body, Content_Type="application/x-tar")[: part - len(body)])
    assert docker("exec", "busy", "ls", "/tmp") == ""


def test_one_that_sent_requests_and_wants_no_answer(engine, forgotten):
    with Client(Path(engine.url[7:])) as client:
        client.send(request("GET", "/system/df") * 20)
    with Client(Path(engine.url[7:])) as client:
        client.send(b"POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Le")


# ---- an engine that is told to stop


class Busy:
    """A client of the real kind, at work on an engine that is told to stop."""

    def __init__(self, engine: Mortal, environment: dict[str, str], *words: str) -> None:
        self.engine = engine
        self.process = subprocess.Popen(
            ["docker", *words], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    def await_word(self, word: bytes) -> None:
        for line in self.process.stdout:
            if word in line:
                return
        raise AssertionError(f"it never said {word}")

    def stop_the_engine(self) -> None:
        """The client is told, the engine ends as it should, and nothing of it is left."""
        os.kill(self.engine.pid, signal.SIGTERM)
        self.engine.await_last(PATIENCE)
        assert self.engine.process.returncode == 0, self.engine.said()
        assert self.engine.said().count("\n") == 1, self.engine.said()
        said, _ = self.process.communicate(timeout=PATIENCE)
        assert self.process.returncode != 0, said

    def start_it_again(self, images: set[str]) -> None:
        assert half_made(self.engine.root) == []
        self.engine.start()
        with closing(DockerClient(self.engine.url)) as client:
            assert {tag for image in client.images.list() for tag in image.tags} == images
            assert client.containers.list(all=True) == []
        assert half_made(self.engine.root) == []
        assert unused_layers(self.engine.root) == []


@pytest.fixture(params=somebody())
def mortal(request) -> Iterator[Mortal]:
    with Mortal(request.param, images=("busybox-1.37.tar",)) as engine:
        yield engine


@pytest.fixture
def busy(mortal, tmp_path) -> Callable[..., Busy]:
    environment = cli_environment(mortal.url, tmp_path)
    return lambda *words: Busy(mortal, environment, *words)


def test_told_to_stop_in_a_pull(busy, stalling):
    client = busy("pull", f"{stalling.name}:1")
    assert stalling.silent.wait(PATIENCE)
    client.stop_the_engine()
    client.start_it_again({BUSYBOX})


@pytest.mark.parametrize("moment", [b"Step 2/2", b"begun"])
def test_told_to_stop_in_a_build(busy, tmp_path, moment):
    (tmp_path / "Dockerfile").write_text(f"FROM {BUSYBOX}\nRUN echo be''gun; sleep 1000\n")
    client = busy("build", "-t", "half", str(tmp_path))
    client.await_word(moment)
    client.stop_the_engine()
    client.start_it_again({BUSYBOX})


@pytest.mark.parametrize("words", [("load",), ("import", "-", "half"), ("build", "-t", "half", "-")])
def test_told_to_stop_while_a_client_sends(busy, mortal, words):
    client = busy(*words)
    client.process.stdin.write(image_of("half")[:30_000])
    client.process.stdin.flush()
    until(lambda: half_made(mortal.root))
    client.stop_the_engine()
    client.start_it_again({BUSYBOX})
