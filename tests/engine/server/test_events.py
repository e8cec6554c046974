"""/events: what is kept, what is told, and to how many at once."""

from __future__ import annotations

import json
import threading
import time
from contextlib import aclosing

import pytest

from engine.server.conftest import Daemon
from engine.server.raw import Client, Loop, in_a_loop, request
from voldemo.engine.events import Events
from voldemo.engine.filters import Filters


def told(events: Events, since: int | None = 0, until: int | None = None, **filters: list[str]) -> list[dict]:
    async def read() -> list[dict]:
        end = time.time_ns() if until is None else until
        async with aclosing(events.stream(since, end, Filters(filters))) as lines:
            return [json.loads(line) async for block in lines for line in block.splitlines()]

    return in_a_loop(read())


@pytest.fixture
def events() -> Events:
    events = Events(limit=100)
    events.emit("volume", "create", "data", driver="local")
    events.emit("container", "create", "c1" * 32, image="busybox:1.37", name="web", tier="hot")
    events.emit("container", "exec_create: sh -c true", "c1" * 32, image="busybox:1.37", name="web")
    events.emit("network", "connect", "ab" * 32, container="c1" * 32, name="net", type="bridge")
    events.emit("image", "tag", "sha256:aa", name="busybox:1.37")
    return events


def test_the_shapes(events: Events) -> None:
    volume, container, _, network, image = told(events)
    assert volume == {
        "Type": "volume",
        "Action": "create",
        "Actor": {"ID": "data", "Attributes": {"driver": "local"}},
        "scope": "local",
        "time": volume["timeNano"] // 10**9,
        "timeNano": volume["timeNano"],
    }
    assert (container["status"], container["id"], container["from"]) == ("create", "c1" * 32, "busybox:1.37")
    assert network["Actor"]["Attributes"] == {"container": "c1" * 32, "name": "net", "type": "bridge"}
    assert ("status" in network, image["status"], "from" in image) == (False, "tag", False)


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        ({"type": ["container"]}, 2),
        ({"type": ["container", "volume"]}, 3),
        ({"event": ["create"]}, 2),
        ({"event": ["exec_create"]}, 1),
        ({"container": ["web"]}, 2),
        ({"container": ["c1c1"]}, 2),
        ({"container": ["eb"]}, 0),
        ({"volume": ["data"]}, 1),
        ({"network": ["net"]}, 1),
        ({"image": ["busybox:1.37"]}, 3),
        ({"image": ["busybox"]}, 3),
        ({"image": ["sha256:aa"]}, 1),
        ({"label": ["tier=hot"]}, 1),
        ({"label": ["tier"], "type": ["volume"]}, 0),
        ({"scope": ["swarm"]}, 0),
        ({"unknown": ["x"]}, 5),
    ],
)
def test_filters(events: Events, filters: dict, count: int) -> None:
    assert len(told(events, **filters)) == count


def test_since_and_until_are_exact(events: Events) -> None:
    times = [event["timeNano"] for event in told(events)]
    assert times == sorted(set(times))
    assert len(told(events, since=times[1])) == 4
    assert len(told(events, since=times[1], until=times[2])) == 2
    assert len(told(events, since=None, until=times[0])) == 1


def test_the_oldest_are_forgotten() -> None:
    events = Events(limit=10)
    for number in range(25):
        events.emit("volume", "create", str(number))
    assert [event["Actor"]["ID"] for event in told(events)] == [str(number) for number in range(15, 25)]


def test_a_listener_that_falls_behind_is_let_go_of() -> None:
    async def read() -> list[bytes]:
        events = Events(limit=10)
        lines = events.stream(None, None, Filters())
        for number in range(11):
            events.emit("volume", "create", str(number))
        return [line async for line in lines]

    assert in_a_loop(read()) == []


def test_nothing_is_lost_with_fifty_listeners(engine: Loop, daemon: Daemon) -> None:
    clients = [Client(engine.socket) for _ in range(50)]
    for client in clients:
        client.send(request("GET", "/events?filters=%7B%22type%22:%5B%22volume%22%5D%7D"))
        assert client.head()[0] == 200

    def emit(thread: int) -> None:
        for number in range(250):
            daemon.events.emit("volume", "create", f"{thread}-{number}")

    threads = [threading.Thread(target=emit, args=(thread,)) for thread in range(4)]
    for thread in threads:
        thread.start()
    for client in clients:
        ids: list[str] = []
        while len(ids) < 1000:
            ids += [json.loads(line)["Actor"]["ID"] for line in client.chunk().splitlines()]
        assert len(set(ids)) == 1000
        assert [id for id in ids if id.startswith("2-")] == [f"2-{number}" for number in range(250)]
        client.socket.close()
    for thread in threads:
        thread.join()


def test_listeners_are_forgotten_when_they_go(engine: Loop, daemon: Daemon) -> None:
    for _ in range(5):
        with Client(engine.socket) as client:
            client.send(request("GET", "/events"))
            client.head()
    for _ in range(200):
        if daemon.events.listeners == 0:
            return
        time.sleep(0.01)
    pytest.fail(f"{daemon.events.listeners} listeners left")


def test_until_ends_the_stream_by_itself(api: Client, daemon: Daemon) -> None:
    daemon.events.emit("volume", "create", "before")
    begin = time.time()
    answer = api.ask("GET", f"/events?since={begin - 5:.9f}&until={begin + 0.3:.9f}")
    assert b'"before"' in answer.body
    assert 0.2 < time.time() - begin < 3


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("since=a", 'strconv.ParseInt: parsing "a": invalid syntax'),
        ("since=20&until=10", "`since` time (20) cannot be after `until` time (10)"),
        ("filters=x", "invalid filter"),
    ],
)
def test_wrong_questions(api: Client, query: str, text: str) -> None:
    answer = api.ask("GET", f"/events?{query}")
    assert (answer.status, answer.message) == (400, text)
