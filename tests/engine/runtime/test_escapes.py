"""Attempts to read or write outside of the container. Each knows the host's paths; none may succeed."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import threading
import time
from pathlib import Path

import pytest

from engine.runtime import programs
from engine.runtime.boxed import PYTHON, Box

SECRET = "the host's own words"

PRELUDE = r"""
import ctypes, errno, os, socket, stat, struct, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
libc.mmap.restype = ctypes.c_void_p
OUT, HOST, WORDS = @place@
SECRET = OUT + "/secret"
def sys_(number, *arguments):
    result = libc.syscall(number, *[ctypes.c_long(a) if isinstance(a, int) else a for a in arguments])
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
def show(path, flags=0, **more):
    fd = os.open(path, flags, **more)
    print(os.read(fd, 100))
def links(path):
    return "../" * 30 + path.lstrip("/")
"""

# Each is a program of its own; an exception is the usual outcome.
ATTEMPTS = programs.read("escapes.txt")


class Outside:
    """A corner of the host, and a process of it. Both have to be as they were."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        (folder / "secret").write_text(SECRET)
        (folder / "program").write_text(f"#!/bin/sh\necho {SECRET!r}\n")
        (folder / "program").chmod(0o755)
        self.sockets = [socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)]
        self.datagrams = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.datagrams.setblocking(False)
        with InDirectory(folder):
            self.sockets[0].bind("socket")
            self.datagrams.bind("datagrams")
        self.sockets[1].bind("\0" + str(folder)[-40:])
        for each in self.sockets:
            each.listen()
            each.setblocking(False)
        self.process = subprocess.Popen(["/bin/sleep", "60"], start_new_session=True, env={"SECRET": SECRET})
        self.before = self.state()

    def state(self) -> list[tuple]:
        paths = [self.folder, *sorted(self.folder.iterdir())]
        return [(path.name, *os.lstat(path)[:6], os.lstat(path).st_mtime_ns) for path in paths]

    def check(self) -> None:
        assert self.state() == self.before
        assert (self.folder / "secret").read_text() == SECRET
        assert self.process.poll() is None
        for each in self.sockets:
            with pytest.raises(BlockingIOError):
                each.accept()
        with pytest.raises(BlockingIOError):
            self.datagrams.recv(10)

    def close(self) -> None:
        for each in (*self.sockets, self.datagrams):
            each.close()
        self.process.kill()
        self.process.wait()


class InDirectory:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None:
        self.before = Path.cwd()
        os.chdir(self.path)

    def __exit__(self, *_: object) -> None:
        os.chdir(self.before)


@pytest.fixture
def outside(tmp_path: Path):  # noqa: ANN201
    tmp_path.chmod(0o755)
    place = Outside(tmp_path / "outside")
    yield place
    place.close()


@pytest.fixture
def box(tmp_path: Path, outside: Outside) -> Box:
    box = Box(tmp_path)
    box.layer({"layered": "of a layer"})
    box.mount("/data")
    (box.mount("/ro", read_only=True) / "f").write_text("read-only")
    return box


def source(attempt: str, outside: Outside) -> str:
    place = (str(outside.folder), outside.process.pid, SECRET)
    return PRELUDE.replace("@place@", repr(place)) + attempt


@pytest.mark.parametrize("name", ATTEMPTS)
def test_no_way_out(name: str, box: Box, outside: Outside) -> None:
    result = box.run(PYTHON, "-IS", "-c", source(ATTEMPTS[name][0], outside))
    assert SECRET not in result.out.split("Traceback")[0], result.out
    outside.check()
    assert (box.layers[0] / "layered").read_text() == "of a layer"
    assert (box.folder / "mounted-ro" / "f").read_text() == "read-only"
    assert [path.name for path in (box.folder / "mounted-ro").iterdir()] == ["f"]
    made = (box.folder / "mounted-data").rglob("*")
    assert not [path for path in made if path.lstat().st_mode & (stat.S_ISUID | stat.S_ISGID)]


ALLOWED = """
open("/data/secret", "w").write("ours")
show("/proc/self/root/data/secret")
os.symlink(links("/data"), "/data/d")
show("/data/d/secret")
"""


def test_the_attempts_themselves_are_sound(box: Box) -> None:
    """What they try works where it is allowed."""
    assert box.python(PRELUDE.replace("@place@", "'/data', 1, ''") + ALLOWED) == "b'ours'\nb'ours'\n"


# -- races

SWAP = r"""
import ctypes, os
libc = ctypes.CDLL(None)
while True:
    libc.renameat2(-100, b"DIR/a", -100, b"DIR/b", 2)
"""


@pytest.fixture
def swapper(tmp_path: Path, box: Box, outside: Outside):  # noqa: ANN201
    """Somebody else who shares the volume puts a directory and a symbolic link to the host in each other's place."""
    volume = tmp_path / "mounted-data"
    (volume / "a").mkdir()
    (volume / "a" / "secret").write_text("harmless")
    (volume / "a" / "program").write_text("#!/bin/sh\necho harmless\n")
    (volume / "a" / "program").chmod(0o755)
    (volume / "b").symlink_to(outside.folder)
    process = subprocess.Popen([PYTHON, "-IS", "-c", SWAP.replace("DIR", str(volume))])
    yield volume
    process.kill()
    process.wait()


RACES = {
    "open": "show('/data/a/secret')",
    "create": "open('/data/a/new', 'w').close()",
    "stat": "assert os.stat('/data/a/secret').st_size == 8",
    "mkdir": "os.mkdir('/data/a/m'); os.rmdir('/data/a/m')",
    "chmod": "os.chmod('/data/a/secret', 0o600)",
    "truncate": "os.truncate('/data/a/secret', 8)",
    "exec": "os.posix_spawn('/data/a/program', ['program'], {}) and os.wait()",
    "link": "os.link('/data/a/secret', '/data/h'); os.unlink('/data/h')",
    "unlink": "open('/data/a/n2', 'w').close(); os.unlink('/data/a/n2')",
    "rename": "open('/data/f', 'w').close(); os.rename('/data/f', '/data/a/f')",
    "bind": "s = socket.socket(socket.AF_UNIX); s.bind('/data/a/sock'); os.unlink('/data/a/sock')",
    "chdir": "os.chdir('/data/a'); show('secret'); os.chdir('/')",
}


@pytest.mark.parametrize("name", RACES)
def test_a_swapped_directory_leads_nowhere(name: str, box: Box, outside: Outside, swapper: Path) -> None:
    loop = f"""
end = time.monotonic() + 0.5
while time.monotonic() < end:
    try:
        {RACES[name]}
    except OSError:
        pass
"""
    out = box.python(source(loop, outside))
    assert SECRET not in out
    assert "AssertionError" not in out
    outside.check()


THREADS = r"""
# One thread changes the path in memory while another calls with it.
good, bad = b"/data/ok\0", SECRET.encode() + b"\0"
buffer = ctypes.create_string_buffer(256)
address = ctypes.addressof(buffer)
open("/data/ok", "w").write("fine")
stop = False
def flip():
    while not stop:
        ctypes.memmove(address, good, len(good))
        ctypes.memmove(address, bad, len(bad))
threads = [threading.Thread(target=flip) for _ in range(2)]
[t.start() for t in threads]
end = time.monotonic() + 1.5
seen = set()
while time.monotonic() < end:
    fd = libc.syscall(257, -100, ctypes.c_void_p(address), CALL)
    if fd >= 0:
        seen.add(os.read(fd, 100)); os.close(fd)
stop = True
[t.join() for t in threads]
print(seen)
"""


def test_a_path_changed_by_a_thread(box: Box, outside: Outside) -> None:
    out = box.python(source(THREADS.replace("CALL", "0"), outside))
    assert out == "{b'fine'}\n"
    outside.check()


ADDRESS = r"""
a = struct.pack("H", 1) + b"/data/none".ljust(108, b"\0")
b = struct.pack("H", 1) + (OUT + "/socket").encode().ljust(108, b"\0")
buffer = ctypes.create_string_buffer(a, 110)
address = ctypes.addressof(buffer)
stop = False
def flip():
    while not stop:
        ctypes.memmove(address, a, 110); ctypes.memmove(address, b, 110)
thread = threading.Thread(target=flip); thread.start()
end = time.monotonic() + 1
while time.monotonic() < end:
    s = socket.socket(socket.AF_UNIX)
    if libc.connect(s.fileno(), ctypes.c_void_p(address), 110) == 0: print("connected")
    s.close()
stop = True; thread.join()
"""


def test_an_address_changed_by_a_thread(box: Box, outside: Outside) -> None:
    assert box.python(source(ADDRESS, outside)) == ""
    outside.check()


MOVED = """
import os, time
os.chdir("/data/d")
time.sleep(0.7)
for attempt in (lambda: print(os.listdir("..")), lambda: open("new", "w")):
    try:
        attempt()
    except OSError as error:
        print(error)
"""


def test_a_host_process_may_move_a_directory_away(box: Box, outside: Outside, tmp_path: Path) -> None:
    """Of a bind: what was moved out of it is no longer the container's."""
    volume = tmp_path / "mounted-data"
    (volume / "d").mkdir()
    moved = tmp_path / "moved"

    def move() -> None:
        time.sleep(0.3)
        (volume / "d").rename(moved)

    mover = threading.Thread(target=move)
    mover.start()
    out = box.python(MOVED)
    mover.join()
    assert "moved" not in out
    assert list(moved.iterdir()) == []


def test_nothing_is_left_of_a_container(box: Box, outside: Outside) -> None:
    out = box.sh("(setsid sleep 4711 &) ; (trap '' TERM HUP; sleep 4711) & echo $$; exit 0")
    pid = int(out)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    listed = subprocess.check_output(["ps", "-eo", "args"], text=True)
    assert "sleep 4711" not in listed.splitlines()
