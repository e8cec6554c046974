"""HTTP/1.1 with one client: requests in, responses out, bodies never held whole, and raw streams after a hijack."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, suppress
from http import HTTPStatus
from urllib.parse import unquote

import h11

from voldemo.engine.errors import BadParameter
from voldemo.engine.http import RAW_STREAM, Bytes, ClientGone, Empty, Headers, Hijack, Request, Response, Stream

BLOCK = 1 << 18
HEADERS_LIMIT = 1 << 18
LINGER = 30.0  # seconds a client may go on sending what nobody reads, before it is cut off
LAST_WORDS = 2.0  # seconds a handler may take to read what a client sent before it went

Answer = Callable[[Request], Awaitable[Response]]


class Reader(asyncio.StreamReader):
    """Begins with what came in one piece with the request that turned the connection into a stream."""

    _early = b""

    def push_back(self, data: bytes) -> None:
        self._early = data

    async def read(self, n: int = -1) -> bytes:
        if not self._early:
            return await super().read(n)
        early, self._early = (self._early, b"") if n < 0 else (self._early[:n], self._early[n:])
        return early + await super().read(-1) if n < 0 else early

    def at_eof(self) -> bool:
        return not self._early and super().at_eof()


class Body(AsyncIterator[bytes]):
    """A request's body as it arrives."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._ended = False
        self._closed = False

    async def __anext__(self) -> bytes:
        if self._ended:
            raise StopAsyncIteration
        if self._closed:
            raise ClientGone("the request is over")
        event = await self._connection.body_event()
        if isinstance(event, h11.Data):
            return bytes(event.data)
        self._ended = True
        raise StopAsyncIteration

    def close(self) -> None:
        """A thread that reads on must not take the rest for the end, nor the next request for the rest."""
        self._closed = True


class Connection:
    def __init__(self, reader: Reader, writer: asyncio.StreamWriter, answer: Answer, headers: Headers) -> None:
        self._reader = reader
        self._writer = writer
        self._answer = answer
        self._headers = headers  # of every response
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=HEADERS_LIMIT)
        self._task = asyncio.current_task()
        self._streaming = False
        self._hijacked = False
        self._gone = False

    async def serve(self) -> None:
        try:
            while await self._exchange():
                self._http.start_next_cycle()
            await self._linger()
        except h11.RemoteProtocolError as error:
            await self._malformed(error)
        except ConnectionError:
            pass
        except asyncio.CancelledError:
            if not self._gone:
                raise

    def hung_up(self) -> None:
        """Streams have nobody to go to any more. Anything else is finished, as it would be with the client there."""
        self._gone = True
        if self._hijacked and not self._reader.at_eof():
            asyncio.get_running_loop().call_later(LAST_WORDS, self._cancel)
        else:
            self._cancel()

    def _cancel(self) -> None:
        if self._streaming and self._task is not None:
            self._task.cancel()

    async def _exchange(self) -> bool:
        """One request and its response. Whether another may follow."""
        event = await self._event()
        if not isinstance(event, h11.Request):
            return False
        body = Body(self)
        request = parse_request(event, body)
        try:
            await self._respond(request, await self._answer(request))
        finally:
            body.close()
        return not self._hijacked and self._ready_for_next()

    async def _event(self) -> object:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self._http.receive_data(await self._reader.read(BLOCK))
        return event

    async def body_event(self) -> object:
        await self._continue()
        try:
            return await self._event()
        except h11.RemoteProtocolError as error:
            if self._reader.at_eof():
                raise ClientGone("the client went away in the middle of a request") from None
            raise BadParameter(f"malformed request body: {error}") from None

    async def _continue(self) -> None:
        if self._http.they_are_waiting_for_100_continue:
            await self._send(h11.InformationalResponse(status_code=100, headers=[], reason="Continue"))

    async def _send(self, *events: h11.Event) -> None:
        self._writer.write(b"".join([self._http.send(event) or b"" for event in events]))
        await self._writer.drain()

    async def _respond(self, request: Request, response: Response) -> None:
        if isinstance(response, Stream):
            await self._stream(request, response)
        elif isinstance(response, Hijack):
            await self._hijack(request, response)
        else:
            await self._whole(request, response)

    async def _whole(self, request: Request, response: Bytes | Empty) -> None:
        headers = [*self._headers, *response.headers]
        data = b""
        if isinstance(response, Bytes):
            data = response.data
            headers += [("Content-Type", response.content_type), ("Content-Length", str(len(data)))]
        elif response.status not in (204, 304):
            headers.append(("Content-Length", "0"))
        if not self._eat():
            headers.append(("Connection", "close"))
        events: list[h11.Event] = [_head(response.status, headers)]
        if data and request.method != "HEAD":
            events.append(h11.Data(data=data))
        await self._send(*events, h11.EndOfMessage())

    def _eat(self) -> bool:
        """Skip the body nobody read, as far as it is here already. Whether that was all."""
        if self._http.they_are_waiting_for_100_continue:
            return False
        with suppress(h11.RemoteProtocolError):
            while self._http.their_state is h11.SEND_BODY:
                if self._http.next_event() is h11.NEED_DATA:
                    return False
        return self._http.their_state is not h11.ERROR

    async def _stream(self, request: Request, response: Stream) -> None:
        headers = [*self._headers, *response.headers, ("Content-Type", response.content_type)]
        async with aclosing(response.blocks) as blocks:
            await self._continue()
            self._start_streaming()
            await self._send(_head(200, headers))
            if request.method != "HEAD":
                async for block in blocks:
                    await self._send(h11.Data(data=block))
        self._streaming = False
        await self._send(h11.EndOfMessage())

    def _start_streaming(self) -> None:
        if self._gone:
            raise ClientGone("the client has gone")
        self._streaming = True

    async def _hijack(self, request: Request, response: Hijack) -> None:
        async for _ in request.body:
            pass
        early, _ = self._http.trailing_data
        self._reader.push_back(early)
        self._hijacked = True
        self._start_streaming()
        self._writer.write(switching(request, response.content_type, self._headers))
        try:
            await response.handler(self._reader, self._writer)
        finally:
            self._streaming = False

    def _ready_for_next(self) -> bool:
        return self._eat() and self._http.our_state is h11.DONE and self._http.their_state is h11.DONE

    async def _malformed(self, error: h11.RemoteProtocolError) -> None:
        if self._http.our_state not in (h11.IDLE, h11.SEND_RESPONSE) or self._reader.at_eof():
            return
        text = f"{error.error_status_hint} Bad Request: {error}\n".encode()
        headers = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(text)))]
        response = _head(error.error_status_hint, [*headers, ("Connection", "close")])
        with suppress(ConnectionError):
            await self._send(response, h11.Data(data=text), h11.EndOfMessage())
            await self._linger()

    async def _linger(self) -> None:
        """Closing with something unread would take the response from a client that is still sending."""
        if self._hijacked or self._http.their_state in (h11.DONE, h11.MUST_CLOSE, h11.CLOSED):
            return
        self._writer.write_eof()
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER):
                while await self._reader.read(BLOCK):
                    pass


def _head(status: int, headers: Headers) -> h11.Response:
    return h11.Response(status_code=status, headers=headers, reason=HTTPStatus(status).phrase)  # clients show it


def switching(request: Request, content_type: str, headers: Headers) -> bytes:
    lines = ["HTTP/1.1 200 OK", f"Content-Type: {RAW_STREAM}"]  # whatever is in it: so says Docker, without an upgrade
    if "upgrade" in request.headers:
        lines = ["HTTP/1.1 101 UPGRADED", f"Content-Type: {content_type}", "Connection: Upgrade", "Upgrade: tcp"]
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join([*lines, "", ""]).encode()


def parse_request(event: h11.Request, body: Body) -> Request:
    target = event.target.decode("latin-1")
    if not target.startswith("/"):  # "GET http://host/path", as to a proxy
        target = "/" + target.partition("://")[2].partition("/")[2]
    path, _, query = target.partition("?")
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in event.headers}
    return Request(event.method.decode("ascii"), unquote(path) if "%" in path else path, query, headers, body, (0, 0))
