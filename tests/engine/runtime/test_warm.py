import os
import signal
import sys
from pathlib import Path

import pytest

from engine.runtime.hosted import Host, run, shell
from voldemo.engine.runtime import control, parent
from voldemo.engine.runtime.launcher import Refused
from voldemo.engine.runtime.processes import proportional

MIB = 1024 * 1024


def test_it_and_the_tracers_are_small(tmp_path):
    async def work(host):
        containers = [await host.start(shell("sleep 100")) for _ in range(5)]
        assert proportional(host.runtime._parent.pid) < 10 * MIB
        assert sum(proportional(container._tracer) for container in containers) < 5 * 6 * MIB

    run(tmp_path, work)


def test_it_imports_nothing_of_the_rest(tmp_path):
    async def work(host):
        maps = Path(f"/proc/{host.runtime._parent.pid}/maps").read_text()
        assert "_asyncio" not in maps
        assert "site-packages" not in maps

    run(tmp_path, work)


def test_it_is_not_reached_by_an_interrupt_at_the_terminal(tmp_path):
    async def work(host):
        assert os.getsid(host.runtime._parent.pid) == host.runtime._parent.pid

    run(tmp_path, work)


def test_a_tracer_holds_nothing_of_the_warm_parents(tmp_path):
    async def work(host):
        container = await host.start(shell("sleep 100"))
        warm = sockets(host.runtime._parent.pid)
        assert warm
        assert not warm & sockets(container._tracer)

    run(tmp_path, work)


def sockets(pid: int) -> set[str]:
    links = (str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir())
    return {link for link in links if link.startswith("socket:")}


def test_a_program_inherits_only_its_three(tmp_path):
    async def work(host):
        assert (await host.output(shell("ls /proc/self/fd"))).split() == ["0", "1", "2", "3"]  # 3: ls' own
        assert await host.output(shell("/usr/bin/env", env=())) == "PWD=/\n"

    run(tmp_path, work)


def test_signals_are_as_a_new_program_expects_them(tmp_path):
    async def work(host):
        status = await host.output(shell("cat /proc/self/status"))
        masks = dict(line.split(":\t") for line in status.splitlines() if line.startswith("Sig"))
        assert int(masks["SigBlk"], 16) == 0
        assert int(masks["SigIgn"], 16) == 0

    run(tmp_path, work)


def test_an_interpreter_that_does_not_run(monkeypatch, tmp_path):
    for executable in ("/bin/false", "/no/such/python"):
        monkeypatch.setattr(sys, "executable", executable)
        with pytest.raises(Refused, match="did not start"):
            run(tmp_path, lambda _: None)


def test_killed_while_it_starts(monkeypatch, tmp_path):
    monkeypatch.setattr(parent, "_START", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(Refused, match="did not start"):
        run(tmp_path, lambda _: None)


def test_messages_of_every_size_and_their_descriptors():
    ours, theirs = control.pair()
    with ours, theirs:
        for size in (0, 1000, 32 * 1024, 1_000_000):
            control.send(ours, {"text": "é\udcff" * size}, [ours.fileno()] * 4)
            message, descriptors = control.receive(theirs)
            assert message == {"text": "é\udcff" * size}
            assert len(descriptors) == 4
            control.close(descriptors)
        ours.close()
        assert control.receive(theirs) is None


def test_more_descriptors_than_a_message_has():
    ours, theirs = control.pair()
    with ours, theirs:
        control.send(ours, {}, [ours.fileno()] * 20)
        before = len(os.listdir("/proc/self/fd"))
        with pytest.raises(ValueError, match="cut short"):
            control.receive(theirs)
        assert len(os.listdir("/proc/self/fd")) == before


def test_stopped_it_still_ends_with_the_engine(tmp_path):
    """The engine's end reaches it as a signal that nothing holds up."""

    async def work(host: Host) -> None:
        await host.start(shell("sleep 100"))
        os.kill(host.runtime._parent.pid, signal.SIGSTOP)
        os.kill(host.runtime._parent.pid, signal.SIGKILL)

    run(tmp_path, work)
