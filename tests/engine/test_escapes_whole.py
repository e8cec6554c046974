"""Attempts on the whole engine, through its API: by containers, by what they do while the engine looks into them, by
images, archives and build contexts made to hurt. None may read or write the host, or another container.

The corner of the host is real and readable by whoever runs the engine: `Corner.reachable` shows it.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
from docker import DockerClient
from docker.errors import APIError, BuildError, ImageLoadError, ImageNotFound
from docker.types import Mount

from engine.embedded import Engine
from engine.store.made import directory, entry, hardlink, symlink, tar
from engine.store.test_races import SWAP

SECRET = "the host's own words"
DEBIAN = "debian:13-slim"  # it has Perl, which can make any system call
BUSYBOX = "busybox:1.37"
TRIES = 20
LARGE = 1 << 20
A_FEW = 8  # of what takes a container each time
KILL_ALL = "perl -e 'kill 9, -$_, $_ for grep {{ $_ != $$ }} 2..{last}; kill 9, -1'"


class Corner:
    """A folder of the host, and a process. Both have to be as they were."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("inner", "empty"):
            (folder / name).mkdir(parents=True)
        for name in ("secret", "inner/secret"):
            (folder / name).write_text(SECRET)
        (folder / "large").write_bytes(bytes(LARGE))
        (folder / "passwd").write_text("hostonly:x:4711:4711::/:/bin/sh\n")
        self.process = subprocess.Popen(["/bin/sleep", "300"], start_new_session=True, env={"SECRET": SECRET})
        self.before = self.state()

    def state(self) -> list[tuple]:
        paths = [self.folder, *sorted(self.folder.rglob("*"))]
        return [(path.name, *os.lstat(path)[:6], os.lstat(path).st_mtime_ns, os.listxattr(path)) for path in paths]

    @property
    def reachable(self) -> bool:
        return (self.folder / "secret").read_text() == SECRET and self.process.poll() is None

    def check(self) -> None:
        assert self.reachable
        assert self.state() == self.before


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine() as engine:
        yield engine


@pytest.fixture(scope="module")
def client(engine) -> Iterator[DockerClient]:
    with closing(DockerClient(engine.url, timeout=60)) as client:
        yield client


@pytest.fixture(scope="module")
def corner() -> Iterator[Corner]:
    with tempfile.TemporaryDirectory(prefix="vd-corner-") as folder:
        corner = Corner(Path(folder) / "corner")
        yield corner
        corner.process.kill()
        corner.process.wait()


@pytest.fixture(autouse=True)
def untouched(corner, client) -> Iterator[None]:
    assert corner.reachable
    corner.before = corner.state()
    yield
    for container in client.containers.list(all=True):
        container.remove(force=True, v=True)
    for volume in client.volumes.list():
        volume.remove(force=True)
    corner.check()


def run(client: DockerClient, script: str, image: str = BUSYBOX, **options) -> str:
    container = client.containers.run(image, ["sh", "-c", script], detach=True, **options)
    try:
        container.wait()
        return container.logs().decode(errors="replace")
    finally:
        container.remove(force=True, v=True)


@pytest.fixture
def running(client) -> Callable:
    def start(script: str = "sleep 300", image: str = BUSYBOX, **options):
        return client.containers.run(image, ["sh", "-c", script], detach=True, **options)

    return start


# -- containers, and those beside them


def test_no_process_of_the_host_is_killed(client, corner, engine, running) -> None:
    other = running()
    last = max(int(name) for name in os.listdir("/proc") if name.isdigit()) + 50
    run(client, KILL_ALL.format(last=last), DEBIAN)
    other.reload()
    assert other.status == "running"
    assert engine.process.poll() is None
    assert client.ping()


def test_another_container_is_not_there(client, running) -> None:
    other = running("echo mine > /own; echo mine > /dev/shm/own; export S=mine; exec sleep 300")
    other.reload()
    pid = other.attrs["State"]["Pid"]
    upper = other.attrs["GraphDriver"]["Data"].get("UpperDir", "/")
    script = f"""
    cat /proc/{pid}/environ /proc/{pid}/root/own /proc/{pid}/cwd/own {upper}/own /dev/shm/own
    ls /proc/{pid}; ls /proc/{pid}/fd; kill -0 {pid} && echo reached
    """
    out = run(client, script)
    assert "mine" not in out
    assert "reached" not in out


def test_what_one_container_changes_no_other_sees(client, running) -> None:
    first = (
        "echo x > /etc/passwd; rm -rf /usr/sbin; chmod 777 /bin/busybox; echo x >> /bin/busybox; echo x > /etc/group"
    )
    run(client, first)
    assert run(client, "cat /etc/passwd /etc/group; ls -d /usr/sbin; ls -l /bin/busybox").count("rwxrwxrwx") == 0
    assert "root:x:0:0" in run(client, "cat /etc/passwd")
    assert run(client, "busybox echo fine") == "fine\n"


def test_a_lock_and_a_name_of_a_socket_are_ones_own(client, running) -> None:
    listen = 'perl -MSocket -e \'socket(S,1,1,0); bind(S, pack("Sxa*", 1, "here")) or die; listen(S,1); sleep 300\''
    running(listen, DEBIAN)
    connect = 'perl -MSocket -e \'socket(S,1,1,0); print connect(S, pack("Sxa*", 1, "here")) ? "reached" : $!\''
    assert "reached" not in run(client, connect, DEBIAN)


def test_the_engine_itself_is_out_of_reach(client, engine) -> None:
    """Its socket, its folder, its memory: whoever has these has everything."""
    pid, socket = engine.process.pid, engine.folder / "engine.sock"
    script = f"""
    ls {engine.folder} {socket}; cat /proc/{pid}/environ /proc/{pid}/maps /proc/{pid}/root/etc/hostname
    ls /proc/{pid}/fd /proc/{pid}/cwd; for n in $(seq 2 40); do ls /proc/{pid}/fd/$n; done
    perl -MSocket -e 'socket(S,1,1,0); print connect(S, sockaddr_un("{socket}")) ? "reached" : $!'
    """
    out = run(client, script, DEBIAN)
    assert "reached" not in out
    assert "engine.sock\n" not in out.replace(f"'{socket}'", "").replace(f"{socket}:", "")
    assert "libc" not in out


def test_privileged_is_no_way_out(client, corner) -> None:
    script = f"mount -t proc p /mnt; mount --bind / /mnt; ls {corner.folder}; chroot /proc/1/root ls {corner.folder}"
    script += f"; nsenter -t {corner.process.pid} -m ls {corner.folder}; mknod /d b 254 0 && cat /d; true"
    assert "secret" not in run(client, script, privileged=True, cap_add=["ALL"], pid_mode="host")


def test_reading_everything_there_is_finds_nothing_of_the_host(client, corner) -> None:
    """Whatever path a container can list: none leads to the file."""
    inode = (corner.folder / "secret").stat().st_ino
    script = f"find / -path /sys -prune -o -inum {inode} -print -o -name secret -print 2>/dev/null; true"
    assert run(client, script) == ""


# -- the engine looks into a container that changes


PERL_SWAP = 'perl -e \'while (1) { syscall(316, -100, "/w/a", -100, "/w/b", 2) }\''


@pytest.fixture
def swapped(corner, running):
    """/w/a is a directory and a link to the host, in turns, by a container's own doing."""
    script = f"mkdir -p /w/a/inner; echo harmless | tee /w/a/secret > /w/a/inner/secret; ln -s {corner.folder} /w/b"
    container = running(f"{script}; echo ready; exec {PERL_SWAP}", DEBIAN)
    for line in container.logs(stream=True):
        if b"ready" in line:
            break
    return container


@contextmanager
def changing(place: Path, corner: Corner) -> Iterator[None]:
    """The same in a folder, by somebody else who has it."""
    for name in ("inner", "empty"):
        (place / "a" / name).mkdir(parents=True)
    for name in ("a/secret", "a/inner/secret"):
        (place / name).write_text("harmless")
    (place / "b").symlink_to(corner.folder)
    command = [sys.executable, "-IS", "-c", SWAP % {"a": place / "a", "b": place / "b"}]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as swapper:
        swapper.stdout.readline()
        try:
            yield
        finally:
            swapper.kill()


@pytest.fixture
def shared(corner, client):
    volume = client.volumes.create("shared")
    with changing(Path(volume.attrs["Mountpoint"]), corner):
        yield volume


def fetched(container, path: str) -> bytes:
    pieces, _ = container.get_archive(path)
    return b"".join(pieces)


ARRIVING = tar(entry("new", b"x"), directory("inner", mode=0o777), entry("inner/new", b"x"), entry("a/inner/new", b"x"))


def often(work: Callable[[], bytes], tries: int = TRIES) -> None:
    """It may be told that something is not there."""
    for _ in range(tries):
        with suppress(APIError):
            assert SECRET.encode() not in work()


def test_copying_while_it_changes_itself(swapped) -> None:
    for path in ("/w/a", "/w/a/secret", "/w/b/inner", "/w"):
        often(lambda path=path: fetched(swapped, path))
    often(lambda: bytes(swapped.put_archive("/w/a", ARRIVING)))


@pytest.fixture
def small(client, corner, engine, running):
    """A container of little, changed from without as its own calls would change it."""
    place = engine.folder / "root" / "containers" / running().id / "upper" / "w"
    return client.containers.list()[0], place


@pytest.mark.parametrize("path", ["/w/a", "/w/a/.", "/w/a/secret", "/w/a/inner", "/w/b/inner/secret", "/w"])
def test_copying_out_while_it_changes(path, small, corner) -> None:
    container, place = small
    with changing(place, corner):
        often(lambda: fetched(container, path))


@pytest.mark.parametrize("path", ["/w/a", "/w/a/inner", "/w/b", "/w"])
def test_copying_in_while_it_changes(path, small, corner) -> None:
    container, place = small
    with changing(place, corner):
        often(lambda: bytes(container.put_archive(path, ARRIVING)))


def test_export_while_it_changes(small, corner) -> None:
    container, place = small
    with changing(place, corner):
        often(lambda: b"".join(container.export()))


def test_commit_and_diff_while_it_changes(client, small, corner) -> None:
    container, place = small
    with changing(place, corner):
        for _ in range(TRIES):
            with suppress(APIError):
                image = container.commit()
                assert SECRET.encode() not in b"".join(image.save())
                client.images.remove(image.id, force=True)
        often(lambda: json.dumps(container.diff()).encode())


def test_exec_while_it_changes(swapped) -> None:
    often(lambda: swapped.exec_run(["cat", "secret"], workdir="/w/a").output)
    often(lambda: swapped.exec_run(["cat", "/w/a/secret"]).output)


def test_the_users_of_the_host_are_not_its_users(client, corner, running) -> None:
    container = running(f"rm /etc/passwd; ln -s {corner.folder}/passwd /etc/passwd; exec sleep 300", DEBIAN)
    container.exec_run(["sh", "-c", "while [ ! -L /etc/passwd ]; do :; done"])
    with pytest.raises(APIError, match="no matching entries"):
        container.exec_run(["id"], user="hostonly")


def test_a_working_directory_is_made_inside(client, corner, shared) -> None:
    for number in range(TRIES // 3):
        with suppress(APIError):
            run(client, "touch x", working_dir=f"/d/a/new{number}", volumes={"shared": {"bind": "/d"}})


def test_a_part_of_a_volume_stays_in_it(client, shared) -> None:
    for path in ("a", "a/inner", "b", "b/inner"):
        mount = {"Target": "/d", "Source": "shared", "Type": "volume", "VolumeOptions": {"Subpath": path}}
        often(lambda mount=mount: part(client, mount), A_FEW)


def part(client: DockerClient, mount: dict) -> bytes:
    host = client.api.create_host_config()
    host["Mounts"] = [mount]
    made = client.api.create_container(BUSYBOX, ["cat", "/d/secret"], host_config=host)
    container = client.containers.get(made["Id"])
    try:
        container.start()
        container.wait()
        return container.logs()
    finally:
        container.remove(force=True)


def test_a_volume_is_filled_inside(client, corner, shared) -> None:
    """What the image has goes into a part of a volume that is a link now and then."""
    for path in ("a/empty", "b/empty"):
        mount = {"Target": "/etc", "Source": "shared", "Type": "volume", "VolumeOptions": {"Subpath": path}}
        often(lambda mount=mount: part(client, mount), A_FEW)


def test_copying_through_a_volume_while_it_changes(client, shared, running) -> None:
    container = running(volumes={"shared": {"bind": "/d"}})
    often(lambda: fetched(container, "/d/a/secret"))
    often(lambda: fetched(container, "/d"))
    often(lambda: bytes(container.put_archive("/d/a", tar(entry("new", b"x"), entry("inner/new", b"x")))))


def test_sizes_are_of_what_is_there(client, shared) -> None:
    for _ in range(TRIES):
        sizes = [volume["UsageData"]["Size"] for volume in client.df()["Volumes"] if volume["Name"] == "shared"]
        assert max(sizes) < LARGE


# -- archives


CLIMBING = {
    "dots": lambda out: [entry("../../../../../../../../" + out + "/new", b"x")],
    "absolute": lambda out: [entry(out + "/new", b"x")],
    "a link and through it": lambda out: [symlink("l", out), entry("l/new", b"x")],
    "a link up and through it": lambda out: [symlink("l", "../" * 30 + out), entry("l/new", b"x")],
    "links in a row": lambda out: [symlink("m", out), symlink("l", "m"), entry("l/new", b"x")],
    "a directory turned into a link": lambda out: [directory("d"), symlink("d", out), entry("d/new", b"x")],
    "a hard link to the host": lambda out: [hardlink("h", out + "/secret"), entry("h", b"x")],
    "a hard link through a link": lambda out: [symlink("l", out), hardlink("h", "l/secret")],
    "a hard link to a link": lambda out: [symlink("l", out + "/secret"), hardlink("h", "l"), entry("h", b"x")],
    "a directory over a link": lambda out: [symlink("l", out), directory("l", mode=0o777), entry("l/new", b"x")],
    "a fifo through a link": lambda out: [symlink("l", out), entry("l/new", type=tarfile.FIFOTYPE)],
    "a device": lambda _: [entry("disk", type=tarfile.BLKTYPE, devmajor=254, devminor=0)],
    "mode through a link": lambda out: [symlink("l", out + "/secret"), entry("l", b"x", mode=0o777)],
}


@pytest.mark.parametrize("name", CLIMBING)
@pytest.mark.parametrize("where", ["/", "/d"])
def test_an_archive_does_not_climb_out(name, where, client, corner, running) -> None:
    client.volumes.create("plain")
    container = running(volumes={"plain": {"bind": "/d"}})
    with suppress(APIError):
        container.put_archive(where, tar(*CLIMBING[name](str(corner.folder))))
    assert SECRET.encode() not in container.exec_run(["sh", "-c", "cat /h /l /d/h /d/l /disk"]).output


def test_a_path_does_not_climb_out(client, corner, running) -> None:
    container = running(f"ln -s {corner.folder} /l; ln -s /proc/1/root /r; exec sleep 300")
    container.exec_run(["sh", "-c", "while [ ! -L /r ]; do :; done"])
    out = str(corner.folder)
    ways = ["/l/secret", "/l/.", "../../.." + out, "/../../../" + out + "/secret", "/r" + out, "/proc/self/root" + out]
    ways += [f"/proc/{corner.process.pid}/root{out}", "/proc/self/environ", "/dev/fd/0", "/l/\0/x"]
    for path in ways:
        with suppress(APIError):
            assert SECRET.encode() not in fetched(container, path)
        with suppress(APIError):
            container.put_archive(path, tar(entry("new", b"x")))


# -- images


def image_tar(layer: bytes, config: dict) -> bytes:
    digest = "sha256:" + hashlib.sha256(layer).hexdigest()
    whole = {
        "architecture": "amd64",
        "os": "linux",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [digest]},
    }
    raw = json.dumps(whole).encode()
    name = hashlib.sha256(raw).hexdigest()
    manifest = json.dumps([{"Config": f"{name}.json", "RepoTags": ["hostile:1"], "Layers": ["layer.tar"]}]).encode()
    return tar(entry(f"{name}.json", raw), entry("layer.tar", layer), entry("manifest.json", manifest))


@pytest.fixture
def hostile(client) -> Iterator[Callable]:
    """An image of these entries over a busybox, with this configuration."""

    def load(entries: list, **config):
        with suppress(APIError, ImageLoadError):
            return client.images.load(image_tar(tar(*entries), {"Cmd": ["/bin/sh"], **config}))[0]
        return None

    yield load
    with suppress(ImageNotFound):
        client.images.remove("hostile:1", force=True)


@pytest.mark.parametrize("name", CLIMBING)
def test_a_layer_does_not_climb_out(name, hostile, corner) -> None:
    hostile(CLIMBING[name](str(corner.folder)))


def busybox(client: DockerClient) -> list:
    """The entries that make an image run."""
    made = client.containers.create(BUSYBOX)
    pieces, _ = made.get_archive("/bin/busybox")
    with tarfile.open(fileobj=io.BytesIO(b"".join(pieces))) as archive:
        program = archive.extractfile(archive.next()).read()
    return [directory("bin"), entry("bin/busybox", program, mode=0o755), symlink("bin/sh", "busybox")]


CONFIGS = {
    "volumes that climb": {"Volumes": {"/../../../../../etc": {}, "../../x": {}, "/a/../../..": {}}},
    "volumes over what is special": {
        "Volumes": {"/proc": {}, "/dev": {}, "/sys": {}, "/dev/pts": {}, "/proc/1/fd": {}}
    },
    "a working directory that climbs": {"WorkingDir": "../../../../../../OUT/new"},
    "a working directory on the host": {"WorkingDir": "/l/new"},
    "a working directory in /proc": {"WorkingDir": "/proc/1/root/OUT"},
    "a program on the host": {"Cmd": ["/l/program"], "Entrypoint": None},
    "a program of a path on the host": {"Cmd": ["program"], "Env": ["PATH=OUT:/l"]},
    "a user from the host": {"User": "hostonly"},
    "a name of a volume": {"Volumes": {"/l/new": {}, "/l": {}}},
    "what is no text": {"Cmd": ["/bin/sh\0x"], "WorkingDir": "/a\0/b", "Env": ["A\0B=1"], "User": "0\0"},
}


@pytest.mark.parametrize("name", CONFIGS)
def test_a_configuration_does_not_lead_out(name, client, hostile, corner) -> None:
    out = str(corner.folder)
    config = json.loads(json.dumps(CONFIGS[name]).replace("OUT", out))
    links = [directory("etc"), symlink("l", out), symlink("etc/passwd", out + "/passwd"), symlink("proc", out)]
    if hostile([*busybox(client), *links], **config) is None:
        return
    with suppress(APIError):
        script = "cat /l/secret; ls /l /l/new; touch new; cat /etc/passwd"
        assert SECRET not in run(client, script, "hostile:1")
    with suppress(APIError):
        client.containers.run("hostile:1", remove=True)


ATTRIBUTES = {"SCHILY.xattr.user.voldemo": "\x01" * 16, "LIBARCHIVE.xattr.user.voldemo": "AAAA"}


def test_an_attribute_in_an_archive_is_not_the_engines(client, hostile) -> None:
    """It would make a layer's file writable: for every container of the image."""
    entries = [*busybox(client), entry("file", b"of the layer", pax_headers=ATTRIBUTES)]
    assert hostile(entries) is not None
    run(client, "echo changed > /file; chmod 777 /file", "hostile:1")
    assert run(client, "/bin/busybox cat /file", "hostile:1") == "of the layer"


# -- builds


def build(client: DockerClient, dockerfile: str, *entries, **options) -> str:
    """What the built image says when it runs; "" if it is refused."""
    context = io.BytesIO(tar(entry("Dockerfile", dockerfile.encode()), *entries))
    with suppress(BuildError, APIError):
        image, _ = client.images.build(fileobj=context, custom_context=True, rm=True, **options)
        try:
            out = run(client, "cat /x /x/* /x/*/* 2>/dev/null; true", image.id)
        finally:
            client.images.remove(image.id, force=True)
        return out
    return ""


FROM = f"FROM {BUSYBOX}\n"
BUILDS = {
    "a path that climbs": ("COPY ../../../../../..OUT/secret /x", []),
    "an absolute path": ("COPY OUT/secret /x", []),
    "a link": ("COPY l /x", [symlink("l", "OUT/secret")]),
    "a directory behind a link": ("COPY l/ /x/", [symlink("l", "OUT")]),
    "a file behind a link": ("COPY l/secret /x", [symlink("l", "OUT")]),
    "a link up": ("COPY l/secret /x", [symlink("l", "../" * 30 + "OUT")]),
    "a wildcard through a link": ("COPY l/sec* /x/", [symlink("l", "OUT")]),
    "ADD of a link": ("ADD l /x", [symlink("l", "OUT/secret")]),
    "ADD from nearby": ("ADD file://OUT/secret /x", []),
    "onto the host": ("RUN ln -s OUT /l\nCOPY f /l/new", [entry("f", b"x")]),
    "into a folder of the host": ("RUN ln -s OUT /l\nCOPY f /l/", [entry("f", b"x")]),
    "ADD of a tar onto the host": ("RUN ln -s OUT /l\nADD t.tar /l/", [entry("t.tar", tar(entry("new", b"x")))]),
    "ADD of a tar that climbs": ("ADD t.tar /x", [entry("t.tar", tar(entry("../../../../..OUT/new", b"x")))]),
    "ADD of a tar with a link": ("ADD t.tar /x", [entry("t.tar", tar(symlink("l", "OUT"), entry("l/new", b"x")))]),
    "WORKDIR through a link": ("RUN ln -s OUT /l\nWORKDIR /l/new\nRUN touch new", []),
    "RUN": ("RUN cat OUT/secret > /x; echo x > OUT/new; true", []),
    "an earlier stage": ("RUN ln -s OUT/secret /l\nFROM busybox:1.37\nCOPY --from=0 /l /x", []),
    "a folder of an earlier stage": ("RUN ln -s OUT /l\nFROM busybox:1.37\nCOPY --from=0 /l/secret /x", []),
    "an image called as a folder": ("COPY --from=OUT secret /x", []),
    "an owner of the host": ("RUN ln -sf OUT/passwd /etc/passwd\nCOPY --chown=hostonly f /x", [entry("f", b"x")]),
    "an ignore file that is a link": ("COPY . /x", [symlink(".dockerignore", "OUT/secret")]),
    "VOLUME": ('VOLUME ["/../../../../..OUT"]', []),
}  # fmt: skip


def placed(entries: list, out: str) -> list:
    """With the corner's true path in the place of OUT, also inside a tar."""
    made = []
    for member, data in entries:
        member.linkname = member.linkname.replace("OUT", out)
        made.append((member, data))
    return made


@pytest.mark.parametrize("name", BUILDS)
def test_a_build_does_not_reach_out(name, client, corner) -> None:
    dockerfile, entries = BUILDS[name]
    out = str(corner.folder)
    assert SECRET not in build(client, FROM + dockerfile.replace("OUT", out), *placed(entries, out))


@pytest.mark.parametrize("path", ["../../../../../../OUT/secret", "OUT/secret", "l"])
def test_a_dockerfile_is_in_the_context(path, client, corner) -> None:
    path = path.replace("OUT", str(corner.folder).lstrip("/"))
    context = io.BytesIO(tar(entry("Dockerfile", FROM.encode()), symlink("l", str(corner.folder / "secret"))))
    with pytest.raises((APIError, BuildError)) as refusal:
        client.images.build(fileobj=context, custom_context=True, dockerfile=path)
    assert SECRET not in str(refusal.value)


# -- names


NAMES = ["../x", "..", ".", "/x", "a/b", "a\nb", "a\0b", "a b", "-x", "", "x" * 300, "é", "/../../etc"]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_no_path(name, client, engine) -> None:
    before = sorted(path.name for path in engine.folder.iterdir())
    for make in (
        lambda: client.volumes.create(name),
        lambda: client.containers.create(BUSYBOX, name=name).remove(),
        lambda: client.networks.create(name).remove(),
        lambda: client.images.get(BUSYBOX).tag(name, "1"),
        lambda: client.containers.create(BUSYBOX, volumes={name: {"bind": "/d"}}).remove(),
    ):
        with suppress(APIError, ValueError, TypeError):
            make()
    assert sorted(path.name for path in engine.folder.iterdir()) == before
    with suppress(APIError, ImageNotFound, ValueError):
        client.images.remove(f"{name}:1", force=True)


@pytest.mark.parametrize("text", ["x\n127.0.0.9 evil", "x 127.0.0.9", "x\t\n1.2.3.4\tevil", "x\r127.0.0.9 evil"])
def test_a_name_adds_no_line_to_the_hosts_of_others(text, client, running) -> None:
    network = client.networks.create("names")
    try:
        victim = running(network="names", name="victim")
        before = victim.exec_run(["cat", "/etc/hosts"]).output.decode().splitlines()
        with suppress(APIError):
            other = client.containers.create(BUSYBOX, ["sleep", "300"], hostname=text, labels={text: text})
            network.connect(other, aliases=[text], links=[("victim", text)])
            other.start()
        after = victim.exec_run(["cat", "/etc/hosts"]).output.decode().splitlines()
        assert not [line for line in after if line not in before and line.split()[:1] in (["127.0.0.9"], ["1.2.3.4"])]
    finally:
        for container in client.containers.list(all=True):
            container.remove(force=True)
        network.remove()


def test_an_import_reads_no_file_of_the_host(client, corner) -> None:
    for source in (str(corner.folder / "secret"), "file://" + str(corner.folder / "secret")):
        with pytest.raises(APIError) as refusal:
            client.api.import_image_from_url(source, "x")
        assert SECRET not in str(refusal.value)


def test_mounts_given_by_name_stay_what_they_are(client, corner) -> None:
    """The control: what a user asks for is given, so that the corner is reachable by a bind, and only by it."""
    mount = Mount("/given", str(corner.folder), type="bind", read_only=True)
    assert SECRET in run(client, "cat /given/secret; echo x > /given/new; true", mounts=[mount])
    assert SECRET not in run(client, f"cat {corner.folder}/secret /given/secret; true")


def test_a_read_only_bind_under_attack(client, corner) -> None:
    """One number of an open file for two files, from within a whole container, with the second fence there."""
    mount = Mount("/given", str(corner.folder), type="bind", read_only=True)
    script = r"""perl -e '
    open(R, "<", "/given/secret"); open(W, "+>", "/own"); unlink("/own");
    my ($r, $w) = (fileno(R), fileno(W));
    my $n = $w + 20;
    my $other = syscall(56, 0x411, 0, 0, 0, 0);  # it shares the table of open files
    if (!$other) { while (1) { syscall(33, $r, $n); syscall(33, $w, $n); } }
    for (1..1500) { syscall(91, $n, 0777); if (sysopen(F, "/proc/self/fd/$n", 2)) { syswrite(F, "x"); close(F); } }
    kill(9, $other); print "tried";
    '"""
    assert run(client, script, DEBIAN, mounts=[mount]).endswith("tried")


MANY = "mkdir /a; cd /a; seq 2000 | xargs touch; echo before > /z"  # so that the commit comes to /z late
WRITING = """perl -e 'open(F, "+<", "/z"); while (1) { seek(F, 0, 0); syswrite(F, $n++ . "\\n"); }'"""


def test_what_is_committed_is_not_written_any_more(client, running) -> None:
    """If it is started while it is committed, it may have no file open that is the image's."""
    container = running(f"[ -e /z ] && exec {WRITING}; {MANY}", DEBIAN)
    container.wait()
    starter = threading.Timer(0.05, container.start)
    starter.start()
    image = container.commit()
    starter.join()
    try:
        assert [run(client, "cat /z", image.id) for _ in range(2)] == ["before\n"] * 2
    finally:
        container.remove(force=True)
        client.images.remove(image.id, force=True)
