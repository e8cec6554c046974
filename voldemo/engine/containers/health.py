"""HEALTHCHECK: a command that is run in the container now and then, and what comes of it."""

from __future__ import annotations

import asyncio
import signal
import time
from typing import Any

from voldemo.engine import clock, errors
from voldemo.engine.containers.container import Container
from voldemo.engine.containers.exec import FLAGS, Exec
from voldemo.engine.containers.streams import STDERR, STDOUT

INTERVAL = TIMEOUT = 30 * clock.SECOND
START_INTERVAL = 5 * clock.SECOND
RETRIES = 3
KEPT, OUTPUT = 5, 4096
TIMED_OUT = -1


def command(container: Container) -> list[str]:
    """Empty: there is no check."""
    check = container.config.get("Healthcheck") or {}
    kind, *argv = check.get("Test") or ["NONE"]
    match kind:
        case "CMD":
            return argv
        case "CMD-SHELL":
            return [*(container.config.get("Shell") or ["/bin/sh", "-c"]), *argv[:1]] if argv else []
        case _:
            return []


def begin(container: Container) -> None:
    argv = command(container)
    if not argv:
        container.state.health = None
        return
    container.state.health = {"Status": "starting", "FailingStreak": 0, "Log": []}
    container.monitor = Monitor(container, argv)


class Monitor:
    def __init__(self, container: Container, argv: list[str]) -> None:
        self._container = container
        self._argv = argv
        check = container.config["Healthcheck"]
        self._interval = (check.get("Interval") or INTERVAL) / clock.SECOND
        self._timeout = (check.get("Timeout") or TIMEOUT) / clock.SECOND
        self._retries = check.get("Retries") or RETRIES
        self._start_period = (check.get("StartPeriod") or 0) / clock.SECOND
        self._start_interval = (check.get("StartInterval") or START_INTERVAL) / clock.SECOND
        self._begun = time.monotonic()
        self._task = asyncio.create_task(self._run())

    def stop(self) -> None:
        self._task.cancel()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._wait())
            if self._container.state.status == "running":
                await self._probe()

    def _starting(self) -> bool:
        period = time.monotonic() - self._begun < self._start_period
        return period and self._health["Status"] == "starting"

    def _wait(self) -> float:
        return min(self._start_interval, self._interval) if self._starting() else self._interval

    @property
    def _health(self) -> dict[str, Any]:
        health = self._container.state.health
        assert health is not None
        return health

    async def _probe(self) -> None:
        start = clock.now()
        starting = self._starting()
        code, output = await self._check()
        entry = {"Start": start, "End": clock.now(), "ExitCode": code, "Output": output}
        await self._take(entry, starting)

    async def _check(self) -> tuple[int, str]:
        flags = dict.fromkeys(FLAGS, False) | {"AttachStdout": True, "AttachStderr": True}
        probe = Exec(self._container, self._argv, [], "", "", flags)
        attachment = probe.streams.attach(frozenset({STDOUT, STDERR}))
        output = b""
        try:
            await probe.start()
            async with asyncio.timeout(self._timeout):
                while (block := await attachment.next()) is not None:
                    output = (output + block[1])[: OUTPUT + 1]
                await probe.done.wait()
        except TimeoutError:
            return TIMED_OUT, f"Health check exceeded timeout ({go_duration(self._timeout)})"
        except errors.EngineError as error:
            return TIMED_OUT, str(error)
        finally:
            if probe.running and probe.process:
                probe.process.signal(signal.SIGKILL)
            probe.streams.detach(attachment)
        return probe.code if probe.code is not None else TIMED_OUT, shown(output)

    async def _take(self, entry: dict[str, Any], starting: bool) -> None:
        health, before = self._health, self._health["Status"]
        health["Log"] = [*health["Log"], entry][-KEPT:]
        if entry["ExitCode"] == 0:
            health["FailingStreak"], health["Status"] = 0, "healthy"
        elif not starting:
            health["FailingStreak"] += 1
            if health["FailingStreak"] >= self._retries:
                health["Status"] = "unhealthy"
        if health["Status"] != before:
            await self._container.save()
            self._container.tell(f"health_status: {health['Status']}")


def go_duration(seconds: float) -> str:
    """As Go prints it: 100ms, 2s, 1m30s."""
    if seconds < 1:
        return f"{seconds * 1000:g}ms"
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}h{minutes}m{rest:g}s" if hours else f"{minutes}m{rest:g}s" if minutes else f"{rest:g}s"


def shown(output: bytes) -> str:
    text = output[:OUTPUT].decode(errors="replace")
    return text + "..." if len(output) > OUTPUT else text
