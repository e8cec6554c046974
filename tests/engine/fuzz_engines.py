"""The same random doings on Docker and on another engine must show the same: a state machine for hypothesis.

`test_fuzz_engines.py` runs it.
"""

import io
import re
import tarfile
from contextlib import suppress

from docker.errors import APIError, BuildError, NotFound
from docker.types import Mount
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from engine.conformance.lab import BUSYBOX, LABEL, Lab

VOLUMES, CONTAINERS, IMAGES = ("va", "vb", "vc"), ("ca", "cb"), ("ia", "ib")
PLACES = ("/d", "/e", "/etc", "/d/sub")

volumes, containers, own_images = map(st.sampled_from, (VOLUMES, CONTAINERS, IMAGES))
images = st.sampled_from([BUSYBOX, *IMAGES])
places = st.sampled_from(PLACES)
tops = st.sampled_from([*PLACES, "/var", "/t"])
names = st.sampled_from(["f", "g", "sub", "sub/h", "passwd", "link"])
paths = st.builds("{}/{}".format, tops, names)
modes = st.sampled_from(["rw", "ro", "nocopy"])
permissions = st.sampled_from(["600", "644", "755", "1777", "000", "u+s", "g-w,o=r"])
owners = st.sampled_from(["33", "1001:50", "0:0", ":1001"])
users = st.sampled_from(["0", "0", "33", "1001", "1001:50"])
small = st.integers(0, 99)
deeds = st.one_of(
    st.builds("echo {1} > {0}".format, paths, small),
    st.builds("printf {1} >> {0}".format, paths, small),
    st.builds("head -c {1} /dev/zero > {0}".format, paths, st.integers(0, 20_000)),
    st.builds("truncate -s {1} {0}".format, paths, st.integers(0, 5000)),
    st.builds("printf xy | dd of={0} bs=1 seek={1} conv=notrunc 2>&1 | grep -v copied".format, paths, small),
    st.builds("rm -r {} 2>&1 | sort".format, paths),
    st.builds("rmdir {}".format, paths),
    st.builds("mkdir -p {}".format, paths),
    st.builds("mv {} {}".format, paths, paths),
    st.builds("mv -T {} {}".format, paths, paths),
    st.builds("cp -a {} {} 2>&1 | sort".format, paths, paths),
    st.builds("cp -r {} {} 2>&1 | sort".format, st.sampled_from(["/d", "/e", "/d/sub", "/var"]), paths),
    st.builds("ln {} {}".format, paths, paths),
    st.builds("ln -f {} {}".format, paths, paths),
    st.builds("ln -s {} {}".format, names, paths),
    st.builds("ln -s {} {}".format, paths, paths),
    st.builds("chmod {1} {0}".format, paths, permissions),
    st.builds("chmod -R {1} {0} 2>&1 | sort".format, tops, permissions),
    st.builds("chown {1} {0}".format, paths, owners),
    st.builds("chown -R {1} {0} 2>&1 | sort".format, tops, owners),
    st.builds("touch -d @{1} {0}".format, paths, st.integers(1, 10**9)),
    st.builds("cat {}".format, paths),
    st.builds("ls -A {}".format, tops),
    st.builds("tar cf - {0} 2>&1 | tar tf - | sort".format, tops),
    st.builds("for t in r w x e; do [ -$t {} ] && echo $t; done".format, paths),
    st.builds("cd {0} && pwd -P && echo {1} > {2}".format, tops, small, names),
).filter(lambda deed: not re.match(r"(ln|mv|cp) .*/etc/passwd( |$)", deed))  # a circle of links there stops all starts
steps = st.one_of(
    st.builds("RUN {} || true".format, deeds),
    st.builds("WORKDIR {}".format, places),
    st.builds("VOLUME {}".format, places),
    st.builds("COPY one {}/".format, places),
    st.builds("COPY --chown=33:50 one {}".format, paths),
    st.builds("ADD one two {}/".format, places),
    st.builds("USER {}".format, st.sampled_from(["0", "1001"])),
    st.builds("ENV N={}".format, small),
)
LOOK = "find {} -exec stat -c '%n %F %a %u:%g %h %N' {{}} + | grep -v ' directory ' 2>&1 | sort"
LOOK_AT_FOLDERS = "find {} -type d -exec stat -c '%n %a %u:%g' {{}} + 2>&1 | sort"
SUMS = "find {} -type f ! -name host* ! -name resolv.conf -exec md5sum {{}} + 2>&1 | sort"
OF_THE_ENGINE = (
    (r"[0-9a-f]{64}|\b[0-9a-f]{12}\b", "ID"),
    (r"/\S*/(volumes|containers)/", r"\1/"),
    (r"/\S*/merged/", "/"),
    (r"^(failed to copy files|lstat|Cannot mkdir|/).* not a directory$", "not a directory"),  # told step by step
    (r"failed to create shim task: .* container init: ", ""),  # one has runc, the other has not
)


class World:
    """One engine, as the machine sees it: every answer with the engine's own ids and names taken out."""

    def __init__(self, lab: Lab):
        self.lab, self.client = lab, lab.client

    def name(self, short: str) -> str:
        return short if ":" in short else f"{self.lab.label}-{short}"

    def container(self, short: str):
        return self.client.containers.get(self.name(short))

    def tell(self, work) -> object:
        try:
            return self.plain(work(self))
        except APIError as error:
            return error.status_code, self.plain(str(error.explanation))
        except BuildError as error:
            return self.plain(error.msg)

    def plain(self, answer: object) -> object:
        if isinstance(answer, dict):
            return {name: self.plain(value) for name, value in answer.items()}
        if isinstance(answer, list | tuple):
            return type(answer)(map(self.plain, answer))
        if not isinstance(answer, str):
            return answer
        answer = answer.replace(self.lab.label, "LAB")
        for pattern, plain in OF_THE_ENGINE:
            answer = re.sub(pattern, plain, answer)
        return answer

    def clear(self) -> None:
        self.lab.__exit__()
        for volume in VOLUMES:  # one that a container's creation made carries no label
            with suppress(NotFound):
                self.client.api.remove_volume(self.name(volume))


# What can be done to a world. Each returns what is to be the same.


def in_container(world, name, script, user="0"):
    """Not by `exec_run`: it loses what comes in one piece with the headers of the answer."""
    api, container = world.client.api, world.container(name)
    made = api.exec_create(container.id, ["sh", "-c", f"exec 2>&1\n{script}"], user=user)["Id"]
    answer = api._post_json(api._url("/exec/{0}/start", made), data={"Tty": True})  # one stream, without frames
    api._raise_for_status(answer)
    return api.exec_inspect(made)["ExitCode"], answer.content.decode(errors="replace")


def look(world, name, top):
    return [in_container(world, name, script.format(top)) for script in (LOOK, LOOK_AT_FOLDERS, SUMS)]


def create_volume(world, name, label):
    world.lab.volume(world.name(name), labels={"kind": label})


def remove_volume(world, name):
    world.client.api.remove_volume(world.name(name))


def create_container(world, name, image, mounts, anonymous, options):
    binds = [f"{world.name(volume)}:{target}:{mode}" for target, (volume, mode) in mounts.items() if mode != "nocopy"]
    others = [
        Mount(target, world.name(volume), "volume", no_copy=True)
        for target, (volume, mode) in mounts.items()
        if mode == "nocopy"
    ]
    # with a place said twice, Docker makes the volumes first and refuses then
    others += [Mount(target, None, "volume") for target in anonymous if target not in mounts]
    world.lab.create(name=world.name(name), image=world.name(image), volumes=sorted(binds), mounts=others, **options)


def create_with_volumes_from(world, name, image, other):
    world.lab.create(name=world.name(name), image=image, volumes_from=[world.name(other)])


def method(name, **options):
    def work(world, container):
        getattr(world.container(container), name)(**options)

    work.__name__ = name
    return work


def prune(world, everything):
    filters = {"label": f"{LABEL}={world.lab.label}"} | ({"all": "true"} if everything else {})
    pruned = world.client.volumes.prune(filters=filters)
    return sorted(map(world.plain, pruned["VolumesDeleted"] or [])), pruned["SpaceReclaimed"]


def tar_of(members):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, kind, content, uid, mode in members:
            info = tarfile.TarInfo(name)
            info.type, info.uid, info.gid, info.mode, info.mtime = kind, uid, uid, mode, 1
            info.linkname = "f" if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE) else ""
            info.size = len(content) if kind == tarfile.REGTYPE else 0
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def listing(data):
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return [(m.name, m.type, oct(m.mode), m.uid, m.gid, size(m), m.linkname) for m in tar]


def size(member):
    """Of what the two must agree in: they know different hosts."""
    return member.size if member.isreg() and not member.name.endswith(("etc/hosts", "etc/resolv.conf")) else 0


def copy_in(world, name, folder, members):
    try:
        world.container(name).put_archive(folder, tar_of(members))
    except APIError as error:
        if error.status_code != 500:
            raise
        return "a tar that cannot be unpacked there"


def copy_out(world, name, path):
    chunks, stat = world.container(name).get_archive(path)
    return sorted(listing(b"".join(chunks))), stat["name"], stat["mode"], stat["linkTarget"]


def export(world, name):
    rows = listing(b"".join(world.container(name).export()))
    return sorted(row for row in rows if row[0].startswith(("d/", "e/", "var/")))


def can_be_copied_from(world, name):
    """`docker cp` mounts all of it again, and Docker fails to do so inside of a read-only mount."""
    mounts = world.container(name).attrs["Mounts"]
    places = [*(mount["Destination"] for mount in mounts), "/etc/hosts"]
    fixed = [mount["Destination"] for mount in mounts if not mount["RW"]]
    return not any(place.startswith(f"{above}/") for above in fixed for place in places)


def commit(world, name, image):
    made = world.container(name).commit(world.name(image), conf={"Labels": world.lab.labels})
    return about(made)


def commit_after_copy(world, name, image):
    """`docker cp` leaves in Docker's container what it mounted over: one more layer, in which there is nothing."""
    return commit(world, name, image)[1:]


def build(world, image, base, dockerfile):
    lines = [f"FROM {world.name(base)}", f"LABEL {LABEL}={world.lab.label}", *dockerfile]
    files = {"Dockerfile": "\n".join(lines).encode(), "one": b"1", "two": b"2" * 3000}
    context = io.BytesIO(tar_of([(name, tarfile.REGTYPE, data, 7, 0o644) for name, data in files.items()]))
    options = {"custom_context": True, "network_mode": "none", "rm": True, "nocache": True}
    made, _ = world.client.images.build(fileobj=context, tag=world.name(image), **options)
    return about(made)


def build_on_copied(world, image, base, dockerfile):
    return build(world, image, base, dockerfile)[1:]


def about(image):
    config = image.attrs["Config"]
    history = [(row["Size"], row["CreatedBy"]) for row in image.history()]
    kept = {name: config.get(name) for name in ("Cmd", "Entrypoint", "Env", "User", "Volumes", "WorkingDir")}
    return len(image.attrs["RootFS"]["Layers"]), image.attrs["Size"], history, kept


def remove_image(world, image):
    done = world.client.api.remove_image(world.name(image))
    return sorted(f"{kind} {world.plain(what)}" for row in done for kind, what in row.items())


def remove_copied_image(world, image):
    return sorted(set(remove_image(world, image)))


def everything(world):
    """What can be seen of all there is."""
    api, wanted = world.client.api, {"label": f"{LABEL}={world.lab.label}"}
    return {
        "volumes": sorted((world.plain(row["Name"]), row["Scope"]) for row in api.volumes(filters=wanted)["Volumes"]),
        "images": sorted(row["Size"] for row in api.images(filters=wanted)),
        "containers": sorted(
            (
                world.plain(row["Names"][0]),
                row["State"],
                changes(world, row["Id"]),
                row.get("SizeRw", 0),
                row["SizeRootFs"],
                mounts_of(world, row["Id"]),
            )
            for row in api.containers(all=True, size=True, filters=wanted)
        ),
    }


def changes(world, identity):
    return sorted((row["Path"], row["Kind"]) for row in world.client.api.diff(identity) or [])


def mounts_of(world, identity):
    mounts = world.client.api.inspect_container(identity)["Mounts"]
    return sorted(map(world.plain, mounts), key=lambda row: row["Destination"])


kinds = st.sampled_from([tarfile.REGTYPE, tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE])
members = st.lists(
    st.builds(
        # a file in the place of a mounted volume: Docker empties the volume first, and fails then
        lambda name, kind, *rest: (name, {"sub": tarfile.DIRTYPE, "passwd": tarfile.REGTYPE}.get(name, kind), *rest),
        names,
        kinds,
        st.binary(max_size=50),
        st.integers(0, 2000),
        st.sampled_from([0o644, 0o600, 0o4755, 0o000]),
    ),
    min_size=1,
    max_size=3,
)


which = st.integers(0, 9)


def pick(names, number):
    """One that is there, if there is one. It is not hypothesis that chooses: what is there, the engines say."""
    return (sorted(names) or CONTAINERS)[number % (len(names) or 1)]


created = {
    "name": containers,
    "image": images,
    "mounts": st.dictionaries(places, st.tuples(volumes, modes), max_size=2),
    "anonymous": st.lists(places, max_size=1),
    "options": st.fixed_dictionaries(
        {}, optional={"read_only": st.booleans(), "tmpfs": st.just({"/t": "size=64k"}), "user": users}
    ),
}


class Engines(RuleBasedStateMachine):
    def __init__(self, worlds: list[World]):
        super().__init__()
        self.worlds = worlds
        self.there: set[str] = set()
        self.running: set[str] = set()
        self.copied: set[str] = set()  # containers that `docker cp` was used on, and what was made of them

    def both(self, work, *arguments) -> object:
        first, second = (world.tell(lambda world: work(world, *arguments)) for world in self.worlds)
        assert second == first, f"{work.__name__}{arguments}:\nDocker: {first}\nother:  {second}"
        return first

    def made_of(self, source, made):
        (self.copied.add if source in self.copied else self.copied.discard)(made)

    def create(self, work, name, image, *arguments):
        if self.both(work, name, image, *arguments) is None:
            self.there.add(name)
            self.made_of(image, name)
            self.start(name)

    def start(self, name):
        if self.both(method("start"), name) is None:
            self.running.add(name)

    def copy(self, work, name, *arguments):
        if name in self.there and can_be_copied_from(self.worlds[0], name):
            self.copied.add(name)
            self.both(work, name, *arguments)

    @initialize(mounts=created["mounts"])
    def one_runs(self, mounts):
        self.create(create_container, CONTAINERS[0], BUSYBOX, mounts, [], {})

    @rule(name=volumes, label=st.sampled_from(["x", "y"]))
    def create_volume(self, name, label):
        self.both(create_volume, name, label)

    @rule(name=volumes)
    def remove_volume(self, name):
        self.both(remove_volume, name)

    @rule(everything=st.booleans())
    def prune(self, everything):
        self.both(prune, everything)

    @rule(**created)
    def run(self, name, image, mounts, anonymous, options):
        self.create(create_container, name, image, mounts, anonymous, options)

    @rule(name=containers, other=containers)
    def run_with_volumes_from(self, name, other):
        self.create(create_with_volumes_from, name, BUSYBOX, other)

    @rule(which=which, script=st.lists(deeds, min_size=1, max_size=8), user=users, top=tops)
    def do(self, which, script, user, top):
        name = pick(self.running, which)
        self.both(in_container, name, "\n".join(script), user)
        self.both(look, name, top)

    @rule(which=which, top=tops)
    def look(self, which, top):
        self.both(look, pick(self.running, which), top)

    @rule(name=containers)
    def restart(self, name):
        if self.both(method("restart", timeout=0), name) is None:
            self.running.add(name)

    @rule(name=containers, how=st.sampled_from([method("stop", timeout=0), method("kill")]))
    def stop(self, name, how):
        self.both(how, name)
        if name in self.running:
            self.both(method("wait"), name)
        self.running.discard(name)

    @rule(name=containers, v=st.booleans())
    def remove(self, name, v):
        self.both(method("remove", force=True, v=v), name)
        self.there.discard(name)
        self.running.discard(name)

    @rule(which=which, folder=tops, members=members)
    def copy_in(self, which, folder, members):
        self.copy(copy_in, pick(self.there, which), folder, members)

    @rule(which=which, path=st.one_of(paths, tops))
    def copy_out(self, which, path):
        self.copy(copy_out, pick(self.there, which), path)

    @rule(name=containers)
    def export(self, name):
        self.both(export, name)

    @rule(which=which, image=own_images)
    def commit(self, which, image):
        name = pick(self.there, which)
        self.both(commit_after_copy if name in self.copied else commit, name, image)
        self.made_of(name, image)

    @rule(image=own_images, base=images, dockerfile=st.lists(steps, min_size=1, max_size=4))
    def build(self, image, base, dockerfile):
        if self.worlds[0].client.images.list(self.worlds[0].name(base)):
            self.both(build_on_copied if base in self.copied else build, image, base, dockerfile)
            self.made_of(base, image)

    @rule(image=own_images)
    def remove_image(self, image):
        self.both(remove_copied_image if image in self.copied else remove_image, image)

    @invariant()
    def the_same_is_there(self):
        self.both(everything)

    def teardown(self):
        for world in self.worlds:
            world.clear()
