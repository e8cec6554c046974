"""Everything an experiment makes carries one label, and is removed with it: at the end, or by the next `connect()`.

The label is put on at creation and removal asks the engine for it, so an interrupt, a dead kernel or a `kill -9`
cannot lose track of anything. A lock file says whether a sandbox's owner still lives; the system drops it with
the process. Folders stand in a directory named by the same id.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from docker import DockerClient
from docker.errors import APIError, NotFound
from docker.models.containers import Container
from docker.models.images import Image
from docker.models.volumes import Volume
from docker.types import Mount

from voldemo import interrupt
from voldemo.engines import measured
from voldemo.frames import short
from voldemo.home import home, key
from voldemo.images import BUSYBOX
from voldemo.words import Sentence

LABEL = "org.voldemo.sandbox"
FAILURES = OSError  # files, an engine that cannot be reached, and Docker's answers: docker-py's APIError is one
# PID 1 that ends at once on SIGTERM: a plain `sleep` ignores it there, and `docker stop` would wait ten seconds.
STAY = ["sh", "-c", "trap 'exit 0' TERM; sleep 86400 & wait"]


class Sandbox(ExitStack):
    """`with Sandbox(client) as box:` whatever `box` makes is labelled, and gone afterwards."""

    def __init__(self, client: DockerClient):
        super().__init__()
        self.client = client

    def __enter__(self) -> Sandbox:
        super().__enter__()
        self.id = self.enter_context(_claim())
        self.label = f"{LABEL}={self.id}"
        self.labels = {LABEL: self.id}
        self.callback(remove, self.client, self.id)
        return self

    def __exit__(self, kind, error, trace) -> bool | None:
        try:
            with interrupt.held_back():
                return super().__exit__(kind, error, trace)
        except FAILURES:
            if error is None:
                raise
            return None  # the first failure is the one to tell; what is left, the next sweep takes

    def create(self, command: list[str] | None = None, image: str = BUSYBOX, **options) -> Container:
        """`docker create`: a container without a network; `options` are docker-py's."""
        options = {"network_mode": "none"} | options | {"labels": self.labels}
        with interrupt.held_back():
            return self.client.containers.create(image, command, **options)

    def start(self, command: list[str] | None = None, image: str = BUSYBOX, **options) -> Container:
        container = self.create(command or STAY, image, **options)
        container.start()
        return container

    def run(self, script: str, *arguments: str, image: str = BUSYBOX, **options) -> str:
        """What `sh -c script` wrote (both streams) in a container of its own, removed again. $1 … are `arguments`."""
        container = self.start(["sh", "-c", script, "sh", *arguments], image, **options)
        container.wait()
        said = container.logs().decode()
        container.remove(v=True, force=True)
        return said

    def volume(self, name: str | None = None, labels: dict[str, str] | None = None, **options) -> Volume:
        """A named volume. Docker hands out an existing volume for a name that is taken: that one is refused."""
        name, labels = name or f"vd-{secrets.token_hex(6)}", (labels or {}) | self.labels
        with interrupt.held_back():
            volume = self.client.volumes.create(name, labels=labels, **options)
        if (volume.attrs.get("Labels") or {}).get(LABEL) != self.id:
            raise Sentence("volume.taken", name=name)
        return volume

    def mount(self, target: str, kind: str, **options) -> Mount | None:
        """What to mount at `target` for a `kind`: volume, anonymous, bind or tmpfs; nothing for layer."""
        match kind:
            case "layer":
                return None
            case "volume":
                return Mount(target, self.volume().name, **options)
            case "anonymous":
                return Mount(target, None, labels=self.labels, **options)
            case "bind":
                return Mount(target, str(self.folder()), type="bind", **options)
            case "tmpfs":
                return Mount(target, None, type="tmpfs", **options)
        raise ValueError(f"kind must be layer, volume, anonymous, bind or tmpfs, not {kind!r}")

    def folder(self) -> Path:
        """A new empty folder on this machine, at a path the engine can bind."""
        folder = _folders(self.id) / secrets.token_hex(4)
        folder.mkdir(parents=True)
        return folder

    def commit(self, container: Container, *changes: str) -> Image:
        """A new image from the container's writable layer: what RUN does at the end of each build step."""
        with interrupt.held_back():
            return container.commit(changes="\n".join([f"LABEL {self.label}", *changes]))

    def frame(self, rows: list[dict]) -> pd.DataFrame:
        """`rows` as a frame that knows which engine they were measured on."""
        return measured(self.client, rows)


def volume_at(container: Container, target: str) -> str:
    """The name of the volume mounted at `target`. Engine 28 tells an anonymous volume's by its path only."""
    container.reload()
    (mount,) = (mount for mount in container.attrs["Mounts"] if mount["Destination"] == target)
    return mount.get("Name") or Path(mount["Source"]).parent.name


@dataclass(frozen=True)
class Thing:
    """Something that carries the label."""

    kind: str  # container, image, network, volume, folder
    name: str
    sandbox: str

    @property
    def shown(self) -> str:
        """As Docker's own lists show it: an id is cut to twelve digits, a name is not."""
        return short(self.name) if self.kind in ("container", "image", "network") else self.name


def things(client: DockerClient, sandbox: str | None = None) -> list[Thing]:
    """All that carries the label, or all of one sandbox, in the order in which it can be removed."""
    label = LABEL if sandbox is None else f"{LABEL}={sandbox}"
    api, asked = client.api, {"label": label}
    found = [
        *(("container", c["Id"], c["Labels"]) for c in api.containers(all=True, filters=asked)),
        *(("image", i["Id"], i["Labels"]) for i in api.images(filters=asked)),
        *(("network", n["Id"], n["Labels"]) for n in api.networks(filters=asked)),
        *(("volume", v["Name"], v["Labels"]) for v in api.volumes(filters=asked)["Volumes"] or []),
    ]
    folders = [f for f in _sandboxes().iterdir() if f.is_dir() and sandbox in (None, f.name)]
    return [
        *(Thing(kind, name, labels[LABEL]) for kind, name, labels in found),
        *(Thing("folder", str(folder), folder.name) for folder in folders),
    ]


def remove(client: DockerClient, sandbox: str) -> list[Thing]:
    """Remove what carries this sandbox's label. Raises what the engine refuses, after the rest is gone."""
    gone: list[Thing] = []
    pending = things(client, sandbox)
    while pending:
        refused: dict[Thing, Exception] = {}
        for thing in pending:
            try:
                _remove(client, thing)
                gone.append(thing)
            except FAILURES as error:
                refused[thing] = error
        if len(refused) == len(pending):
            raise next(iter(refused.values()))
        pending = list(refused)  # an image goes only after the one built on it
    return gone


def _remove(client: DockerClient, thing: Thing) -> None:
    if thing.kind == "folder":
        _remove_folder(client, Path(thing.name))
        return
    with suppress(NotFound):  # it went with another one
        match thing.kind:
            case "container":
                _remove_container(client, thing.name)
            case "image":
                client.api.remove_image(thing.name, force=True)
            case "network":
                client.api.remove_network(thing.name)
            case "volume":
                client.api.remove_volume(thing.name, force=True)


def _remove_container(client: DockerClient, name: str) -> None:
    try:
        client.api.remove_container(name, v=True, force=True)  # v: its anonymous volumes
    except APIError as error:
        if "already in progress" not in str(error):
            raise
        client.api.wait(name, condition="removed")  # the engine is at it: --rm, or a call that was interrupted


def _remove_folder(client: DockerClient, folder: Path) -> None:
    """A container that ran as root leaves root's files behind: a container takes those away."""
    with suppress(PermissionError):
        shutil.rmtree(folder)
        return
    inside = Mount("/made", str(folder), type="bind")
    options = {"network_mode": "none", "labels": {LABEL: folder.name}, "mounts": [inside]}
    container = client.containers.create(BUSYBOX, ["sh", "-c", "rm -rf /made/..?* /made/.[!.]* /made/*"], **options)
    container.start()
    container.wait()
    container.remove(force=True)
    shutil.rmtree(folder)


def sweep(client: DockerClient) -> list[Thing]:
    """Remove what this home's dead sandboxes left on this engine: not the living, not exercises, not others'.

    Raises what could not be removed, after the rest is gone.
    """
    found = {thing.sandbox for thing in things(client)} | {lock.stem for lock in _sandboxes().glob("*.lock")}
    gone: list[Thing] = []
    failures: list[Exception] = []
    for one in sorted(found - {exercise()}):
        if one.startswith(f"{key()}-"):
            try:
                gone += _remove_if_dead(client, one)
            except FAILURES as error:
                failures.append(error)
    if failures:
        raise failures[0]
    return gone


def _remove_if_dead(client: DockerClient, sandbox: str) -> list[Thing]:
    """Remove what a sandbox left unless somebody holds its lock: its owner, or another kernel's sweep."""
    with _lock(sandbox).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return []
        gone = remove(client, sandbox)
        _lock(sandbox).unlink(missing_ok=True)
        return gone


def exercise() -> str:
    """The sandbox of what a learner makes in exercises. It outlives kernels, until `voldemo clean`."""
    return f"{key()}-exercise"


def exercise_label() -> str:
    """For `docker … --label $LABEL`."""
    return f"{LABEL}={exercise()}"


@contextmanager
def _claim() -> Iterator[str]:
    """A new sandbox's id, locked for as long as this process lives or the sandbox is open."""
    while True:
        name = f"{key()}-{secrets.token_hex(4)}"
        with _lock(name).open("x") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not os.fstat(lock.fileno()).st_nlink:  # a sweep was here first, and took it for a dead one's
                continue
            try:
                yield name
            finally:
                _lock(name).unlink(missing_ok=True)
            return


def alive(sandbox: str) -> bool:
    """Does a process hold the sandbox's lock?"""
    try:
        with _lock(sandbox).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _sandboxes() -> Path:
    folder = home() / "sandboxes"
    folder.mkdir(exist_ok=True)
    return folder


def _folders(sandbox: str) -> Path:
    return _sandboxes() / sandbox


def _lock(sandbox: str) -> Path:
    return _sandboxes() / f"{sandbox}.lock"
