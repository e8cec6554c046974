"""What a runtime of this kind gets wrong at first, one test each."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from engine.runtime import programs
from engine.runtime.boxed import PYTHON, Box
from voldemo.engine.runtime.spec import Mount, User


@pytest.fixture
def box(tmp_path: Path) -> Box:
    tmp_path.chmod(0o755)
    box = Box(tmp_path)
    box.layer({"etc/passwd": "root:x:0:0:root:/root:/bin/sh\nbob:x:1001:1001::/:/bin/sh\n", "tmp": None, "root": None})
    os.chmod(box.layers[0] / "tmp", 0o1777)
    box.mount("/data")
    return box


USER = User(1001, 1001)

CASES = programs.read("traps.txt")
IMPORTS = "import os, socket, sys, time\n"


@pytest.mark.parametrize("name", CASES)
def test_trap(name: str, box: Box) -> None:
    source, expected = CASES[name]
    assert box.python(IMPORTS + source).strip() == expected


SHELL = programs.read("shell.txt")


@pytest.mark.parametrize("name", SHELL)
def test_trap_in_a_shell(name: str, box: Box) -> None:
    source, expected = SHELL[name]
    assert box.bash(source).strip() == expected


def test_a_user_of_its_own(box: Box) -> None:
    out = box.sh("id -u; touch /data/x /tmp/mine; stat -c %u /tmp/mine; echo x > /etc/passwd; cd /root", user=USER)
    assert out.splitlines()[0] == "1001"
    assert out.count("ermission denied") == 2
    assert "1001\n" in out


@pytest.mark.parametrize(
    ("argv", "error"),
    [
        (("none",), (2, "lookup")),
        (("/none",), (2, "exec")),
        (("/etc/passwd",), (13, "exec")),
        (("/etc",), (13, "exec")),
    ],
)
def test_a_program_that_cannot_start(box: Box, argv: tuple[str, ...], error: tuple[int, str]) -> None:
    assert box.run(*argv).failed == error


def test_a_working_directory_that_is_not_there(box: Box) -> None:
    assert box.run("/bin/true", cwd="/none").failed == (2, "cwd")


def test_exit_codes_of_the_first_process(box: Box) -> None:
    assert box.run("/bin/sh", "-c", "exit 5").code == 5
    box.more["init"] = True
    assert box.run("/bin/sh", "-c", "kill -9 $$").code == 137
    assert box.run("/bin/sh", "-c", "kill $$").code == 143


def test_a_fault_ends_the_first_process(box: Box) -> None:
    assert box.run(PYTHON, "-IS", "-c", "import ctypes; ctypes.string_at(0)").code == 139


ADDRESSES = """
s = socket.socket()
s.bind(("0.0.0.0", 0))
s.listen()
print(s.getsockname()[0])
c = socket.create_connection(("127.0.0.1", s.getsockname()[1]))
print(c.getpeername()[0])
t = socket.socket(socket.AF_INET6)
t.bind(("::", 0))
t.listen()
print(t.getsockname()[0])
c = socket.socket(socket.AF_INET6)
c.connect(("::1", t.getsockname()[1]))
print(c.getpeername()[0])
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.bind(("127.0.0.1", 0))
v = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
v.sendto(b"x", ("127.0.0.1", u.getsockname()[1]))
print(u.recv(9))
"""
ONLY6 = """
def reached(host, port):
    try:
        c = socket.create_connection((host, port))
    except OSError as error:
        return error.errno
    with c:
        return c.getpeername()[0]
def server(family, host, port, only6=1):
    s = socket.socket(family)
    if family == socket.AF_INET6:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only6)
    s.bind((host, port))
    s.listen()
    return s
a = server(socket.AF_INET6, "::", 0)
port = a.getsockname()[1]
print(a.getsockname()[0], reached("::1", port), reached("127.0.0.1", port))
b = server(socket.AF_INET, "0.0.0.0", port)
print(reached("::1", port), reached("127.0.0.1", port))
a.close()
print(reached("::1", port), reached("127.0.0.1", port))
b.close()
c = server(socket.AF_INET6, "::", port, 0)
print(reached("::1", port), reached("127.0.0.1", port))
try:
    socket.socket().setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
except OSError as error:
    print(error.errno)
"""


def test_an_address_of_its_own(box: Box) -> None:
    box.more["address"] = "127.77.3.4"
    own, mapped = "127.77.3.4", "::ffff:127.77.3.4"
    assert box.python(IMPORTS + ADDRESSES).splitlines() == [own, own, mapped, mapped, "b'x'"]


def test_sockets_for_ipv6_only_have_all_ports_once_more(box: Box) -> None:
    box.more["address"] = "127.77.3.6"
    said = box.python(IMPORTS + ONLY6).splitlines()
    own, mapped = "127.77.3.6", "::ffff:127.77.3.6"
    assert said == ["::1 ::1 111", f"::1 {own}", f"111 {own}", f"{mapped} {own}", "92"]


def test_the_hosts_loopback_is_out_of_reach(box: Box) -> None:
    box.more["address"] = "127.77.3.5"
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        connect = f"socket.create_connection(('127.0.0.1', {port}))"
        out = box.python(f"{IMPORTS}try: {connect}\nexcept OSError as e: print(e.errno)")
    assert out == "111\n"


READ_ONLY = (
    "touch n; echo a > f; rm f; mkdir d; chmod 600 f; chown 1 f; mv f g; ln -s a b; ln f h; truncate -s0 f; touch f; "
    "cp /etc/passwd .; rmdir e; mkfifo p; mv e e2; echo a >> f; mktemp -p ."
)


def test_read_only_mounts_refuse_every_change(box: Box) -> None:
    volume = box.mount("/ro", read_only=True)
    (volume / "f").write_text("x")
    (volume / "e").mkdir()
    out = box.bash(f"cd /ro; {READ_ONLY}; cat f; [ -w f ] || echo no")
    assert out.count("Read-only file system") == 17
    assert out.endswith("xno\n")


def test_a_read_only_root(box: Box) -> None:
    box.more["read_only"] = True
    out = box.bash(
        "touch /n; echo > /etc/passwd; mkdir /d; rm /etc/passwd\necho ok > /data/f; echo ok > /dev/shm/f; cat /data/f"
    )
    assert out.count("Read-only file system") == 4
    assert out.endswith("ok\n")


def test_a_full_tmpfs(box: Box) -> None:
    source = box.mount("/t", "tmpfs", size=1 << 20)
    out = box.bash(
        "cd /t; head -c 2000000 /dev/zero > f; stat -c %s f; echo z > g; df -k /t | tail -1 | tr -s ' '\n"
        "rm f; echo ok > k; cat k\n"
        "truncate -s 2M q; rm q; cp /dev/stdin c < <(head -c 3000000 /dev/zero); stat -c %s c"
    )
    assert out.count("No space left on device") == 4
    assert "1048576\n" in out
    assert "tmpfs 1024 1024 0 100% /t" in out
    assert (source / "k").read_text() == "ok\n"


def test_vectored_and_placed_writes_fill_a_tmpfs(box: Box) -> None:
    box.mount("/t", "tmpfs", size=16384)
    source = IMPORTS + (
        "f = os.open('/t/f', os.O_CREAT | os.O_RDWR)\n"
        "print(os.writev(f, [b'x' * 10000, b'y' * 10000]), os.pwrite(f, b'z', 5))\n"
        "beyond = lambda: os.pwrite(f, b'x', 16384)\n"
        "for call in (lambda: os.write(f, b'x'), beyond, lambda: os.posix_fallocate(f, 0, 20000)):\n"
        "  try: print(call())\n"
        "  except OSError as e: print(e.errno)\n"
        "os.ftruncate(f, 100); print(os.pwrite(f, b'x' * 5000, 100))\n"
    )
    assert box.python(source).split() == ["16384", "1", "28", "28", "28", "5000"]


def test_a_file_without_a_name_takes_room_until_it_is_closed(box: Box) -> None:
    box.mount("/t", "tmpfs", size=16384)
    source = IMPORTS + (
        "def full():\n"
        "  with open('/t/f', 'wb', 0) as f: return f.write(b'x' * 20000)\n"
        "def holder(opened):\n"
        "  os.write(opened, b'x' * 8000); return opened\n"
        "removed = holder(os.open('/t/r', os.O_CREAT | os.O_RDWR)); os.unlink('/t/r')\n"
        "print(full()); os.close(removed); print(full()); os.unlink('/t/f')\n"
        "nameless = holder(os.open('/t', os.O_TMPFILE | os.O_RDWR)); print(full())\n"
    )
    assert box.python(source).split() == ["8192", "16384", "8192"]


def test_binds_show_real_owners_and_keep_given_ones(box: Box) -> None:
    host = box.folder / "host"
    host.mkdir()
    (host / "f").write_text("x")
    box.mounts.append(Mount("/host", str(host), "bind"))
    out = box.bash(
        "stat -c %u /host/f; echo y > /host/new; stat -c %u /host/new\nchown 9:9 /host/f; stat -c %u:%g /host/f"
    )
    assert out == f"{os.getuid()}\n0\n9:9\n"


def test_a_bind_of_a_file(box: Box) -> None:
    (box.folder / "hosts").write_text("127.0.0.1 localhost\n")
    box.mounts.append(Mount("/etc/hosts", str(box.folder / "hosts"), "bind"))
    out = box.bash("cat /etc/hosts; echo more >> /etc/hosts; rm /etc/hosts; mv /etc/hosts /x; ls /etc")
    assert out.startswith("127.0.0.1 localhost\n")
    assert out.count("Device or resource busy") == 2
    assert out.endswith("hosts\npasswd\n")
    assert (box.folder / "hosts").read_text() == "127.0.0.1 localhost\nmore\n"
