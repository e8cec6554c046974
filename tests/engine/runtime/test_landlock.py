"""What the kernel itself holds a process to, with no tracer at all."""

import errno
import os
import signal
import socket
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from voldemo.engine.runtime import landlock, prctl, ptrace, session
from voldemo.engine.runtime.spec import Mount, Program, Spec

needs_landlock = pytest.mark.skipif(landlock.abi() < landlock.USABLE_SINCE, reason="this kernel has no Landlock")
needs_scopes = pytest.mark.skipif(landlock.abi() < 6, reason="Landlock before ABI 6 knows no scopes")


def fenced(grants: list[tuple[Path, int]], work: Callable[[], None]) -> None:
    """Run `work` in a child that is held to `grants`."""
    pid = os.fork()
    if pid == 0:
        try:
            prctl.no_new_privileges()
            landlock.fence([(os.fsencode(path), rights) for path, rights in grants])
            work()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    assert os.waitpid(pid, 0)[1] == 0


def refused(*numbers: int) -> pytest.RaisesExc:
    return pytest.raises(OSError, check=lambda error: error.errno in numbers)


@pytest.fixture
def rooms(tmp_path):
    for name in ("layer", "upper", "volume", "outside"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    return tmp_path


@needs_landlock
def test_whole_lets_everything_through_and_nothing_else(rooms):
    def work() -> None:
        (rooms / "upper/file").write_text("new")
        (rooms / "upper/new").mkdir()
        (rooms / "upper/file").rename(rooms / "upper/new/file")
        (rooms / "upper/new/file").unlink()
        with refused(errno.EACCES):
            (rooms / "outside/file").read_text()
        with refused(errno.EACCES):
            (rooms / "outside/file").open("r+")
        with refused(errno.EACCES):
            (rooms / "outside/file").unlink()
        with refused(errno.EACCES):
            (rooms / "outside/new").mkdir()
        with refused(errno.EACCES):
            os.listdir(rooms / "outside")
        with refused(errno.EACCES, errno.EXDEV):
            (rooms / "upper/new").rename(rooms / "outside/new")

    fenced([(rooms / "upper", landlock.WHOLE)], work)
    assert (rooms / "outside/file").read_text() == "outside"


@needs_landlock
def test_no_link_and_no_climb_leads_out(rooms):
    (rooms / "upper/link").symlink_to(rooms / "outside/file")

    def work() -> None:
        for path in (
            rooms / "upper/link",
            rooms / "upper/../outside/file",
            "/proc/self/root" / (rooms / "outside/file"),
        ):
            with refused(errno.EACCES):
                Path(path).read_text()
        with refused(errno.EACCES, errno.EXDEV, errno.EPERM):
            (rooms / "upper/hard").hardlink_to(rooms / "outside/file")

    fenced([(rooms / "upper", landlock.WHOLE), (Path("/proc"), landlock.READ)], work)


@needs_landlock
def test_read_means_read(rooms):
    def work() -> None:
        assert (rooms / "volume/file").read_text() == "volume"
        assert os.listdir(rooms / "volume") == ["file"]
        for mode in ("r+", "a", "w"):
            with refused(errno.EACCES):
                (rooms / "volume/file").open(mode)
        with refused(errno.EACCES):
            (rooms / "volume/file").unlink()

    fenced([(rooms / "volume", landlock.READ)], work)
    assert (rooms / "volume/file").read_text() == "volume"


@needs_landlock
def test_a_layers_file_can_be_linked_and_nothing_made_there(rooms):
    def work() -> None:
        (rooms / "upper/linked").hardlink_to(rooms / "layer/file")
        with refused(errno.EACCES):
            (rooms / "layer/new").write_text("")
        with refused(errno.EACCES):
            (rooms / "layer/file").unlink()
        with refused(errno.EACCES, errno.EXDEV):
            (rooms / "upper/file").rename(rooms / "layer/new")

    fenced([(rooms / "upper", landlock.WHOLE), (rooms / "layer", landlock.LINKABLE)], work)
    assert (rooms / "upper/linked").samefile(rooms / "layer/file")


@needs_landlock
def test_a_single_file_can_be_let_through(rooms):
    def work() -> None:
        (rooms / "outside/file").write_text("new")
        with refused(errno.EACCES):
            (rooms / "outside/other").write_text("")

    fenced([(rooms / "outside/file", landlock.WHOLE)], work)


@needs_landlock
def test_pipes_are_no_files_of_anybody(rooms):
    def work() -> None:
        read_end, write_end = os.pipe()
        os.write(os.open(f"/proc/self/fd/{write_end}", os.O_WRONLY), b"x")
        assert os.read(read_end, 1) == b"x"

    fenced([(Path("/proc"), landlock.READ | landlock.WRITE_FILE)], work)


@needs_landlock
def test_own_children_can_be_traced_and_others_memory_not_read(rooms):
    stranger = os.getpid()

    def work() -> None:
        read_end, write_end = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(write_end)
            os.read(read_end, 1)
            os._exit(0)
        ptrace.seize(child)
        os.close(os.open(f"/proc/{child}/mem", os.O_RDWR))
        os.close(os.open(f"/proc/{child}/fd/{read_end}", os.O_RDONLY))
        os.close(write_end)
        os.waitpid(child, 0)
        for name in ("mem", "fd/0"):
            with refused(errno.EACCES, errno.EPERM):
                os.open(f"/proc/{stranger}/{name}", os.O_RDONLY)

    fenced([(Path("/proc"), landlock.READ | landlock.WRITE_FILE)], work)


@needs_scopes
def test_signals_and_abstract_sockets_stay_inside(rooms):
    outside = os.getpid()
    name = f"\0voldemo-test-{outside}"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(name)
        server.listen()

        def work() -> None:
            with refused(errno.EPERM):
                os.kill(outside, signal.SIGCONT)
            os.kill(os.getpid(), 0)
            with socket.socket(socket.AF_UNIX) as client, refused(errno.EPERM):
                client.connect(name)

        fenced([], work)


@pytest.mark.parametrize("abi", [0, 1])
def test_a_kernel_without_is_told_and_nothing_is_fenced(monkeypatch, abi):
    monkeypatch.setattr(landlock, "abi", lambda: abi)
    assert landlock.fence([]) == 0


@needs_landlock
@pytest.mark.parametrize("abi", [2, 3, 4, 5, 6])
def test_older_kernels_are_asked_only_what_they_know(monkeypatch, rooms, abi):
    if abi > landlock.abi():
        pytest.skip("newer than this kernel")
    monkeypatch.setattr(landlock, "abi", lambda: abi)

    def work() -> None:
        (rooms / "upper/file").write_text("new")
        with refused(errno.EACCES):
            (rooms / "outside/file").read_text()

    fenced([(rooms / "upper", landlock.WHOLE)], work)


@needs_landlock
def test_what_a_container_is_held_to(rooms):
    for name in ("read-only", "cache", "run"):
        (rooms / name).mkdir()
    mounts = (
        Mount("/rw", str(rooms / "volume"), "volume"),
        Mount("/ro", str(rooms / "read-only"), "bind", read_only=True),
    )
    spec = Spec("c", Program(("x",)), str(rooms / "upper"), (str(rooms / "layer"),), mounts)
    grants = [(Path(os.fsdecode(path)), rights) for path, rights in session.grants(spec, str(rooms / "cache"))]

    def work() -> None:
        for name in ("upper", "volume", "cache", "run"):
            (rooms / name / "new").write_text("")
        for name in ("layer", "read-only", "outside"):
            with refused(errno.EACCES):
                (rooms / name / "new").write_text("")
        Path("/dev/null").write_bytes(b"x")
        assert len(os.read(os.open("/dev/urandom", os.O_RDONLY), 1)) == 1
        for path in (Path.home(), Path("/etc"), rooms):
            with refused(errno.EACCES):
                os.listdir(path)

    fenced(grants, work)
