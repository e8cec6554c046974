"""Sets the stage for exercises that start from something: made with the exercise label, found again by the checks."""

from __future__ import annotations

import pandas as pd
from docker import DockerClient
from docker.types import Mount

from voldemo import frames, sandbox
from voldemo.engines import measured
from voldemo.images import BUSYBOX
from voldemo.sandbox import LABEL, Sandbox, exercise, exercise_label
from voldemo.words import Sentence

# Volume to whether it has to go.
UNUSED = {"vd-orders": False, "vd-archive": False, "vd-cache": True, "vd-scratch": True}
KEEP = {"vd-archive": {"keep": "yes"}}
OLD = "vd-old"
FILL = "cd /v && echo a > a && mkdir -p d && echo b > d/b && chmod 600 d/b && chown 1001:1001 d d/b && chmod 755 /v"
LIST = "cd /v && find . | sort | while read f; do stat -c '%n %a %u:%g' $f; test -f $f && sha256sum $f; done; true"


def labels() -> dict[str, str]:
    """What `--label $LABEL` says, for the SDK."""
    return {LABEL: exercise()}


def volumes(client: DockerClient) -> pd.DataFrame:
    """The exercises' volumes: columns name, driver, scope, labels, created."""
    return measured(client, frames.volumes(client.api.volumes(filters={"label": exercise_label()})["Volumes"]))


def unused(client: DockerClient) -> pd.DataFrame:
    """Four volumes: vd-orders used by a container that is not running, vd-archive labelled keep=yes, two unused."""
    for name in UNUSED:
        _volume(client, name, KEEP.get(name, {}))
    if not client.containers.list(all=True, filters={"volume": "vd-orders"}):
        mounts = [Mount("/orders", "vd-orders")]
        client.containers.create(BUSYBOX, ["true"], labels=labels(), mounts=mounts, network_mode="none")
    return volumes(client)


def rename(client: DockerClient) -> pd.DataFrame:
    """The volume vd-old: a few files, one of which uid 1001 alone may read."""
    _volume(client, OLD, {})
    with Sandbox(client) as box:
        box.run(FILL, mounts=[Mount("/v", OLD, no_copy=True)])
    return volumes(client)


def clear(client: DockerClient) -> pd.DataFrame:
    """Remove what the exercises left. Columns: kind, name."""
    gone = sandbox.remove(client, exercise())
    return measured(client, pd.DataFrame([(thing.kind, thing.name[:24]) for thing in gone], columns=["kind", "name"]))


def listing(client: DockerClient, volume: str | None = None) -> str:
    """Names, modes, owners and digests of what is in a volume; without one, of what `rename` puts into vd-old."""
    with Sandbox(client) as box:
        if volume is None:
            return box.run(f"{FILL}; {LIST}", mounts=[box.mount("/v", "volume")])
        return box.run(LIST, mounts=[Mount("/v", volume, no_copy=True)])


def _volume(client: DockerClient, name: str, more: dict[str, str]) -> None:
    volume = client.volumes.create(name, labels=labels() | more)
    if (volume.attrs["Labels"] or {}).get(LABEL) != exercise():
        raise Sentence("exercise.taken", name=name)
