"""Every path of Docker's API is answered, whatever is said to it: never a 5xx that is not meant, never silence."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from engine.server.raw import Client, Loop

ENDPOINTS = [tuple(line.split()) for line in Path(__file__).with_name("endpoints.txt").read_text().splitlines()]
LIVE = ("/events", "/images/load")  # streams: the one without end, the other with its errors inside
NAMES = ["x", "a" * 300, "..%2f..%2fup", "%00", "%ff%fe", "sha256:0", "a:b:c", "-", "%20", "%7B%7D"]
QUERIES = ["", "?filters=%7B", "?force=1&v=maybe", "?type=x", "?since=x", "?names=x", "?%ff=%00&&&="]
BODIES = [
    b"",
    b"{}",
    b"null",
    b"[]",
    b'{"Name":1}',
    b'{"Name":"a/../b"}',
    b'{"Container":[]}',
    b"\xff\x00",
    b"{" * 5000,
]


def target(path: str, name: str) -> str:
    for place in ("{id}", "{name}"):
        path = path.replace(place, name)
    return path


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
def test_is_answered(api: Client, method: str, path: str) -> None:
    query = "?until=1" if path == "/events" else ""
    answer = api.ask(method, f"/v1.47{target(path, 'thing')}{query}", b"{}", Content_Type="application/json")
    assert answer.status < 500 or answer.status == 501
    if answer.status == 501 and method != "HEAD":
        assert "not part of this engine: " in answer.message
        assert "\n" not in answer.message


def test_nonsense_is_answered(engine: Loop, capfd: pytest.CaptureFixture) -> None:
    choose = random.Random(47)
    for _ in range(1500):
        method, path = choose.choice(ENDPOINTS)
        if path in LIVE:
            continue
        asked = f"/v1.{choose.choice([24, 41, 47])}{target(path, choose.choice(NAMES))}{choose.choice(QUERIES)}"
        body, kind = choose.choice(BODIES), choose.choice(["application/json", "text/plain", "application/x-tar"])
        with Client(engine.socket) as client:
            answer = client.ask(method, asked, body, Content_Type=kind)
        assert answer.status < 500 or answer.status == 501, (method, asked, body, answer.body)
        assert method == "HEAD" or answer.status < 400 or answer.message, (method, asked)
    assert capfd.readouterr().err == ""


def test_random_bytes_hurt_nobody(engine: Loop, api: Client) -> None:
    choose = random.Random(1)
    whole = b"POST /v1.47/volumes/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\n"
    whole += b"Content-Length: 2\r\n\r\n{}"
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(choose.randrange(1, 6)):
            data[choose.randrange(len(data))] = choose.randrange(256)
        with Client(engine.socket) as client:
            client.send(bytes(data[: choose.randrange(len(data))]))
    assert api.ask("GET", "/_ping").body == b"OK"
