"""One container, inside its tracer process: fence, tracer, and the engine's wishes over the control socket."""

from __future__ import annotations

import os
from pathlib import Path
from socket import socket

from voldemo.engine.runtime import control, landlock, prctl
from voldemo.engine.runtime.spec import ExecFailed, Spec
from voldemo.engine.runtime.tracer import Tracer

_WALL = 0x40000000
_SIGKILL = 9
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts")
_PROC_RIGHTS = landlock.READ | landlock.WRITE_FILE
_PACKAGE = Path(__file__).parent
_HOST_LOADER = Path("/lib64/ld-linux-x86-64.so.2")


def grants(spec: Spec, exe_cache: str) -> list[tuple[bytes, int]]:
    """What the fence lets through."""
    own = (spec.upper, run_folder(spec), exe_cache)
    given = [*((path, landlock.WHOLE) for path in own), ("/proc", _PROC_RIGHTS)]
    given += [(layer, landlock.LINKABLE) for layer in spec.layers]
    for mount in spec.mounts:
        given.append((mount.within or mount.source, landlock.READ if mount.read_only else landlock.WHOLE))
    given += [(f"/dev/{name}", landlock.DEVICE) for name in _DEVICES]
    given += [("/dev", landlock.READ_DIR), ("/sys", landlock.READ_FILE | landlock.READ_DIR)]
    given += [(str(path), landlock.READ) for path in (Path(os.__file__).parent, _PACKAGE, _HOST_LOADER)]
    must_exist = {*own, *spec.layers, *(mount.within or mount.source for mount in spec.mounts)}
    return [(os.fsencode(path), rights) for path, rights in given if path in must_exist or os.path.lexists(path)]


def run_folder(spec: Spec) -> str:
    """Where the tracer keeps what a container's /dev and /proc have of their own."""
    return str(Path(spec.upper).parent / "run")


class Session:
    def __init__(self, engine: socket, exe_cache: str) -> None:
        self.engine = engine
        self.exe_cache = exe_cache
        self.init = 0
        self.code = 128 + _SIGKILL
        self.pids: dict[int, int] = {}  # the engine's number of a process -> its pid

    def run(self, stdio: tuple[int, int, int]) -> None:
        received = control.receive(self.engine)
        if received is None:
            return
        try:
            landlock_abi = self._begin(control.unpack_spec(received[0]), stdio)
        except ExecFailed as error:
            self._tell(failed=[error.errno, error.what])
            return
        except OSError as error:
            self._tell(broken=str(error))
            return
        finally:
            control.close(stdio)
        self._tell_started(landlock_abi)
        self.engine.setblocking(False)
        self.tracer.serve(self.engine.fileno(), self._on_control, self._on_end)
        self._end_all()
        self.engine.setblocking(True)
        self._tell(exit=self.code)

    def _begin(self, spec: Spec, stdio: tuple[int, int, int]) -> int:
        prctl.no_new_privileges()
        prctl.adopt_orphans()
        os.umask(0)
        Path(run_folder(spec)).mkdir(mode=0o700, exist_ok=True)
        landlock_abi = landlock.fence(grants(spec, self.exe_cache))
        self.tracer = Tracer(spec, os.fsencode(self.exe_cache))
        self.init = self.tracer.spawn(spec.program, stdio)
        return landlock_abi

    def _tell_started(self, landlock_abi: int) -> None:
        handle = os.pidfd_open(os.getpid())
        try:
            message = {"started": self.init, "tracer": os.getpid(), "landlock": landlock_abi}
            control.send(self.engine, message, [handle])
        except ConnectionError:
            os._exit(1)
        finally:
            os.close(handle)

    def _tell(self, **message: object) -> None:
        try:
            control.send(self.engine, message)
        except ConnectionError:
            os._exit(1)  # nobody is left to tell; the kernel ends what we trace

    def _on_control(self) -> None:
        while True:
            try:
                received = control.receive(self.engine)
            except BlockingIOError:
                return
            if received is None:
                os._exit(1)
            self._do(*received)

    def _do(self, wish: control.Message, descriptors: list[int]) -> None:
        try:
            match wish["do"]:
                case "exec":
                    self._exec(wish, descriptors)
                case "signal":
                    self._signal(wish["of"], wish["number"])
                case "kill":
                    self.tracer.kill_all()
                case "pause":
                    self.tracer.pause()
                    self._tell(done=wish["n"])
                case "unpause":
                    self.tracer.unpause()
                    self._tell(done=wish["n"])
                case "users":
                    users = {str(pid): ids for pid, ids in self.tracer.users().items()}
                    self._tell(done=wish["n"], users=users)
        finally:
            control.close(descriptors)

    def _exec(self, wish: control.Message, descriptors: list[int]) -> None:
        number = wish["n"]
        try:
            pid = self.tracer.spawn(control.unpack_program(wish["program"]), tuple(descriptors))
        except ExecFailed as error:
            self._tell(done=number, failed=[error.errno, error.what])
            return
        except OSError as error:
            self._tell(done=number, broken=str(error))
            return
        self.pids[number] = pid
        self._tell(done=number, pid=pid)

    def _signal(self, number: int, signal: int) -> None:
        pid = self.pids.get(number) if number else self.init
        if pid:
            self.tracer.signal(pid, signal)

    def _on_end(self, pid: int, code: int) -> None:
        if pid == self.init:
            self.code = code
            return
        number = next((number for number, each in self.pids.items() if each == pid), 0)
        if number:
            del self.pids[number]
            self._tell(end=number, code=code)

    def _end_all(self) -> None:
        """As a PID namespace: nothing outlives its first process. Told only when nothing is left."""
        self.tracer.kill_all()
        while True:
            try:
                pid, status = os.waitpid(-1, _WALL)
            except ChildProcessError:
                return
            if os.WIFSTOPPED(status):
                os.kill(pid, _SIGKILL)  # born while the others were being killed
