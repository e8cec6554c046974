"""Which writes outlive what happens to the container?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

import pandas as pd
from docker import DockerClient
from docker.errors import NotFound
from docker.models.containers import Container

from voldemo.images import Track
from voldemo.sandbox import STAY, Sandbox, volume_at

KINDS = ("layer", "volume", "anonymous", "bind", "tmpfs")
WRITE = ["sh", "-c", 'mkdir -p /data && printf %s "$1" > /data/note', "sh"]
READ = ["sh", "-c", "cat /data/note 2>/dev/null"]


def _stop_and_start(container: Container) -> None:
    container.stop()
    container.start()


def _kill_and_start(container: Container) -> None:
    container.kill()
    container.wait()
    container.start()


# `rm` is not among these: it needs a second container, made with the same options as the first.
EVENTS: dict[str, Callable[[Container], None]] = {
    "restart": Container.restart,
    "stop": _stop_and_start,
    "kill": _kill_and_start,
}


def survival(client: DockerClient, text: str = "hello", track: Track = iter) -> pd.DataFrame:
    """Write `text` to /data in one container of each kind, let an event happen, and look for it again.

    After `rm`, a new container with the same options looks. Columns: kind, event, survived (bool).
    """
    if not text:
        raise ValueError("text must not be empty: a lost note reads as empty, too")
    with Sandbox(client) as box:
        return box.frame([row for kind in track(KINDS) for row in _survivals(box, kind, text)])


def _survivals(box: Sandbox, kind: str, text: str) -> Iterator[dict]:
    mounts = _mounts(box, kind)  # made once: the second container gets the same
    container = box.start(mounts=mounts)
    for event, happen in EVENTS.items():
        container.exec_run([*WRITE, text])
        happen(container)
        yield {"kind": kind, "event": event, "survived": _read(container) == text}
    container.exec_run([*WRITE, text])
    container.remove(force=True)
    yield {"kind": kind, "event": "rm", "survived": _read(box.start(mounts=mounts)) == text}


def _mounts(box: Sandbox, kind: str) -> list:
    mount = box.mount("/data", kind)
    return [mount] if mount else []


def _read(container: Container) -> str:
    return container.exec_run(READ).output.decode()


def leftovers(client: DockerClient) -> pd.DataFrame:
    """What becomes of an anonymous and of a named volume when their container goes, by each way to remove it.

    Columns: removal, volume (anonymous or named), left (bool: the engine still has it afterwards).
    """
    with Sandbox(client) as box:
        return box.frame([row for removal in ("rm", "rm -v", "run --rm") for row in _leftovers(box, removal)])


def _leftovers(box: Sandbox, removal: str) -> Iterator[dict]:
    mounts = [box.mount("/anonymous", "anonymous"), box.mount("/named", "volume")]
    container = box.create(STAY, mounts=mounts, auto_remove=removal == "run --rm")
    names = {kind: volume_at(container, f"/{kind}") for kind in ("anonymous", "named")}
    container.start()
    if removal == "run --rm":
        container.stop()
        with suppress(NotFound):  # gone already
            container.wait(condition="removed")
    else:
        container.remove(v=removal == "rm -v", force=True)
    left = {volume.name for volume in box.client.volumes.list(filters={"label": box.label})}
    for kind, name in names.items():
        yield {"removal": removal, "volume": kind, "left": name in left}
