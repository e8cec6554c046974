"""/containers/{id}/attach and /logs: what a container writes, now and earlier."""

from __future__ import annotations

import time
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from typing import Any

from voldemo.engine import clock
from voldemo.engine.containers import detach
from voldemo.engine.containers.container import Container
from voldemo.engine.containers.detach import Escape
from voldemo.engine.containers.logs import Line, Wanted
from voldemo.engine.containers.streams import STDERR, STDOUT, frame, headers_read
from voldemo.engine.errors import BadParameter, Conflict, Unsupported
from voldemo.engine.http import MULTIPLEXED_STREAM, RAW_STREAM, Hijack, Request, Response, Stream
from voldemo.engine.router import Routes

routes = Routes()
NUMBERS = {"stdout": STDOUT, "stderr": STDERR}
NO_LOGS = "configured logging driver does not support reading"


def streams(request: Request) -> frozenset[int]:
    return frozenset(number for name, number in NUMBERS.items() if request.bool(name))


def content_type(container: Container) -> str:
    return RAW_STREAM if container.config["Tty"] else MULTIPLEXED_STREAM


def framed(container: Container, line: Line, timestamps: bool) -> bytes:
    text = line.time.encode() + b" " + line.text if timestamps else line.text
    return text if container.config["Tty"] else frame(NUMBERS.get(line.stream, STDERR), text)


@routes.get("/containers/{id}/logs")
async def logs(daemon: Any, request: Request, id: str) -> Response:
    container: Container = daemon.containers.get(id)
    chosen = streams(request)
    if not chosen:
        raise BadParameter("Bad parameters: you must choose at least one stream")
    if container.host["LogConfig"]["Type"] == "none":
        raise Unsupported(NO_LOGS)
    wanted = Wanted(
        stdout=STDOUT in chosen,
        stderr=STDERR in chosen,
        since=time_of(request, "since"),
        until=time_of(request, "until"),
        tail=tail_of(request),
        follow=request.bool("follow"),
    )
    return Stream(lines(container, wanted, request.bool("timestamps")), content_type(container))


def time_of(request: Request, name: str) -> int:
    text = request.text(name)
    return clock.unix_nanoseconds(text) if text else 0


def tail_of(request: Request) -> int:
    """All, if it is no number: so does Docker."""
    text = request.text("tail")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else -1


async def lines(container: Container, wanted: Wanted, timestamps: bool) -> AsyncIterator[bytes]:
    async for line in container.log.read(wanted):
        yield framed(container, line, timestamps)


@routes.post("/containers/{id}/attach")
async def attach(daemon: Any, request: Request, id: str) -> Response:
    container: Container = daemon.containers.get(id)
    if container.state.status == "paused":
        raise Conflict(f"container {id} is paused, unpause the container before attach")
    if container.state.status == "restarting":
        raise Conflict(f"container {id} is restarting, wait until the container is running before attaching")
    escape = escape_of(container, request.text("detachKeys"))
    return Hijack(
        handler(container, request, escape), content_type(container) if request.version >= (1, 42) else RAW_STREAM
    )


def escape_of(container: Container, keys: str) -> Escape | None:
    try:
        known = detach.parse(keys)
    except ValueError:
        raise BadParameter(f"Invalid detach keys ({keys}) provided") from None
    return Escape(known) if container.config["Tty"] else None


def handler(container: Container, request: Request, escape: Escape | None) -> Any:
    live, past, stdin = (request.bool(name) for name in ("stream", "logs", "stdin"))
    chosen = streams(request)
    # From this moment on: what is written while the answer is on its way belongs to this client.
    attachment = container.streams.attach(chosen) if live else None
    begun = time.time_ns()
    container.tell("attach")

    async def serve(reader: StreamReader, writer: StreamWriter) -> None:
        if past:
            await headers_read(writer)
            wanted = Wanted(stdout=STDOUT in chosen, stderr=STDERR in chosen, until=begun if live else 0)
            async for block in lines(container, wanted, False):
                writer.write(block)
                await writer.drain()
        if attachment is not None:
            fed = stdin and container.config["OpenStdin"]
            await container.streams.serve(attachment, reader, writer, fed, escape, not container.config["Tty"])
            if escape and escape.found:
                container.tell("detach")

    return serve
