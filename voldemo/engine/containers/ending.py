"""From running to exited, removed or running again."""

from __future__ import annotations

import asyncio
import signal
import sys

from voldemo.engine import clock, errors
from voldemo.engine.containers import restart, signals, starting
from voldemo.engine.containers.container import Container
from voldemo.engine.runtime.launcher import Container as Handle
from voldemo.engine.runtime.spec import Exit

STOP_TIMEOUT = 10
FOR_EVER = -1


async def watch(container: Container, handle: Handle) -> None:
    """One run to its end, and what follows from it."""
    exit = await handle.wait()
    await container.streams.finish()
    async with container.lock:
        again = await end(container, exit)
    if again:
        container.restarting = asyncio.create_task(start_again(container))
    elif container.host["AutoRemove"] and not container.removing:
        await remove(container, force=True, volumes=True)


async def end(container: Container, exit: Exit) -> bool:
    """True: it is to be started again. The caller holds the lock."""
    state = container.state
    ran = int(container.ran_for())
    state.exit_code, state.oom_killed, state.finished_at, state.pid = exit.code, exit.oom_killed, clock.now(), 0
    container.handle = None
    container.log.end()
    if container.monitor:
        container.monitor.stop()
        container.monitor = None
    await starting.withdraw(container)
    again = restart.wanted(container)
    container.untold = True
    state.status = "restarting" if again else "exited"
    try:
        await container.save()
    finally:
        tell_end(container, exit, ran)
    return again


def tell_end(container: Container, exit: Exit, ran: int) -> None:
    if exit.oom_killed:
        container.tell("oom")
    container.tell_volumes("unmount")
    container.tell("die", exitCode=str(exit.code), execDuration=str(ran))
    container.ended()


async def start_again(container: Container) -> None:
    container.backoff = restart.wait_before(container, container.backoff)
    await asyncio.sleep(container.backoff)
    async with container.lock:
        if container.state.status != "restarting":
            return
        container.state.restart_count += 1
        container.restarting = None
        try:
            await launch_again(container)
        except errors.EngineError as error:
            print(f"voldemo.engine: container {container.id}: restart failed: {error}", file=sys.stderr, flush=True)


async def launch_again(container: Container) -> None:
    count = container.state.restart_count
    try:
        await starting.launch(container)
    except errors.EngineError:
        container.state.restart_count = count
        again = restart.wanted(container)
        if again:
            container.state.status = "restarting"
            container.restarting = asyncio.create_task(start_again(container))
        raise


def cancel_restart(container: Container) -> bool:
    """It is between two runs: then it is over now."""
    if container.state.status != "restarting" or container.restarting is None:
        return False
    container.restarting.cancel()
    container.restarting = None
    container.state.status = "exited"
    container.ended()
    return True


def stop_signal(container: Container) -> int:
    text = container.config.get("StopSignal")
    return signals.parse(text) if text else signal.SIGTERM


def send(container: Container, number: int) -> None:
    handle = container.must_run()
    handle.signal(number)
    container.tell("kill", signal=str(number))


async def resume(container: Container) -> None:
    """A signal reaches only what runs."""
    if container.state.status == "paused" and container.handle:
        await container.handle.unpause()
        container.state.status = "running"
        container.tell("unpause")


async def kill(container: Container, text: str, named: str) -> None:
    try:
        number = signals.parse(text) if text else signal.SIGKILL
        ended = await send_once(container, number)
    except errors.EngineError as error:
        raise type(error)(f"cannot kill container: {named}: {error}") from None
    if number == signal.SIGKILL and not ended:
        await container.not_running_any_more()


async def send_once(container: Container, number: int) -> bool:
    """Between a start and an end, never in the midst of one. True: it was waiting for its next start, and is over."""
    async with container.lock:
        if number in (signal.SIGKILL, stop_signal(container)):
            container.state.stopped_by_hand = True
        if cancel_restart(container):
            await container.save()
            return True
        send(container, number)
        if number != signal.SIGKILL:
            await resume(container)
    return False


async def stop(container: Container, timeout: int | None, number: int = 0) -> None:
    if not container.running:
        raise errors.NotModified("container already stopped")
    await stop_running(container, timeout, number)
    container.tell("stop")


async def stop_running(container: Container, timeout: int | None, number: int = 0, by_hand: bool = True) -> None:
    if timeout is None:
        configured = container.config.get("StopTimeout")
        timeout = STOP_TIMEOUT if configured is None else configured
    try:
        async with container.lock:
            container.state.stopped_by_hand |= by_hand
            if cancel_restart(container):
                await container.save()
                return
            send(container, number or stop_signal(container))
            await resume(container)
        async with asyncio.timeout(None if timeout < 0 else timeout):
            await container.not_running_any_more()
        return
    except TimeoutError:
        pass
    except errors.Conflict:  # it ended by itself at the same moment
        return
    await kill_hard(container, by_hand)


async def kill_hard(container: Container, by_hand: bool) -> None:
    while True:
        async with container.lock:
            if not container.running or cancel_restart(container):
                return
            container.state.stopped_by_hand |= by_hand
            waiter = container.next_end()
            send(container, signal.SIGKILL)
        await waiter


async def restart_now(container: Container, timeout: int | None, number: int = 0) -> None:
    """Not the policy's: a client asked for it. An AutoRemove container outlives it."""
    kept, container.host["AutoRemove"] = container.host["AutoRemove"], False
    try:
        if container.running:
            await stop_running(container, timeout, number)
            container.tell("stop")
        async with container.lock:
            starting.check(container)
            await starting.launch(container)
    finally:
        container.host["AutoRemove"] = kept
    container.tell("restart")


async def remove(container: Container, force: bool, volumes: bool, named: str = "") -> None:
    refuse_removal(container, force, named or container.name)
    previous = container.state.status
    container.removing = True
    await kill_hard(container, by_hand=True)
    async with container.lock:
        if container.gone.done():
            return
        container.state.status = "removing"
        try:
            await container.daemon.containers.forget(container, volumes)
        except BaseException:
            container.removing = False
            container.state.status = previous
            raise


def refuse_removal(container: Container, force: bool, named: str) -> None:
    if container.removing:
        raise errors.Conflict(f"removal of container {container.name} is already in progress")
    status = container.state.status
    if force or not container.running:
        return
    why = {
        "paused": "container is paused and must be unpaused first",
        "restarting": "container is restarting: stop the container before removing or force remove",
    }.get(status, "container is running: stop the container before removing or force remove")
    raise errors.Conflict(f'cannot remove container "{named}": {why}')


async def pause(container: Container) -> None:
    async with container.lock:
        handle = container.must_run()
        if container.state.status == "paused":
            raise errors.Conflict(f"Container {container.id} is already paused")
        await handle.pause()
        container.state.status = "paused"
        await container.save()
    container.tell("pause")


async def unpause(container: Container) -> None:
    async with container.lock:
        if container.state.status != "paused" or container.handle is None:
            raise errors.Failed(f"Container {container.id} is not paused")
        await container.handle.unpause()
        container.state.status = "running"
        await container.save()
    container.tell("unpause")
