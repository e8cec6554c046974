"""The engine's side of the warm parent: starting it, talking to it, ending it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from voldemo.engine.runtime import control
from voldemo.engine.runtime.channel import Channel
from voldemo.engine.runtime.probe import Refused

_TOP = Path(__file__).parents[2]  # the package this engine is a part of; only the engine of it is to be imported
_START = """
import sys
folder, name, descriptor, engine, cache = sys.argv[1:]
package = type(sys)(name)
package.__path__ = [folder]
sys.modules[name] = package
sys.path.insert(0, folder.rpartition("/")[0])
from voldemo.engine.runtime.warm import main
main(int(descriptor), int(engine), cache)
"""
_KEPT = ("LD_LIBRARY_PATH",)  # what the interpreter itself may need


class WarmParent:
    def __init__(self, exe_cache: Path, on_gone: Callable[[int], None], on_lost: Callable[[], None]) -> None:
        self._on_gone = on_gone
        self._on_lost = on_lost
        self._ready: asyncio.Future[control.Message | None] = asyncio.get_running_loop().create_future()
        ours, theirs = control.pair()
        try:
            self._process = _spawn(theirs.fileno(), exe_cache)
        except OSError as error:
            ours.close()
            raise Refused(f"the engine's helper process did not start: {error}") from error
        finally:
            theirs.close()
        self.channel = Channel(ours, self._on_message, self._on_hangup)

    @property
    def pid(self) -> int:
        return self._process.pid

    async def ready(self) -> int:
        """The machine's Landlock ABI."""
        answer = await self._ready
        if answer is None:
            await self.close()
            raise Refused(f"the engine's helper process did not start: run it with {sys.executable} to see why")
        if "refused" in answer:
            await self.close()
            raise Refused(answer["refused"])
        return answer["ready"]

    async def close(self) -> None:
        """It ends by itself when the channel closes, and what it traces with it."""
        self.channel.close()
        await asyncio.to_thread(self._process.wait)

    def _on_message(self, message: control.Message, descriptors: list[int]) -> None:
        control.close(descriptors)  # none is expected
        if "gone" in message:
            self._on_gone(message["gone"])
        elif not self._ready.done():
            self._ready.set_result(message)

    def _on_hangup(self) -> None:
        if not self._ready.done():
            self._ready.set_result(None)
        self._on_lost()


def _spawn(descriptor: int, exe_cache: Path) -> subprocess.Popen[bytes]:
    """In the thread that runs the event loop: the kernel ends the child when the thread that made it ends."""
    arguments = [str(_TOP), _TOP.name, str(descriptor), str(os.getpid()), str(exe_cache)]
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-X", "utf8", "-c", _START, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        pass_fds=[descriptor],
        cwd="/",
        env={name: os.environ[name] for name in _KEPT if name in os.environ},
        start_new_session=True,  # an interrupt at the engine's terminal is the engine's
    )
