"""An interrupt that waits for the engine's answer: what it made after we had gone away, nobody would remove."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def held_back() -> Iterator[None]:
    """Ctrl-C (or Jupyter's stop) takes effect after the block. A second one does at once: the engine may be stuck."""
    if threading.current_thread() is not threading.main_thread():  # Python interrupts only that one
        yield
        return
    held: list[tuple] = []

    def hold(*arguments) -> None:
        if held:
            signal.default_int_handler(*arguments)
        held.append(arguments)

    before = signal.signal(signal.SIGINT, hold)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if held:
            signal.raise_signal(signal.SIGINT)
