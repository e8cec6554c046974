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
    "POST /containers/{id}/update": "Changing the limits of a container is not part of this engine: create it anew.",
    "GET /images/search": "Searching a registry is not part of this engine: name the image you want.",
    "PUT /volumes/{name:path}": "Cluster volumes are not part of this engine: no other volume can be updated.",
    "POST /images/{name:path}/push": "Pushing to a registry is not part of this engine: use docker save.",
    "POST /build": "Building images is not part of this engine: use docker commit.",
    "POST /build/prune": "The build cache is not part of this engine: there is none to prune.",
    "POST /commit": "Making an image of a container is not part of this engine: use docker export.",
    "POST /images/create": "Pulling images is not part of this engine: use docker load.",
}

REST = """
GET /containers/{id}/top  GET /containers/{id}/logs  GET /containers/{id}/changes  GET /containers/{id}/export
GET /containers/{id}/stats  POST /containers/{id}/resize  POST /containers/{id}/restart  POST /containers/{id}/rename
POST /containers/{id}/pause  POST /containers/{id}/unpause  POST /containers/{id}/attach  POST /containers/{id}/wait
POST /containers/{id}/start  POST /containers/{id}/stop  POST /containers/{id}/kill  POST /containers/{id}/exec
HEAD /containers/{id}/archive  GET /containers/{id}/archive  PUT /containers/{id}/archive  POST /containers/prune
GET /containers/json  POST /containers/create  GET /containers/{id}/json  DELETE /containers/{id}
POST /exec/{id}/start  POST /exec/{id}/resize  GET /exec/{id}/json
GET /images/json  POST /images/load  POST /images/prune  GET /images/get  GET /images/{name:path}/json
GET /images/{name:path}/history  POST /images/{name:path}/tag  GET /images/{name:path}/get  DELETE /images/{name:path}
GET /volumes  POST /volumes/create  POST /volumes/prune  GET /volumes/{name}  DELETE /volumes/{name}
GET /networks  POST /networks/create  POST /networks/prune  GET /networks/{id}  DELETE /networks/{id}
POST /networks/{id}/connect  POST /networks/{id}/disconnect
GET /_ping  HEAD /_ping  GET /version  GET /info  GET /events  GET /system/df  POST /auth
"""
ENDPOINT = re.compile(r"([A-Z]+) (\S+)")
GENERIC = "is not part of this engine: the rest of Docker's API may be."


def table() -> list[tuple[str, re.Pattern[str], str]]:
    sentences = {f"{method} {path}": f"{method} {path} {GENERIC}" for method, path in ENDPOINT.findall(REST)} | PATHS
    entries = []
    for endpoint, sentence in sentences.items():
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
