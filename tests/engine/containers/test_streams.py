"""Streams between a process and its clients. The processes are the test's own pipes."""

import asyncio
import os

import pytest

from voldemo.engine.containers import streams
from voldemo.engine.containers.streams import BACKLOG, STDERR, STDOUT, Streams

BOTH = frozenset({STDOUT, STDERR})


def run(story):
    return asyncio.run(asyncio.wait_for(story(), 10))


async def everything(attachment):
    blocks = []
    while (block := await attachment.next()) is not None:
        blocks.append(block)
    return blocks


def test_who_attached_before_the_start_gets_all_of_it():
    async def story():
        made = Streams()
        attachment = made.attach(BOTH)
        stdio = made.open()
        made.begin(stdio)
        os.write(stdio.child[1], b"out")
        os.write(stdio.child[2], b"err")
        stdio.close_child()
        await made.finish()
        return sorted(await everything(attachment))

    assert run(story) == [(STDOUT, b"out"), (STDERR, b"err")]


def test_only_the_wanted_stream():
    async def story():
        made = Streams()
        attachment = made.attach(frozenset({STDERR}))
        stdio = made.open()
        made.begin(stdio)
        os.write(stdio.child[1], b"out")
        stdio.close_child()
        await made.finish()
        return await everything(attachment)

    assert run(story) == []


def test_a_slow_client_holds_the_process_back_and_loses_nothing():
    async def story():
        made = Streams()
        attachment = made.attach(BOTH)
        stdio = made.open()
        made.begin(stdio)
        total = 4 * BACKLOG
        writer = asyncio.create_task(asyncio.to_thread(write, stdio.child[1], total))
        await asyncio.sleep(0.2)
        assert not writer.done()
        assert attachment.behind <= BACKLOG + streams.BLOCK
        reader = asyncio.create_task(everything(attachment))
        await writer
        stdio.close_child()
        await made.finish()
        assert sum(len(data) for _, data in await reader) == total

    run(story)


def write(descriptor, total):
    for _ in range(total // 65536):
        os.write(descriptor, b"x" * 65536)


def test_a_client_that_does_not_read_does_not_keep_the_end_from_coming():
    async def story():
        made = Streams()
        attachment = made.attach(BOTH)
        stdio = made.open()
        made.begin(stdio)
        while attachment.behind <= BACKLOG:
            await asyncio.to_thread(os.write, stdio.child[1], b"x" * 65536)
            await asyncio.sleep(0.001)
        stdio.close_child()
        await asyncio.wait_for(made.finish(), 1)

    run(story)


def test_input_waits_for_the_process():
    async def story():
        made = Streams(open_stdin=True, stdin_once=True)
        reader = asyncio.StreamReader()
        reader.feed_data(b"hello")
        reader.feed_eof()
        feeding = asyncio.create_task(made.feed(reader))
        await asyncio.sleep(0.01)
        stdio = made.open()
        made.begin(stdio)
        await feeding
        assert os.read(stdio.child[0], 100) == b"hello"
        assert os.read(stdio.child[0], 100) == b""
        stdio.close_child()
        await made.finish()

    run(story)


def test_more_input_than_a_pipe_holds():
    async def story():
        made = Streams(open_stdin=True, stdin_once=True)
        stdio = made.open()
        made.begin(stdio)
        reader = asyncio.StreamReader(limit=1 << 20)
        reader.feed_data(b"y" * 500_000)
        reader.feed_eof()
        feeding = asyncio.create_task(made.feed(reader))
        got = await asyncio.to_thread(read_all, stdio.child[0])
        await feeding
        stdio.close_child()
        await made.finish()
        assert got == 500_000

    run(story)


def read_all(descriptor):
    total = 0
    while data := os.read(descriptor, 65536):
        total += len(data)
    return total


def test_input_to_a_process_that_has_gone_is_no_error():
    async def story():
        made = Streams(open_stdin=True)
        stdio = made.open()
        made.begin(stdio)
        stdio.close_child()
        reader = asyncio.StreamReader()
        reader.feed_data(b"hello")
        await made.feed(reader)
        await made.finish()

    run(story)


def test_a_terminal_has_one_stream_and_a_size():
    async def story():
        made = Streams(tty=True, size=(10, 20))
        attachment = made.attach(BOTH)
        stdio = made.open()
        made.begin(stdio)
        assert os.get_terminal_size(stdio.child[1]) == (20, 10)
        made.resize(30, 40)
        assert os.get_terminal_size(stdio.child[1]) == (40, 30)
        os.write(stdio.child[1], b"hi\n")
        os.write(stdio.child[2], b"err\n")
        stdio.close_child()
        await made.finish()
        return b"".join(data for _, data in await everything(attachment))

    assert run(story) == b"hi\r\nerr\r\n"


def test_no_descriptor_is_left():
    async def story():
        before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
        for tty in (False, True):
            made = Streams(tty=tty, open_stdin=True)
            stdio = made.open()
            made.begin(stdio)
            stdio.close_child()
            await made.finish()
        assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208

    run(story)


@pytest.mark.parametrize("length", [0, 3])
def test_frames(length):
    assert streams.frame(STDERR, b"x" * length) == b"\2\0\0\0\0\0\0" + bytes([length]) + b"x" * length
