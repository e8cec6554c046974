"""Sets the stage for exercises that start from something: made with the exercise label, found again by the checks."""

from __future__ import annotations

import pandas as pd
from docker import DockerClient
from docker.types import Mount

from voldemo import frames, sandbox
from voldemo.engines import measured
from voldemo.home import key
from voldemo.images import BUSYBOX
from voldemo.sandbox import LABEL, Sandbox, exercise, exercise_label
from voldemo.words import Sentence

# Volume to whether it has to go.
UNUSED = {"orders": False, "archive": False, "cache": True, "scratch": True}
KEEP = {"archive": {"keep": "yes"}}
FILL = "cd /v && echo a > a && mkdir -p d && echo b > d/b && chmod 600 d/b && chown 1001:1001 d d/b && chmod 755 /v"
LIST = "cd /v && find . | sort | while read f; do stat -c '%n %a %u:%g' $f; test -f $f && sha256sum $f; done; true"


def labels() -> dict[str, str]:
    """What `--label $LABEL` says, for the SDK."""
    return {LABEL: exercise()}


def name(what: str) -> str:
    """A volume's name that is this learner's alone: an exercise may say to remove it."""
    return f"vd-{what}-{key()}"


def volumes(client: DockerClient) -> pd.DataFrame:
    """The exercises' volumes: columns name, driver, scope, labels, created."""
    return measured(client, frames.volumes(client.api.volumes(filters={"label": exercise_label()})["Volumes"]))


def unused(client: DockerClient) -> pd.DataFrame:
    """Four volumes: one used by a container that is not running, one labelled keep=yes, two unused."""
    for what in UNUSED:
        _volume(client, name(what), KEEP.get(what, {}))
    orders = name("orders")
    if not client.containers.list(all=True, filters={"volume": orders}):
        mounts = [Mount("/orders", orders)]
        client.containers.create(BUSYBOX, ["true"], labels=labels(), mounts=mounts, network_mode="none")
    return volumes(client)


def rename(client: DockerClient) -> str:
    """Makes a volume with a few files, one of which uid 1001 alone may read. Returns its name."""
    old = name("old")
    _volume(client, old, {})
    with Sandbox(client) as box:
        box.run(FILL, mounts=[Mount("/v", old, no_copy=True)])
    return old


def clear(client: DockerClient) -> pd.DataFrame:
    """Remove what the exercises left. Columns: kind, name."""
    gone = sandbox.remove(client, exercise())
    rows = [(each.kind, each.shown) for each in gone]
    return measured(client, pd.DataFrame(rows, columns=["kind", "name"]))


def listing(client: DockerClient, volume: str | None = None) -> str:
    """Names, modes, owners and digests of what is in a volume; without one, of what `rename` puts into one."""
    with Sandbox(client) as box:
        if volume is None:
            return box.run(f"{FILL}; {LIST}", mounts=[box.mount("/v", "volume")])
        there = client.volumes.get(volume).name  # a name that is not there would make a volume
        return box.run(LIST, mounts=[Mount("/v", there, no_copy=True)])


def _volume(client: DockerClient, named: str, more: dict[str, str]) -> None:
    volume = client.volumes.create(named, labels=labels() | more)
    if (volume.attrs["Labels"] or {}).get(LABEL) != exercise():
        raise Sentence("exercise.taken", name=named)
