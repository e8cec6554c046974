"""Whatever is said to it, the engine answers, means what it answers, and keeps nothing of who has gone.

FUZZ_REQUESTS says how much is said, FUZZ_SEED what.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from docker import DockerClient
from docker.errors import APIError

from engine.conformance.lab import until
from engine.embedded import Engine, below
from engine.server.nonsense import Call, Nonsense
from engine.server.raw import Answer, Client, request

REQUESTS, SEED = int(os.environ.get("FUZZ_REQUESTS", "1500")), int(os.environ.get("FUZZ_SEED", "1"))
STARTED = {"/containers/create": "/containers/{}/start", "/containers/{id}/exec": "/exec/{}/start"}
IMAGE = "busybox:1.37"
EXPECTED = re.compile(r"voldemo\.engine: listening at .*")


class Fuzzed:
    """An engine with one thing of each kind in it, and what it holds while it holds nothing else."""

    def __init__(self, engine: Engine) -> None:
        self.socket = Path(engine.url.removeprefix("unix://"))
        self.pid = engine.process.pid
        self._engine = engine
        self._client = DockerClient(engine.url, timeout=60)

    def furnish(self) -> None:
        self._client.networks.create("network")
        script = "trap exit TERM; mkfifo /p; while true; do read x < /p & wait; done"  # stops when it is told to
        self._client.containers.run(IMAGE, ["sh", "-c", script], name="running", detach=True)
        self._client.containers.create(IMAGE, ["true"], name="stopped")
        self._client.volumes.create("made")

    def clear(self) -> None:
        api = self._client.api
        until(self._no_containers)
        for network in api.networks():
            if network["Name"] not in ("bridge", "host", "none"):
                api.remove_network(network["Id"])
        for volume in api.volumes()["Volumes"]:
            api.remove_volume(volume["Name"], force=True)

    def _no_containers(self) -> bool:
        api = self._client.api
        for container in api.containers(all=True):
            try:
                api.remove_container(container["Id"], force=True, v=True)
            except APIError as error:
                if error.status_code not in (404, 409):  # it is being removed, or was
                    raise
        return not api.containers(all=True)

    def start_what_was_made(self, call: Call, answer: Answer) -> None:
        """A container or an exec: what was asked for is then really done."""
        if answer.status == 201 and call.path in STARTED:
            path = STARTED[call.path].format(answer.json["Id"])
            with Client(self.socket) as client:
                client.send(request("POST", path, b"{}", Content_Type="application/json"))
                client.head()

    def answers(self) -> None:
        with Client(self.socket) as client:
            assert client.ask("GET", "/_ping").body == b"OK"

    def close(self) -> None:
        self._client.close()

    def held(self) -> Counter[str]:
        """Open files, and processes."""
        self._client.close()  # its own connections; it makes new ones when it needs them
        found = Counter(f"process {Path(f'/proc/{pid}/comm').read_text()}" for pid in below(self.pid))
        for file in Path(f"/proc/{self.pid}/fd").iterdir():
            with suppress(FileNotFoundError):  # closed since it was listed
                found[re.sub(r"\d+", "N", str(file.readlink()))] += 1
        return found

    def log(self) -> str:
        return self._engine.said()

    def unexpected(self) -> list[str]:
        return [line for line in self.log().splitlines() if line and not EXPECTED.fullmatch(line)]


@pytest.fixture(scope="module")
def fuzzed() -> Iterator[Fuzzed]:
    with Engine(images=("busybox-1.37.tar",)) as engine, closing(Fuzzed(engine)) as fuzzed:
        fuzzed.furnish()
        fuzzed.clear()
        fuzzed.empty = fuzzed.held()
        yield fuzzed


def said(client: Client, call: Call) -> Answer:
    """Its answer; of one that may have no end, the beginning."""
    if not call.endless:
        return client.answer(call.method)
    status, headers = client.head()
    short = status >= 300 and "content-length" in headers
    return Answer(status, headers, client.exactly(int(headers["content-length"])) if short else b"")


def test_every_call_is_answered_and_nothing_stays(fuzzed):
    fuzzed.furnish()
    nonsense = Nonsense(SEED)
    for number in range(REQUESTS):
        if number % 100 == 99:  # what was removed or stopped is there again
            fuzzed.clear()
            fuzzed.furnish()
        call = nonsense.call()
        asked = nonsense.request(call)
        with Client(fuzzed.socket) as client:
            client.send(asked)
            answer = said(client, call)
        assert answer.status <= 501, asked
        fuzzed.start_what_was_made(call, answer)
        assert not fuzzed.unexpected(), asked
        if answer.status >= 400 and call.method != "HEAD":
            assert answer.message.strip(), asked
    fuzzed.clear()
    until_nothing_stays(fuzzed)


def test_broken_http_is_refused_and_nothing_stays(fuzzed):
    fuzzed.furnish()
    nonsense = Nonsense(SEED)
    for _ in range(REQUESTS // 5):
        data = nonsense.broken(nonsense.request(nonsense.call()))
        with Client(fuzzed.socket) as client, suppress(ConnectionError):
            client.send(data)
            client.socket.shutdown(1)
            client.more()  # an answer, or the end
        assert not fuzzed.unexpected(), data[:1000]
    fuzzed.clear()
    until_nothing_stays(fuzzed)


def test_clients_that_vanish_leave_nothing(fuzzed):
    fuzzed.furnish()
    nonsense = Nonsense(SEED)
    for number in range(REQUESTS // 5):
        data = nonsense.request(nonsense.call())
        with Client(fuzzed.socket) as client:
            client.send(data)
        if number % 50 == 49:  # no more of them wait to be accepted than may
            fuzzed.answers()
    assert not fuzzed.unexpected()
    fuzzed.clear()
    until_nothing_stays(fuzzed)


def until_nothing_stays(fuzzed: Fuzzed) -> None:
    fuzzed.answers()
    left: Counter[str] = Counter()

    def nothing() -> bool:
        left.clear()
        left.update(fuzzed.held() - fuzzed.empty)
        return not left

    with suppress(AssertionError):
        until(nothing)
    assert not left
