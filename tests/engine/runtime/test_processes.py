import os
import signal
import time
from contextlib import closing
from pathlib import Path

from engine.runtime.hosted import ENVIRONMENT, program, run, shell
from voldemo.engine.runtime import processes
from voldemo.engine.runtime.processes import Usage


def test_rows(tmp_path):
    async def work(host):
        container, pipe = await host.start_and_hear(shell("sleep 100 & echo ready; wait; :"))
        with closing(pipe):
            await pipe.line()
        first, second = sorted(container.processes(), key=lambda row: row.pid != container.pid)
        assert first.pid == container.pid
        assert first.command == "/bin/sh -c sleep 100 & echo ready; wait; :"
        assert (second.ppid, second.tty) == (container.pid, "?")
        assert second.command in ("sleep 100", first.command)  # not yet executed
        assert abs(first.started - time.time()) < 5

    run(tmp_path, work)


def test_the_terminal_is_named(tmp_path):
    async def work(host):
        ours, theirs = os.openpty()
        container = await host.runtime.start(host.spec(program("/bin/sleep", "100", tty=True)), (theirs,) * 3)
        assert container.processes()[0].tty == os.ttyname(theirs).removeprefix("/dev/")
        os.close(ours)
        os.close(theirs)

    run(tmp_path, work)


def test_a_name_made_to_confuse():
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        Path("/proc/self/comm").write_text("a) R 1 (b")
        os.write(write_end, b"x")
        signal.pause()
    try:
        os.read(read_end, 1)
        assert [row.ppid for row in processes.rows(os.getpid()) if row.pid == child] == [os.getpid()]
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(read_end)
        os.close(write_end)


def test_usage(tmp_path):
    async def work(host):
        script = "i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done; (sleep 100; :) & echo ready; wait"
        container, pipe = await host.start_and_hear(shell(script))
        with closing(pipe):
            await pipe.line()
        usage = container.usage()
        assert usage.pids in (2, 3)
        assert usage.cpu_ns > 10_000_000
        assert 100_000 < usage.memory_bytes < 50_000_000
        container.signal(9)
        await container.wait()
        assert container.usage() == Usage()

    run(tmp_path, work)


def test_the_time_of_those_that_ended_counts(tmp_path):
    async def work(host):
        busy = "i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done"
        container, pipe = await host.start_and_hear(shell(f"sh -c '{busy}'; echo ready; exec sleep 100"))
        with closing(pipe):
            await pipe.line()
        assert container.usage().cpu_ns > 10_000_000

    run(tmp_path, work)


def test_a_kernel_without_the_list_of_children(tmp_path):
    async def work(host):
        await host.start(shell("sleep 100", env=ENVIRONMENT))
        parent = host.runtime._parent.pid
        assert processes._children_by_search(parent) == processes.children(parent) != []

    run(tmp_path, work)


def test_a_process_that_is_gone():
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    assert processes.children(pid) == []
    assert processes.rows(pid) == []
    assert processes.usage(pid) == Usage()
    assert not Path(f"/proc/{pid}").exists()
