"""/containers/{id}/archive and /export: files in and out, as tars."""

from __future__ import annotations

from typing import Any

from voldemo.engine import bridge
from voldemo.engine.containers import archive
from voldemo.engine.http import Bytes, Empty, Request, Response, Stream
from voldemo.engine.router import Routes

routes = Routes()
TAR = "application/x-tar"
Place = tuple[Any, Any, str]


async def place(daemon: Any, request: Request, id: str) -> tuple[Any, Any, tuple[str, str]]:
    path = request.text("path")

    def find() -> tuple[Any, Any, tuple[str, str]]:
        root = archive.root_of(container)
        found = archive.find_path(root, path, id)
        return root, found, archive.stat_header(root, found, path)

    container = daemon.containers.get(id)
    archive.clean(path)
    return await bridge.run(find)


@routes.head("/containers/{id}/archive")
async def look(daemon: Any, request: Request, id: str) -> Response:
    _, _, header = await place(daemon, request, id)
    return Bytes(b"", TAR, (header,))


@routes.get("/containers/{id}/archive")
async def fetch(daemon: Any, request: Request, id: str) -> Response:
    root, found, header = await place(daemon, request, id)
    daemon.containers.get(id).tell("archive-path", path=request.text("path"))
    return Stream(bridge.iterate(archive.pack(root, found, request.text("path"))), TAR, (header,))


@routes.put("/containers/{id}/archive")
async def put(daemon: Any, request: Request, id: str) -> Response:
    container = daemon.containers.get(id)
    path = request.text("path")
    archive.clean(path)
    strict, own = request.bool("noOverwriteDirNonDir"), request.bool("copyUIDGID")
    await bridge.run(archive.unpack, container, path, request.file(), strict, own, id)
    container.tell("extract-to-dir", path=path)
    return Empty(200)


@routes.get("/containers/{id}/export")
async def export(daemon: Any, request: Request, id: str) -> Response:
    container = daemon.containers.get(id)
    container.tell("export")
    return Stream(bridge.iterate(container.root().pack("/", b".")), "application/octet-stream")
