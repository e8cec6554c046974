"""HTTP at its edges, by raw bytes: what a polite client library never sends, and how clients leave."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from engine.server.raw import Client, Loop, request
from voldemo.engine import bridge, connection, errors
from voldemo.engine.http import Bytes, ClientGone, Empty, Hijack, Json, Request, Response, Stream
from voldemo.engine.router import Routes

routes = Routes()
seen: dict[str, threading.Event] = {}


def event(name: str) -> threading.Event:
    return seen.setdefault(name, threading.Event())


@routes.get("/hello")
@routes.head("/hello")
async def hello(_: object, request: Request) -> Response:
    return Bytes(b"hello", "text/plain", [("X-Version", "{}.{}".format(*request.version))])


@routes.post("/object")
async def take_object(_: object, request: Request) -> Response:
    return Json(await request.json(), 201)


@routes.put("/count")
async def count(_: object, request: Request) -> Response:
    size = 0
    async for block in request.body:
        size += len(block)
    return Json({"size": size})


@routes.put("/file")
async def in_a_thread(_: object, request: Request) -> Response:
    file = request.file()

    def work() -> int:
        size = 0
        while block := file.read(10_000):
            size += len(block)
        return size

    return Json({"size": await bridge.run(work)})


@routes.put("/lines")
async def lines(_: object, request: Request) -> Response:
    return Stream(bridge.iterate(request.file()))


@routes.put("/refuse")
async def refuse(_: object, request: Request) -> Response:
    raise errors.NotFound("no such thing")


@routes.post("/nothing")
async def nothing(_: object, request: Request) -> Response:
    return Empty()


@routes.post("/same")
async def same(_: object, request: Request) -> Response:
    raise errors.NotModified("so already")


@routes.get("/broken")
async def broken(_: object, request: Request) -> Response:
    return {}["secret"]


async def ticking(name: str) -> AsyncIterator[bytes]:
    try:
        yield b"first\n"
        await asyncio.Event().wait()
    finally:
        event(name).set()


@routes.get("/ticks/{name}")
async def ticks(_: object, request: Request, name: str) -> Response:
    return Stream(ticking(name))


@routes.get("/flood/{name}")
async def flood(_: object, request: Request, name: str) -> Response:
    def work(write: object) -> None:
        try:
            while True:
                write(b"x" * 100_000)
        finally:
            event(name).set()

    return Stream(bridge.written(work))


@routes.get("/counted")
async def counted(_: object, request: Request) -> Response:
    return Stream(bridge.iterate(b"%d\n" % number for number in range(1000)))


@routes.get("/cut")
async def cut(_: object, request: Request) -> Response:
    async def blocks() -> AsyncIterator[bytes]:
        yield b"some"
        raise KeyError("gone wrong")

    return Stream(blocks())


@routes.post("/echo")
async def echo(_: object, request: Request) -> Response:
    greeting = (await request.json()).get("greeting", "")

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting.encode())
        while block := await reader.read(1000):
            writer.write(block.upper())
            await writer.drain()
        await asyncio.sleep(0.05)  # output that comes well after the client has closed its side
        writer.write(b"bye")
        await writer.drain()

    return Hijack(talk)


@routes.post("/silent/{name}")
async def silent(_: object, request: Request, name: str) -> Response:
    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            event(name).set()

    return Hijack(wait)


kept: list[Request] = []


@routes.put("/kept")
async def keep(_: object, request: Request) -> Response:
    kept.append(request)
    return Empty()


@routes.post("/late/{name}")
async def late(_: object, request: Request, name: str) -> Response:
    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.1)
        while block := await reader.read(100):
            if block.endswith(b"last words"):
                event(name).set()

    return Hijack(listen)


@routes.post("/slow/{name}")
async def slow(_: object, request: Request, name: str) -> Response:
    event(name + "-begun").set()
    await asyncio.sleep(0.2)
    event(name).set()
    return Empty()


@pytest.fixture(scope="module")
def loop() -> Iterator[Loop]:
    with Loop([routes]) as loop:
        yield loop


@pytest.fixture
def client(loop: Loop) -> Iterator[Client]:
    with Client(loop.socket) as client:
        yield client


def test_one_connection_serves_many_requests(client: Client) -> None:
    for _ in range(3):
        assert client.ask("GET", "/hello").body == b"hello"
        assert client.ask("POST", "/object", b'{"a": 1}', Content_Type="application/json").json == {"a": 1}
        assert client.ask("POST", "/nothing", b"{}").status == 204
        assert client.ask("POST", "/same").status == 304


def test_pipelined_requests_are_answered_in_order(client: Client) -> None:
    body = b'{"n": %d}'
    client.send(b"".join(request("POST", "/object", body % n, Content_Type="application/json") for n in range(50)))
    assert [client.answer().json["n"] for _ in range(50)] == list(range(50))


def test_head_has_the_headers_and_no_body(client: Client) -> None:
    answer = client.ask("HEAD", "/hello")
    assert (answer.status, answer.headers["content-length"]) == (200, "5")
    assert client.ask("GET", "/hello").body == b"hello"


def test_every_response_names_the_version(client: Client) -> None:
    for target in ("/hello", "/nowhere", "/broken"):
        assert client.ask("GET", target).headers["api-version"] == "1.47"


@pytest.mark.parametrize(("target", "wanted"), [("/hello", "1.47"), ("/v1.24/hello", "1.24"), ("/v1.47/hello", "1.47")])
def test_the_version_in_the_path_is_optional(client: Client, target: str, wanted: str) -> None:
    assert client.ask("GET", target).headers["x-version"] == wanted


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("/v1.99/hello", "client version 1.99 is too new. Maximum supported API version is 1.47"),
        ("/v2.0/hello", "client version 2.0 is too new. Maximum supported API version is 1.47"),
        (
            "/v1.23/hello",
            "client version 1.23 is too old. Minimum supported API version is 1.24, "
            "please upgrade your client to a newer version",
        ),
    ],
)
def test_an_unknown_version_is_refused(client: Client, target: str, text: str) -> None:
    answer = client.ask("GET", target)
    assert (answer.status, answer.message) == (400, text)


@pytest.mark.parametrize("target", ["/", "/nonsense", "/v1.47", "/v1.47/", "/hello/", "//hello", "/v1/hello", "/%00"])
def test_an_unknown_path_is_not_found(client: Client, target: str) -> None:
    answer = client.ask("GET", target)
    assert (answer.status, answer.message) == (404, "page not found")


@pytest.mark.parametrize("method", ["DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE", "CONNECT"])
def test_a_method_nobody_has_is_not_found(client: Client, method: str) -> None:
    assert client.ask(method, "/object").status == 404


def test_an_absolute_target_is_understood(client: Client) -> None:
    assert client.ask("GET", "http://docker/v1.47/hello").body == b"hello"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"[1]", "invalid JSON: json: cannot unmarshal array into Go value of type object"),
        (b"3", "invalid JSON: json: cannot unmarshal number into Go value of type object"),
        (b"{bad", "invalid JSON: "),
        (b"\xff\xfe\xfa", "invalid JSON: "),
        (b'{"a": NaN}', "invalid JSON: invalid character 'N'"),
        (b'{"a": 1} {}', "invalid JSON: "),
        (b'{"a": ' + b"9" * 5000 + b"}", "invalid JSON: "),
        (b'{"a":' * 100_000, "invalid JSON: "),
        (b"[" * 100_000 + b"]" * 100_000, "invalid JSON: exceeded max depth"),
    ],
)
def test_what_is_not_an_object_is_a_bad_request(client: Client, body: bytes, text: str) -> None:
    answer = client.ask("POST", "/object", body, Content_Type="application/json")
    assert answer.status == 400
    assert answer.message.startswith(text)
    assert client.ask("GET", "/hello").status == 200


def test_a_body_must_say_that_it_is_json(client: Client) -> None:
    answer = client.ask("POST", "/object", b"{}", Content_Type="text/plain")
    wanted = "unsupported Content-Type header (text/plain): must be 'application/json'"
    assert (answer.status, answer.message) == (400, wanted)


def test_no_body_and_null_are_an_empty_object(client: Client) -> None:
    assert client.ask("POST", "/object").json == {}
    assert client.ask("POST", "/object", b"null", Content_Type="application/json; charset=utf-8").json == {}


def test_a_huge_json_body_is_refused_before_it_is_held(client: Client) -> None:
    client.send(request("POST", "/object", Content_Type="application/json", Transfer_Encoding="chunked"))
    block = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    for _ in range(200):
        client.send(block)
    client.send(b"0\r\n\r\n")
    answer = client.answer()
    assert (answer.status, answer.message.split(":")[0]) == (400, "http")


@pytest.mark.parametrize("path", ["/count", "/file"])
def test_a_chunked_body_streams_into_the_handler(client: Client, path: str) -> None:
    client.send(request("PUT", path, Transfer_Encoding="chunked"))
    for _ in range(100):
        client.send(b"8000\r\n" + b"x" * 0x8000 + b"\r\n")
    client.send(b"0\r\n\r\n")
    assert client.answer().json == {"size": 100 * 0x8000}
    assert client.ask("PUT", path, b"x" * 3_000_000).json == {"size": 3_000_000}


def test_a_large_body_is_never_held_whole(loop: Loop, client: Client) -> None:
    before = resident()
    client.send(request("PUT", "/count", Transfer_Encoding="chunked"))
    for _ in range(200):
        client.send(b"100000\r\n" + b"x" * 0x100000 + b"\r\n")
    client.send(b"0\r\n\r\n")
    assert client.answer().json == {"size": 200 << 20}
    assert resident() - before < 50 << 20


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def test_expect_continue_is_answered_when_the_body_is_wanted(client: Client) -> None:
    client.send(b"PUT /count HTTP/1.1\r\nHost: d\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
    assert client.head()[0] == 100
    client.send(b"abc")
    assert client.answer().json == {"size": 3}
    assert client.ask("GET", "/hello").status == 200


def test_expect_continue_of_an_unwanted_body_gets_the_refusal(client: Client) -> None:
    client.send(b"PUT /refuse HTTP/1.1\r\nHost: d\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
    answer = client.answer()
    assert (answer.status, answer.headers["connection"]) == (404, "close")


def test_a_refusal_reaches_a_client_that_is_still_sending(client: Client) -> None:
    client.send(request("PUT", "/refuse", b"x" * 20_000_000))
    answer = client.answer()
    assert (answer.status, answer.message) == (404, "no such thing")


@pytest.mark.parametrize(
    "data",
    [
        b"nonsense\r\n\r\n",
        b"GET /hello HTTP/1.1\r\n\r\n",
        b"GET /hel lo HTTP/1.1\r\nHost: d\r\n\r\n",
        b"GET /hello HTTP/1.1\r\nHost: d\r\nbad header\r\n\r\n",
        b"GET /hello HTTP/1.1\r\nHost: d\r\nHost: e\r\n\r\n",
        b"POST /object HTTP/1.1\r\nHost: d\r\nContent-Length: x\r\n\r\n",
        b"POST /object HTTP/1.1\r\nHost: d\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST /object HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: d\r\n\r\n",
    ],
)
def test_a_malformed_request_is_a_bad_request(client: Client, data: bytes) -> None:
    client.send(data)
    status, headers = client.head()
    assert status in (400, 501)
    assert headers["connection"] == "close"
    client.socket.shutdown(socket.SHUT_WR)
    client.rest()


def test_malformed_chunks_are_a_bad_request(client: Client) -> None:
    client.send(request("PUT", "/count", Transfer_Encoding="chunked") + b"zz\r\nabc\r\n")
    assert client.answer().status == 400


def test_headers_have_a_limit(client: Client) -> None:
    client.send(b"GET /hello HTTP/1.1\r\nHost: d\r\nX-Big: " + b"x" * 600_000)
    assert client.head()[0] == 431


def test_an_unexpected_error_is_one_sentence_and_no_traceback(client: Client, capfd: pytest.CaptureFixture) -> None:
    answer = client.ask("GET", "/broken")
    assert (answer.status, answer.message) == (500, "'secret'")
    log = capfd.readouterr().err
    assert log.startswith("voldemo.engine: GET /broken: KeyError: 'secret'")
    assert log.count("\n") == 1


def test_http_1_0_gets_a_body_that_ends_with_the_connection(client: Client) -> None:
    client.send(b"GET /counted HTTP/1.0\r\n\r\n")
    status, headers = client.head()
    assert (status, "transfer-encoding" in headers) == (200, False)
    assert len(client.rest().split()) == 1000


def test_a_stream_may_be_followed_by_another_request(client: Client) -> None:
    assert len(client.ask("GET", "/counted").body.split()) == 1000
    assert client.ask("GET", "/hello").status == 200


def test_headers_of_a_stream_come_before_its_first_block(client: Client) -> None:
    client.send(request("GET", "/ticks/early"))
    assert client.head()[0] == 200
    assert client.chunk() == b"first\n"


def test_a_stream_that_fails_is_cut_off_and_not_ended(client: Client, capfd: pytest.CaptureFixture) -> None:
    client.send(request("GET", "/cut"))
    client.head()
    assert client.chunk() == b"some"
    assert client.rest() == b""
    assert "KeyError" in capfd.readouterr().err


@pytest.mark.parametrize("path", ["ticks", "flood"])
def test_a_stream_ends_when_its_client_goes(loop: Loop, path: str) -> None:
    with Client(loop.socket) as client:
        client.send(request("GET", f"/{path}/{path}-left"))
        client.head()
    assert event(f"{path}-left").wait(5)


def test_a_slow_reader_is_waited_for_and_not_buffered_for(loop: Loop, client: Client) -> None:
    before = resident()
    client.send(request("GET", "/flood/slow"))
    client.head()
    time.sleep(0.3)
    assert resident() - before < 30 << 20
    assert client.chunk()


def test_what_is_not_a_stream_is_finished_without_its_client(loop: Loop) -> None:
    with Client(loop.socket) as client:
        client.send(request("POST", "/slow/left"))
        assert event("left-begun").wait(5)
    assert event("left").wait(5)


def test_a_client_that_goes_in_the_middle_of_its_body_is_forgotten(loop: Loop) -> None:
    for path in ("/count", "/file"):
        with Client(loop.socket) as client:
            client.send(request("PUT", path, Content_Length="1000") + b"abc")
    gone(loop)


def gone(loop: Loop) -> None:
    """All connections are over (a client's own may be one more)."""
    for _ in range(200):
        if loop.tasks() == 0:
            return
        time.sleep(0.01)
    pytest.fail(f"{loop.tasks()} connections left")


UPGRADE = {"Connection": "Upgrade", "Upgrade": "tcp", "Content_Type": "application/json"}


@pytest.mark.parametrize("upgrade", [True, False])
def test_a_hijacked_connection_talks_both_ways_after_half_close(client: Client, upgrade: bool) -> None:
    headers = UPGRADE if upgrade else {"Content_Type": "application/json"}
    client.send(request("POST", "/echo", b'{"greeting": "hi "}', **headers))
    status, got = client.head()
    assert status == (101 if upgrade else 200)
    assert got["content-type"] == "application/vnd.docker.raw-stream"
    client.send(b"one ")
    assert client.exactly(7) == b"hi ONE "
    client.send(b"two")
    client.socket.shutdown(socket.SHUT_WR)
    assert client.rest() == b"TWObye"


@pytest.mark.parametrize("upgrade", [True, False])
def test_what_follows_the_request_at_once_is_the_stream(client: Client, upgrade: bool) -> None:
    headers = UPGRADE if upgrade else {"Content_Type": "application/json"}
    client.send(request("POST", "/echo", b"{}", **headers) + b"at once\x00\xff" * 1000)
    client.socket.shutdown(socket.SHUT_WR)
    client.head()
    assert client.rest() == b"AT ONCE\x00\xff" * 1000 + b"bye"


def test_the_upgrade_says_upgraded(client: Client) -> None:
    client.send(request("POST", "/echo", b"{}", **UPGRADE))
    assert client.until(b"\r\n") == b"HTTP/1.1 101 UPGRADED"


def test_a_quiet_hijacked_stream_ends_when_its_client_goes(loop: Loop) -> None:
    with Client(loop.socket) as client:
        client.send(request("POST", "/silent/quiet", **UPGRADE))
        client.head()
        client.socket.shutdown(socket.SHUT_WR)
        assert not event("quiet").wait(0.2)
    assert event("quiet").wait(5)


def test_what_was_sent_before_going_is_not_waited_for_for_ever(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "LAST_WORDS", 0.1)
    with Client(loop.socket) as client:
        client.send(request("POST", "/silent/full", **UPGRADE) + b"unread")
        client.head()
    assert event("full").wait(5)


def test_what_was_sent_before_going_is_heard(loop: Loop) -> None:
    with Client(loop.socket) as client:
        client.send(request("POST", "/late/heard", **UPGRADE))
        client.head()
        client.send(b"x" * 100_000 + b"last words")
    assert event("heard").wait(5)


def test_an_upgrade_nobody_takes_is_an_ordinary_request(client: Client) -> None:
    assert client.ask("GET", "/hello", Connection="Upgrade", Upgrade="h2c").body == b"hello"
    assert client.ask("GET", "/hello").body == b"hello"


def test_a_hundred_clients_at_once(loop: Loop) -> None:
    clients = [Client(loop.socket) for _ in range(100)]
    for client in clients:
        client.send(request("GET", "/hello"))
    assert {client.answer().body for client in clients} == {b"hello"}
    for client in clients:
        client.socket.close()
    gone(loop)


def test_a_body_streams_in_while_the_response_streams_out(client: Client) -> None:
    client.send(request("PUT", "/lines", Transfer_Encoding="chunked") + b"4\r\none\n\r\n")
    client.send(b"8\r\ntwo\nthre\r\n2\r\ne\n\r\n0\r\n\r\n")
    assert client.answer().body == b"one\ntwo\nthree\n"
    assert client.ask("GET", "/hello").status == 200


def test_a_body_is_over_with_its_request(loop: Loop, client: Client) -> None:
    assert client.ask("PUT", "/kept", b"abc").status == 204

    async def read() -> bytes:
        return await anext(kept.pop().body)

    with pytest.raises(ClientGone):
        loop.call(read())
    assert client.ask("GET", "/hello").body == b"hello"


def test_closing_the_server_ends_every_stream() -> None:
    half = {"Content_Length": "1000"}
    with Loop([routes]) as loop:
        clients = [Client(loop.socket) for _ in range(6)]
        clients[0].send(request("GET", "/ticks/closing"))
        clients[1].send(request("POST", "/silent/closing-too", **UPGRADE))
        for client in clients[:2]:
            client.head()
        for client, path in zip(clients[2:5], ("/file", "/lines", "/count"), strict=True):
            client.send(request("PUT", path, **half) + b"one\ntwo")
        clients[3].head()
        assert clients[3].chunk() == b"one\n"  # and now a thread waits for more
    assert event("closing").wait(5)
    assert event("closing-too").wait(5)
    for client in clients:
        client.socket.close()
