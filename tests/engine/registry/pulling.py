"""A pull as the routes do it, and what it said."""

from __future__ import annotations

import json

from voldemo.engine.registry import Credentials, Pull, Registries
from voldemo.engine.store import Reference


def pull_of(store, registry, tag="1", auth=Credentials()) -> Pull:  # noqa: B008 (it is frozen)
    separator = "@" if ":" in tag else ":"
    reference = Reference.parse(f"127.0.0.1:{registry.port}/thing{separator}{tag}")
    return Pull(store, reference, Registries().find(reference), auth)


def pulled(store, registry, tag="1", auth=Credentials()) -> list[dict]:  # noqa: B008
    pull = pull_of(store, registry, tag, auth)
    pull.resolve()
    blocks: list[bytes] = []
    pull.run(blocks.append)
    return [json.loads(block) for block in blocks]


def error_of(messages: list[dict]) -> str:
    return messages[-1].get("error", "")


def statuses(messages: list[dict]) -> list[str]:
    return [message["status"] for message in messages if message["status"] not in ("Downloading", "Extracting")]
