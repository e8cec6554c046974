"""/commit"""

from __future__ import annotations

from typing import Any

from voldemo.engine import bridge
from voldemo.engine.containers import commit as commits
from voldemo.engine.containers import ending
from voldemo.engine.http import Json, Request, Response
from voldemo.engine.router import Routes
from voldemo.engine.store import Reference

routes = Routes()


@routes.post("/commit")
async def commit(daemon: Any, request: Request) -> Response:
    body = await request.json()
    container = daemon.containers.get(request.text("container"))
    repository, tag = request.text("repo"), request.text("tag")
    name = str(Reference.parse(f"{repository}:{tag}" if tag else repository)) if repository else ""
    config = commits.new_config(container, body, request.values("changes"))
    pause = request.bool("pause", True) and container.state.status == "running"
    if pause:
        await ending.pause(container)
    try:
        author, comment = request.text("author"), request.text("comment")
        image = await bridge.run(commits.commit, container, config, author, comment, name)
    finally:
        if pause:
            await ending.unpause(container)
    container.tell("commit", comment=comment, imageID=image.id, imageRef=name)
    daemon.events.emit("image", "create", image.id, name=name or image.id)
    if name:
        daemon.events.emit("image", "tag", image.id, name=name)
    return Json({"Id": image.id}, 201)
