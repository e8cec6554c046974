"""Processes of their own that a test may interrupt, kill, or take root's rights from.

They are forks of a server that has imported voldemo already, so each starts within milliseconds.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["voldemo.connect", "voldemo.sandbox", "pandas"])
NOBODY = 65534


def start(work: Callable, *arguments) -> tuple[multiprocessing.Process, Connection]:
    """`work(pipe, *arguments)` in a process with this one's environment; the other end of the pipe is returned."""
    sys.modules["__main__"].__dict__.setdefault("__spec__", None)  # IPython's stand-in for it has none
    ours, theirs = FORKS.Pipe()
    child = FORKS.Process(target=_run, args=(dict(os.environ), work, theirs, *arguments), daemon=True)
    child.start()
    theirs.close()
    return child, ours


def answer(work: Callable, *arguments) -> object:
    """What `work` sent back."""
    child, pipe = start(work, *arguments)
    with pipe:
        said = receive(pipe)
    child.join()
    return said


def receive(pipe: Connection) -> object:
    """What the child sends next. One that says nothing for a minute has failed."""
    assert pipe.poll(60), "the child says nothing"
    return pipe.recv()


def give_up_rights() -> None:
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)


def _run(environment: dict[str, str], work: Callable, pipe: Connection, *arguments) -> None:
    os.environ.clear()
    os.environ.update(environment)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    work(pipe, *arguments)
