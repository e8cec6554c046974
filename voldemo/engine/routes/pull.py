"""/images/create and /images/{name}/push: images from a registry, to one, and from a plain tar."""

from __future__ import annotations

import asyncio
import platform
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, BinaryIO

from voldemo.engine import bridge, clock, fields
from voldemo.engine.containers import commit as commits
from voldemo.engine.errors import BadParameter, EngineError, NotFound, Unsupported
from voldemo.engine.http import JSON, Bytes, Json, Request, Response, Stream
from voldemo.engine.registry import Credentials, Pull, Push, login
from voldemo.engine.registry.progress import Progress, line
from voldemo.engine.router import Routes
from voldemo.engine.routes.images import tell
from voldemo.engine.store import Image, Reference

routes = Routes()
NO_URL = "Importing from an address is not part of this engine: download it, then docker import the file."
ALL_TAGS = "Pushing every tag at once is not part of this engine: name one."


def credentials(request: Request) -> Credentials:
    return Credentials.from_header(request.headers.get("x-registry-auth", ""))


@routes.post("/images/create")
async def create(daemon: Any, request: Request) -> Response:
    source = request.text("fromSrc")
    if source == "-":
        return await imported(daemon, request)
    if source:
        raise Unsupported(NO_URL)
    reference = asked(request.text("fromImage"), request.text("tag"))
    check_platform(request.text("platform"))
    try:
        pull = await resolved(daemon, reference, credentials(request))
    except EngineError:
        # Before the answer begins: what the host lacks is said with a status, not in a stream.
        there = daemon.store.images.find(str(reference)) is not None
        if not await daemon.builtin.provide(str(reference)):
            raise
        return Stream(made_here(daemon, reference, there))
    return Stream(pulled(daemon, pull, reference))


def asked(name: str, tag: str) -> Reference:
    if not name:
        raise BadParameter("invalid reference format")
    if tag:
        name = f"{name}@{tag}" if ":" in tag else f"{name}:{tag}"
    return Reference.parse(name)


def check_platform(text: str) -> None:
    if text and text not in ("linux", "linux/amd64", "linux/x86_64"):
        raise NotFound(f"no matching manifest for {text} in the manifest list entries: this engine runs linux/amd64")


async def resolved(daemon: Any, reference: Reference, auth: Credentials) -> Pull:
    pull = Pull(daemon.store, reference, daemon.registries.find(reference), auth)
    try:
        await bridge.run(pull.resolve)
    except asyncio.CancelledError:
        pull.cancel()
        raise
    return pull


async def fetched(daemon: Any, reference: Reference, auth: Credentials) -> Image:
    """For `docker build`: pulled, or made here, without a word."""
    try:
        pull = await resolved(daemon, reference, auth)
    except EngineError:
        if not await daemon.builtin.provide(str(reference)):
            raise
        return daemon.store.images.get(str(reference))
    try:
        image = await bridge.run(pull.fetch, Progress(lambda block: None))
    finally:
        pull.cancel()
    tell(daemon, "pull", image, str(reference))
    return image


async def pulled(daemon: Any, pull: Pull, reference: Reference) -> AsyncIterator[bytes]:
    async with aclosing(bridge.written(pull.run, pull.cancel)) as blocks:
        async for block in blocks:
            yield block
    image = daemon.store.images.find(str(reference))
    if image is not None:
        tell(daemon, "pull", image, str(reference))


async def made_here(daemon: Any, reference: Reference, there: bool) -> AsyncIterator[bytes]:
    image = daemon.store.images.get(str(reference))
    tell(daemon, "pull", image, str(reference))
    yield line(status=f"No registry holds {reference} for this engine; it is {image.config['comment']}")
    if there:
        yield line(status=f"Status: Image is up to date for {reference}")
        return
    for layer in image.layers:
        yield line(status="Made here", progressDetail={}, id=layer.diff_id[7:19])
    yield line(status=f"Status: Made new image for {reference}")


@routes.post("/images/{name:path}/push")
async def push(daemon: Any, request: Request, name: str) -> Response:
    tag = request.text("tag")
    if not tag and ":" not in name.rpartition("/")[2]:
        raise Unsupported(ALL_TAGS)
    reference = Reference.parse(f"{name}:{tag}" if tag else name)
    image = daemon.store.images.find(str(reference))
    if image is None:
        raise NotFound(f"An image does not exist locally with the tag: {reference.repository}")
    return Stream(pushed(daemon, image, reference, credentials(request)))


async def pushed(daemon: Any, image: Image, reference: Reference, auth: Credentials) -> AsyncIterator[bytes]:
    try:
        at = daemon.registries.find(reference)
    except EngineError as error:
        yield line(errorDetail={"message": error.message}, error=error.message)
        return
    push = Push(daemon.store, image, at, auth)
    async with aclosing(bridge.written(push.run, push.cancel)) as blocks:
        async for block in blocks:
            yield block
    tell(daemon, "push", image, str(reference))


async def imported(daemon: Any, request: Request) -> Response:
    repository, tag = request.text("repo"), request.text("tag")
    name = asked(repository, tag).name if repository else ""
    config: dict[str, Any] = {}
    commits.apply(config, request.values("changes"))
    message = request.text("message") or "Imported from -"
    image = await bridge.run(new_image, daemon, request.file(), config, message, name)
    tell(daemon, "import", image, name or image.id)
    return Bytes(line(status=image.id), JSON)


def new_image(daemon: Any, file: BinaryIO, config: dict[str, Any], message: str, name: str) -> Image:
    """Blocks."""
    layer = daemon.store.layers.add_tar(file)
    now = clock.now()
    return daemon.store.images.create(
        {
            "architecture": "amd64" if platform.machine() == "x86_64" else platform.machine(),
            "os": "linux",
            "created": now,
            "comment": message,
            "config": config,
            "rootfs": {"type": "layers", "diff_ids": [layer.diff_id]},
            "history": [{"created": now, "comment": message}],
        },
        tags=[name] if name else [],
    )


@routes.post("/auth")
async def auth(daemon: Any, request: Request) -> Response:
    body = await request.json()
    address = fields.text(body, "serveraddress")
    if not address:
        raise BadParameter("This engine knows no registry by itself: name one, as in docker login HOST.")
    given = Credentials(
        fields.text(body, "username"), fields.text(body, "password"), fields.text(body, "identitytoken")
    )
    await bridge.run(login.check, address, given)
    return Json({"Status": "Login Succeeded", "IdentityToken": ""})
