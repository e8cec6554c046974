"""What a container uses, in Docker's shape; without cgroups, so what only they know is left empty."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from typing import Any

from voldemo.engine import clock
from voldemo.engine.containers.container import Container
from voldemo.engine.runtime.launcher import Usage

INTERVAL = 1.0
TICK = 10**9 // os.sysconf("SC_CLK_TCK")
DISK_TEXT = """
io_service_bytes_recursive io_serviced_recursive io_queue_recursive io_service_time_recursive
io_wait_time_recursive io_merged_recursive io_time_recursive sectors_recursive
"""
DISK = DISK_TEXT.split()
THROTTLING = {"periods": 0, "throttled_periods": 0, "throttled_time": 0}


def system_cpu() -> int:
    """Nanoseconds that all processors have run since the machine started, idle or not."""
    with open("/proc/stat") as file:  # noqa: PTH123 - the shortest way to one line
        return sum(map(int, file.readline().split()[1:9])) * TICK


def cpu(usage: Usage) -> dict[str, Any]:
    return {
        "cpu_usage": {"total_usage": usage.cpu_ns, "usage_in_kernelmode": 0, "usage_in_usermode": usage.cpu_ns},
        "system_cpu_usage": system_cpu(),
        "online_cpus": os.cpu_count() or 1,
        "throttling_data": THROTTLING,
    }


NO_CPU = {
    "cpu_usage": {"total_usage": 0, "usage_in_kernelmode": 0, "usage_in_usermode": 0},
    "throttling_data": THROTTLING,
}


def disk(usage: Usage) -> dict[str, Any]:
    amounts = (("read", usage.read_bytes), ("write", usage.write_bytes))
    rows = [{"major": 0, "minor": 0, "op": op, "value": value} for op, value in amounts]
    return dict.fromkeys(DISK, None) | {"io_service_bytes_recursive": rows}


def memory(container: Container, usage: Usage) -> dict[str, Any]:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = container.host["Memory"] or total
    return {"usage": usage.memory_bytes, "stats": {"inactive_file": 0, "total_inactive_file": 0}, "limit": limit}


def identity(container: Container) -> dict[str, Any]:
    return {"name": f"/{container.name}", "id": container.id}


def nothing(container: Container) -> dict[str, Any]:
    """Of a container that does not run."""
    shown = identity(container) | {"read": clock.ZERO, "preread": clock.ZERO, "pids_stats": {}, "num_procs": 0}
    shown |= {"blkio_stats": dict.fromkeys(DISK), "storage_stats": {}, "memory_stats": {}}
    return shown | {"cpu_stats": NO_CPU, "precpu_stats": NO_CPU}


def sample(container: Container, before: dict[str, Any] | None) -> dict[str, Any]:
    """Blocks: it reads /proc."""
    if container.handle is None:
        return nothing(container)
    usage = container.handle.usage()
    return identity(container) | {
        "read": clock.now(),
        "preread": before["read"] if before else clock.ZERO,
        "pids_stats": {"current": usage.pids},
        "blkio_stats": disk(usage),
        "num_procs": 0,
        "storage_stats": {},
        "cpu_stats": cpu(usage),
        "precpu_stats": before["cpu_stats"] if before else NO_CPU,
        "memory_stats": memory(container, usage),
        "networks": {},
    }


async def once(container: Container, at_once: bool) -> dict[str, Any]:
    first = await asyncio.to_thread(sample, container, None)
    if at_once or container.handle is None:
        return first
    await asyncio.sleep(INTERVAL)
    return await asyncio.to_thread(sample, container, first)


async def stream(container: Container) -> AsyncIterator[bytes]:
    """One a second, as long as the container exists."""
    before = None
    while not container.gone.done():
        before = await asyncio.to_thread(sample, container, before)
        yield json.dumps(before).encode() + b"\n"
        if container.handle is None:
            before = None
        await asyncio.wait([container.gone], timeout=INTERVAL)
