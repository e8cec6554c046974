"""One container: its processes are started, stopped at the calls that matter, and answered."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from time import monotonic

from voldemo.engine.runtime import events, fence, ptrace, start
from voldemo.engine.runtime.calls import ipc
from voldemo.engine.runtime.credentials import Credential, Ids
from voldemo.engine.runtime.events import Events
from voldemo.engine.runtime.filter import Filter
from voldemo.engine.runtime.lookup import locate
from voldemo.engine.runtime.scratch import Space
from voldemo.engine.runtime.spec import ExecFailed, Program, Spec
from voldemo.engine.runtime.start import Child
from voldemo.engine.runtime.task import Place, Task
from voldemo.engine.runtime.wakeup import Wakeup
from voldemo.engine.runtime.world import World

_BURST = 64
_PATIENCE = 0.5  # seconds

__all__ = ["ExecFailed", "Tracer"]


class Tracer:
    def __init__(self, spec: Spec, exe_cache: bytes) -> None:
        os.umask(0)
        fence.drop_capabilities()
        Credential.bound(spec.capabilities)
        start.limit(spec.limits)
        self.spec = spec
        self.world = World(spec, exe_cache)
        quota = any(mount.size for mount in spec.mounts)
        self.filter = Filter(quota)
        self.events = Events(self.world, quota)
        self.wakeup = Wakeup()
        self.started: set[int] = set()

    # -- starting

    def spawn(self, program: Program, stdio: tuple[int, int, int]) -> int:
        """Raises ExecFailed; the process is then gone."""
        user = program.user
        credential = Credential.of(Ids.all(user.uid), Ids.all(user.gid), user.groups)
        path, cwd = locate(self.world, credential, program)
        self.world.special.devices.allow_stdio(stdio)
        first = not self.world.init
        child = Child(program, path, stdio, self.filter, subreaper=first and not self.spec.init)
        task = Task(self.world, child.pid, credential, Place(cwd, self.spec.umask), Space())
        task.new, task.unborn = False, True
        self.world.tasks[child.pid] = task
        if first:
            self.world.init = child.pid
        self._seize(child)
        self._until_running(child)
        self.started.add(child.pid)
        return child.pid

    def _seize(self, child: Child) -> None:
        try:
            ptrace.seize(child.pid)
        except OSError as error:
            child.abandon()
            self._lost(child)
            raise ExecFailed(error.errno or errno.EPERM, "ptrace") from error
        child.go()

    def _until_running(self, child: Child) -> None:
        task = self.world.tasks[child.pid]
        while not self.events.is_running(task):
            if child.pid in self.events.ended:
                self.events.ended.pop(child.pid)
                self._lost(child)
                number, what = child.failure()
                raise ExecFailed(number, what)
            if not self.events.step():
                self.wakeup.wait()
        child.close()

    def _lost(self, child: Child) -> None:
        self.world.tasks.pop(child.pid, None)
        if self.world.init == child.pid:
            self.world.init = 0

    # -- the loop

    def serve(self, control_fd: int, on_control: Callable[[], None], on_end: Callable[[int, int], None]) -> None:
        self.wakeup.watch(control_fd)
        look = True
        try:
            while self.world.init in self.world.tasks:
                busy = self._steps()
                self._report(on_end)
                if (busy or look) and self.wakeup.is_readable(control_fd):
                    on_control()
                    continue
                look = not busy and self.world.init in self.world.tasks and self.wakeup.wait()
        finally:
            self.kill_all()
            self._reap()
            self._report(on_end)
            ipc.remove_all(self.world.ipc)

    def _steps(self) -> bool:
        """A bounded number, so that a busy container does not keep the engine waiting. True: there may be more."""
        return all(self.events.step() for _ in range(_BURST))

    def _report(self, on_end: Callable[[int, int], None]) -> None:
        for pid, code in list(self.events.ended.items()):
            del self.events.ended[pid]
            if pid in self.started:
                self.started.discard(pid)
                on_end(pid, code)

    def _reap(self) -> None:
        """Until nothing of the container is left."""
        while True:
            try:
                pid, status = os.waitpid(-1, events.WALL)
            except ChildProcessError:
                return
            self.events.handle(pid, status)

    # -- from outside

    def signal(self, pid: int, number: int) -> None:
        """Whether the first process hears it is decided where signals arrive, as for any other sender."""
        if pid in self.world.tasks:
            os.kill(pid, number)

    def kill_all(self) -> None:
        self.events.kill_all()

    def pause(self) -> None:
        """Returns when all stand still. A parent in vfork does, but is never seen to stop: hence the limit."""
        self.events.pause()
        limit = monotonic() + _PATIENCE
        while not self.events.all_parked and monotonic() < limit:
            if not self.events.step():
                self.wakeup.wait(limit - monotonic())

    def unpause(self) -> None:
        self.events.unpause()

    def usage(self) -> list[int]:
        return sorted(self.world.groups())

    def users(self) -> dict[int, tuple[int, int]]:
        """Effective uid and gid of each process, as the container sees them."""
        return {
            task.group: (task.credential.uids.effective, task.credential.gids.effective)
            for task in self.world.tasks.values()
            if task.pid == task.group
        }
