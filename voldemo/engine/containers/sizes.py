"""How much a container holds: its own changes, and all it sees."""

from __future__ import annotations

from typing import Any

from voldemo.engine.containers.container import Container
from voldemo.engine.errors import NotFound


def of(container: Container) -> dict[str, Any]:
    """Blocks. Docker leaves out a size that is nothing."""
    try:
        own = container.root().size_rw()
        below = sum(container.daemon.store.layers.get(digest).size for digest in set(container.record.layers))
    except (FileNotFoundError, NotFound):
        if container.daemon.store.containers.find(container.id) is not None:
            raise
        return {"SizeRootFs": 0}  # removed meanwhile
    shown = {"SizeRw": own} if own else {}
    return shown | {"SizeRootFs": own + below}
