"""A memory limit without cgroups: look often, and end the container that uses more."""

from __future__ import annotations

import asyncio

from voldemo.engine.runtime.processes import descendants, proportional, resident

_INTERVAL = 0.1


async def exceeded(tracer: int, limit: int) -> None:
    """Returns once the container of `tracer` uses more than `limit` bytes. No event tells, so it polls."""
    while not uses_more(tracer, limit):
        await asyncio.sleep(_INTERVAL)


def uses_more(tracer: int, limit: int) -> bool:
    pids = descendants(tracer)
    if sum(map(resident, pids)) <= limit:  # counts shared pages too often, so this much is certain, and cheap
        return False
    return sum(map(proportional, pids)) > limit
