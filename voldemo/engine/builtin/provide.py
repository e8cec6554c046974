"""Makes a built-in image the first time somebody names it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

from voldemo.engine import bridge
from voldemo.engine.builtin import recipes
from voldemo.engine.builtin.host import Host
from voldemo.engine.builtin.plan import HARD_LINK, Item, Layer
from voldemo.engine.errors import BadParameter
from voldemo.engine.store import Entry, Image, Reference, Store

NAMES = tuple(f"{name}:{tag}" for name, tag in recipes.TAGS.items())


class Builtin:
    def __init__(self, store: Store, host: Host | None = None) -> None:
        self._store = store
        self._host = host or Host()
        self._one_at_a_time = asyncio.Lock()

    async def provide(self, reference: str) -> bool:
        """True: there is an image of this name now. NotFound: it is one of ours, and the host lacks its programs."""
        name = name_of(reference)
        if name is None:
            return False
        async with self._one_at_a_time:
            if await bridge.run(self._store.images.find, name) is None:
                await bridge.run(make, self._store, self._host, name)
        return True


def name_of(reference: str) -> str | None:
    try:
        parsed = Reference.parse(reference)
    except BadParameter:
        return None
    return parsed.name if parsed.name in NAMES and not parsed.digest else None


def make(store: Store, host: Host, name: str) -> Image:
    layers, made = recipes.prepare(name.partition(":")[0], host)
    added = [store.layers.add_entries(entries(layer)) for layer in layers]
    config = recipes.configuration(layers, [layer.diff_id for layer in added], made, host)
    return store.images.create(config, tags=[name])


def entries(layer: Layer) -> Iterator[Entry]:
    """Links to a file come after it, whatever their names."""
    items = sorted(layer.items.values(), key=lambda item: (item.kind == HARD_LINK, os.fsencode(item.path)))
    for item in items:
        yield entry(item)


def entry(item: Item) -> Entry:
    target = item.target.lstrip("/") if item.kind == HARD_LINK else item.target
    source = Path(item.source) if isinstance(item.source, str) else item.source
    return Entry(
        name=os.fsencode(item.path.lstrip("/")),
        kind=item.kind,
        mode=item.mode,
        uid=item.uid,
        gid=item.gid,
        mtime=item.mtime,
        link=os.fsencode(target),
        source=source,
    )
