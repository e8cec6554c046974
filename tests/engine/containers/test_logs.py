"""Logs on disk: lines in, lines out."""

import asyncio
import json
import os
import re

import pytest

from voldemo.engine.containers import logs
from voldemo.engine.containers.logs import LogFile, Wanted
from voldemo.engine.errors import Failed


@pytest.fixture
def log(tmp_path):
    return LogFile(tmp_path / "x-json.log")


async def collect(log, **wanted):
    return [line async for line in log.read(Wanted(**wanted))]


def texts(log, **wanted):
    return [line.text for line in asyncio.run(collect(log, **wanted))]


def fill(log, *blocks):
    log.begin()
    for stream, data in blocks:
        log.write(stream, data)
    log.end()


def test_the_format_is_dockers(log):
    fill(log, ("stdout", b"a\nb"), ("stderr", b"c\n"))
    entries = [json.loads(line) for line in log.path.read_text().splitlines()]
    assert [(e["log"], e["stream"]) for e in entries] == [("a\n", "stdout"), ("c\n", "stderr"), ("b", "stdout")]
    assert all(set(entry) == {"log", "stream", "time"} for entry in entries)


def test_lines_come_whole_however_they_were_written(log):
    fill(log, ("stdout", b"one\ntw"), ("stdout", b"o\n"), ("stdout", b"\n"))
    assert texts(log) == [b"one\n", b"two\n", b"\n"]


def test_a_long_line_comes_in_pieces(log):
    fill(log, ("stdout", b"x" * 40_000 + b"\n"))
    assert b"".join(texts(log)) == b"x" * 40_000 + b"\n"


def test_bytes_that_are_no_text(log):
    fill(log, ("stdout", b"\xff\xfe\n"))
    assert texts(log) == ["\ufffd\ufffd\n".encode()]


@pytest.mark.parametrize("count", [0, 1, 3, 1000, 3000])
def test_tail(log, count):
    fill(log, ("stdout", b"".join(b"%d\n" % n for n in range(2000))))
    assert (
        texts(log, tail=count) == [b"%d\n" % n for n in range(2000)][len(range(2000)) - count if count < 2000 else 0 :]
    )


def test_tail_counts_only_what_is_wanted(log):
    fill(log, ("stdout", b"a\n"), ("stderr", b"b\n"), ("stderr", b"c\n"))
    assert texts(log, tail=1, stderr=False) == [b"a\n"]


def test_since_and_until(log):
    lines = [{"log": f"{n}\n", "stream": "stdout", "time": f"2026-01-01T00:00:0{n}.000000000Z"} for n in range(5)]
    log.path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    second, start = 10**9, 1767225600 * 10**9
    assert texts(log, since=start + 2 * second, until=start + 3 * second) == [b"2\n", b"3\n"]


def test_a_line_cut_by_a_crash_is_shown(log):
    log.path.write_text('{"log":"a\\n","stream":"stdout","time":"2026-01-01T00:00:00Z"}\n{"log":"b\n')
    assert texts(log) == [b"a\n", b'{"log":"b\n']


def test_follow_ends_with_the_run(log):
    async def story():
        log.begin()
        log.write("stdout", b"before\n")
        reader = asyncio.create_task(collect(log, follow=True))
        await asyncio.sleep(0.01)
        log.write("stdout", b"after\n")
        await asyncio.sleep(0.01)
        assert not reader.done()
        log.end()
        return await reader

    assert [line.text for line in asyncio.run(story())] == [b"before\n", b"after\n"]


def test_follow_of_what_does_not_run_ends(log):
    fill(log, ("stdout", b"a\n"))
    assert texts(log, follow=True) == [b"a\n"]


def test_follow_until(log):
    async def story():
        log.begin()
        log.write("stdout", b"a\n")
        now = logs.clock.of_rfc3339(logs.clock.now())
        return await collect(log, follow=True, until=now + 10**8)

    assert [line.text for line in asyncio.run(story())] == [b"a\n"]


def test_a_second_run_is_appended(log):
    fill(log, ("stdout", b"a\n"))
    fill(log, ("stdout", b"b\n"))
    assert texts(log) == [b"a\n", b"b\n"]


def test_no_descriptor_is_left(log):
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    fill(log, ("stdout", b"a\n"))
    texts(log, tail=1)
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


# rotation


@pytest.fixture
def small(tmp_path):
    return LogFile(tmp_path / "x-json.log", logs.limits({"max-size": "1k", "max-file": "3"}))


def numbers(count):
    return b"".join(b"%d\n" % number for number in range(count))


def test_full_files_make_room(small, tmp_path):
    fill(small, ("stdout", numbers(200)))
    found = sorted(path.name for path in tmp_path.iterdir())
    assert found == ["x-json.log", "x-json.log.1", "x-json.log.2"]
    assert all(path.stat().st_size < 1200 for path in tmp_path.iterdir())
    shown = texts(small)
    assert shown == numbers(200).splitlines(keepends=True)[-len(shown) :]


@pytest.mark.parametrize("count", [0, 1, 12, 25])
def test_a_tail_over_several_files(small, count):
    fill(small, ("stdout", numbers(200)))
    assert texts(small, tail=count) == numbers(200).splitlines(keepends=True)[200 - count :]


def test_followers_go_along(small):
    async def follow():
        small.begin()
        following = asyncio.create_task(collect(small, follow=True))
        for number in range(200):
            small.write("stdout", b"%d\n" % number)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        small.end()
        return [line.text for line in await following]

    assert asyncio.run(follow()) == numbers(200).splitlines(keepends=True)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"max-size": "x"}, "invalid size: 'x'"),
        ({"max-size": "0"}, "max-size must be a positive number"),
        ({"max-size": "1k", "max-file": "0"}, "max-file cannot be less than 1"),
        ({"max-file": "x"}, 'strconv.Atoi: parsing "x": invalid syntax'),
        ({"compress": "true"}, "compress cannot be true when max-file is less than 2 or max-size is not set"),
    ],
)
def test_limits_that_make_no_sense(config, said):
    with pytest.raises(Failed, match=re.escape(f"failed to initialize logging driver: {said}")):
        logs.limits(config)
    assert logs.usable(config) == logs.NO_LIMITS
