"""/images/get and /images/load: images as tars, in and out."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

from voldemo.engine import bridge
from voldemo.engine.errors import EngineError, NotFound
from voldemo.engine.http import Request, Response, Stream
from voldemo.engine.router import Routes
from voldemo.engine.routes.images import image_of, tell
from voldemo.engine.store.image import Image

routes = Routes()


@routes.get("/images/get")
async def save_many(daemon: Any, request: Request) -> Response:
    names = [name for value in request.values("names") for name in value.split(",") if name]
    return await saved(daemon, names)


@routes.get("/images/{name:path}/get")
async def save_one(daemon: Any, request: Request, name: str) -> Response:
    return await saved(daemon, [name])


async def saved(daemon: Any, names: Sequence[str]) -> Response:
    for name in names:
        image = await found(daemon, name)
        tell(daemon, "save", image, image.id)
    return Stream(bridge.iterate(daemon.store.images.save(names)), "application/x-tar")


async def found(daemon: Any, name: str) -> Image:
    try:
        return await image_of(daemon, name)
    except NotFound:
        raise NotFound(f"No such image: {name}") from None


@routes.post("/images/load")
async def load(daemon: Any, request: Request) -> Response:
    file = request.file()

    def messages() -> Iterator[str]:
        yield from daemon.store.images.load(file)

    return Stream(progress(daemon, bridge.iterate(messages())))


async def progress(daemon: Any, texts: AsyncIterator[str]) -> AsyncIterator[bytes]:
    """Said in the stream, errors too: the status has long been sent."""
    try:
        async for text in texts:
            ref = text.partition(": ")[2]
            tell(daemon, "load", daemon.store.images.get(ref), ref)
            yield line({"stream": f"{text}\n"})
    except (EngineError, EOFError) as error:
        yield line({"errorDetail": {"message": str(error)}, "error": str(error)})


def line(value: dict[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"
