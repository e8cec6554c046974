"""RUN, with a runtime that starts nothing: what the builder does around a container."""

from __future__ import annotations

import asyncio
import io
import json
import os
from pathlib import Path

import pytest

from engine.build.conftest import tar_of
from voldemo.engine.build import dockerfile, stages
from voldemo.engine.build.builder import Builder
from voldemo.engine.build.context import Context
from voldemo.engine.build.options import Options
from voldemo.engine.build.running import Leave
from voldemo.engine.daemon import Daemon
from voldemo.engine.runtime.spec import Exit
from voldemo.engine.store import Entry, Union


class Handle:
    """`write PATH`, `say TEXT`, `fail CODE` and `hang`, in the place of a process."""

    pid = 1
    landlock_abi = 0

    def __init__(self, spec, stdio):
        self.exit: asyncio.Future[Exit] = asyncio.get_running_loop().create_future()
        word, _, rest = spec.program.argv[-1].partition(" ")
        if word == "write":
            (Path(spec.upper) / rest).write_text("written")
        if word == "say":
            os.write(stdio[1], f"{rest}\n".encode())
            os.write(stdio[2], b"oh\n")
        if word != "hang":
            self.exit.set_result(Exit(int(rest) if word == "fail" else 0))

    async def wait(self):
        return await asyncio.shield(self.exit)

    def signal(self, number):
        if not self.exit.done():
            self.exit.set_result(Exit(128 + number))


class Runtime:
    landlock_abi = 0

    async def open(self):
        pass

    async def close(self):
        pass

    async def start(self, spec, stdio):
        return Handle(spec, stdio)


class Lab:
    def __init__(self, root):
        self.daemon = Daemon(root)
        self.daemon.runtime = Runtime()

    async def open(self):
        await self.daemon.open()
        layer = self.daemon.store.layers.add_entries([Entry(b"etc", "dir")])
        rootfs = {"type": "layers", "diff_ids": [layer.diff_id]}
        self.daemon.store.images.create({"config": {}, "rootfs": rootfs}, tags=["base"])

    async def blocks(self, *lines, **options):
        options = Options(**options)
        context = Context(self.daemon.store)
        context.receive(io.BytesIO(tar_of({"Dockerfile": "\n".join(("FROM base", *lines)).encode()})))
        file = dockerfile.parse(context.dockerfile("Dockerfile"))

        async def provide(name, pull):
            return self.daemon.store.images.get(name)

        blocks = Builder(self.daemon, options, context, file, provide).build(stages.arrange(file))
        try:
            async for block in blocks:
                yield json.loads(block)
        finally:
            await blocks.aclose()
            context.close()


def run(root, *lines, then=lambda lab: None, **options):
    async def work():
        lab = Lab(root)
        await lab.open()
        try:
            messages = [message async for message in lab.blocks(*lines, **options)]
            return messages, then(lab)
        finally:
            await lab.daemon.close()

    return asyncio.run(work())


def texts(messages):
    return [message.get("stream", "") for message in messages]


@pytest.fixture
def root(tmp_path):
    return tmp_path / "engine"


def test_what_it_changes_is_a_layer(root):
    def file(lab):
        (image,) = [each for each in lab.daemon.store.images.list() if not each.tags]
        assert image.config["history"][-1]["created_by"] == "/bin/sh -c write f"
        assert lab.daemon.containers.list() == []
        return Union(None, image.trees).read_file("/f")

    messages, content = run(root, "RUN write f", then=file)
    assert content == b"written"
    said = texts(messages)
    assert any(text.startswith(" ---> Running in ") for text in said)
    assert any(text.startswith(" ---> Removed intermediate container ") for text in said)


def test_what_it_says_is_in_the_stream(root):
    messages, _ = run(root, "RUN say hello")
    assert "hello\n" in texts(messages)
    assert "\x1b[91moh\n\x1b[0m" in texts(messages)


def test_a_code_other_than_0_ends_the_build(root):
    messages, left = run(root, "RUN fail 3", "ENV A=b", then=lambda lab: len(lab.daemon.containers.list()))
    text = "The command '/bin/sh -c fail 3' returned a non-zero code: 3"
    assert messages[-1] == {"errorDetail": {"code": 3, "message": text}, "error": text}
    assert left == 0


@pytest.mark.parametrize(("line", "kept"), [("RUN say x", 1), ("RUN fail 1", 1)])
def test_containers_that_shall_stay(root, line, kept):
    _, left = run(root, line, then=lambda lab: len(lab.daemon.containers.list()), leave=Leave(True, True))
    assert left == kept


def test_it_is_not_done_twice(root):
    run(root, "RUN write f")
    messages, _ = run(root, "RUN write f")
    assert " ---> Using cache\n" in texts(messages)


def test_arguments_are_in_its_environment_and_in_the_history(root):
    def entry(lab):
        image = next(each for each in lab.daemon.store.images.list() if not each.tags)
        return image.config["history"][-1]["created_by"], image.config["config"].get("Env")

    _, (created_by, env) = run(root, "ARG A", "RUN say x", arguments={"A": "1"}, then=entry)
    assert created_by == "|1 A=1 /bin/sh -c say x"
    assert not any(each.startswith("A=") for each in env)


def test_a_client_that_goes_away_leaves_nothing(root):
    async def work():
        lab = Lab(root)
        await lab.open()
        try:
            blocks = lab.blocks("RUN hang")
            async for message in blocks:
                if "Running in" in message.get("stream", ""):
                    break
            waiting = asyncio.ensure_future(anext(blocks))
            while not any(container.running for container in lab.daemon.containers.list()):
                await asyncio.sleep(0.01)
            waiting.cancel()
            await asyncio.wait([waiting])
            await blocks.aclose()
            return len(lab.daemon.containers.list()), list((lab.daemon.store.root / "tmp").iterdir())
        finally:
            await lab.daemon.close()

    assert asyncio.run(work()) == (0, [])
