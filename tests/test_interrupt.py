"""An interrupt waits for the end of what must not be cut short; a second one does not."""

# ruff: noqa: PT012 - what happens inside the block, and after the interrupt in it, is the point
import signal
import threading

import pytest

from voldemo.interrupt import held_back


def test_an_interrupt_takes_effect_after_the_block():
    seen = []
    with pytest.raises(KeyboardInterrupt), held_back():
        signal.raise_signal(signal.SIGINT)
        seen.append("to the end")
    assert seen == ["to the end"]


def test_a_second_one_takes_effect_at_once():
    seen = []
    with pytest.raises(KeyboardInterrupt), held_back():
        signal.raise_signal(signal.SIGINT)
        seen.append("first")
        signal.raise_signal(signal.SIGINT)
        seen.append("second")
    assert seen == ["first"]


def test_it_is_not_lost_when_the_block_fails():
    with pytest.raises(KeyboardInterrupt) as caught, held_back():
        signal.raise_signal(signal.SIGINT)
        raise OSError("refused")
    assert isinstance(caught.value.__context__, OSError)


def test_nothing_is_different_afterwards():
    before = signal.getsignal(signal.SIGINT)
    with held_back():
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before


def test_one_inside_another_is_held_to_the_end_of_the_outer():
    seen = []
    with pytest.raises(KeyboardInterrupt), held_back():
        with held_back():
            signal.raise_signal(signal.SIGINT)
        seen.append("outer")
    assert seen == ["outer"]


def test_a_thread_is_left_alone():
    """Python interrupts the main thread only, and lets no other one set a handler."""
    seen = []

    def work():
        with held_back():
            seen.append("ran")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == ["ran"]
