"""Threads that write to clients, and iterators that threads step."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing

import pytest

from engine.server.raw import in_a_loop
from voldemo.engine import bridge


def test_what_a_thread_writes_arrives_in_order() -> None:
    async def read() -> list[bytes]:
        return [block async for block in bridge.written(lambda write: [write(b"%d" % n) for n in range(100)])]

    assert in_a_loop(read()) == [b"%d" % n for n in range(100)]


def test_a_writer_that_nobody_reads_ends() -> None:
    ended = threading.Event()

    def work(write) -> None:
        try:
            while True:
                write(b"x")
        except bridge.Abandoned:
            ended.set()
            raise

    async def read() -> None:
        async with aclosing(bridge.written(work)) as blocks:
            async for _ in blocks:
                return

    in_a_loop(read())
    assert ended.is_set()


def test_what_goes_wrong_in_the_thread_goes_wrong_here() -> None:
    def work(write) -> None:
        write(b"x")
        raise KeyError("there")

    async def read() -> None:
        async for _ in bridge.written(work):
            pass

    with pytest.raises(KeyError, match="there"):
        in_a_loop(read())


def test_an_iterator_is_closed_even_when_it_is_left_in_the_middle() -> None:
    closed = threading.Event()
    threads = set()

    def numbers() -> Iterator[int]:
        try:
            for number in range(1000):
                threads.add(threading.current_thread())
                yield number
        finally:
            closed.set()

    async def read() -> None:
        async with aclosing(bridge.iterate(numbers())) as items:
            async for number in items:
                if number == 5:
                    return

    in_a_loop(read())
    assert closed.is_set()
    assert threading.main_thread() not in threads


def test_an_iterator_that_is_busy_is_waited_for_when_its_reader_is_cancelled() -> None:
    begun, go, closed = threading.Event(), threading.Event(), threading.Event()

    def slow() -> Iterator[int]:
        try:
            begun.set()
            go.wait(5)
            yield 1
        finally:
            closed.set()

    async def main() -> None:
        async def read() -> None:
            async with aclosing(bridge.iterate(slow())) as items:
                async for _ in items:
                    pass

        task = asyncio.ensure_future(read())
        await asyncio.to_thread(begun.wait, 5)
        task.cancel()
        await asyncio.sleep(0.05)
        go.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    in_a_loop(main())
    assert closed.is_set()


def test_a_body_is_a_file_for_a_thread() -> None:
    async def body() -> AsyncIterator[bytes]:
        for number in range(1000):
            yield b"%03d" % number

    async def main() -> bytes:
        file = bridge.body_file(body())
        return await bridge.run(lambda: file.read(3) + file.readline() + file.read())

    assert in_a_loop(main()) == b"".join(b"%03d" % number for number in range(1000))


def test_one_who_is_cancelled_waits_for_what_was_begun() -> None:
    begun, go, ended = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        go.wait(5)
        ended.set()

    async def main() -> None:
        task = asyncio.ensure_future(bridge.whole(asyncio.to_thread(work)))
        await asyncio.to_thread(begun.wait, 5)
        for _ in range(3):  # however often
            task.cancel()
            await asyncio.sleep(0)
        assert not task.done()
        go.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended.is_set()

    in_a_loop(main())


def test_a_thread_that_waits_for_something_else_is_told_that_nobody_reads() -> None:
    told = threading.Event()

    def work(write) -> None:
        write(b"x")
        assert told.wait(5)

    async def read() -> None:
        async with aclosing(bridge.written(work, told.set)) as blocks:
            async for _ in blocks:
                return

    in_a_loop(read())
    assert told.is_set()
