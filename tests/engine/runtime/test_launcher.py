import asyncio
import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from engine.runtime.hosted import Host, Watched, program, run, shell
from voldemo.engine import errors
from voldemo.engine.runtime.launcher import ExecFailed, Exit
from voldemo.engine.runtime.processes import descendants
from voldemo.engine.runtime.spec import Mount

FOREVER = "while :; do sleep 10 & wait; done"


def test_runs_a_program_and_tells_how_it_ended(tmp_path):
    async def work(host):
        container, pipe = await host.start_and_hear(shell("echo $0 says hi; exit 5"))
        with closing(pipe):
            assert await pipe.rest() == "/bin/sh says hi\n"
        assert await container.wait() == Exit(5)
        assert await container.wait() == Exit(5)
        assert container.processes() == []

    run(tmp_path, work)


def test_a_program_that_is_not_there(tmp_path):
    async def work(host):
        with pytest.raises(ExecFailed) as failure:
            await host.start(program("/bin/no-such-program"))
        assert failure.value.errno == 2
        assert await host.output(program("/bin/echo", "next")) == "next\n"

    run(tmp_path, work)


def test_a_mount_without_a_source(tmp_path):
    async def work(host):
        with pytest.raises(errors.Failed, match="nowhere"):
            await host.start(program("/bin/true"), mounts=(Mount("/data", str(tmp_path / "nowhere"), "volume"),))

    run(tmp_path, work)


def test_words_longer_than_a_packet(tmp_path):
    async def work(host):
        long = tuple(f"V{number}={'x' * 1000}" for number in range(500))
        assert await host.output(shell("echo ${#V0} ${#V499}", env=long)) == "1000 1000\n"

    run(tmp_path, work)


def test_names_that_are_not_text(tmp_path):
    async def work(host):
        script = 'printf %s "$1" | od -An -tx1'
        first = program("/bin/sh", "-c", script, "sh", os.fsdecode(b"\xff\xc3\xa9"))
        assert await host.output(first) == " ff c3 a9\n"

    run(tmp_path, work)


def test_exec_adds_a_process(tmp_path):
    async def work(host):
        container = await host.start(shell(FOREVER))
        process = await container.exec(shell("exit 3"), (host.null,) * 3)
        assert await process.wait() == 3
        process.signal(signal.SIGTERM)
        with pytest.raises(ExecFailed):
            await container.exec(program("/bin/no-such-program"), (host.null,) * 3)
        many = await asyncio.gather(*(container.exec(shell(f"exit {n}"), (host.null,) * 3) for n in range(20)))
        assert [await each.wait() for each in many] == list(range(20))

    run(tmp_path, work)


def test_exec_ends_with_the_container_and_not_after_it(tmp_path):
    async def work(host):
        container = await host.start(shell(FOREVER))
        process = await container.exec(shell(FOREVER), (host.null,) * 3)
        container.signal(signal.SIGKILL)
        assert await container.wait() == Exit(137)
        assert await process.wait() == 137
        with pytest.raises(errors.Conflict, match="not running"):
            await container.exec(program("/bin/true"), (host.null,) * 3)

    run(tmp_path, work)


def test_a_signal_reaches_the_program(tmp_path):
    async def work(host):
        script = f"trap 'exit 9' TERM; echo ready; {FOREVER}"
        container, pipe = await host.start_and_hear(shell(script))
        with closing(pipe):
            assert await pipe.line() == "ready"
            container.signal(signal.SIGTERM)
            assert await container.wait() == Exit(9)

    run(tmp_path, work)


def test_a_signal_reaches_a_process_of_exec(tmp_path):
    async def work(host):
        container = await host.start(shell(FOREVER))
        process = await container.exec(program("/bin/sleep", "100"), (host.null,) * 3)
        process.signal(signal.SIGTERM)
        assert await process.wait() == 143

    run(tmp_path, work)


async def tree(host: Host) -> tuple:
    """A container of three processes that ignore what can be ignored."""
    script = "trap '' TERM HUP INT; (sleep 100; :) & (sleep 100; :) & echo ready; wait"
    container, pipe = await host.start_and_hear(shell(script))
    with closing(pipe):
        assert await pipe.line() == "ready"
    pids = [row.pid for row in container.processes()]
    assert len(pids) >= 3
    return container, Watched(pids)


def test_kill_ends_the_tree_before_it_is_told(tmp_path):
    async def work(host):
        container, watched = await tree(host)
        container.signal(signal.SIGKILL)
        assert await container.wait() == Exit(137)
        assert watched.all_end(0)

    run(tmp_path, work)


def test_nothing_outlives_the_first_process(tmp_path):
    async def work(host):
        container, pipe = await host.start_and_hear(shell("sleep 100 & setsid sleep 100 & echo; read line < /dev/zero"))
        pipe.close()
        watched = Watched([row.pid for row in container.processes()])
        await container.exec(shell("kill -9 1 || true"), (host.null,) * 3)
        container.signal(signal.SIGKILL)
        await container.wait()
        assert watched.all_end(0)

    run(tmp_path, work)


def test_kill_ends_what_never_stops_forking(tmp_path):
    async def work(host):
        for _ in range(5):
            container, pipe = await host.start_and_hear(shell("echo ready; while :; do (:) & done"))
            with closing(pipe):
                assert await pipe.line() == "ready"
            container.signal(signal.SIGKILL)
            assert await asyncio.wait_for(container.wait(), 2) == Exit(137)

    run(tmp_path, work)


def test_a_killed_tracer_takes_its_tree_along(tmp_path):
    async def work(host):
        container, watched = await tree(host)
        other = await host.start(shell(FOREVER))
        os.kill(container._tracer, signal.SIGKILL)
        assert await container.wait() == Exit(137)
        assert watched.all_end(0)
        assert len(other.processes()) >= 1

    run(tmp_path, work)


def test_a_killed_warm_parent_is_replaced(tmp_path):
    async def work(host):
        containers = [await host.start(shell(FOREVER)) for _ in range(3)]
        watched = Watched([row.pid for container in containers for row in container.processes()])
        os.kill(host.runtime._parent.pid, signal.SIGKILL)
        assert {await container.wait() for container in containers} == {Exit(137)}
        assert watched.all_end()
        assert await host.output(program("/bin/echo", "again")) == "again\n"

    run(tmp_path, work)


ENGINE = """
import asyncio, os, sys
from pathlib import Path
from engine.runtime.hosted import Host, shell

async def main():
    host = Host(Path(sys.argv[1]))
    await host.runtime.open()
    for _ in range(3):
        await host.start(shell("sleep 100 & wait"))
    print("ready", flush=True)
    while True:
        await host.start(shell("sleep 100 & wait"))

asyncio.run(main())
"""


def test_a_killed_engine_leaves_nothing(tmp_path):
    path = os.pathsep.join(each for each in sys.path if each)
    command = [sys.executable, "-c", ENGINE, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": path}) as engine:
        assert engine.stdout.readline() == b"ready\n"
        os.kill(engine.pid, signal.SIGSTOP)  # still, so that the list is complete
        watched = Watched(descendants(engine.pid))
        engine.kill()
    assert watched.all_end()


def test_paused_means_nothing_runs(tmp_path):
    async def work(host):
        container, pipe = await host.start_and_hear(shell("(while :; do :; done) & while :; do :; done"))
        pipe.close()
        await container.pause()
        before = container.usage().cpu_ns
        await asyncio.sleep(0.2)
        assert container.usage().cpu_ns == before
        await container.unpause()
        await asyncio.sleep(0.2)
        assert container.usage().cpu_ns > before
        await container.pause()
        container.signal(signal.SIGKILL)
        assert await container.wait() == Exit(137)

    run(tmp_path, work)


def test_a_terminal(tmp_path):
    async def work(host):
        ours, theirs = os.openpty()
        first = shell("test -t 0 && echo on a terminal > /dev/tty", tty=True)
        container = await host.runtime.start(host.spec(first), (theirs,) * 3)
        os.close(theirs)
        assert await container.wait() == Exit(0)
        assert os.read(ours, 100) == b"on a terminal\r\n"
        os.close(ours)

    run(tmp_path, work)


def test_many_at_once(tmp_path):
    async def work(host):
        async def one(code: int) -> int:
            container = await host.start(shell(f"exit {code}"))
            return (await container.wait()).code

        assert await asyncio.gather(*map(one, range(50))) == list(range(50))

    run(tmp_path, work)


def test_runs_leave_no_zombie_and_no_descriptor(tmp_path):
    async def work(host):
        container = await host.start(program("/bin/true"))
        await container.wait()
        before = len(list(Path("/proc/self/fd").iterdir()))
        warm = Path(f"/proc/{host.runtime._parent.pid}/fd")
        warm_before = len(list(warm.iterdir()))
        for _ in range(40):
            container = await host.start(program("/bin/true"))
            await container.wait()
        while host.runtime._containers:
            await asyncio.sleep(0)
        assert len(list(Path("/proc/self/fd").iterdir())) == before
        assert len(list(warm.iterdir())) == warm_before
        assert host.tracers == []

    run(tmp_path, work)


def test_a_start_given_up_leaves_nothing(tmp_path):
    async def work(host):
        for _ in range(5):
            starting = asyncio.ensure_future(host.start(shell(FOREVER)))
            await asyncio.sleep(0.001)
            starting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await starting
        while host.runtime._containers:
            await asyncio.sleep(0.001)
        assert host.tracers == []

    run(tmp_path, work)


def test_programs_long_unused_are_not_kept_for_ever(tmp_path, monkeypatch):
    cache = tmp_path / "exe"
    for number, name in enumerate(("old", "new")):
        (cache / name).mkdir(parents=True)
        (cache / name / "program").write_bytes(bytes(1000))
        os.utime(cache / name, (number, number))
    monkeypatch.setattr("voldemo.engine.runtime.launcher.MOST_CACHED", 1500)

    async def work(host):
        assert [path.name for path in cache.iterdir()] == ["new"]

    run(tmp_path, work)
