"""One running container, seen from the engine: what its tracer reports, and what it is asked to do."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
from socket import socket
from typing import Any

from voldemo.engine import errors
from voldemo.engine.runtime import control, limits, processes
from voldemo.engine.runtime.channel import Channel
from voldemo.engine.runtime.processes import ProcessRow, Usage
from voldemo.engine.runtime.spec import ExecFailed, Exit, Program, Spec

KILLED = 128 + signal.SIGKILL
_PATIENCE = 2.0  # seconds a tracer has for ending its tree before it is killed itself
_INIT = 0

Answer = asyncio.Future[control.Message | None]  # None: the container ended first


class Process:
    """One that `exec` added."""

    def __init__(self, container: Container, number: int, pid: int) -> None:
        self.pid = pid
        self._container = container
        self._number = number
        self._code: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def wait(self) -> int:
        return await asyncio.shield(self._code)

    def signal(self, number: int) -> None:
        if not self._code.done():
            self._container.wish(do="signal", of=self._number, number=int(number))

    def ended(self, code: int) -> None:
        self._code.set_result(code)


class Container:
    pid = 0
    landlock_abi = 0

    def __init__(self, spec: Spec, end: socket) -> None:
        self.id = spec.id
        self._spec = spec
        self._loop = asyncio.get_running_loop()
        self._channel = Channel(end, self._on_message, lambda: None)
        self._numbers = itertools.count(_INIT + 1)
        self._begun: asyncio.Future[None] = self._loop.create_future()
        self._exit: asyncio.Future[Exit] = self._loop.create_future()
        self._answers: dict[int, Answer] = {}
        self._processes: dict[int, Process] = {}
        self._tracer = 0
        self._tracer_handle = -1
        self._watch: asyncio.Task[None] | None = None
        self._out_of_memory = False

    async def begin(self) -> None:
        await self._channel.send(control.pack(self._spec))
        await self._begun

    async def wait(self) -> Exit:
        return await asyncio.shield(self._exit)

    async def exec(self, program: Program, stdio: tuple[int, int, int]) -> Process:
        number, answer = self._ask()
        try:
            await self._channel.send({"do": "exec", "n": number, "program": control.pack(program)}, stdio)
        except ConnectionError:
            self._answers.pop(number, None)
            raise self._not_running() from None
        message = await answer
        if message is None:
            raise self._not_running()
        _raise_failure(message)
        return message["process"]

    def signal(self, number: int) -> None:
        """SIGKILL ends the whole tree."""
        if self._exit.done():
            return
        if number == signal.SIGKILL:
            self._loop.call_later(_PATIENCE, self._kill_tracer)
            if not self._channel.post({"do": "kill"}):
                self._kill_tracer()
        else:
            self.wish(do="signal", of=_INIT, number=int(number))

    def pause(self) -> Answer:
        """Asked for at once; await what is returned to know that nothing runs any more."""
        return self._wish_and_answer("pause")

    def unpause(self) -> Answer:
        return self._wish_and_answer("unpause")

    async def users(self) -> dict[int, tuple[int, int]]:
        """(uid, gid) of each process as the container sees them: /proc knows only the engine's own."""
        message = await self._wish_and_answer("users")
        return {int(pid): tuple(ids) for pid, ids in message["users"].items()} if message else {}

    def processes(self) -> list[ProcessRow]:
        return processes.rows(self._tracer) if self._running else []

    def usage(self) -> Usage:
        return processes.usage(self._tracer) if self._running else Usage()

    def wish(self, **wish: Any) -> None:
        if not self._channel.post(wish) and self._channel.open:
            raise errors.Failed(f"container {self.id} does not respond")

    def abandon(self) -> None:
        """Its tracer ends it when nobody listens."""
        self._begun.cancel()
        self._channel.close()

    def gone(self) -> None:
        """The tracer is no more, and nothing of what it traced. If that is news, it was killed."""
        self._channel.drain()  # its own last word may have come at the same moment, and not been read yet
        self._finish(KILLED)
        if not self._begun.done():
            self._begun.set_exception(errors.Failed(f"container {self.id} was killed while it was being started"))

    async def tracer_ended(self) -> None:
        if self._tracer_handle < 0:
            return
        handle = os.dup(self._tracer_handle)
        ended = self._loop.create_future()
        self._loop.add_reader(handle, lambda: ended.done() or ended.set_result(None))
        try:
            await ended
        finally:
            self._loop.remove_reader(handle)
            os.close(handle)

    @property
    def _running(self) -> bool:
        return self._begun.done() and not self._exit.done()

    def _not_running(self) -> errors.Conflict:
        return errors.Conflict(f"container {self.id} is not running")

    def _ask(self) -> tuple[int, Answer]:
        if not self._running:
            raise self._not_running()
        number = next(self._numbers)
        self._answers[number] = self._loop.create_future()
        return number, self._answers[number]

    def _wish_and_answer(self, do: str) -> Answer:
        number, answer = self._ask()
        self.wish(do=do, n=number)
        return answer

    def _on_message(self, message: control.Message, descriptors: list[int]) -> None:
        match message:
            case {"done": number}:
                self._answered(number, message)
            case {"end": number, "code": code}:
                self._processes.pop(number).ended(code)
            case {"exit": code}:
                self._finish(code)
            case {"started": pid, "tracer": tracer, "landlock": abi}:
                self.pid, self._tracer, self.landlock_abi = pid, tracer, abi
                self._started(descriptors.pop())
            case _:
                self._failed(message)
        control.close(descriptors)

    def _answered(self, number: int, message: control.Message) -> None:
        if "pid" in message:
            message["process"] = self._processes[number] = Process(self, number, message["pid"])
        answer = self._answers.pop(number)
        if not answer.done():
            answer.set_result(message)

    def _started(self, tracer_handle: int) -> None:
        """The tracer sends the handle: whoever opened one by number here might get another process's."""
        self._tracer_handle = tracer_handle
        if self._spec.memory:
            self._watch = self._loop.create_task(self._enforce_memory())
        if not self._begun.done():
            self._begun.set_result(None)

    def _failed(self, message: control.Message) -> None:
        try:
            _raise_failure(message)
        except (ExecFailed, errors.Failed) as error:
            if not self._begun.done():
                self._begun.set_exception(error)
        self._finish(KILLED)

    async def _enforce_memory(self) -> None:
        await limits.exceeded(self._tracer, self._spec.memory)
        self._out_of_memory = True
        self.signal(signal.SIGKILL)

    def _kill_tracer(self) -> None:
        if not self._exit.done() and self._tracer_handle >= 0:
            signal.pidfd_send_signal(self._tracer_handle, signal.SIGKILL)

    def _finish(self, code: int) -> None:
        if self._exit.done():
            return
        self._exit.set_result(Exit(KILLED, True) if self._out_of_memory else Exit(code))
        if self._watch:
            self._watch.cancel()
        self._channel.close()
        if self._tracer_handle >= 0:
            os.close(self._tracer_handle)
            self._tracer_handle = -1
        for process in self._processes.values():
            process.ended(KILLED)
        for answer in self._answers.values():
            if not answer.done():
                answer.set_result(None)
        self._processes.clear()
        self._answers.clear()


def _raise_failure(message: control.Message) -> None:
    if "failed" in message:
        raise ExecFailed(*message["failed"])
    if "broken" in message:
        raise errors.Failed(message["broken"])
