"""What POST /build is asked for, in its query."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from voldemo.engine import fields
from voldemo.engine.build.running import Leave, Limits
from voldemo.engine.errors import BadParameter, Unsupported
from voldemo.engine.http import Request
from voldemo.engine.store import Reference

NO_BUILDKIT = "BuildKit is not part of this engine: build with DOCKER_BUILDKIT=0."
NO_REMOTE = "A remote build context is not part of this engine: send the context, or clone it and build it here."
NO_SQUASH = "Squashing layers is not part of this engine."


@dataclass(frozen=True)
class Options:
    dockerfile: str = "Dockerfile"
    tags: tuple[str, ...] = ()
    arguments: dict[str, str | None] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    target: str = ""
    use_cache: bool = True
    pull: bool = False
    quiet: bool = False
    leave: Leave = Leave(False, False)
    limits: Limits = Limits()


def read(request: Request) -> Options:
    if request.text("version") == "2":
        raise Unsupported(NO_BUILDKIT)
    if request.text("remote"):
        raise Unsupported(NO_REMOTE)
    if request.bool("squash"):
        raise Unsupported(NO_SQUASH)
    remove, force = request.bool("rm", True), request.bool("forcerm")
    return Options(
        dockerfile=request.text("dockerfile") or "Dockerfile",
        tags=tuple(Reference.parse(tag).name for tag in request.values("t") if tag),
        arguments=arguments(request.text("buildargs")),
        labels=fields.mapping({"labels": parsed(request.text("labels"))}, "labels") or {},
        target=request.text("target"),
        use_cache=not request.bool("nocache"),
        pull=request.bool("pull"),
        quiet=request.bool("q"),
        leave=Leave(not remove and not force, not force),
        limits=limits(request),
    )


def limits(request: Request) -> Limits:
    return Limits(
        memory=request.int("memory"),
        memory_swap=request.int("memswap"),
        network=request.text("networkmode"),
        shm_size=request.int("shmsize"),
        extra_hosts=tuple(host for host in request.text("extrahosts").split(",") if host),
    )


def parsed(text: str) -> object:
    try:
        return json.loads(text) if text else None
    except (ValueError, RecursionError):
        raise BadParameter("error reading build options: invalid JSON") from None


def arguments(text: str) -> dict[str, str | None]:
    """A name with null is one whose value the client did not have."""
    value = parsed(text) or {}
    if not isinstance(value, dict) or not all(item is None or isinstance(item, str) for item in value.values()):
        raise BadParameter("error reading build args: not a JSON object of texts")
    return value
