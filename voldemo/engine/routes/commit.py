"""/commit"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext, suppress
from typing import Any

from voldemo.engine import bridge
from voldemo.engine.containers import commit as commits
from voldemo.engine.containers import ending
from voldemo.engine.containers.container import Container
from voldemo.engine.errors import Conflict, Failed
from voldemo.engine.http import Json, Request, Response
from voldemo.engine.router import Routes
from voldemo.engine.store import Reference

routes = Routes()


@asynccontextmanager
async def held_still(container: Container) -> AsyncIterator[None]:
    """Paused, if it runs. It may end at any moment, and another client may wake it: no reason not to commit."""
    paused = container.state.status == "running"
    if paused:
        try:
            await ending.pause(container)
        except Conflict:
            paused = False
    try:
        yield
    finally:
        if paused:
            with suppress(Conflict, Failed):
                await ending.unpause(container)


@asynccontextmanager
async def settled(container: Container) -> AsyncIterator[bool]:
    """Does it run? If not, it is not started meanwhile: its files become the image's, and nobody may write to them."""
    async with AsyncExitStack() as held:
        await held.enter_async_context(container.lock)
        running = container.handle is not None
        if running:
            await held.aclose()
        yield running


@routes.post("/commit")
async def commit(daemon: Any, request: Request) -> Response:
    body = await request.json()
    container = daemon.containers.get(request.text("container"))
    repository, tag = request.text("repo"), request.text("tag")
    name = str(Reference.parse(f"{repository}:{tag}" if tag else repository)) if repository else ""
    config = commits.new_config(container, body, request.values("changes"))
    author, comment = request.text("author"), request.text("comment")
    async with held_still(container) if request.bool("pause", True) else nullcontext(), settled(container) as running:
        image = await bridge.run(commits.commit, container, config, author, comment, name, running)
    container.tell("commit", comment=comment, imageID=image.id, imageRef=name)
    daemon.events.emit("image", "create", image.id, name=name or image.id)
    if name:
        daemon.events.emit("image", "tag", image.id, name=name)
    return Json({"Id": image.id}, 201)
