"""The build context: the client's tar, unpacked where nothing of it can lead out."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import BinaryIO

from voldemo.engine.build import ignore
from voldemo.engine.errors import Failed, NotFound
from voldemo.engine.store import Store, Union

IGNORE = ".dockerignore"
LIMIT = 1 << 20


class Context:
    def __init__(self, store: Store) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="build-", dir=store.root / "tmp"))
        self._root = self.folder / "context"
        self._root.mkdir()
        self._uppers = 0
        self.files = Union(self._root, ())

    def receive(self, stream: BinaryIO) -> None:
        self.files.unpack("/", stream)

    def dockerfile(self, name: str) -> bytes:
        """Also when .dockerignore names it: it is not the image's then, but the builder's."""
        try:
            return self.files.read_file(name, LIMIT + 1)
        except NotFound:
            raise Failed(f"Cannot locate specified Dockerfile: {name}") from None

    def leave_out_ignored(self) -> None:
        try:
            text = self.files.read_file(IGNORE, LIMIT).decode(errors="replace")
        except NotFound:
            return
        rules = ignore.rules(text)
        for found in reversed([*self.files.walk("/")]) if rules else ():
            path = os.fsdecode(b"/".join(found.parts))
            if found.parts and ignore.is_ignored(path, rules):
                remove(found.entry, found.is_dir)

    def new_upper(self) -> Path:
        self._uppers += 1
        upper = self.folder / f"step-{self._uppers}"
        upper.mkdir()
        return upper

    def close(self) -> None:
        shutil.rmtree(self.folder)


def remove(entry: bytes, directory: bool) -> None:
    """A directory that still holds something wanted stays."""
    if not directory:
        os.unlink(entry)
    elif not os.listdir(entry):
        os.rmdir(entry)
