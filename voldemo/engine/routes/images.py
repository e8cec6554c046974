"""/images: what there is of them, and their names. How they travel is in `transfer`, `pull` and `build`."""

from __future__ import annotations

import fnmatch
from typing import Any

from voldemo.engine import DRIVER, clock
from voldemo.engine.filters import Filters
from voldemo.engine.http import Empty, Json, Request, Response
from voldemo.engine.router import Routes
from voldemo.engine.routes.networks import until
from voldemo.engine.store.image import Image

routes = Routes()
LIST_FILTERS = ("dangling", "label", "label!", "before", "since", "reference", "until")
PRUNE_FILTERS = ("dangling", "label", "label!", "until")
NAMES_ONLY_NULL = (1, 43)  # from it on an image without a name has an empty list, before it "<none>:<none>"
CONFIG = {
    "Hostname": "",
    "Domainname": "",
    "User": "",
    "AttachStdin": False,
    "AttachStdout": False,
    "AttachStderr": False,
    "Tty": False,
    "OpenStdin": False,
    "StdinOnce": False,
    "Env": None,
    "Cmd": None,
    "Image": "",
    "Volumes": None,
    "WorkingDir": "",
    "Entrypoint": None,
    "OnBuild": None,
    "Labels": None,
}


async def image_of(daemon: Any, ref: str) -> Image:
    """One that is there, or one of those the engine can make itself."""
    images = daemon.store.images
    if images.find(ref) is None:
        await daemon.builtin.provide(ref)
    return images.get(ref)


def made(image: Image) -> int:
    """Nanoseconds. The text came with the image, and may be anything."""
    return clock.of_rfc3339(image.created) or 0


def summary(daemon: Any, image: Image, shared: bool = False) -> dict[str, Any]:
    return {
        "Containers": -1,
        "Created": made(image) // clock.SECOND,
        "Id": image.id,
        "Labels": image.labels or None,
        "ParentId": image.parent,
        "RepoDigests": list(image.digests),
        "RepoTags": list(image.tags),
        "SharedSize": daemon.store.images.shared_size(image) if shared else -1,
        "Size": image.size,
    }


def shown(daemon: Any, everything: bool = False) -> list[Image]:
    """Without names and with a child is a step of a build: only `--all` shows those."""
    images = daemon.store.images.list()
    parents = {image.parent for image in images}
    return [image for image in images if everything or image.tags or image.digests or image.id not in parents]


@routes.get("/images/json")
async def list_images(daemon: Any, request: Request) -> Response:
    filters = request.filters(LIST_FILTERS)
    wanted = Wanted(daemon, filters)
    shared = request.bool("shared-size")
    rows = [summary(daemon, i, shared) for i in shown(daemon, request.bool("all")) if wanted(i)]
    if request.version < NAMES_ONLY_NULL:
        for row in rows:
            row["RepoTags"] = row["RepoTags"] or ["<none>:<none>"]
            row["RepoDigests"] = row["RepoDigests"] or ["<none>@<none>"]
    return Json(rows)


class Wanted:
    """Whether an image is one that was asked for."""

    def __init__(self, daemon: Any, filters: Filters) -> None:
        self._filters = filters
        self._until = until(filters)
        self._dangling = filters.flag("dangling") if "dangling" in filters else None
        self._before = [made(daemon.store.images.get(ref)) for ref in filters.get("before", ())]
        self._since = [made(daemon.store.images.get(ref)) for ref in filters.get("since", ())]

    def __call__(self, image: Image) -> bool:
        time = made(image)
        return (
            self._filters.labels(image.labels)
            and self._dangling in (None, not image.tags)
            and all(time < moment for moment in self._before)
            and all(time > moment for moment in self._since)
            and (self._until is None or time <= self._until)
            and self._named(image)
        )

    def _named(self, image: Image) -> bool:
        patterns = self._filters.get("reference")
        return not patterns or any(like(name, each) for each in patterns for name in (*image.tags, *image.digests))


def like(name: str, pattern: str) -> bool:
    """As a shell does it: no `*` reaches across a slash. A pattern may leave the tag out."""
    return glob(name, pattern) or glob(name.partition("@")[0].rpartition(":")[0] or name, pattern)


def glob(name: str, pattern: str) -> bool:
    names, patterns = name.split("/"), pattern.split("/")
    return len(names) == len(patterns) and all(map(fnmatch.fnmatchcase, names, patterns))


@routes.get("/images/{name:path}/json")
async def inspect(daemon: Any, request: Request, name: str) -> Response:
    return Json(view(await image_of(daemon, name)))


def view(image: Image) -> dict[str, Any]:
    config = image.config
    return {
        "Id": image.id,
        "RepoTags": list(image.tags),
        "RepoDigests": list(image.digests),
        "Parent": image.parent,
        "Comment": config.get("comment") or "",
        "Created": image.created,
        "DockerVersion": config.get("docker_version") or "",
        "Author": config.get("author") or "",
        "Config": CONFIG | (config.get("config") or {}),
        "Architecture": config.get("architecture") or "",
        "Os": config.get("os") or "linux",
        "Size": image.size,
        "GraphDriver": graph(image),
        "RootFS": {"Type": "layers", "Layers": [layer.diff_id for layer in image.layers]},
        "Metadata": {"LastTagTime": clock.ZERO},
    }


def graph(image: Image) -> dict[str, Any]:
    top, *below = [str(tree) for tree in image.trees] or [""]
    data = {"UpperDir": top} | ({"LowerDir": ":".join(below)} if below else {})
    return {"Name": DRIVER, "Data": data}


@routes.get("/images/{name:path}/history")
async def history(daemon: Any, request: Request, name: str) -> Response:
    return Json(steps(daemon, await image_of(daemon, name)))


def entries(image: Image) -> list[dict[str, Any]]:
    return [entry if isinstance(entry, dict) else {} for entry in image.config.get("history") or []]


def steps(daemon: Any, image: Image) -> list[dict[str, Any]]:
    """Newest first. Only what was built here still has an image for every step."""
    layers = iter(image.layers)
    known = ids(daemon, image)
    rows = []
    for number, entry in enumerate(entries(image), 1):
        layer = None if entry.get("empty_layer") else next(layers, None)
        of = known.get(number)
        rows.append(
            {
                "Comment": entry.get("comment") or "",
                "Created": seconds(entry.get("created")),
                "CreatedBy": entry.get("created_by") or "",
                "Id": of.id if of else "<missing>",
                "Size": layer.size if layer else 0,
                "Tags": list(of.tags) or None if of else None,
            }
        )
    return rows[::-1]


def ids(daemon: Any, image: Image | None) -> dict[int, Image]:
    """Length of the history -> the image that has just so much of it."""
    found: dict[int, Image] = {}
    while image is not None and len(entries(image)) not in found:
        found[len(entries(image))] = image
        image = daemon.store.images.find(image.parent) if image.parent else None
    return found


def seconds(created: object) -> int:
    return (clock.of_rfc3339(created) or 0) // clock.SECOND if isinstance(created, str) else 0


@routes.post("/images/{name:path}/tag")
async def tag(daemon: Any, request: Request, name: str) -> Response:
    repository, label = request.text("repo"), request.text("tag")
    image = await image_of(daemon, name)
    target = f"{repository}:{label}" if label else repository
    daemon.store.images.tag(image.id, target)
    tell(daemon, "tag", image, target if label or ":" in target.rpartition("/")[2] else f"{target}:latest")
    return Empty(201)


def tell(daemon: Any, action: str, image: Image, name: str) -> None:
    daemon.events.emit("image", action, image.id, **{**image.labels, "name": name})


@routes.delete("/images/{name:path}")
async def remove(daemon: Any, request: Request, name: str) -> Response:
    image = daemon.store.images.get(name)
    force, parents_too = request.bool("force"), not request.bool("noprune")
    return Json(await drop(daemon, name, image, force, parents_too))


async def drop(daemon: Any, ref: str, image: Image, force: bool, parents_too: bool) -> list[dict[str, str]]:
    users = daemon.containers.image_users()

    def in_use(id: str) -> tuple[str, bool] | None:
        found = users.get(id)
        return (found[0].id, any(container.running for container in found)) if found else None

    rows = daemon.store.images.remove(ref, force, in_use, parents_too)
    for row in rows:
        tell_row(daemon, row, image)
    return rows


def tell_row(daemon: Any, row: dict[str, str], image: Image) -> None:
    if "Untagged" in row:
        tell(daemon, "untag", image, image.id)
    elif row["Deleted"] == image.id:
        tell(daemon, "delete", image, image.id)


@routes.post("/images/prune")
async def prune(daemon: Any, request: Request) -> Response:
    filters = request.filters(PRUNE_FILTERS)
    nameless_only, before = filters.flag("dangling", default=True), until(filters)
    size = daemon.store.usage_layers()
    rows: list[dict[str, str]] = []
    for image in shown(daemon):
        if nameless_only and (image.tags or image.digests) or image.id in daemon.containers.image_users():
            continue
        if filters.labels(image.labels) and (before is None or made(image) <= before):
            rows += await drop_all(daemon, image)
    reclaimed = max(0, size - daemon.store.usage_layers())
    daemon.events.emit("image", "prune", "", reclaimed=str(reclaimed))
    return Json({"ImagesDeleted": rows or None, "SpaceReclaimed": reclaimed})


async def drop_all(daemon: Any, image: Image) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = []
    for name in [*image.tags, *image.digests] or [image.id]:
        if daemon.store.images.find(name) is not None:
            rows += await drop(daemon, name, image, force=False, parents_too=True)
    return rows
