"""`kill -9` of the engine under load: what its clients do, what they were told is done, and what must be so afterwards.

A worker owns the names it uses, so what was said to be done is known exactly. Only the operation it waited for when the
engine was killed may be so or not.
"""

from __future__ import annotations

import io
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import tarfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from hashlib import sha256
from pathlib import Path

import requests
import urllib3
from docker import DockerClient
from docker.errors import APIError, DockerException, NotFound

from engine.embedded import Engine

NURSERY = Path(__file__).with_name("nursery.py")
BUSYBOX = "busybox:1.37"
FOREVER = ["sleep", "1000000"]
PATIENCE = 30.0  # seconds for an engine to come up, and for its last process to go
KILLED = 137
ANYTHING = object()  # what an operation that was cut short may leave
GONE = (requests.RequestException, urllib3.exceptions.HTTPError, DockerException, OSError)  # what its clients then see
POLICIES = ("no", "always", "unless-stopped", "on-failure")

Key = tuple[str, str]  # kind, name


class Mortal(Engine):
    """An engine whose last process can be waited for."""

    def start(self) -> None:
        self.launch()
        self.await_ready()

    def launch(self) -> None:
        pid_reader, pid_writer = os.pipe()
        self._ready, ready_writer = os.pipe()
        engine = [*self._python, "-m", "voldemo.engine", "--socket", self.url[7:], "--root", self.root]
        command = [sys.executable, "-IS", NURSERY, pid_writer, ready_writer, *engine, "--ready-fd", ready_writer]
        with self._log.open("ab") as output:
            self.process = subprocess.Popen(
                [str(word) for word in command],
                cwd=self._cwd, pass_fds=[pid_writer, ready_writer],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            )  # fmt: skip
        os.close(pid_writer)
        os.close(ready_writer)
        with os.fdopen(pid_reader) as told:
            self.pid = int(told.readline())

    @property
    def root(self) -> Path:
        return self.folder / "root"

    def await_ready(self) -> None:
        with os.fdopen(self._ready) as ready:
            assert ready.readline(), f"the engine does not come up:\n{self.said()}"

    def kill(self) -> None:
        """SIGKILL for the engine alone. Its tracers, and what they trace, must go by themselves."""
        os.kill(self.pid, signal.SIGKILL)
        self.await_last()

    def stop(self) -> None:
        if self.process.poll() is None:
            os.kill(self.pid, signal.SIGTERM)
        self.await_last()

    def await_last(self, patience: float = PATIENCE) -> None:
        try:
            self.process.wait(patience)
        except subprocess.TimeoutExpired:
            left = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
            raise AssertionError(f"processes outlive the engine: {left}\n{self.said()}") from None


class Worker:
    """One client: does this and that, and keeps the books."""

    def __init__(self, name: str, seed: int, engine: Mortal, environment: dict[str, str]) -> None:
        self.name = name
        self.engine = engine
        self.environment = environment  # of the docker CLI
        self.chance = random.Random(f"{seed}-{name}")
        self.known: dict[Key, object] = {}
        self.doubt: dict[Key, object] = {}  # the value of a key if the operation under way came through
        self.building = False
        self.done: Counter[str] = Counter()
        self.cut: Counter[str] = Counter()  # operations that were under way when the engine was killed
        self._numbers = itertools.count(1)
        self.problem: BaseException | None = None

    # ---- doing things

    def work(self, killing: threading.Event) -> None:
        """Until the engine is killed, and nothing else may stop it."""
        try:
            with closing(DockerClient(self.engine.url, timeout=120)) as self.client:
                while True:
                    self.one_thing()
        except Exception as problem:
            cut_short = isinstance(problem, GONE) and not isinstance(problem, APIError)
            if not cut_short or not killing.is_set():
                self.problem = problem

    def one_thing(self) -> None:
        what = self.chance.choice(self.possible())
        self.cut[what.__name__] += 1
        what()
        self.building = False
        self.cut[what.__name__] -= 1
        self.done[what.__name__] += 1

    def possible(self) -> list[Callable[[], None]]:
        """Anything that can be done now; the more of a kind there is, the likelier that one of it goes."""
        volumes, containers, images = self.of("volume"), self.of("container"), self.of("image")
        running = self.in_state("running")
        found = [self.make_volume, self.create, self.run_detached, self.build, self.load, self.make_network]
        found += [self.remove_volume] * self.surplus(self.free_volumes())
        found += [self.write] * (2 * bool(volumes))
        found += [self.remove] * self.surplus(containers)
        found += [self.rename, self.put, self.commit] * bool(containers)
        found += [self.execute, self.stop] * bool(running)
        found += [self.start] * bool(self.in_state("created") + self.in_state("exited"))
        found += [self.tag] * bool(images)
        found += [self.remove_image] * self.surplus(images)
        found += [self.remove_network] * self.surplus(self.of("network"))
        return found

    def surplus(self, names: list[str]) -> int:
        return len(names) * (1 if len(names) < 4 else 4)

    def of(self, kind: str) -> list[str]:
        return [name for (each, name), value in self.known.items() if each == kind and value is not None]

    def in_state(self, status: str) -> list[str]:
        return [name for name in self.of("container") if self.known["container", name][0] == status]

    def free_volumes(self) -> list[str]:
        used = {self.known["container", name][3] for name in self.of("container")}
        return [name for name in self.of("volume") if name not in used]

    def new(self) -> str:
        return f"{self.name}-{next(self._numbers)}"

    @contextmanager
    def doing(self, outcome: dict[Key, object]) -> Iterator[None]:
        self.doubt = outcome
        yield
        self.known.update(outcome)
        self.doubt = {}

    def make_volume(self) -> None:
        name = self.new()
        with self.doing({("volume", name): name}):
            self.client.volumes.create(name, labels={"name": name})

    def remove_volume(self) -> None:
        name = self.chance.choice(self.free_volumes())
        files = [key for key in self.known if key[0] == "file" and key[1].startswith(f"{name}/")]
        with self.doing({("volume", name): None} | dict.fromkeys(files)):
            self.client.api.remove_volume(name)

    def write(self) -> None:
        """By the real client, whose container is gone when it has ended."""
        volume, text, name = self.chance.choice(self.of("volume")), self.new(), self.new()
        key = ("file", f"{volume}/{text}")
        script = ["sh", "-c", f"echo {text} > /d/{text}"]
        with self.doing({key: ANYTHING, ("container", name): None}):
            run = ["docker", "run", "--rm", "--name", name, "-v", f"{volume}:/d", "--network=none", BUSYBOX, *script]
            done = subprocess.run(run, env=self.environment, capture_output=True, stdin=subprocess.DEVNULL)
            if done.returncode:
                raise ConnectionError(done.stderr.decode())
        self.known[key] = text

    def create(self, policy: str = "no") -> str:
        name = self.new()
        volume = self.chance.choice([*self.of("volume"), ""])
        with self.doing({("container", name): ("created", 0, policy, volume)}):
            self.client.containers.create(
                BUSYBOX, FOREVER, name=name, volumes=[f"{volume}:/d"] if volume else [], tmpfs={"/t": ""},
                restart_policy={"Name": policy}, network_mode="none",
            )  # fmt: skip
        return name

    def run_detached(self) -> None:
        self.start(self.create(self.chance.choice(POLICIES)))

    def start(self, name: str = "") -> None:
        name = name or self.chance.choice(self.in_state("created") + self.in_state("exited"))
        _, _, policy, volume = self.known["container", name]
        with self.doing({("container", name): ("running", 0, policy, volume)}):
            self.client.api.start(name)

    def stop(self) -> None:
        name = self.chance.choice(self.in_state("running"))
        _, _, policy, volume = self.known["container", name]
        with self.doing({("container", name): ("exited", KILLED, policy, volume)}):
            self.client.api.stop(name, timeout=0)

    def execute(self) -> None:
        name, text = self.chance.choice(self.in_state("running")), self.new()
        key = ("put", f"{name}/{text}")
        with self.doing({key: ANYTHING}):
            code, said = self.client.containers.get(name).exec_run(["sh", "-c", f"printf {text} > /{text}"])
        assert code == 0, said
        self.known[key] = text

    def put(self) -> None:
        name, text = self.chance.choice(self.of("container")), self.new()
        with self.doing({("put", f"{name}/{text}"): text}):
            self.client.api.put_archive(name, "/", tar_of({text: text.encode()}))

    def rename(self) -> None:
        old, new = self.chance.choice(self.of("container")), self.new()
        files = {key: value for key, value in self.known.items() if key[0] == "put" and key[1].startswith(f"{old}/")}
        moved = {("put", f"{new}/{key[1].partition('/')[2]}"): value for key, value in files.items()}
        with self.doing(
            {("container", new): self.known["container", old], ("container", old): None} | dict.fromkeys(files) | moved
        ):
            self.client.api.rename(old, new)

    def remove(self) -> None:
        name = self.chance.choice(self.of("container"))
        files = [key for key in self.known if key[0] == "put" and key[1].startswith(f"{name}/")]
        with self.doing({("container", name): ANYTHING} | dict.fromkeys(files, ANYTHING)):
            self.client.api.remove_container(name, force=True, v=True)
        self.known |= dict.fromkeys([("container", name), *files])

    def commit(self) -> None:
        name, text = self.chance.choice(self.of("container")), self.new()
        self.client.api.put_archive(name, "/", tar_of({"marker": text.encode()}))
        with self.doing({("image", text): text}):
            self.client.api.commit(name, text)

    def build(self) -> None:
        text = self.new()
        lines = f"FROM {BUSYBOX}\nCOPY marker /\nRUN cat /marker > /ran\n"
        context = tar_of({"Dockerfile": lines.encode(), "marker": text.encode()})
        self.building = True
        with self.doing({("image", text): text}):
            said = self.client.api.build(
                fileobj=io.BytesIO(context), custom_context=True, tag=text, rm=True, decode=True
            )
            self.must_say([*said], "Successfully tagged")

    def load(self) -> None:
        text = self.new()
        with self.doing({("image", text): text}):
            self.must_say([*self.client.api.load_image(image_of(text))], "Loaded image")

    def must_say(self, said: list[dict], words: str) -> None:
        if not any(words in line.get("stream", "") for line in said):
            assert not any("error" in line for line in said), said
            raise ConnectionError("the answer is not whole")

    def tag(self) -> None:
        name, new = self.chance.choice(self.of("image")), self.new()
        with self.doing({("image", new): self.known["image", name]}):
            self.client.api.tag(name, new)

    def remove_image(self) -> None:
        name = self.chance.choice(self.of("image"))
        with self.doing({("image", name): None}):
            self.client.api.remove_image(name)

    def make_network(self) -> None:
        name = self.new()
        with self.doing({("network", name): name}):
            self.client.networks.create(name)

    def remove_network(self) -> None:
        name = self.chance.choice(self.of("network"))
        with self.doing({("network", name): None}):
            self.client.api.remove_network(name)

    # ---- after a restart

    def check(self, client: DockerClient) -> None:
        """What was done is so. What was being done is, or is not; from then on that is what is known."""
        look = Look(client, self.engine.root)
        for key in [*self.known, *(key for key in self.doubt if key not in self.known)]:
            found = look(key)
            allowed = [after_restart(key, self.known.get(key))]
            if key in self.doubt:
                allowed.append(after_restart(key, self.doubt[key]))
            assert ANYTHING in allowed or found in allowed, f"{key} is {found}, not {allowed}; it did {self.doubt}"
            self.known[key] = found
        self.known = {key: value for key, value in self.known.items() if value is not None}
        self.doubt = {}


def after_restart(key: Key, value: object) -> object:
    """Of a container: its process died with the engine, and its restart policy has been applied."""
    if key[0] != "container" or not isinstance(value, tuple):
        return value
    status, code, policy, volume = value
    if status == "running" and policy == "no":
        return "exited", KILLED, policy, volume
    if status == "exited" and policy == "always":
        return "running", 0, policy, volume
    return value


class Look:
    """What there is, as the engine tells and as the disk has it."""

    def __init__(self, client: DockerClient, root: Path) -> None:
        self._api = client.api
        self._root = root

    def __call__(self, key: Key) -> object:
        kind, name = key
        try:
            return getattr(self, kind)(name)
        except NotFound:
            return None

    def volume(self, name: str) -> str:
        return self._api.inspect_volume(name)["Labels"]["name"]

    def file(self, name: str) -> str | None:
        volume, _, file = name.partition("/")
        path = self._root / "volumes" / volume / "_data" / file
        return path.read_text().strip() if path.exists() else None

    def container(self, name: str) -> tuple[str, int, str, str]:
        found = self._api.inspect_container(name)
        state, volumes = found["State"], [point["Name"] for point in found["Mounts"] if point["Type"] == "volume"]
        policy = found["HostConfig"]["RestartPolicy"]["Name"]
        return state["Status"], state["ExitCode"], policy, "".join(volumes)

    def put(self, name: str) -> str:
        container, _, file = name.partition("/")
        return self._read(container, file)

    def _read(self, container: str, file: str) -> str:
        blocks, _ = self._api.get_archive(container, f"/{file}")
        with tarfile.open(fileobj=io.BytesIO(b"".join(blocks))) as tar:
            return tar.extractfile(file).read().decode()

    def image(self, name: str) -> str:
        made = self._api.create_container(name, ["/nothing"])["Id"]
        try:
            return self._read(made, "marker")
        finally:
            self._api.remove_container(made, v=True)

    def network(self, name: str) -> str:
        return self._api.inspect_network(name)["Name"]


# ---- what is there that nobody knows of


def left_over(engine: Mortal, client: DockerClient, workers: list[Worker]) -> list[str]:
    """Names of things that should not be there. A build that was cut short leaves its container, as with Docker."""
    names = {(kind, name) for worker in workers for kind, name in worker.known}
    builds = sum(worker.building for worker in workers)
    strangers = [row for row in client.api.containers(all=True) if ("container", row["Names"][0][1:]) not in names]
    found = [f"{row['Names'][0]} {row['Status']} ({builds} builds)" for row in strangers if len(strangers) > builds]
    for row in strangers:
        client.api.remove_container(row["Id"], force=True, v=True)
    found += [row["Name"] for row in client.api.volumes()["Volumes"] if ("volume", row["Name"]) not in names]
    for worker in workers:
        worker.building = False
    return found + unused_layers(engine.root) + stray_memory(engine.root, client)


def unused_layers(root: Path) -> list[str]:
    used = set()
    for file in root.glob("images/*/config.json"):
        used.update(json.loads(file.read_bytes())["rootfs"]["diff_ids"])
    for file in root.glob("containers/*/record.json"):
        used.update(json.loads(file.read_bytes())["layers"])
    return [f"layer {folder.name}" for folder in (root / "layers").iterdir() if f"sha256:{folder.name}" not in used]


def stray_memory(root: Path, client: DockerClient) -> list[str]:
    """tmpfs mounts of containers that do not run."""
    running = {row["Id"] for row in client.api.containers()}
    places = [*Path("/dev/shm").glob(f"voldemo-*-{sha256(os.fsencode(root)).hexdigest()[:16]}"), root / "tmpfs"]
    return [str(each) for place in places if place.exists() for each in place.iterdir() if each.name not in running]


def half_made(root: Path) -> list[str]:
    return [str(path) for name in ("tmp", "trash") for path in (root / name).iterdir()]


# ---- what is sent


def tar_of(files: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return made.getvalue()


def image_of(text: str) -> bytes:
    """docker save's tar of an image with one layer, which holds a file of this text and others."""
    layer = tar_of({"marker": text.encode()} | {f"d/{n}": text.encode() * 1000 for n in range(20)})
    config = json.dumps(
        {"architecture": "amd64", "os": "linux", "config": {}}
        | {"rootfs": {"type": "layers", "diff_ids": [f"sha256:{sha256(layer).hexdigest()}"]}}
    ).encode()
    name = f"{sha256(config).hexdigest()}.json"
    manifest = [{"Config": name, "RepoTags": [f"{text}:latest"], "Layers": ["layer.tar"]}]
    return tar_of({name: config, "layer.tar": layer, "manifest.json": json.dumps(manifest).encode()})
