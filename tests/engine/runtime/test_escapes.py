"""Attempts to read or write outside of the container. Each knows the host's paths; none may succeed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

from tests.engine.runtime.boxed import PYTHON, Box

SECRET = "the host's own words"

PRELUDE = r"""
import ctypes, errno, os, socket, stat, struct, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
libc.mmap.restype = ctypes.c_void_p
OUT, SECRET = {out!r}, {out!r} + "/secret"
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
ATTEMPTS = {
    "absolute path": "show(SECRET)",
    "dots": "show(links(SECRET))",
    "dots from a volume": "os.chdir('/data'); show(links(SECRET))",
    "symlink absolute": "os.symlink(SECRET, '/data/l'); show('/data/l')",
    "symlink relative": "os.symlink(links(SECRET), '/data/l'); show('/data/l')",
    "symlink to a directory": "os.symlink(OUT, '/data/d'); show('/data/d/secret')",
    "symlink chain": "os.symlink('b', '/data/a'); os.symlink(links(OUT), '/data/b'); show('/data/a/secret')",
    "write through a symlink": "os.symlink(SECRET, '/data/l'); open('/data/l', 'w').write('x')",
    "create through a dangling symlink": "os.symlink(OUT + '/new', '/data/l'); open('/data/l', 'w').write('x')",
    "mkdir through a symlink": "os.symlink(OUT, '/data/d'); os.mkdir('/data/d/new')",
    "rename out": "os.symlink(OUT, '/data/d'); open('/data/f', 'w').close(); os.rename('/data/f', '/data/d/new')",
    "unlink out": "os.symlink(OUT, '/data/d'); os.unlink('/data/d/secret')",
    "chmod through a symlink": "os.symlink(SECRET, '/data/l'); os.chmod('/data/l', 0o777)",
    "chown through a symlink": "os.symlink(SECRET, '/data/l'); os.chown('/data/l', 1, 1)",
    "utime through a symlink": "os.symlink(SECRET, '/data/l'); os.utime('/data/l', (1, 1))",
    "truncate through a symlink": "os.symlink(SECRET, '/data/l'); os.truncate('/data/l', 0)",
    "hard link in": "os.link(SECRET, '/data/h'); show('/data/h')",
    "hard link to a symlink, followed": "os.symlink(SECRET, '/data/l'); sys_(265, -100, b'/data/l', -100, b'/data/h', 0x400); show('/data/h')",
    "chdir out": "os.chdir(OUT); show('secret')",
    "chroot": "os.chroot('/data')",
    "proc self root": "show('/proc/self/root' + SECRET)",
    "proc 1 root": "show('/proc/1/root' + SECRET)",
    "proc self cwd and up": "show('/proc/self/cwd/' + links(SECRET))",
    "proc of the tracer": "show('/proc/%d/root%s' % (os.getppid(), SECRET))",
    "proc of the tracer's files": "print(os.listdir('/proc/%d/fd' % os.getppid())); print(SECRET[:0] + 'the host' + \"'s own words\")",
    "a task of the tracer": "show('/proc/self/task/%d/root%s' % (os.getppid(), SECRET))",
    "another process of the host": "show('/proc/{host}/root' + SECRET)",
    "the environment of another process": "print(open('/proc/{host}/environ').read()); print({secret!r})",
    "the memory of another process": "os.open('/proc/{host}/mem', os.O_RDWR); print({secret!r})",
    "own memory for writing": "os.open('/proc/self/mem', os.O_RDWR); print({secret!r})",
    "own memory through a held descriptor": "fd = os.open('/proc/self/mem', os.O_RDONLY); os.open('/proc/self/fd/%d' % fd, os.O_RDWR); print({secret!r})",
    "map_files": "print(os.listdir('/proc/self/map_files')); print({secret!r})",
    "kill a host's process": "os.kill({host}, 9)",
    "kill with tkill": "sys_(200, {host}, 9)",
    "kill with tgkill": "sys_(234, {host}, {host}, 9)",
    "kill with sigqueue": "b = ctypes.create_string_buffer(128); sys_(129, {host}, 9, b)",
    "kill with a pidfd": "fd = sys_(434, {host}, 0); sys_(424, fd, 9, 0, 0)",
    "kill everybody": "os.kill(-1, 15)",
    "kill the tracer": "os.kill(os.getppid(), 9)",
    "kill a group": "os.killpg({host}, 9)",
    "a signal by F_SETOWN": "import fcntl; a, b = socket.socketpair(); fcntl.fcntl(a, fcntl.F_SETOWN, {host}); fcntl.fcntl(a, 10, 9); fcntl.fcntl(a, fcntl.F_SETFL, os.O_ASYNC); b.send(b'x')",
    "a signal by FIOSETOWN": "import fcntl; a, b = socket.socketpair(); fcntl.ioctl(a, 0x8901, struct.pack('i', {host})); fcntl.fcntl(a, 10, 9); fcntl.fcntl(a, fcntl.F_SETFL, os.O_ASYNC); b.send(b'x')",
    "limits of a host's process": "sys_(302, {host}, 7, struct.pack('QQ', 3, 3), 0); print({secret!r})",
    "ptrace a host's process": "sys_(101, 16, {host}, 0, 0); print({secret!r})",
    "read memory of a host's process": "sys_(310, {host}, 0, 0, 0, 0, 0); print({secret!r})",
    "pidfd_getfd": "sys_(438, 0, 0, 0); print({secret!r})",
    "openat2": "sys_(437, -100, SECRET.encode(), struct.pack('QQQ', 0, 0, 0), 24); print({secret!r})",
    "open_by_handle_at": "sys_(304, 0, b'0' * 128, 0); print({secret!r})",
    "io_uring": "sys_(425, 8, b'0' * 120); print({secret!r})",
    "execveat": "sys_(322, -100, b'/bin/true', 0, 0, 0); print({secret!r})",
    "mount": "sys_(165, b'/', b'/mnt', b'', 4096, 0); print({secret!r})",
    "unshare": "sys_(272, 0x10000000); print({secret!r})",
    "clone into a namespace": "pid = sys_(56, 0x10000000 | 17, 0, 0, 0, 0); print({secret!r}) if pid else os._exit(0)",
    "an untraced child": "pid = sys_(56, 0x00800000 | 17, 0, 0, 0, 0); print({secret!r}) if pid else os._exit(0)",
    "clone3": "sys_(435, b'0' * 88, 88); print({secret!r})",
    "a seccomp listener of its own": "p = struct.pack('HBBI', 6, 0, 0, 0x7fc00000); b = ctypes.create_string_buffer(p); f = struct.pack('HxxxxxxQ', 1, ctypes.addressof(b)); libc.prctl(38, 1, 0, 0, 0); sys_(317, 1, 8, f); print({secret!r})",
    "bpf": "sys_(321, 0, 0, 0); print({secret!r})",
    "userfaultfd": "sys_(323, 0); print({secret!r})",
    "x32": "sys_(0x40000000 + 257, -100, SECRET.encode(), 0); print({secret!r})",
    "mknod of a disk": "os.mknod('/data/disk', stat.S_IFBLK | 0o666, os.makedev(254, 0)); print({secret!r})",
    "a device of the host": "print(os.stat('/dev/vda')); print({secret!r})",
    "a terminal of the host": "print(os.listdir('/dev/pts')); [os.open('/dev/pts/%d' % n, os.O_RDWR) for n in range(3)]; print({secret!r})",
    "kernel memory": "os.open('/dev/mem', os.O_RDONLY); print({secret!r})",
    "sysrq": "open('/proc/sysrq-trigger', 'w').write('h'); print({secret!r})",
    "a kernel setting": "open('/proc/sys/vm/drop_caches', 'w').write('1'); print({secret!r})",
    "sys": "open('/sys/power/state', 'w').write('x'); print({secret!r})",
    "a namespace of the host": "os.open('/proc/1/ns/mnt', os.O_RDONLY); print({secret!r})",
    "the loader run on a host's program": "os.execv('/lib64/ld-linux-x86-64.so.2', ['ld.so', '/usr/bin/cat', SECRET])",
    "a program asking for a host's loader": "e = bytearray(open('/bin/true', 'rb').read()); at = e.find(b'/lib64/ld-linux'); e[at:at + 28] = (OUT + '/ld').encode().ljust(28, b'\\0')[:28]; open('/data/p', 'wb').write(e); os.chmod('/data/p', 0o755); os.execv('/data/p', ['p'])",
    "a script asking for a host's interpreter": "open('/data/s', 'w').write('#!' + OUT + '/program\\n'); os.chmod('/data/s', 0o755); os.execv('/data/s', ['s'])",
    "exec of a host's program": "os.execv(OUT + '/program', ['program'])",
    "exec through a symlink": "os.symlink(OUT + '/program', '/data/x'); os.execv('/data/x', ['x'])",
    "connect to a host's socket": "s = socket.socket(socket.AF_UNIX); s.connect(OUT + '/socket'); print(s.recv(100))",
    "connect through a symlink": "os.symlink(OUT + '/socket', '/data/s'); s = socket.socket(socket.AF_UNIX); s.connect('/data/s'); print(s.recv(100))",
    "connect to an abstract socket": "s = socket.socket(socket.AF_UNIX); s.connect('\\0' + OUT[-40:]); print(s.recv(100))",
    "send to a host's socket": "s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.sendto(b'x', OUT + '/datagrams')",
    "sendmsg to a host's socket": "s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.sendmsg([b'x'], [], 0, OUT + '/datagrams')",
    "bind in a host's directory": "s = socket.socket(socket.AF_UNIX); s.bind(OUT + '/new')",
    "watch a host's file": "fd = sys_(294, 0); sys_(254, fd, SECRET.encode(), 1); print({secret!r})",
    "statfs tells of no host's path": "os.statvfs(SECRET); print({secret!r})",
    "O_PATH": "fd = os.open(OUT, os.O_PATH); show('secret', dir_fd=fd)",
    "O_TMPFILE": "os.open(OUT, os.O_TMPFILE | os.O_RDWR); print({secret!r})",
    "setxattr": "os.setxattr('/data', 'user.voldemo', b'0' * 16); print({secret!r})",
    "scratch pages unmapped": "sys_(11, 0x10000, 4096); print({secret!r})",
    "scratch pages unmapped from below": "sys_(11, 0x1000, 0x20000); print({secret!r})",
    "scratch pages made writable": "sys_(10, 0x10000, 4096, 3); print({secret!r})",
    "scratch pages mapped over": "sys_(9, 0x10000, 4096, 3, 0x32, -1, 0); print({secret!r})",
    "scratch pages emptied": "sys_(28, 0x10000, 4096, 4); print({secret!r})",
    "scratch pages moved": "sys_(25, 0x10000, 4096, 4096, 3, 0x7f0000000000); print({secret!r})",
    "scratch pages moved upon": "m = libc.mmap(None, 4096, 3, 0x22, -1, 0); sys_(25, m, 4096, 4096, 3, 0x10000); print({secret!r})",
    "scratch pages written": "ctypes.memset(0x10000, 65, 16); print({secret!r})",
    "shared memory over the scratch pages": "i = sys_(29, 0, 4096, 0o1600); sys_(30, i, 0x10000, 0o40000); print({secret!r})",
    "a read-only bind written": "open('/usr/new', 'w'); print({secret!r})",
    "a read-only mount reopened": "fd = os.open('/ro/f', os.O_RDONLY); os.write(os.open('/proc/self/fd/%d' % fd, os.O_RDWR), b'x'); print({secret!r})",
    "a read-only mount's file truncated": "fd = os.open('/ro/f', os.O_RDONLY); os.truncate('/proc/self/fd/%d' % fd, 0); print({secret!r})",
    "flags of a read-only file": "import fcntl; fcntl.ioctl(os.open('/ro/f', 0), 0x40086602, struct.pack('l', 0x40)); print({secret!r})",
    "a layer's file reopened": "fd = os.open('/layered', os.O_RDONLY); os.unlink('/layered'); os.write(os.open('/proc/self/fd/%d' % fd, os.O_RDWR), b'x'); print({secret!r})",
    "another container's System V memory": "i = sys_(29, {key}, 4096, 0); print({secret!r})",
}


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


@pytest.fixture()
def outside(tmp_path: Path):  # noqa: ANN201
    tmp_path.chmod(0o755)
    place = Outside(tmp_path / "outside")
    yield place
    place.close()


@pytest.fixture()
def box(tmp_path: Path, outside: Outside) -> Box:
    box = Box(tmp_path)
    box.layer({"layered": "of a layer"})
    box.mount("/data")
    (box.mount("/ro", read_only=True) / "f").write_text("read-only")
    return box


def source(attempt: str, outside: Outside) -> str:
    values = {"out": str(outside.folder), "host": outside.process.pid, "secret": SECRET, "key": 4711}
    text = PRELUDE + attempt
    for name, value in values.items():
        text = text.replace("{%s!r}" % name, repr(value)).replace("{%s}" % name, str(value))
    return text


@pytest.mark.parametrize("name", ATTEMPTS)
def test_no_way_out(name: str, box: Box, outside: Outside) -> None:
    result = box.run(PYTHON, "-IS", "-c", source(ATTEMPTS[name], outside))
    assert SECRET not in result.out.split("Traceback")[0], result.out
    outside.check()
    assert (box.layers[0] / "layered").read_text() == "of a layer"
    assert (box.folder / "mounted-ro" / "f").read_text() == "read-only"


def test_the_attempts_themselves_are_sound(box: Box, outside: Outside) -> None:
    """What they try works where it is allowed."""
    ours = PRELUDE.replace("{out!r}", "'/data'")
    print_it = "open('/data/secret', 'w').write('ours'); show('/proc/self/root/data/secret'); os.symlink(links('/data'), '/data/d'); show('/data/d/secret')"
    assert box.python(ours + print_it) == "b'ours'\nb'ours'\n"


# -- races

SWAP = r"""
import ctypes, os
libc = ctypes.CDLL(None)
while True:
    libc.renameat2(-100, b"DIR/a", -100, b"DIR/b", 2)
"""


@pytest.fixture()
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
    out = box.python("import os, time\nos.chdir('/data/d'); time.sleep(0.7)\ntry: print(os.listdir('..'))\nexcept OSError as e: print(e)\ntry: open('new', 'w')\nexcept OSError as e: print(e)")
    mover.join()
    assert "moved" not in out
    assert list(moved.iterdir()) == []


def test_nothing_is_left_of_a_container(box: Box, outside: Outside) -> None:
    out = box.sh("(setsid sleep 50 &) ; (trap '' TERM HUP; sleep 50) & echo $$; exit 0")
    pid = int(out)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert not [line for line in subprocess.check_output(["ps", "-eo", "args"], text=True).splitlines() if line == "sleep 50"]
    assert signal.SIGTERM
