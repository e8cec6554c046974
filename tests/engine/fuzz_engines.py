"""The same random doings on Docker and on the embedded engine must show the same.

pytest tests/engine/fuzz_engines.py

DOCKER_HOST names the Docker engine. FUZZ_AGAINST names another than an embedded engine to hold against it,
FUZZ_EXAMPLES and FUZZ_STEPS say how long to look.
"""

import io
import os
import re
import tarfile
import tempfile
import uuid
from contextlib import ExitStack, closing, nullcontext
from pathlib import Path

import pytest
from docker import DockerClient
from docker.errors import APIError
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from engine.conformance.lab import BUSYBOX, LABEL, Lab, cli_environment
from engine.embedded import embedded

EXAMPLES, STEPS = int(os.environ.get("FUZZ_EXAMPLES", "20")), int(os.environ.get("FUZZ_STEPS", "25"))

volumes = st.sampled_from(["va", "vb", "vc"])
containers = st.sampled_from(["ca", "cb", "cc"])
images = st.sampled_from([BUSYBOX, "ia", "ib"])
tops = st.sampled_from(["/d", "/e", "/etc", "/d/sub", "/var"])
names = st.sampled_from(["f", "g", "sub", "sub/h", "passwd", "link"])
paths = st.builds("{}/{}".format, tops, names)
modes = st.sampled_from(["rw", "ro", "nocopy"])
users = st.sampled_from(["0", "33", "1001"])
deeds = st.one_of(
    st.builds("echo {1} > {0}".format, paths, st.integers(0, 99)),
    st.builds("printf {1} >> {0}".format, paths, st.integers(0, 99)),
    st.builds("head -c {1} /dev/zero > {0}".format, paths, st.integers(0, 20_000)),
    st.builds("rm -r {}".format, paths),
    st.builds("mkdir -p {}".format, paths),
    st.builds("mv {} {}".format, paths, paths),
    st.builds("cp -a {} {}".format, paths, paths),
    st.builds("ln {} {}".format, paths, paths),
    st.builds("ln -s {} {}".format, names, paths),
    st.builds("chmod {1} {0}".format, paths, st.sampled_from(["600", "755", "1777", "000", "u+s"])),
    st.builds("chown {1} {0}".format, paths, st.sampled_from(["33", "1001:50", "0:0"])),
    st.builds("touch -d @{1} {0}".format, paths, st.integers(1, 10**9)),
    st.builds("cat {}".format, paths),
    st.builds("ls -A {}".format, tops),
)
LOOK = "find {} -xdev -exec stat -c '%n %F %a %u:%g %h' {{}} + 2>&1 | grep -v ' directory ' | sort"
LOOK_AT_FOLDERS = "find {} -xdev -type d -exec stat -c '%n %a %u:%g' {{}} + 2>&1 | sort"


class World:
    """One engine, as the machine sees it: every answer with the engine's own ids and names taken out."""

    def __init__(self, lab: Lab):
        self.lab, self.client = lab, lab.client

    def name(self, short: str) -> str:
        return short if ":" in short else f"{self.lab.label}-{short}"

    def tell(self, work) -> object:
        try:
            return self.plain(work(self))
        except APIError as error:
            return error.status_code, self.plain(str(error.explanation))

    def plain(self, answer: object) -> object:
        if not isinstance(answer, str):
            return answer
        answer = re.sub(r"[0-9a-f]{64}|\b[0-9a-f]{12}\b", "ID", answer.replace(self.lab.label, "LAB"))
        return re.sub(r"/\S*/volumes/", "VOLUMES/", answer)


def in_container(world: World, name: str, script: str, user: str = "0") -> tuple[int, str]:
    result = world.client.containers.get(world.name(name)).exec_run(["sh", "-c", script], user=user)
    return result.exit_code, world.plain(result.output.decode(errors="replace"))


def create_volume(world, name, label):
    world.lab.volume(world.name(name), labels={"kind": label})


def create_container(world, name, image, mounts):
    binds = [f"{world.name(volume)}:{target}:{mode}" for target, (volume, mode) in sorted(mounts.items())]
    world.lab.create(name=world.name(name), image=world.name(image), volumes=binds)


def container(method, **options):
    def work(world, name):
        getattr(world.client.containers.get(world.name(name)), method)(**options)

    return work


def prune(world, everything):
    filters = {"label": f"{LABEL}={world.lab.label}"} | ({"all": "true"} if everything else {})
    pruned = world.client.volumes.prune(filters=filters)
    return sorted(map(world.plain, pruned["VolumesDeleted"] or [])), pruned["SpaceReclaimed"]


def copy_in(world, name, folder, member, content, uid):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        info = tarfile.TarInfo(member)
        info.size, info.uid, info.mtime = len(content), uid, 1
        tar.addfile(info, io.BytesIO(content))
    world.client.containers.get(world.name(name)).put_archive(folder, buffer.getvalue())


def copy_out(world, name, path):
    chunks, _ = world.client.containers.get(world.name(name)).get_archive(path)
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as tar:
        return sorted((m.name, m.type, oct(m.mode), m.uid, m.gid, m.size if m.isreg() else 0) for m in tar)


def commit(world, name, image):
    repository = world.name(image)
    made = world.client.containers.get(world.name(name)).commit(repository, conf={"Labels": world.lab.labels})
    return len(made.attrs["RootFS"]["Layers"]), made.attrs["Size"]


def build(world, image, base, script):
    context = io.BytesIO(f"FROM {world.name(base)}\nRUN {script} || true\nLABEL {LABEL}={world.lab.label}\n".encode())
    made, _ = world.client.images.build(fileobj=context, tag=world.name(image), network_mode="none", rm=True)
    return len(made.attrs["RootFS"]["Layers"]), made.attrs["Size"]


def everything(world):
    """What can be seen of all there is."""
    api, wanted = world.client.api, {"label": f"{LABEL}={world.lab.label}"}
    return {
        "volumes": sorted(world.plain(row["Name"]) for row in api.volumes(filters=wanted)["Volumes"]),
        "images": sorted(row["Size"] for row in api.images(filters=wanted)),
        "containers": sorted(
            (world.plain(row["Names"][0]), row["State"], _changes(world, row["Id"]), row.get("SizeRw", 0))
            for row in api.containers(all=True, size=True, filters=wanted)
        ),
    }


def _changes(world, identity):
    return sorted((row["Path"], row["Kind"]) for row in world.client.api.diff(identity) or [])


class Engines(RuleBasedStateMachine):
    def __init__(self, worlds: list[World]):
        super().__init__()
        self.worlds = worlds
        self.running: set[str] = set()

    def both(self, work, *arguments) -> object:
        first, second = (world.tell(lambda world: work(world, *arguments)) for world in self.worlds)
        assert second == first, f"{work.__name__}{arguments}:\nDocker: {first}\nother:  {second}"
        return first

    @rule(name=volumes, label=st.sampled_from(["x", "y"]))
    def create_volume(self, name, label):
        self.both(create_volume, name, label)

    @rule(name=volumes)
    def remove_volume(self, name):
        self.both(lambda world, name: world.client.api.remove_volume(world.name(name)), name)

    @rule(everything=st.booleans())
    def prune(self, everything):
        self.both(prune, everything)

    @rule(
        name=containers,
        image=images,
        mounts=st.dictionaries(st.sampled_from(["/d", "/e", "/etc", "/d/sub"]), st.tuples(volumes, modes), max_size=2),
    )
    def run(self, name, image, mounts):
        if self.both(create_container, name, image, mounts) is None and self.both(container("start"), name) is None:
            self.running.add(name)

    @precondition(lambda self: self.running)
    @rule(data=st.data(), script=st.lists(deeds, min_size=1, max_size=6), user=users)
    def do(self, data, script, user):
        name = data.draw(st.sampled_from(sorted(self.running)))
        self.both(in_container, name, "exec 2>&1\n" + "\n".join(script), user)

    @precondition(lambda self: self.running)
    @rule(data=st.data(), top=tops)
    def look(self, data, top):
        name = data.draw(st.sampled_from(sorted(self.running)))
        self.both(in_container, name, LOOK.format(top))
        self.both(in_container, name, LOOK_AT_FOLDERS.format(top))

    @rule(name=containers)
    def restart(self, name):
        if self.both(container("restart", timeout=0), name) is None:
            self.running.add(name)

    @rule(name=containers)
    def stop(self, name):
        self.both(container("stop", timeout=0), name)
        self.running.discard(name)

    @rule(name=containers, v=st.booleans())
    def remove(self, name, v):
        self.both(container("remove", force=True, v=v), name)
        self.running.discard(name)

    @rule(name=containers, folder=tops, member=names, content=st.binary(max_size=50), uid=st.integers(0, 2000))
    def copy_in(self, name, folder, member, content, uid):
        self.both(copy_in, name, folder, member, content, uid)

    @rule(name=containers, path=paths)
    def copy_out(self, name, path):
        self.both(copy_out, name, path)

    @rule(name=containers, image=st.sampled_from(["ia", "ib"]))
    def commit(self, name, image):
        self.both(commit, name, image)

    @rule(image=st.sampled_from(["ia", "ib"]), base=st.sampled_from([BUSYBOX, "ia"]), script=deeds)
    def build(self, image, base, script):
        if self.worlds[0].client.images.list(self.worlds[0].name(base)):
            self.both(build, image, base, script)

    @invariant()
    def the_same_is_there(self):
        self.both(everything)

    def teardown(self):
        for world in self.worlds:
            world.lab.__exit__()


@pytest.fixture(scope="module")
def urls():
    other = os.environ.get("FUZZ_AGAINST")
    with nullcontext(other) if other else embedded() as url:
        yield os.environ["DOCKER_HOST"], url


def test_the_engines_agree(urls):
    with ExitStack() as stack:
        clients = [stack.enter_context(closing(DockerClient(url, timeout=60))) for url in urls]
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        environments = []
        for number, url in enumerate(urls):
            (folder / str(number)).mkdir()
            environments.append(cli_environment(url, folder / str(number)))

        def machine():
            labels = [f"vdf{uuid.uuid4().hex[:6]}" for _ in urls]
            parts = zip(clients, labels, environments, strict=True)
            return Engines([World(Lab(*part, folder)) for part in parts])

        how = settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        )
        run_state_machine_as_test(machine, settings=how)
