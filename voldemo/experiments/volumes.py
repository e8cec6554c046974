"""What is a volume to the engine: how is one made, found, kept, and taken away?"""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pandas as pd
from docker import DockerClient
from docker.errors import APIError
from docker.models.volumes import Volume
from docker.types import Mount

from voldemo import interrupt
from voldemo.engines import api, measured
from voldemo.errors import reason
from voldemo.sandbox import Sandbox

DATA = "/data"


def remove(client: DockerClient) -> pd.DataFrame:
    """`docker volume rm` while a container that uses the volume runs, has stopped, was only created, is gone.

    Columns: container, removed (bool), status (HTTP), message (the engine's).
    """
    with Sandbox(client) as box:
        return box.frame([_removal(box, state) for state in ("running", "stopped", "created", "gone")])


def _removal(box: Sandbox, state: str) -> dict:
    volume = box.volume()
    mounts = [Mount(DATA, volume.name)]
    container = box.create(mounts=mounts) if state == "created" else box.start(mounts=mounts)
    if state == "stopped":
        container.stop()
    if state == "gone":
        container.remove(force=True)
    return {"container": state, **_answer(volume.remove, {volume.name: "VOLUME", container.id: "CONTAINER"})}


def _answer(call, names: dict[str, str]) -> dict:
    """Columns removed, status, message; ids that are new in each run are replaced by what they stand for."""
    try:
        call()
    except APIError as error:
        message = reason(error)
        for name, meaning in names.items():
            message = message.replace(name, meaning)
        return {"removed": False, "status": error.status_code, "message": message}
    return {"removed": True, "status": 204, "message": ""}


def use(client: DockerClient) -> pd.DataFrame:
    """One volume in two containers at once: what the first writes, the second sees; `:ro` may only read.

    Columns: container, mode (rw or ro), reads (what it finds after the first has written), wrote (bool).
    """
    with Sandbox(client) as box:
        mount = box.mount(DATA, "volume")
        first, second = box.start(mounts=[mount]), box.start(mounts=[mount])
        reader = box.start(mounts=[mount | {"ReadOnly": True}])
        first.exec_run(["sh", "-c", "echo hello > /data/note"])
        rows = (("first", "rw", first), ("second", "rw", second), ("third", "ro", reader))
        return box.frame([{"container": name, "mode": mode, **_use(each)} for name, mode, each in rows])


def _use(container) -> dict:
    reads = container.exec_run(["cat", "/data/note"]).output.decode().strip()
    return {"reads": reads, "wrote": container.exec_run(["touch", "/data/mine"]).exit_code == 0}


# Eight hex digits take the place of the star: a name that works must not be one of the learner's own volumes.
NAMES = ("data-*", "Data_1.2-*", "d", "my data", "-data", "a/b", "../etc", "café")


def names(client: DockerClient, candidates: tuple[str, ...] = NAMES) -> pd.DataFrame:
    """Which names `docker volume create` takes. Columns: name, accepted (bool), status (HTTP), message."""
    with Sandbox(client) as box:
        return box.frame([{"name": name, **_named(box, name)} for name in candidates])


def _named(box: Sandbox, name: str) -> dict:
    full = name.replace("*", secrets.token_hex(4))
    try:
        box.volume(full)
    except APIError as error:
        message = reason(error).removeprefix(f"create {full}: ")
        return {"accepted": False, "status": error.status_code, "message": message}
    return {"accepted": True, "status": 201, "message": ""}


def again(client: DockerClient) -> pd.DataFrame:
    """`docker volume create` twice with one name: the second time as before, the third with other options.

    Columns: create, status (HTTP), type (the option `type` the volume has afterwards; None without one), message.
    """
    asked = {
        "first": {},
        "same name": {},
        "other options": {"driver_opts": {"type": "tmpfs", "device": "tmpfs"}},
    }
    with Sandbox(client) as box:
        name = box.volume().name
        return box.frame([{"create": how, **_again(box, name, options)} for how, options in asked.items()])


def _again(box: Sandbox, name: str, options: dict) -> dict:
    try:
        volume = box.volume(name, **options)
    except APIError as error:
        return {"status": error.status_code, "type": None, "message": reason(error).replace(name, "VOLUME")}
    return {"status": 201, "type": (volume.attrs["Options"] or {}).get("type"), "message": ""}


FILTERS = ("dangling=true", "dangling=false", "name=log", "driver=local", "label=tier=hot")


def filters(client: DockerClient, asked: tuple[str, ...] = FILTERS) -> pd.DataFrame:
    """What `docker volume ls --filter` finds among four volumes, two in use and two labelled tier=…

    Columns: volume, filter, found (bool). Other volumes of the engine are left out.
    """
    with Sandbox(client) as box:
        made = _four_volumes(box)
        rows = []
        for each in asked:
            kind, _, value = each.partition("=")
            found = {volume.name for volume in client.volumes.list(filters={kind: value})}
            rows += [{"volume": name, "filter": each, "found": volume.name in found} for name, volume in made.items()]
        return box.frame(rows)


def _four_volumes(box: Sandbox) -> dict[str, Volume]:
    """Short name to volume; `logs` and `data` are mounted in a container that has stopped."""
    made = {}
    for name, tier in {"logs": "hot", "data": "cold", "blog": None, "spare": None}.items():
        made[name] = box.volume(f"{name}-{secrets.token_hex(4)}", labels={"tier": tier} if tier else None)
    box.create(mounts=[Mount(f"/{name}", made[name].name) for name in ("logs", "data")])
    return made


def prune(client: DockerClient) -> pd.DataFrame:
    """`docker volume prune`, without and with --all, narrowed to the sandbox's own label.

    Columns: command, volume (anonymous, named, in use), removed (bool). `--all` needs API 1.42 (Engine 23): earlier,
    prune itself takes named volumes too.
    """
    commands = {"prune": {}} | ({"prune --all": {"all": ["true"]}} if api(client) >= (1, 42) else {})
    return measured(client, [row for command, more in commands.items() for row in _prune(client, command, more)])


def _prune(client: DockerClient, command: str, more: dict) -> Iterator[dict]:
    with Sandbox(client) as box:
        made = {"anonymous": _anonymous(box), "named": box.volume().name, "in use": box.volume().name}
        box.create(mounts=[Mount(DATA, made["in use"])])
        # Never without the label: a plain prune would take the learner's own volumes.
        client.volumes.prune(filters={"label": [box.label]} | more)
        left = {volume.name for volume in client.volumes.list(filters={"label": box.label})}
        for name, volume in made.items():
            yield {"command": command, "volume": name, "removed": volume not in left}


def _anonymous(box: Sandbox) -> str:
    """A volume for which the engine makes up a name: one made by --mount lacks its anonymous mark on Engine 26."""
    with interrupt.held_back():
        return box.client.volumes.create(labels=box.labels).name
