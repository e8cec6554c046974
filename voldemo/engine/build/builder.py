"""One build: the stages and their steps, each an image on top of the one before."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from voldemo.engine import bridge
from voldemo.engine.build import copying, messages
from voldemo.engine.build.context import Context
from voldemo.engine.build.dockerfile import BUILDKIT, Dockerfile, Instruction, instruction
from voldemo.engine.build.images import Images
from voldemo.engine.build.messages import RED, RESET, stream
from voldemo.engine.build.options import Options
from voldemo.engine.build.running import NonZero, Run
from voldemo.engine.build.settings import Settings, absolute
from voldemo.engine.build.stages import Stage, Stages, flag_values, places
from voldemo.engine.build.state import PREDEFINED, Arguments, State
from voldemo.engine.build.words import expand, pairs
from voldemo.engine.errors import BadParameter, EngineError, Failed
from voldemo.engine.store import Image, Layer, Union

if TYPE_CHECKING:
    from voldemo.engine.daemon import Daemon

SCRATCH = "scratch"
USING_CACHE = " ---> Using cache\n"
NEEDS_BUILDKIT = ("mount", "network", "security", "device", "chmod", "parents", "exclude", "checksum", "keep-git-dir")

Provide = Callable[[str, bool], Awaitable[Image]]  # reference, pull: the image to start from


class Builder:
    def __init__(self, daemon: Daemon, options: Options, context: Context, file: Dockerfile, provide: Provide) -> None:
        self._daemon = daemon
        self._store = daemon.store
        self._options = options
        self._context = context
        self._file = file
        self._provide = provide
        self._arguments = Arguments(options.arguments)
        self._state = State({})
        self._results: list[str] = []  # image ids, one a stage
        self._names: dict[str, str] = {}
        self._images = Images(daemon.store, options.use_cache)
        self._number = 0

    async def build(self, stages: Stages) -> AsyncIterator[bytes]:
        """The last thing before the end is an error, or the image's id."""
        try:
            for warning in self._file.warnings:
                yield stream(f"{RED}{warning}{RESET}")
            self._total = stages.steps
            for step in stages.arguments:
                yield self._announce(step)
                self._declare(step, inside=False)
            for stage in stages.stages:
                async for block in self._stage(stage):
                    yield block
            for block in self._finish():
                yield block
        except NonZero as error:
            yield messages.failure(error.message, error.code)
        except EngineError as error:
            yield messages.failure(error.message)

    def _announce(self, step: Instruction) -> bytes:
        self._number += 1
        return stream(f"Step {self._number}/{self._total} : {step.text}\n")

    def _finish(self) -> list[bytes]:
        blocks = []
        unused = self._arguments.unused()
        if unused:
            blocks.append(stream(f"[Warning] One or more build-args [{' '.join(unused)}] were not consumed\n"))
        blocks.append(stream(f"Successfully built {short(self._state.image)}\n"))
        for tag in self._options.tags:
            self._store.images.tag(self._state.image, tag)
            self._daemon.events.emit("image", "tag", self._state.image, name=tag)
            blocks.append(stream(f"Successfully tagged {tag}\n"))
        return blocks

    # -- stages

    async def _stage(self, stage: Stage) -> AsyncIterator[bytes]:
        yield self._announce(stage.start)
        self._arguments.next_stage()
        triggers = await self._begin(stage)
        yield stream(f" ---> {short(self._state.image)}\n")
        if triggers:
            yield stream(f"# Executing {len(triggers)} build trigger{'s' if len(triggers) > 1 else ''}\n")
        for step in triggers:
            async for block in self._step(step):
                yield block
        for step in stage.steps:
            yield self._announce(step)
            async for block in self._step(step):
                yield block
        if not self._state.image:
            raise BadParameter("No image was generated. Is your Dockerfile empty?")
        self._results.append(self._state.image)
        if stage.name:
            self._names[stage.name] = self._state.image
        yield messages.message(aux={"ID": self._state.image})

    async def _begin(self, stage: Stage) -> list[Instruction]:
        name = expand(stage.base, self._arguments.outside(), self._file.escape)
        if not name:
            raise BadParameter(f"base name ({stage.base}) should not be blank")
        if name == SCRATCH:
            self._state = State.of({}, "")
            return []
        image = await self._image(name)
        config = image.config.get("config") or {}
        self._state = State.of(config, image.id)
        triggers = [instruction(0, text) for text in config.get("OnBuild") or []]
        self._state.config.pop("OnBuild", None)
        return triggers

    async def _image(self, name: str) -> Image:
        id = self._names.get(name.lower())
        if id:
            return self._store.images.get(id)
        return await self._provide(name, self._options.pull)

    # -- steps

    async def _step(self, step: Instruction) -> AsyncIterator[bytes]:
        refuse_buildkit(step)
        before = self._state.image
        if step.word == "RUN":
            async for text in self._run(step):
                yield stream(text)
        elif await self._quietly(step):
            yield stream(USING_CACHE)
        if self._state.image != before:
            yield stream(f" ---> {short(self._state.image)}\n")

    async def _quietly(self, step: Instruction) -> bool:
        """What runs no container. True: it came from the cache."""
        if step.word in ("COPY", "ADD"):
            return await self._copy(step)
        if step.word == "ARG":
            return await self._record(self._state.nop(f" ARG {self._declare(step, inside=True)}"))
        return await self._set(step)

    def _variables(self) -> dict[str, str]:
        return self._arguments.visible() | self._state.env

    def _declare(self, step: Instruction, inside: bool) -> str:
        shown = []
        variables = self._variables() if inside else self._arguments.outside()
        words = pairs(step.rest, "ARG", self._file.escape) if "=" in step.rest.split()[0] else []
        names = words or [(name, "") for name in step.rest.split()]
        for name, text in names:
            default = expand(text, variables, self._file.escape) if words else None
            self._arguments.declare(name, default, inside)
            shown.append(name if default is None else f"{name}={default}")
        return " ".join(shown)

    async def _set(self, step: Instruction) -> bool:
        settings = Settings(self._state, self._variables(), self._file.escape)
        if step.word != "WORKDIR":
            text = settings.apply(step)
            return await self._record(self._state.nop(text))
        created_by = self._state.nop(settings.workdir(step))
        if self._images.from_cache(self._state, created_by):
            return True
        layer = await bridge.run(self._make_directory, self._state.workdir)
        await bridge.run(self._images.commit, self._state, created_by, layer)
        return False

    def _make_directory(self, path: str) -> Layer:
        upper = self._context.new_upper()
        Union(upper, self._images.trees(self._state)).make_dirs(path)
        return self._images.layer_of(upper, self._state)

    async def _record(self, created_by: str) -> bool:
        """A step that changes no file."""
        if self._images.from_cache(self._state, created_by):
            return True
        await bridge.run(self._images.commit, self._state, created_by)
        return False

    async def _copy(self, step: Instruction) -> bool:
        copy = await bridge.run(self._plan_copy, step, await self._origin(step))
        digest = await bridge.run(copying.digest, copy)
        owner = f" --chown={copy.uid}:{copy.gid}" if copy.uid or copy.gid else ""
        created_by = self._state.nop(f"{step.word}{owner} {digest} in {copy.destination} ")
        if self._images.from_cache(self._state, created_by):
            return True
        await bridge.run(self._perform_copy, copy, created_by)
        return False

    async def _origin(self, step: Instruction) -> Union | None:
        """None: the context."""
        name = flag_values(step).get("from", "")
        if not name:
            return None
        if name.isdecimal() and len(name) < 4:
            if int(name) >= len(self._results):
                raise Failed(f"invalid from flag value {name}: invalid stage index")
            return Union(None, self._store.images.get(self._results[int(name)]).trees)
        try:
            image = await self._image(name)
        except EngineError as error:
            raise Failed(f"invalid from flag value {name}: {error.message}") from error
        return Union(None, image.trees)

    def _plan_copy(self, step: Instruction, origin: Union | None) -> copying.Copy:
        variables = self._variables()
        words = [expand(word, variables, self._file.escape) for word in places(step, self._file.escape)]
        place = destination(self._state.workdir, words[-1])
        sources = copying.find_sources(step.word, words[:-1], origin or self._context.files, origin is None)
        if max(len(sources), len(words) - 1) > 1 and not place.endswith("/"):
            raise BadParameter(
                f"When using {step.word} with more than one source file, "
                "the destination must be a directory and end with a /"
            )
        chown = expand(flag_values(step).get("chown", ""), variables, self._file.escape)
        uid, gid = copying.owner(self._images.root(self._state), chown) if chown else (0, 0)
        return copying.Copy(step.word, sources, place, origin or self._context.files, step.word == "ADD", uid, gid)

    def _perform_copy(self, copy: copying.Copy, created_by: str) -> None:
        upper = self._context.new_upper()
        copying.perform(copy, upper, self._images.trees(self._state))
        self._images.commit(self._state, created_by, self._images.layer_of(upper, self._state))

    async def _run(self, step: Instruction) -> AsyncIterator[str]:
        command = step.json if step.json is not None else [*self._state.shell, *([step.rest] if step.rest else [])]
        arguments = {name: value for name, value in self._arguments.visible().items() if name not in self._state.env}
        told = [f"{name}={value}" for name, value in sorted(arguments.items()) if self._is_told(name)]
        created_by = " ".join([f"|{len(told)}", *told, *command] if told else command)
        if self._images.from_cache(self._state, created_by):
            yield USING_CACHE
            return
        if not self._state.image:
            raise Failed(
                "failed to create task for container: unable to start container process: "
                f'exec: "{command[0]}": stat {command[0]}: no such file or directory'
            )
        run = Run(self._daemon, self._run_config(command, arguments), self._options.limits, self._options.leave)
        async for text in run.run():
            yield text
        await bridge.run(self._images.commit, self._state, created_by, run.layer)

    def _is_told(self, name: str) -> bool:
        """A proxy's address, with its password, stays out of the history unless the Dockerfile asks for it."""
        return name not in PREDEFINED or name in self._arguments.declared

    def _run_config(self, command: list[str], arguments: Mapping[str, str]) -> dict[str, Any]:
        added = [f"{name}={value}" for name, value in arguments.items()]
        return {
            "Image": self._state.image,
            "Cmd": command,
            "Entrypoint": [""],  # none, not even the image's
            "Env": [*(self._state.config.get("Env") or []), *added],
            "WorkingDir": self._state.workdir,
            "User": self._state.config.get("User") or "",
            "Volumes": self._state.config.get("Volumes") or {},
            "Labels": self._state.config.get("Labels") or {},
            "Healthcheck": {"Test": ["NONE"]},
        }


def refuse_buildkit(step: Instruction) -> None:
    for name in flag_values(step):
        if name in NEEDS_BUILDKIT:
            raise BadParameter(f"the --{name} option {BUILDKIT}")


def destination(workdir: str, path: str) -> str:
    """A slash at its end says that it is a directory."""
    place = absolute(workdir, path)
    return place.rstrip("/") + "/" if path.endswith(("/", "/.")) or path == "." else place


def short(id: str) -> str:
    return id.removeprefix("sha256:")[:12]
