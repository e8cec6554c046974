"""Docker's API on a unix socket: versions, routes, and the one place where an error becomes a status."""

from __future__ import annotations

import asyncio
import re
import socket
import sys
from pathlib import Path
from typing import Any

from voldemo.engine import API_VERSION, MIN_API_VERSION, VERSION, errors, peer
from voldemo.engine.connection import Connection, Reader
from voldemo.engine.hangup import Hangups
from voldemo.engine.http import Bytes, ClientGone, Empty, Json, Request, Response
from voldemo.engine.router import Router
from voldemo.engine.unsupported import sentence_for

HEADERS = (
    ("Api-Version", API_VERSION),
    ("Docker-Experimental", "false"),
    ("Ostype", "linux"),
    ("Server", f"voldemo/{VERSION} (linux)"),
)
STATUS: dict[type[errors.EngineError], int] = {
    errors.BadParameter: 400,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.NotModified: 304,
    errors.Failed: 500,
    errors.Unsupported: 501,
}
VERSIONED = re.compile(r"/v(\d{1,3})\.(\d{1,3})(/.*)", re.DOTALL)
BUFFER = 1 << 18


def version(text: str) -> tuple[int, int]:
    major, _, minor = text.partition(".")
    return int(major), int(minor)


NEWEST = version(API_VERSION)
OLDEST = version(MIN_API_VERSION)


def message(text: str, status: int) -> Bytes:
    return Json({"message": text}, status)


def refusal(error: errors.EngineError) -> Response:
    status = next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)
    return Empty(304) if status == 304 else message(error.message, status)


def unexpected(request: Request, error: Exception) -> Response:
    """The client gets one sentence; where it happened goes to the log."""
    text = str(error) or type(error).__name__
    if isinstance(error, OSError) and error.strerror:
        text = error.strerror.lower()
    print(f"voldemo.engine: {request.method} {request.path}: {report(error)}", file=sys.stderr, flush=True)
    return message(text, 500)


def report(error: BaseException) -> str:
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = f" ({place.tb_frame.f_code.co_filename}:{place.tb_lineno})" if place else ""
    return " ".join(f"{type(error).__name__}: {error}{where}".split())


def take_version(request: Request) -> None:
    """`/v1.43/info` -> `/info`, and the version kept; without one the newest is meant."""
    request.version = NEWEST
    match = VERSIONED.fullmatch(request.path)
    if match is None:
        return
    wanted = int(match[1]), int(match[2])
    if wanted > NEWEST:
        text = f"is too new. Maximum supported API version is {API_VERSION}"
        raise errors.BadParameter(f"client version {match[1]}.{match[2]} {text}")
    if wanted < OLDEST:
        text = f"is too old. Minimum supported API version is {MIN_API_VERSION}"
        raise errors.BadParameter(
            f"client version {match[1]}.{match[2]} {text}, please upgrade your client to a newer version"
        )
    request.version = wanted
    request.path = match[3]


class Server:
    def __init__(self, daemon: Any, router: Router) -> None:
        self._daemon = daemon
        self._router = router
        self._clients: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._closing = False

    def bind(self, path: Path) -> None:
        """Take the address, or raise one sentence. Who connects from now on waits until `open`."""
        self._path = path
        self._listener = peer.listen(path)
        self._identity = peer.identity(path)

    def unbind(self) -> None:
        self._listener.close()
        peer.remove(self._path, self._identity)

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        self._hangups = Hangups(loop)
        self._server = await loop.create_unix_server(self._protocol, sock=self._listener, backlog=peer.BACKLOG)

    def _protocol(self) -> asyncio.StreamReaderProtocol:
        reader = Reader(limit=BUFFER)
        return asyncio.StreamReaderProtocol(reader, self._connected)

    async def close(self) -> None:
        """No client is served any more; what a handler was doing is cancelled."""
        self._closing = True
        self._server.close()
        self.unbind()
        clients = dict(self._clients)
        for task, writer in clients.items():
            writer.transport.abort()  # a thread that waits for a body would wait for ever
            task.cancel()
        await asyncio.gather(*clients, return_exceptions=True)
        self._hangups.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        assert isinstance(reader, Reader)
        self._clients[task] = writer
        try:
            await self._serve(reader, writer)
        except asyncio.CancelledError:
            if not self._closing:  # else it is the end, and asyncio would report it as a failure
                raise
        finally:
            del self._clients[task]
            writer.close()

    async def _serve(self, reader: Reader, writer: asyncio.StreamWriter) -> None:
        client: socket.socket = writer.get_extra_info("socket")
        answer = self.answer if peer.may_use(client) else self._stranger
        connection = Connection(reader, writer, answer, HEADERS)
        descriptor, told = client.fileno(), connection.hung_up
        self._hangups.watch(descriptor, told)
        try:
            await connection.serve()
        except Exception as error:  # one client's trouble ends with that client
            print(f"voldemo.engine: connection: {report(error)}", file=sys.stderr, flush=True)
            writer.transport.abort()
        finally:
            self._hangups.forget(descriptor, told)

    async def _stranger(self, request: Request) -> Response:
        return message("this engine serves the user who started it, and no other", 403)

    async def answer(self, request: Request) -> Response:
        try:
            take_version(request)
            return await self._handle(request)
        except errors.EngineError as error:
            return refusal(error)
        except ClientGone:
            raise
        except Exception as error:
            return unexpected(request, error)

    async def _handle(self, request: Request) -> Response:
        found = self._router.find(request.method, request.path)
        if found is None:
            sentence = sentence_for(request.method, request.path)
            raise errors.Unsupported(sentence) if sentence else errors.NotFound("page not found")
        handler, names = found
        return await handler(self._daemon, request, **names)
