"""A client that says exactly what it is told to, and a server in a thread for it to talk to."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import tempfile
import threading
from collections.abc import Coroutine, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from voldemo.engine.router import Router, Routes
from voldemo.engine.server import Server

TIMEOUT = 10


def in_a_loop(main: Coroutine[Any, Any, Any]) -> Any:
    """In a thread of its own: the test's may have a loop that runs already, left by the tests that drive a browser."""
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(asyncio.run, main).result()


class Loop:
    """A server on its own event loop, beside the test."""

    def __init__(self, routes: Iterable[Routes], daemon: Any = None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="vd-http-"))
        self.socket = self.folder / "s"
        self.loop = asyncio.new_event_loop()
        self.problems: list[dict[str, Any]] = []
        self.loop.set_exception_handler(lambda _, context: self.problems.append(context))
        self.daemon = daemon
        self.server = Server(daemon, Router(routes))
        self._thread = threading.Thread(target=self.loop.run_forever)

    def __enter__(self) -> Self:
        self.server.bind(self.socket)
        self._thread.start()
        self.call(self.server.open())
        return self

    def call(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(TIMEOUT)

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.call(self.server.close())
        self.call(settle())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(TIMEOUT)
        self.loop.close()
        shutil.rmtree(self.folder)
        assert self.problems == []

    def tasks(self) -> int:
        async def count() -> int:
            return len(self.server._clients)

        return self.call(count())


async def settle() -> None:
    await asyncio.sleep(0)


class Client:
    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(TIMEOUT)
        self.socket.connect(str(path))
        self.buffer = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def ask(self, method: str, target: str, body: bytes | None = None, **headers: str) -> Answer:
        self.send(request(method, target, body, **headers))
        return self.answer(method)

    def more(self) -> bool:
        data = self.socket.recv(1 << 16)
        self.buffer += data
        return bool(data)

    def until(self, mark: bytes) -> bytes:
        while mark not in self.buffer:
            assert self.more(), f"closed before {mark!r}: {self.buffer!r}"
        found, _, self.buffer = self.buffer.partition(mark)
        return found

    def exactly(self, size: int) -> bytes:
        while len(self.buffer) < size:
            assert self.more(), f"closed: {self.buffer!r}"
        found, self.buffer = self.buffer[:size], self.buffer[size:]
        return found

    def rest(self) -> bytes:
        while self.more():
            pass
        found, self.buffer = self.buffer, b""
        return found

    def head(self) -> tuple[int, dict[str, str]]:
        first, *lines = self.until(b"\r\n\r\n").decode().split("\r\n")
        return int(first.split()[1]), {name.lower(): value for name, _, value in (x.partition(": ") for x in lines)}

    def chunk(self) -> bytes:
        size = int(self.until(b"\r\n"), 16)
        data = self.exactly(size)
        assert self.exactly(2) == b"\r\n"
        return data

    def answer(self, method: str = "GET") -> Answer:
        status, headers = self.head()
        if method == "HEAD" or status in (204, 304):
            return Answer(status, headers, b"")
        if headers.get("transfer-encoding") == "chunked":
            return Answer(status, headers, b"".join(iter(self.chunk, b"")))
        if "content-length" in headers:
            return Answer(status, headers, self.exactly(int(headers["content-length"])))
        return Answer(status, headers, self.rest())


class Answer:
    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def message(self) -> str:
        return json.loads(self.body)["message"]

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def request(method: str, target: str, body: bytes | None = None, **headers: str) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", "Host: docker"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + (body or b"")


@contextmanager
def client_of(loop: Loop) -> Iterator[Client]:
    with Client(loop.socket) as client:
        yield client
