"""`docker exec`: one more process in a container that runs."""

from __future__ import annotations

import asyncio
import posixpath
from asyncio import StreamReader, StreamWriter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from voldemo.engine import errors, fields
from voldemo.engine.containers import detach, programs, users
from voldemo.engine.containers.config import words
from voldemo.engine.containers.container import Container
from voldemo.engine.containers.detach import Escape
from voldemo.engine.containers.streams import STDERR, STDOUT, Attachment, Streams, frame, headers_read
from voldemo.engine.ids import new_id
from voldemo.engine.runtime.launcher import ExecFailed, Process
from voldemo.engine.runtime.spec import Program

EXEC = "OCI runtime exec failed: exec failed: unable to start container process: "
FLAGS = ("Tty", "AttachStdin", "AttachStdout", "AttachStderr", "Privileged")


@dataclass
class Exec:
    container: Container
    argv: list[str]
    env: list[str]
    user: str
    cwd: str
    flags: dict[str, bool]
    detach_keys: str = ""
    id: str = field(default_factory=new_id)
    process: Process | None = None
    started: bool = False
    code: int | None = None
    pid: int = 0
    starting: bool = False

    def __post_init__(self) -> None:
        self.streams = Streams(tty=self.flags["Tty"], open_stdin=self.flags["AttachStdin"], stdin_once=True)
        self.done = asyncio.Event()
        self._wait: asyncio.Task[None] | None = None

    @property
    def running(self) -> bool:
        return self.process is not None and not self.done.is_set()

    @property
    def told(self) -> str:
        """As events have it, with a space at the end where there are no arguments."""
        return f"{self.argv[0]} {' '.join(self.argv[1:])}"

    def tell(self, action: str, **more: str) -> None:
        self.container.tell(action, execID=self.id, **more)

    def program(self) -> Program:
        """Blocks."""
        container = self.container
        root = container.root(container.mounts)
        user = self.user or container.config["User"]
        identity = users.resolve(root, user, container.host.get("GroupAdd") or (), errors.BadParameter)
        return Program(
            argv=tuple(self.argv),
            env=programs.environment(container.config, identity.home, self.env, self.flags["Tty"]),
            cwd=posixpath.normpath(posixpath.join("/", self.cwd or container.config["WorkingDir"] or "/")),
            user=identity.user,
            tty=self.flags["Tty"],
        )

    async def start(self) -> None:
        """Raises what a client is to read; the exec has then ended."""
        handle = self.container.must_run()
        if self.starting:
            raise errors.Conflict(f"exec command {self.id} has already run")
        self.starting = True
        self.tell(f"exec_start: {self.told}")
        try:
            program = await asyncio.to_thread(self.program)
            await self._run(handle, program)
        except errors.EngineError as error:
            self.code = getattr(error, "code", 126)
            self._over()
            raise
        self._wait = asyncio.create_task(self._ended())

    async def _run(self, handle: Any, program: Program) -> None:
        stdio = self.streams.open()
        try:
            self.process = await handle.exec(program, stdio.child)
        except ExecFailed as error:
            stdio.close_ours()
            raise programs.explain(error, program, EXEC) from None
        except BaseException:
            stdio.close_ours()
            raise
        finally:
            stdio.close_child()
        self.pid = self.process.pid
        self.streams.begin(stdio)

    async def _ended(self) -> None:
        assert self.process is not None
        self.code = await self.process.wait()
        await self.streams.finish()
        self._over()

    def _over(self) -> None:
        self.done.set()
        self.streams.end()
        self.container.execs.pop(self.id, None)
        self.tell("exec_die", exitCode=str(self.code))

    def view(self) -> dict[str, Any]:
        return {
            "ID": self.id,
            "Running": self.running,
            "ExitCode": self.code,
            "ProcessConfig": self._process_config(),
            "OpenStdin": self.flags["AttachStdin"],
            "OpenStderr": self.flags["AttachStderr"],
            "OpenStdout": self.flags["AttachStdout"],
            "CanRemove": False,
            "ContainerID": self.container.id,
            "DetachKeys": self.detach_keys,
            "Pid": self.pid,
        }

    def _process_config(self) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "tty": self.flags["Tty"],
            "entrypoint": self.argv[0],
            "arguments": self.argv[1:],
            "privileged": self.flags["Privileged"],
        }
        return shown | ({"user": self.user} if self.user else {})

    def attachment(self, framed: bool) -> Attachment:
        pairs = ((STDOUT, "AttachStdout"), (STDERR, "AttachStderr"))
        wanted = frozenset(number for number, flag in pairs if self.flags[flag])
        if not framed:  # there is but one stream then: Docker has no other for standard error
            wanted &= {STDOUT}
        return self.streams.attach(wanted | {STDOUT} if self.flags["Tty"] else wanted)

    def handler(self, framed: bool) -> Callable[[StreamReader, StreamWriter], Any]:
        """Of the hijacked connection: what fails is told in the stream, as Docker does."""

        async def serve(reader: StreamReader, writer: StreamWriter) -> None:
            async def told_in_stream(text: str) -> None:
                line = text.encode() + b"\r\n"
                writer.write(frame(STDOUT, line) if framed else line)
                await writer.drain()

            attachment = self.attachment(framed)
            try:
                await self.start()
            except errors.EngineError as error:
                await headers_read(writer)
                await told_in_stream(str(error))
                return
            escape = Escape(detach.parse(self.detach_keys)) if self.flags["Tty"] else None
            await self.streams.serve(attachment, reader, writer, self.flags["AttachStdin"], escape, framed)
            if escape and escape.found:
                await told_in_stream("exec attach failed: error on attach stdin: read escape sequence")

        return serve


async def create(container: Container, body: dict[str, Any], named: str) -> Exec:
    argv = words(body, "Cmd")
    if not argv:
        raise errors.BadParameter("No exec command specified")
    container.must_run()
    keys = fields.text(body, "DetachKeys") or fields.text(body, "detachKeys")  # so docker-py; Docker takes either
    try:
        detach.parse(keys)
    except ValueError:
        raise errors.Failed(f"Invalid escape keys ({keys}) provided") from None
    if container.state.status == "paused":
        raise errors.Conflict(f"Container {named} is paused, unpause the container before exec")
    made = Exec(
        container,
        argv,
        fields.texts(body, "Env") or [],
        fields.text(body, "User"),
        fields.text(body, "WorkingDir"),
        {name: fields.boolean(body, name) for name in FLAGS},
        keys,
    )
    await asyncio.to_thread(made.program)  # an unknown user is refused here
    container.execs[made.id] = made
    made.tell(f"exec_create: {made.told}")
    return made
