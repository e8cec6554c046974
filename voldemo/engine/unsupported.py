"""What Docker's API 1.47 has and this engine has not: each with the sentence a learner reads."""

from __future__ import annotations

import re

from voldemo.engine.router import compile_path

FAMILIES = {
    "swarm": "Swarm is not part of this engine: it is one machine.",
    "nodes": "Swarm (nodes) is not part of this engine: it is one machine.",
    "services": "Swarm (services) is not part of this engine: run containers, or use Compose.",
    "tasks": "Swarm (tasks) is not part of this engine: run containers, or use Compose.",
    "secrets": "Swarm secrets are not part of this engine: mount a file read-only instead.",
    "configs": "Swarm configs are not part of this engine: mount a file read-only instead.",
    "plugins": 'Plugins are not part of this engine: the only volume driver is "local".',
    "session": "BuildKit is not part of this engine: build with DOCKER_BUILDKIT=0.",
    "grpc": "BuildKit is not part of this engine: build with DOCKER_BUILDKIT=0.",
    "distribution": "Asking a registry about an image is not part of this engine: pull the image instead.",
}

PATHS = {
    "GET /containers/{id}/attach/ws": "Attaching over a WebSocket is not part of this engine: use attach.",
    "GET /images/search": "Searching a registry is not part of this engine: name the image you want.",
    "PUT /volumes/{name:path}": "Cluster volumes are not part of this engine: no other volume can be updated.",
}


def table() -> list[tuple[str, re.Pattern[str], str]]:
    entries = []
    for endpoint, sentence in PATHS.items():
        method, _, path = endpoint.partition(" ")
        entries.append((method, compile_path(path), sentence))
    return entries


TABLE = table()


def sentence_for(method: str, path: str) -> str | None:
    """None: not in Docker's API either."""
    family = FAMILIES.get(path.split("/", 2)[1])
    if family is not None:
        return family
    for known, pattern, sentence in TABLE:
        if known == method and pattern.fullmatch(path):
            return sentence
    return None
