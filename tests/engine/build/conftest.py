"""Builds on a store of their own, without a container: everything but RUN."""

from __future__ import annotations

import asyncio
import io
import json
import tarfile
from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from voldemo.engine.build import dockerfile, stages
from voldemo.engine.build.builder import Builder
from voldemo.engine.build.context import Context
from voldemo.engine.build.options import Options
from voldemo.engine.events import Events
from voldemo.engine.store import Entry, Image, Store, Union

PASSWD = b"root:x:0:0::/root:/bin/sh\nwww:x:33:34::/:/bin/sh\n"
GROUP = b"root:x:0:\nwww:x:35:\n"


def tar_of(members: dict[str, bytes | tarfile.TarInfo]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data in members.items():
            info = data if isinstance(data, tarfile.TarInfo) else tarfile.TarInfo(name)
            if isinstance(data, bytes):
                info.size, info.mode = len(data), 0o640
            tar.addfile(info, io.BytesIO(data) if isinstance(data, bytes) else None)
    return buffer.getvalue()


@dataclass
class Lab:
    store: Store

    def build(self, *lines: str, files: dict | None = None, tar: bytes = b"", **options) -> list[dict]:
        """The messages; a failure before the stream begins is raised."""
        text = "\n".join(lines)
        content = tar or tar_of({"Dockerfile": text.encode(), **(files or {})})
        return asyncio.run(self._build(content, Options(**options)))

    async def _build(self, content: bytes, options: Options) -> list[dict]:
        context = Context(self.store)
        try:
            context.receive(io.BytesIO(content))
            file = dockerfile.parse(context.dockerfile(options.dockerfile))
            context.leave_out_ignored()
            plan = stages.arrange(file, options.target)
            stages.add_labels(plan, options.labels)

            async def provide(name: str, pull: bool) -> Image:
                return self.store.images.get(name)

            daemon = SimpleNamespace(store=self.store, events=Events())
            builder = Builder(daemon, options, context, file, provide)
            return [json.loads(block) async for block in builder.build(plan)]
        finally:
            context.close()

    def image(self, *lines: str, **given) -> Image:
        messages = self.build(*lines, **given)
        assert "error" not in messages[-1], messages[-1]["error"]
        return self.store.images.get([each["aux"]["ID"] for each in messages if "aux" in each][-1])

    def root(self, *lines: str, **given) -> Union:
        return Union(None, self.image(*lines, **given).trees)

    def error(self, *lines: str, **given) -> str:
        return self.build(*lines, **given)[-1].get("error", "")


@pytest.fixture
def lab(tmp_path):
    """With an image called `base`."""
    store = Store.open(tmp_path / "engine")
    layer = store.layers.add_entries(
        [
            Entry(b"etc", "dir"),
            Entry(b"etc/group", source=GROUP, mode=0o644),
            Entry(b"etc/passwd", source=PASSWD, mode=0o644),
            Entry(b"link", "symlink", link=b"etc"),
            Entry(b"secret", "dir", mode=0o700, uid=7, gid=8, mtime=1000),
        ]
    )
    config = {"Env": ["PATH=/bin"], "Cmd": ["sh"]}
    rootfs = {"type": "layers", "diff_ids": [layer.diff_id]}
    store.images.create({"config": config, "rootfs": rootfs, "architecture": "amd64", "os": "linux"}, tags=["base"])
    yield Lab(store)
    store.close()
