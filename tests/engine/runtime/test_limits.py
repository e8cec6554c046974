import os
import signal
from contextlib import closing

from engine.runtime.hosted import run, shell
from voldemo.engine.runtime import limits
from voldemo.engine.runtime.launcher import Exit
from voldemo.engine.runtime.processes import descendants, proportional, resident

MIB = 1024 * 1024
EATS = "echo ready; head -c 200M /dev/zero | tail; sleep 100"


def test_too_much_memory_ends_the_container(tmp_path):
    async def work(host):
        container, pipe = await host.start_and_hear(shell(EATS), memory=64 * MIB)
        pipe.close()
        assert await container.wait() == Exit(137, oom_killed=True)

    run(tmp_path, work)


def test_within_the_limit_nothing_happens(tmp_path):
    async def work(host):
        container = await host.start(shell("sleep 0.3; exit 4"), memory=64 * MIB)
        assert await container.wait() == Exit(4)

    run(tmp_path, work)


def test_killed_by_hand_is_not_out_of_memory(tmp_path):
    async def work(host):
        container = await host.start(shell("sleep 100"), memory=64 * MIB)
        container.signal(signal.SIGKILL)
        assert await container.wait() == Exit(137)

    run(tmp_path, work)


def test_what_is_shared_counts_once(tmp_path):
    async def work(host):
        container, pipe = await host.start_and_hear(shell("for i in 1 2 3 4 5 6; do (sleep 100; :) & done; echo; wait"))
        with closing(pipe):
            await pipe.line()
        pids = descendants(container._tracer)
        shared_in_full = sum(map(resident, pids))
        shared_once = sum(map(proportional, pids))
        assert shared_once < shared_in_full
        assert not limits.uses_more(container._tracer, (shared_once + shared_in_full) // 2)
        assert limits.uses_more(container._tracer, shared_once // 2)

    run(tmp_path, work)


def test_a_tracer_that_is_gone_uses_nothing():
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    assert limits.uses_more(pid, 0) is False
