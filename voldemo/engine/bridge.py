"""Between the event loop and code that blocks: files over request bodies, responses made by threads."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any, ParamSpec, TypeVar

T = TypeVar("T")
P = ParamSpec("P")
QUEUE = 8  # blocks a thread may be ahead of a slow client

# Its own pool: a client that sends a tar slowly holds a thread, and must not hold the engine's other work.
pool = ThreadPoolExecutor(max_workers=128, thread_name_prefix="stream")


class Abandoned(Exception):
    """Nobody reads what the thread writes any more."""


async def run(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    return await asyncio.get_running_loop().run_in_executor(pool, partial(function, *args, **kwargs))


async def whole(work: Coroutine[Any, Any, T]) -> T:
    """Whoever is cancelled meanwhile waits for its end: only then what it did can be undone."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # heard here: whoever is cancelled tells nobody
        raise
    finally:
        del task  # it has the exception, which has this frame: a circle, with every file open below it


class BodyFile(io.RawIOBase):
    """A blocking file over a body that the loop receives. For threads: in the loop's own it would wait for itself."""

    def __init__(self, body: AsyncIterator[bytes], loop: asyncio.AbstractEventLoop) -> None:
        self._body = body
        self._loop = loop
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest:
            self._rest = memoryview(asyncio.run_coroutine_threadsafe(self._next(), self._loop).result())
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size

    async def _next(self) -> bytes:
        return await anext(self._body, b"")


def body_file(body: AsyncIterator[bytes]) -> io.BufferedReader:
    return io.BufferedReader(BodyFile(body, asyncio.get_running_loop()), 1 << 18)


async def iterate(iterable: Iterable[T]) -> AsyncIterator[T]:
    """Each item is made in a thread."""
    end = object()
    iterator: Iterator[Any] = iter(iterable)
    pending: asyncio.Future[Any] | None = None
    try:
        while True:
            pending = asyncio.ensure_future(run(next, iterator, end))
            item = await asyncio.shield(pending)
            if item is end:
                return
            yield item
    finally:
        await whole(close(iterator, pending))
        del pending  # as in whole()


async def close(iterator: Iterator[Any], pending: asyncio.Future[Any] | None) -> None:
    """A generator cannot be closed while it runs: wait for the step it is at, whatever comes of it."""
    if pending is not None:
        await asyncio.wait([pending])
        if not pending.cancelled():
            pending.exception()
    if hasattr(iterator, "close"):
        await run(iterator.close)


async def written(
    function: Callable[[Callable[[bytes], object]], object], cancel: Callable[[], object] = lambda: None
) -> AsyncIterator[bytes]:
    """What `function(write)` writes in a thread. `write` waits for a slow client and raises when it has gone.

    `cancel` is called then too: the thread may be waiting for something else.
    """
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[bytes | None] = asyncio.Queue(QUEUE)
    abandoned = False

    async def put(block: bytes | None) -> None:
        if abandoned:
            raise Abandoned("the client has gone")
        await queue.put(block)

    def write(block: bytes) -> int:
        asyncio.run_coroutine_threadsafe(put(bytes(block)), loop).result()
        return len(block)

    def work() -> None:
        try:
            function(write)
        finally:
            if not abandoned:
                asyncio.run_coroutine_threadsafe(put(None), loop).result()

    worker = asyncio.ensure_future(run(work))
    try:
        while (block := await queue.get()) is not None:
            yield block
        await worker
    finally:
        abandoned = True
        cancel()
        await whole(release(worker, queue))
        del worker  # as in whole()


async def release(worker: asyncio.Future[Any], queue: asyncio.Queue[bytes | None]) -> None:
    while not worker.done():
        while not queue.empty():
            queue.get_nowait()
        getter = asyncio.ensure_future(queue.get())
        await asyncio.wait([worker, getter], return_when=asyncio.FIRST_COMPLETED)
        getter.cancel()
    if not worker.cancelled():
        worker.exception()
