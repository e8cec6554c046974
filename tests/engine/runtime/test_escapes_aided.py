"""Attempts for which something of the host is made ready: a terminal, a semaphore, a program, somebody who listens.

Each names what it must not reach, and the test shows that it is there to be reached.
"""

from __future__ import annotations

import array
import ctypes
import fcntl
import os
import pty
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from engine.runtime.boxed import PYTHON, Box
from engine.runtime.hosted import Host, program
from engine.runtime.hosted import run as hosted
from engine.runtime.test_escapes import PRELUDE, SECRET, Outside
from voldemo.engine import nodes
from voldemo.engine.runtime import mounts, programs
from voldemo.engine.runtime.spec import Mount

libc = ctypes.CDLL(None, use_errno=True)
IPC_PRIVATE, MADE, IPC_RMID = 0, 0o1600, 0


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Outside]:
    tmp_path.chmod(0o755)
    place = Outside(tmp_path / "outside")
    yield place
    place.check()
    place.close()


@pytest.fixture
def box(tmp_path: Path, outside: Outside) -> Box:
    box = Box(tmp_path)
    box.layer({"layered": "of a layer"})
    box.mount("/data")
    (box.mount("/ro", read_only=True) / "f").write_text("read-only")
    return box


def run(box: Box, outside: Outside, source: str, **names: object) -> str:
    place = repr((str(outside.folder), outside.process.pid, SECRET))
    given = "".join(f"{name} = {value!r}\n" for name, value in names.items())
    return box.run(PYTHON, "-IS", "-c", PRELUDE.replace("@place@", place) + given + source).out


# -- terminals

OWN_FILTER = r"""
# Its own filter makes the tracer look at every ioctl, not only at those it asked for.
prog = [(0x20, 0, 0, 0), (0x15, 0, 1, 16), (6, 0, 0, 0x7ff00000), (6, 0, 0, 0x7fff0000)]
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *each) for each in prog))
filter_ = struct.pack("HxxxxxxQ", len(prog), ctypes.addressof(code))
libc.prctl(38, 1, 0, 0, 0)
sys_(317, 1, 0, filter_)
a, b = os.pipe()
number = ctypes.c_int(N)
libc.ioctl(a, 0x5421, ctypes.byref(number))
"""
CHANGED_ANSWER = r"""
# TIOCGPTN answers into memory that another thread writes to.
master = os.open("/dev/ptmx", os.O_RDWR)
number, stop = ctypes.c_int(0), False
address, wanted = ctypes.addressof(number), struct.pack("i", N)
def flip():
    while not stop:
        ctypes.memmove(address, wanted, 4)
threads = [threading.Thread(target=flip) for _ in range(3)]
[thread.start() for thread in threads]
for _ in range(300):
    libc.ioctl(master, 0x80045430, ctypes.c_void_p(address))
stop = True
[thread.join() for thread in threads]
"""
OPEN_TERMINAL = r"""
fd = os.open("/dev/pts/%d" % N, os.O_RDWR | os.O_NOCTTY)
os.write(fd, WORDS.encode())
"""


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """One of the host's, not this container's: its master, and its number."""
    master, slave = pty.openpty()
    yield master, int(os.ttyname(slave).rpartition("/")[2])
    os.close(slave)
    os.close(master)


@pytest.mark.parametrize("way", [OWN_FILTER, CHANGED_ANSWER], ids=["filter", "answer"])
def test_a_terminal_of_the_host_is_not_talked_into_being_ones_own(way, box, outside, terminal) -> None:
    master, number = terminal
    assert "FileNotFoundError" in run(box, outside, way + OPEN_TERMINAL, N=number)
    os.set_blocking(master, False)
    with pytest.raises(BlockingIOError):
        os.read(master, 100)


def test_a_terminal_of_its_own_it_may_open(box, outside) -> None:
    own = "import pty; m, s = pty.openpty(); print(os.path.exists(os.ttyname(s)), os.open(os.ttyname(s), 2) > 0)"
    assert run(box, outside, own) == "True True\n"


# -- System V


@pytest.fixture
def semaphore() -> Iterator[int]:
    number = libc.semget(IPC_PRIVATE, 1, MADE)
    libc.semctl(number, 0, 16, 4242)
    yield number
    assert libc.semctl(number, 0, 12) == 4242
    libc.semctl(number, 0, IPC_RMID)


@pytest.fixture
def segment() -> Iterator[int]:
    number = libc.shmget(IPC_PRIVATE, 4096, MADE)
    yield number
    assert libc.shmctl(number, IPC_RMID, None) == 0


def test_no_semaphore_of_the_host_is_read(box, outside, semaphore) -> None:
    source = """
for command in (12, 11, 13, 14, 15, 16, 17, 18, 20, 2, 1, 0):
    value = libc.syscall(66, N, 0, command, ctypes.create_string_buffer(512))
    if value >= 0: print(command, value)
"""
    assert run(box, outside, source, N=semaphore) == ""


def test_what_is_listed_of_the_machine_is_ones_own(box, outside, semaphore) -> None:
    source = """
import fcntl
own = sys_(64, 0, 1, 0o1600)
print([int(line.split()[1]) == own for line in open("/proc/sysvipc/sem").readlines()[1:]], N != own)
file = open("/data/locked", "w"); fcntl.flock(file, fcntl.LOCK_EX)
print([int(line.split()[4]) == os.getpid() for line in open("/proc/locks")])
"""
    with (box.folder / "held").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert run(box, outside, source, N=semaphore) == "[True] True\n[True]\n"


def test_no_shared_memory_of_the_host_is_touched(box, outside, segment) -> None:
    source = """
for command in (12, 11, 13, 15, 2, 1, 0):
    if libc.syscall(31, N, command, ctypes.create_string_buffer(512)) >= 0: print(command)
if libc.syscall(30, N, 0, 0) > 0: print("attached")
"""
    assert run(box, outside, source, N=segment) == ""


def test_a_number_it_gave_back_is_not_its_own_any_more(box, outside) -> None:
    """The next to get it may be anybody. Removed and then used is the same as never had."""
    source = """
number = sys_(29, 0, 4096, 0o1600)
buffer = ctypes.create_string_buffer(512)
print(libc.syscall(31, number, 2, buffer), libc.syscall(31, number, 0, 0), libc.syscall(30, number, 0, 0))
print(libc.syscall(31, number, 12, 0), ctypes.get_errno())
"""
    assert run(box, outside, source) == "0 0 -1\n-1 22\n"


# -- one number of an open file, two files

TWO_FILES = r"""
forbidden = os.open(TARGET, os.O_RDONLY)
own = os.open("/data/own", os.O_RDWR | os.O_CREAT, 0o666)
os.unlink("/data/own")
N, stop = os.dup(own), False
inode, before = os.fstat(forbidden).st_ino, os.fstat(forbidden)
def flip():
    while not stop:
        libc.dup2(forbidden, N); libc.dup2(own, N)
threads = [threading.Thread(target=flip) for _ in range(2)]
[thread.start() for thread in threads]
end = time.monotonic() + 0.7
while time.monotonic() < end:
    @
stop = True
[thread.join() for thread in threads]
"""
USES = {
    "chmod": "libc.fchmod(N, 0o777)",
    "chown": "libc.fchown(N, 5, 5)",
    "times": "libc.futimens(N, struct.pack('qqqq', 1, 1, 1, 1))",
    "chmod by its path": "libc.chmod(b'/proc/self/fd/%d' % N, 0o777)",
    "open": "fd = libc.open(b'/proc/self/fd/%d' % N, 2); fd < 0 or (os.fstat(fd).st_ino == inode and os.write(fd, b'x'), os.close(fd))",  # noqa: E501
    "truncate": "fd = libc.open(b'/proc/self/fd/%d' % N, 0o1002); fd < 0 or os.close(fd)",
    "link": "libc.linkat(N, b'', -100, b'/data/h', 0x1000) or (os.stat('/data/h').st_ino == inode and open('/data/h', 'w').write('x'), os.unlink('/data/h'))",  # noqa: E501
    "link by its path": "libc.linkat(-100, b'/proc/self/fd/%d' % N, -100, b'/data/h', 0x400) or (os.stat('/data/h').st_ino == inode and open('/data/h', 'w').write('x'), os.unlink('/data/h'))",  # noqa: E501
}


def state(path: Path) -> tuple:
    status = path.stat()
    return path.read_bytes(), status.st_mode, status.st_uid, status.st_mtime_ns, nodes.read(os.fsencode(path))


@pytest.mark.parametrize("target", ["/ro/f", "/layered"])
@pytest.mark.parametrize("use", USES)
def test_what_a_number_stood_for_when_it_was_checked_is_what_is_changed(use, target, box, outside) -> None:
    paths = [box.folder / "mounted-ro" / "f", box.layers[0] / "layered"]
    before = [state(path) for path in paths]
    out = run(box, outside, TWO_FILES.replace("@", USES[use]), TARGET=target)
    assert "Traceback" not in out, out
    assert [state(path) for path in paths] == before


# -- programs


def speaking_program(words: bytes) -> bytes:
    """The least that Linux runs: says the words, and ends."""
    base, head, length = 0x41000000, 64 + 56, struct.pack("<I", len(words))
    code = b"\xb8\1\0\0\0\xbf\1\0\0\0\x48\xbe%b\xba" + length + b"\x0f\5\xb8\x3c\0\0\0\x31\xff\x0f\5"
    at = base + head + len(code) - 2 + 8
    code = code.replace(b"%b", struct.pack("<Q", at))
    size = head + len(code) + len(words)
    entry = (
        b"\x7fELF\2\1\1" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, base + head, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    )
    return entry + struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, size, size, 4096) + code + words


LOADER = r"""
program = OUT + "/speaks"
os.makedirs(OUT)
os.symlink("/lib64/ld-linux-x86-64.so.2", program)
e = bytearray(open("/bin/true", "rb").read())
def run(name):
    open("/data/" + name, "wb").write(e)
    os.chmod("/data/" + name, 0o755)
    os.spawnv(os.P_WAIT, "/data/" + name, [name])
run("honest")
header, name = e.find(struct.pack("<II", 3, 4)), program.encode() + b"\0"
struct.pack_into("<Q", e, header + 8, len(e))
struct.pack_into("<QQ", e, header + 32, len(name), len(name))
e += name
run("other")
"""


def test_a_link_to_the_loader_does_not_make_the_host_run_what_is_there(box, outside) -> None:
    """The same file, so the same loader, by a path that on the host is another program."""
    speaker = outside.folder / "speaks"
    speaker.write_bytes(speaking_program(SECRET.encode()))
    speaker.chmod(0o755)
    outside.before = outside.state()
    assert subprocess.check_output([speaker], text=True) == SECRET
    assert run(box, outside, LOADER) == ""


def test_the_cache_tells_an_inode_from_the_one_that_had_its_number(tmp_path) -> None:
    """Layers come and go. A new file of the size and time of an old one is not the program that was run then."""
    path = tmp_path / "program"
    seen: dict[tuple[int, ...], tuple[int, ...]] = {}
    for _ in range(200):
        path.write_bytes(b"x" * 100)
        os.utime(path, (1, 1))
        descriptor = os.open(path, os.O_RDONLY)
        inode, key = programs.identity(descriptor)[:4], programs._stable(descriptor, True)
        os.close(descriptor)
        path.unlink()
        if inode in seen and seen[inode] != key:
            return
        seen[inode] = key
    pytest.fail("two files with the same number, size and time had one key")


SPARSE = """
e = open("/bin/true", "rb").read()
open("/data/p", "wb").write(e)
os.truncate("/data/p", 1 << 40)
os.chmod("/data/p", 0o755)
print(os.spawnv(os.P_WAIT, "/data/p", ["p"]))
"""


def test_a_program_of_a_terabyte_of_nothing_takes_no_room(box, outside) -> None:
    assert run(box, outside, SPARSE) == "0\n"
    large = [path for path in box.exe.rglob("*") if path.is_file() and path.stat().st_size > 1 << 30]
    assert large
    assert all(path.stat().st_blocks * 512 < 1 << 20 for path in large)


# -- handles and descriptors from elsewhere

PEER_HANDLE = r"""
s = socket.socket(socket.AF_UNIX)
s.connect("/data/peer")
handle = struct.unpack("i", s.getsockopt(1, 77, 4))[0]
sys_(424, handle, 9, 0, 0)
"""


class Peer:
    """A process of the host that listens on a socket in a volume, and hands out what it is told to."""

    def __init__(self, place: Path, given: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(os.path.relpath(place))
        self.socket.listen()
        self.given = os.open(given, os.O_RDONLY | os.O_DIRECTORY)
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self) -> None:
        with suppress(OSError):
            peer, _ = self.socket.accept()
            with peer:
                peer.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [self.given]))])
                peer.recv(1)

    def close(self) -> None:
        self.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.socket.close()
        os.close(self.given)


@pytest.fixture
def peer(box, outside, monkeypatch) -> Iterator[Peer]:
    monkeypatch.chdir(box.folder)  # a socket's path must be short
    peer = Peer(box.folder / "mounted-data" / "peer", outside.folder)
    yield peer
    peer.close()


def test_the_other_end_of_a_socket_cannot_be_killed(box, outside, peer) -> None:
    """This very process is at the other end."""
    out = run(box, outside, PEER_HANDLE)
    assert "ProcessLookupError" in out or "Protocol not available" in out  # Linux before 6.5 gives no such handle


FROM_A_GIFT = r"""
s = socket.socket(socket.AF_UNIX)
s.connect("/data/peer")
_, rights, _, _ = s.recvmsg(10, 100)
fd = struct.unpack("i", rights[0][2])[0]
print(sorted(os.listdir(fd))[:1])  # what it was given it may use
def via(work):
    try:
        print(work())
    except OSError:
        pass
via(lambda: os.read(os.open("secret", os.O_RDONLY, dir_fd=fd), 100))
via(lambda: os.read(os.open("../outside/secret", os.O_RDONLY, dir_fd=fd), 100))
via(lambda: os.read(os.open("/proc/self/fd/%d/secret" % fd, os.O_RDONLY), 100))
via(lambda: os.open("new", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
via(lambda: os.open(".", os.O_TMPFILE | os.O_WRONLY, dir_fd=fd))
via(lambda: os.open("/proc/self/fd/%d" % fd, os.O_TMPFILE | os.O_WRONLY))
via(lambda: os.mkdir("new", dir_fd=fd))
via(lambda: os.unlink("secret", dir_fd=fd))
via(lambda: os.link("secret", "/data/h", src_dir_fd=fd))
via(lambda: os.fchmod(fd, 0o777) or "" if os.fstat(fd).st_mode & 0o777 == 0o777 else "")
via(lambda: os.fchdir(fd) or os.read(os.open("secret", os.O_RDONLY), 100))
via(lambda: os.chdir("/proc/self/fd/%d" % fd) or open("secret").read())
s.send(b"x")
"""


def test_a_directory_that_was_handed_in_leads_nowhere(box, outside, peer) -> None:
    out = run(box, outside, FROM_A_GIFT)
    assert SECRET not in out
    assert out.startswith("['datagrams']")


# -- processes on their way

PEEP = r"""
# What is a new process before it is its program? A copy of the tracer, with all the tracer has open.
import os
known, seen = set(os.listdir("/proc")), set()
while not os.path.exists("/tmp/enough"):
    for name in set(os.listdir("/proc")) - known:
        for what in ("maps", "environ", "mem", "status"):
            try:
                text = open(f"/proc/{name}/{what}", "rb").read(65536)
                seen.add("ctypes") if b"_ctypes" in text else None
            except OSError:
                pass
        try:
            seen.update(int(fd) > 9 for fd in os.listdir(f"/proc/{name}/fd"))
        except OSError:
            pass
print(sorted(map(str, seen - {False})))
"""


def test_a_process_is_not_there_before_it_is_its_program(tmp_path) -> None:
    async def work(host: Host) -> None:
        container, pipe = await host.start_and_hear(program("/usr/bin/python3", "-IS", "-c", PEEP))
        with closing(pipe):
            for _ in range(40):
                process = await container.exec(program("/bin/true"), (host.null, host.null, host.null))
                await process.wait()
            end = program("/bin/sh", "-c", "mkdir -p /tmp && : > /tmp/enough")
            await (await container.exec(end, (host.null, host.null, host.null))).wait()
            assert await pipe.rest() == "[]\n"

    hosted(tmp_path, work)


# -- mounts


def test_a_part_of_a_volume_that_became_a_link_is_not_mounted(tmp_path, outside) -> None:
    """Between the engine's look at it and this one, another container may have changed it."""
    volume = tmp_path / "volume"
    (volume / "real").mkdir(parents=True)
    (volume / "part").symlink_to(outside.folder)
    (volume / "inside").symlink_to("real")
    for name, refused in (("part", True), ("inside", False), ("real", False), (".", False)):
        point = mounts.MountPoint(b"/x", os.fsencode(volume / name), "volume", within=os.fsencode(volume))
        if refused:
            with pytest.raises(OSError, match="escapes"):
                point.open()
        else:
            point.open()
        os.close(point.at)


def test_a_folder_beside_it_of_the_same_beginning_is_not_within(tmp_path) -> None:
    for name in ("volume", "volume-2"):
        (tmp_path / name).mkdir()
    point = mounts.MountPoint(
        b"/x", os.fsencode(tmp_path / "volume-2"), "volume", within=os.fsencode(tmp_path / "volume")
    )
    with pytest.raises(OSError, match="escapes"):
        point.open()
    os.close(point.at)


def test_two_mounts_of_one_folder_keep_their_rights(box, outside) -> None:
    """Read-only here and writable there: a file opened here is not to be written by what it is called there."""
    folder = box.folder / "mounted-ro"
    box.mounts.append(Mount("/deep", str(folder / "deep"), "volume"))
    (folder / "deep").mkdir()
    (folder / "deep" / "f").write_text("deep")
    source = """
for path in ("/ro/f", "/ro/deep/../f"):
    fd = os.open(path, os.O_RDONLY)
    try:
        os.write(os.open("/proc/self/fd/%d" % fd, os.O_RDWR), b"x")
        print(path)
    except OSError:
        pass
"""
    assert run(box, outside, source) == ""
    assert (folder / "f").read_text() == "read-only"
