"""/containers/{id}/exec and /exec: more processes in a container that runs."""

from __future__ import annotations

from typing import Any

from voldemo.engine import fields
from voldemo.engine.containers import exec as execs
from voldemo.engine.errors import BadParameter, Conflict
from voldemo.engine.http import MULTIPLEXED_STREAM, RAW_STREAM, Empty, Hijack, Json, Request, Response
from voldemo.engine.router import Routes
from voldemo.engine.routes.containers import size_of

routes = Routes()


@routes.post("/containers/{id}/exec")
async def create(daemon: Any, request: Request, id: str) -> Response:
    body = await request.json()
    made = await execs.create(daemon.containers.get(id), body, id)
    daemon.containers.keep_exec(made)
    return Json({"Id": made.id}, 201)


@routes.post("/exec/{id}/start")
async def start(daemon: Any, request: Request, id: str) -> Response:
    body = await request.json()
    exec = daemon.containers.exec(id)
    if exec.starting:
        raise Conflict(f"exec command {exec.id} has already run")
    exec.container.must_run()
    if exec.container.state.status == "paused":
        raise Conflict(f"Container {exec.container.name} is paused, unpause the container before exec")
    size = body.get("ConsoleSize")
    if isinstance(size, list) and len(size) == 2 and all(isinstance(n, int) and 0 <= n < 65536 for n in size):
        exec.streams.size = (size[0], size[1])
    if fields.boolean(body, "Detach"):
        await exec.start()
        return Empty(200)
    framed = not fields.boolean(body, "Tty")  # this one, whatever the exec was made with
    raw = not framed or request.version < (1, 42)
    return Hijack(exec.handler(framed), RAW_STREAM if raw else MULTIPLEXED_STREAM)


@routes.get("/exec/{id}/json")
async def inspect(daemon: Any, request: Request, id: str) -> Response:
    return Json(daemon.containers.exec(id).view())


@routes.post("/exec/{id}/resize")
async def resize(daemon: Any, request: Request, id: str) -> Response:
    exec = daemon.containers.exec(id)
    height, width = size_of(request)
    if exec.starting and not exec.running and exec.code is not None:
        raise BadParameter(f"exec {id} is not running")
    exec.streams.resize(height, width)
    return Empty(200)
