"""Containers that borrow the programs of the machine the tests run on: no image is needed."""

from __future__ import annotations

import asyncio
import os
import select
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

from voldemo.engine.runtime.launcher import Container, Runtime
from voldemo.engine.runtime.processes import children, descendants
from voldemo.engine.runtime.spec import Mount, Program, Spec

ENVIRONMENT = ("PATH=/usr/local/bin:/usr/bin:/bin",)
_BORROWED = tuple(Mount(path, path, "bind", read_only=True) for path in ("/usr", "/lib", "/lib64", "/bin"))


def program(*argv: str, **more: object) -> Program:
    return Program(argv, **({"env": ENVIRONMENT} | more))


def shell(script: str, **more: object) -> Program:
    return program("/bin/sh", "-c", script, **more)


class Host:
    """A runtime, and a folder for its containers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runtime = Runtime(folder)
        self.null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)

    def spec(self, first: Program, mounts: tuple[Mount, ...] = (), **more: object) -> Spec:
        name = os.urandom(6).hex()
        upper = self.folder / "containers" / name / "upper"
        upper.mkdir(parents=True)
        return Spec(name, first, str(upper), mounts=(*_BORROWED, *mounts), **more)

    async def start(self, first: Program, out: int | None = None, **more: object) -> Container:
        stdio = (self.null, self.null if out is None else out, 2)
        return await self.runtime.start(self.spec(first, **more), stdio)

    async def start_and_hear(self, first: Program, **more: object) -> tuple[Container, Pipe]:
        pipe = Pipe()
        container = await self.start(first, pipe.write_end, **more)
        pipe.close_write_end()
        return container, pipe

    async def output(self, first: Program, **more: object) -> str:
        container, pipe = await self.start_and_hear(first, **more)
        with closing(pipe):
            text = await pipe.rest()
        await container.wait()
        return text

    @property
    def tracers(self) -> list[int]:
        return children(self.runtime._parent.pid)


class Pipe:
    def __init__(self) -> None:
        self._read_end, self.write_end = os.pipe()

    def close_write_end(self) -> None:
        os.close(self.write_end)

    def close(self) -> None:
        os.close(self._read_end)

    async def line(self) -> str:
        return await asyncio.to_thread(self._line)

    async def rest(self) -> str:
        return await asyncio.to_thread(self._rest)

    def _line(self) -> str:
        line = b""
        while not line.endswith(b"\n") and (byte := os.read(self._read_end, 1)):
            line += byte
        return line.decode().rstrip("\n")

    def _rest(self) -> str:
        text = b""
        while more := os.read(self._read_end, 4096):
            text += more
        return text.decode()


def run(folder: Path, work: Callable[[Host], Awaitable[None]]) -> None:
    """Run `work` with an open runtime; nothing may be left of it: no process, no descriptor."""

    async def opened() -> None:
        before = descriptors()
        host = Host(folder)
        await host.runtime.open()
        try:
            await asyncio.wait_for(work(host), 60)
        finally:
            await host.runtime.close()
            os.close(host.null)
        assert descriptors() == before

    others = set(descendants(os.getpid()))
    asyncio.run(opened())
    assert set(descendants(os.getpid())) == others


def descriptors() -> set[str]:
    return {entry.name for entry in Path("/proc/self/fd").iterdir() if entry.exists()}


class Watched:
    """Processes whose end is waited for, whoever their parent is."""

    def __init__(self, pids: list[int]) -> None:
        self._handles = [os.pidfd_open(pid) for pid in pids]

    def all_end(self, seconds: float = 5) -> bool:
        try:
            return all(select.select([handle], [], [], seconds)[0] for handle in self._handles)
        finally:
            for handle in self._handles:
                os.close(handle)
