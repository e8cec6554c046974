"""/build: the classic builder over HTTP."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

from voldemo.engine import bridge
from voldemo.engine.build import dockerfile, messages, options, stages
from voldemo.engine.build.builder import Builder
from voldemo.engine.build.context import Context
from voldemo.engine.http import Json, Request, Response, Stream
from voldemo.engine.registry import Credentials
from voldemo.engine.router import Routes
from voldemo.engine.routes.pull import fetched
from voldemo.engine.store import Image, Reference

routes = Routes()


@routes.post("/build")
async def build(daemon: Any, request: Request) -> Response:
    wanted = options.read(request)
    known = all_credentials(request.headers.get("x-registry-config", ""))
    context = await bridge.run(Context, daemon.store)
    try:
        file = await bridge.whole(bridge.run(prepared, context, request.file(), wanted.dockerfile))
        plan = stages.arrange(file, wanted.target)
        stages.add_labels(plan, wanted.labels)
    except BaseException:
        await bridge.whole(bridge.run(context.close))
        raise

    async def provide(name: str, pull: bool) -> Image:
        image = daemon.store.images.find(name)
        if image is not None and not pull:
            return image
        reference = Reference.parse(name)
        return await fetched(daemon, reference, known.get(reference.domain, Credentials()))

    builder = Builder(daemon, wanted, context, file, provide)
    blocks = builder.build(plan)
    return Stream(closing(context, quiet(blocks) if wanted.quiet else blocks))


def prepared(context: Context, stream: Any, name: str) -> dockerfile.Dockerfile:
    """Blocks."""
    context.receive(stream)
    file = dockerfile.parse(context.dockerfile(name), name)
    context.leave_out_ignored()
    return file


async def closing(context: Context, blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    try:
        async for block in blocks:
            yield block
    finally:
        try:
            await blocks.aclose()
        finally:
            await bridge.whole(bridge.run(context.close))


async def quiet(blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The id alone; all of it when something fails."""
    kept: list[bytes] = []
    id = ""
    try:
        async for block in blocks:
            value = json.loads(block)
            kept.append(block)
            id = value["aux"]["ID"] if "aux" in value else id
            if "error" in value:
                for each in kept:
                    yield each
                return
    finally:
        await blocks.aclose()
    yield messages.stream(f"{id}\n")


def all_credentials(header: str) -> dict[str, Credentials]:
    """X-Registry-Config: one for each registry the client knows."""
    if not header:
        return {}
    try:
        value = json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))
    except (ValueError, RecursionError):
        return {}
    return {name: Credentials.of(each) for name, each in value.items()} if isinstance(value, dict) else {}


@routes.post("/build/prune")
async def prune(daemon: Any, request: Request) -> Response:
    """The classic builder's cache is the images themselves: `docker image prune` removes what is unused."""
    return Json({"CachesDeleted": None, "SpaceReclaimed": 0})
