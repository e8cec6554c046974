"""COPY and ADD: which files are meant, what they are as a digest, and their way into a new layer."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import os
import posixpath
import tarfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from voldemo.engine.build import ignore
from voldemo.engine.containers import users
from voldemo.engine.errors import BadParameter, Failed, NotFound
from voldemo.engine.store import Found, Union
from voldemo.engine.store.entries import readable

BLOCK = 1 << 18
URLS = ("http://", "https://", "git@", "git://")
ARCHIVES = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00")
USTAR_AT, USTAR = 257, b"ustar"


@dataclass(frozen=True)
class Source:
    path: str  # as the instruction (or what a wildcard found) names it, from the root of where it is
    found: Found


@dataclass(frozen=True)
class Copy:
    word: str  # COPY, ADD
    sources: tuple[Source, ...]
    destination: str  # absolute; ends with / when it must be a directory
    origin: Union
    extract: bool
    uid: int = 0
    gid: int = 0


def find_sources(word: str, patterns: Sequence[str], origin: Union, in_context: bool) -> tuple[Source, ...]:
    found: list[Source] = []
    for pattern in patterns:
        if pattern.startswith(URLS):
            raise Failed(
                f"{word} failed: fetching {pattern} while building is not part of this engine: put it in the context"
            )
        path = inside(word, pattern)
        if ignore.has_wildcard(path):
            found += by_wildcard(path, origin)
        else:
            found.append(one(word, pattern, path, origin, in_context))
    if not found:
        raise Failed(f"{word} failed: no source files were specified")
    return tuple(found)


def inside(word: str, path: str) -> str:
    clean = posixpath.normpath(path.lstrip("/") or ".")
    if clean == ".." or clean.startswith("../"):
        raise Failed(f"{word} failed: forbidden path outside the build context: {path} ()")
    return clean


def one(word: str, pattern: str, path: str, origin: Union, in_context: bool) -> Source:
    found = origin.lookup(path)
    if found is None and in_context:
        raise Failed(
            f"{word} failed: file not found in build context or excluded by .dockerignore: "
            f"stat {pattern.lstrip('/')}: file does not exist"
        )
    if found is None:
        raise Failed(f"{word} failed: stat {pattern.lstrip('/')}: file does not exist")
    return Source(path, found)


def by_wildcard(pattern: str, origin: Union) -> list[Source]:
    """No directory that the pattern cannot reach is looked into."""
    paths = [""]
    for part in pattern.split("/"):
        paths = [path for base in paths for path in step(base, part, origin)]
    pairs = ((path, origin.lookup(path)) for path in sorted(paths))
    return [Source(path, found) for path, found in pairs if found is not None]


def step(base: str, part: str, origin: Union) -> Iterator[str]:
    folder = origin.lookup(base or "/")
    if folder is None or not folder.is_dir:
        return
    names = (
        (os.fsdecode(child.parts[-1]) for child in origin.list(base or "/")) if ignore.has_wildcard(part) else (part,)
    )
    for name in names:
        if name == part or ignore.matches(part, name):
            yield f"{base}/{name}".lstrip("/")


def digest(copy: Copy) -> str:
    """`file:…`, `dir:…` or `multi:…`. Times do not count: a fresh clone of the same files is the same."""
    hashed = hashlib.sha256()
    for source in copy.sources:
        depth = len(source.found.parts)
        for found in copy.origin.walk(source.found.path):
            hashed.update(b"\0".join((os.fsencode(os.path.basename(source.path)), *found.parts[depth:])))
            hashed.update(f"\0{found.kind} {found.mode:o} {found.size if found.is_file else 0} ".encode() + found.link)
            if found.is_file:
                hash_file(found, hashed)
    if len(copy.sources) > 1:
        return f"multi:{hashed.hexdigest()}"
    return f"{'dir' if copy.sources[0].found.is_dir else 'file'}:{hashed.hexdigest()}"


def hash_file(found: Found, hashed) -> None:
    with open(os.open(found.real, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
        while block := file.read(BLOCK):
            hashed.update(block)


def perform(copy: Copy, upper: Path, layers: Sequence[Path]) -> None:
    target = Union(upper, layers)
    try:
        for source in copy.sources:
            put(copy, source, target)
    except (NotFound, BadParameter) as error:
        raise Failed(f"failed to copy files: {error.message}") from error


def put(copy: Copy, source: Source, target: Union) -> None:
    destination = copy.destination
    if source.found.is_dir:
        folder = target.make_dirs(destination, 0o755, copy.uid, copy.gid)
        for child in copy.origin.list(source.found.path):
            unpack(target, folder, copy, copy.origin.pack(child.path))
        return
    archive = open_archive(source.found) if copy.extract else None
    if archive is not None:
        with archive:
            target.make_dirs(destination, 0o755, 0, 0)
            target.unpack(destination, archive)
        return
    there = target.lookup(destination)
    if destination.endswith("/") or (there is not None and there.is_dir):
        destination = f"{destination.rstrip('/')}/{os.path.basename(source.path)}"
    above, name = os.path.split(destination)
    folder = target.make_dirs(above, 0o755, copy.uid, copy.gid)
    unpack(target, folder, copy, copy.origin.pack(source.found.path, os.fsencode(name)))


def unpack(target: Union, folder: Found, copy: Copy, pieces: Iterable[bytes]) -> None:
    target.unpack(folder.path, readable(iter(pieces)), uid=copy.uid, gid=copy.gid)


def open_archive(found: Found) -> BinaryIO | None:
    """None: no tar that ADD would unpack; then it is copied like any other file."""
    if not found.is_file:
        return None
    file = open(os.open(found.real, os.O_RDONLY | os.O_NOFOLLOW), "rb")  # noqa: SIM115 (handed on)
    try:
        if is_tar(file):
            file.seek(0)
            return file
    except BaseException:
        file.close()
        raise
    file.close()
    return None


def is_tar(file: BinaryIO) -> bool:
    start = file.read(tarfile.BLOCKSIZE)
    file.seek(0)
    openers = dict(zip(ARCHIVES, (gzip.open, bz2.open, lzma.open), strict=True))
    for magic, opener in openers.items():
        if start.startswith(magic):
            try:
                with opener(file) as unpacked:
                    start = unpacked.read(tarfile.BLOCKSIZE)
            except (OSError, EOFError, lzma.LZMAError, zlib.error):
                return False
    if start[USTAR_AT : USTAR_AT + len(USTAR)] == USTAR:
        return True
    try:
        tarfile.TarInfo.frombuf(start, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def owner(root: Union, text: str) -> tuple[int, int]:
    """--chown=USER[:GROUP], by name or number; a name is looked up in the image."""
    user, _, group = text.partition(":")
    uid = identifier(users.find(users.passwd(root), user), user, "uid", "user", "uid")
    if not text.partition(":")[1]:
        group = user
    gid = identifier(users.find(users.groups(root), group), group, "gid", "group", "gid")
    return uid, gid


def identifier(entry, text: str, field: str, kind: str, attribute: str) -> int:
    if entry is not None:
        return getattr(entry, attribute)
    if text.isascii() and text.isdecimal() and len(text) < 11:
        return int(text)
    why = f"can't find {field} for {kind} {text}: no such {kind}: {text}"
    raise Failed(f"unable to convert uid/gid chown string to host mapping: {why}")
