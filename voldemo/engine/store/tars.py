"""Reading a tar as a stream, and writing one. Every byte read is hashed, and can be kept to be written back."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO, Protocol

from voldemo.engine.store import tarheader
from voldemo.engine.store.tarheader import BLOCK, ZEROS, BadTar, Member

PIECE = 1 << 18
MOST_HEADER = 1 << 20  # bytes of a long name or of PAX records, as Go's reader has it
MOST_NAME = 3500  # so that with the path of the tree it stands in it is no longer than a path may be
MOST_MEMBERS = 2_000_000
TRUNCATED = "unexpected EOF"


class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def _nothing(_: bytes) -> None:
    pass


class Reader:
    """`for member in reader`, and in the loop `reader.body()`: what is not read is skipped, and counts as raw."""

    def __init__(self, stream: Readable | BinaryIO, raw: Callable[[bytes], None] = _nothing) -> None:
        self._read = stream.read
        self._raw = raw
        self._hash = hashlib.sha256()
        self._left = 0  # of the present member's content
        self._padding = 0
        self._member: Member | None = None
        self.bytes = 0

    @property
    def digest(self) -> str:
        """Of the whole stream, once it has been read."""
        return "sha256:" + self._hash.hexdigest()

    def _some(self, size: int) -> bytes:
        data = self._read(size)
        self._hash.update(data)
        self.bytes += len(data)
        return data

    def _exactly(self, size: int) -> bytes:
        data = self._some(size)
        while len(data) < size:
            more = self._some(size - len(data))
            if not more:
                raise BadTar(TRUNCATED)
            data += more
        return data

    def _block(self) -> bytes:
        data = self._exactly(BLOCK)
        self._raw(data)
        return data

    def __iter__(self) -> Iterator[Member]:
        count = 0
        while (member := self._next()) is not None:
            count += 1
            if count > MOST_MEMBERS:
                raise BadTar(f"more than {MOST_MEMBERS} entries in one tar")
            yield member
            self._finish()
        self._rest()

    def _next(self) -> Member | None:
        long: dict[str, bytes] = {}
        records: list[tuple[bytes, bytes]] = []
        while True:
            block = self._first_block(bool(long or records))
            if block is None:
                return None
            member = tarheader.parse(block)
            if member.type == b"L":
                long["name"] = tarheader.cut(self._extra(member))
            elif member.type == b"K":
                long["link"] = tarheader.cut(self._extra(member))
            elif member.type in (b"x", b"X"):
                records = tarheader.pax_records(self._extra(member))
            elif member.type == b"g":
                self._extra(member)  # Docker ignores global headers too
            else:
                return self._complete(member, long, records, block)

    def _first_block(self, expected: bool) -> bytes | None:
        first = self._some(1)
        if not first:
            if expected:
                raise BadTar(TRUNCATED)
            return None
        block = first + self._exactly(BLOCK - 1)
        self._raw(block)
        if block != ZEROS:
            return block
        second = self._some(BLOCK)
        self._raw(second)
        if second.strip(b"\0"):
            raise BadTar(tarheader.BAD_HEADER)
        return None

    def _extra(self, member: Member) -> bytes:
        if member.stored > MOST_HEADER:
            raise BadTar(tarheader.BAD_HEADER)
        data = self._exactly(-(-member.stored // BLOCK) * BLOCK)
        self._raw(data)
        return data[: member.stored]

    def _complete(self, member: Member, long: dict[str, bytes], records: list, block: bytes) -> Member:
        member.name = long.get("name") or member.name
        member.link = long.get("link") or member.link
        if records:
            tarheader.apply_pax(member, records)
        if not member.kind:
            raise BadTar(f"unhandled tar header type {member.type[0]}")
        if member.kind == "file" and member.name.endswith(b"/") and not member.stored:
            member.kind = "dir"
        self._left, self._padding, self._member = member.stored, -member.stored % BLOCK, member
        if member.type == b"S":
            self._old_sparse(member, block)
        elif member.pax.get(b"GNU.sparse.major") == b"1" and member.kind == "file":
            self._new_sparse(member)
        tarheader.check_pieces(member)
        return member

    def _old_sparse(self, member: Member, block: bytes) -> None:
        pieces, more = tarheader.old_sparse(block, 386, 4), block[482]
        member.size = tarheader.number(block[483:495])
        while more:
            block = self._block()
            pieces += tarheader.old_sparse(block, 0, 21)
            more = block[504]
            if len(pieces) > tarheader.MOST_PIECES:
                raise BadTar(tarheader.BAD_HEADER)
        member.pieces = pieces

    def _new_sparse(self, member: Member) -> None:
        """The map is the first part of the content: lines of numbers, filled up to a block."""
        text, wanted = b"", 1
        while text.count(b"\n") < wanted:
            if self._left < BLOCK or len(text) > MOST_HEADER:
                raise BadTar(tarheader.BAD_HEADER)
            text += self._block()
            self._left -= BLOCK
            first, newline, _ = text.partition(b"\n")
            wanted = 1 + 2 * tarheader.decimal(first) if newline else 1
        lines = text.split(b"\n")[1:wanted]
        member.pieces = tarheader.pairs([tarheader.decimal(line) for line in lines])
        member.stored = self._left

    def body(self) -> Iterator[tuple[int, bytes]]:
        """The content of the present member: (where in the file, bytes)."""
        member = self._member
        assert member is not None
        for offset, length in [(0, member.stored)] if member.pieces is None else member.pieces:
            end = offset + length
            while offset < end:
                data = self._some(min(PIECE, end - offset))
                if not data:
                    raise BadTar(TRUNCATED)
                self._left -= len(data)
                yield offset, data
                offset += len(data)

    def content(self, limit: int) -> bytes:
        if self._member is None or self._member.size > limit:
            raise BadTar("an entry of the archive is too large")
        return b"".join(data for _, data in self.body())

    def _finish(self) -> None:
        while self._left:
            data = self._exactly(min(PIECE, self._left))
            self._raw(data)
            self._left -= len(data)
        if self._padding:
            self._raw(self._exactly(self._padding))

    def _rest(self) -> None:
        while data := self._some(PIECE):
            self._raw(data)


def clean_name(name: bytes) -> tuple[bytes, ...]:
    """The parts of a member's path; () is the root itself. Absolute ones start at the root, as Docker takes them."""
    parts: list[bytes] = []
    for part in name.split(b"/"):
        if part == b"..":
            if not parts:
                raise BadTar(f'invalid entry name "{text(name)}"')
            parts.pop()
        elif part not in (b"", b"."):
            parts.append(part)
    if len(name) > MOST_NAME or any(len(part) > 255 for part in parts):
        raise BadTar(f'"{text(name[:64])}…": file name too long')
    return tuple(parts)


def text(name: bytes) -> str:
    return name.decode(errors="backslashreplace")


TYPES = {"file": b"0", "hardlink": b"1", "symlink": b"2", "dir": b"5", "fifo": b"6"}
END = ZEROS * 2


def header(member: Member) -> bytes:
    """PAX where ustar has no room, else plain ustar: the same member always gives the same bytes."""
    name = member.name + b"/" if member.kind == "dir" and not member.name.endswith(b"/") else member.name
    records = dict(_records(member, name))
    front = b""
    if records:
        data = b"".join(_record(key, value) for key, value in sorted(records.items()))
        extra = Member(b"PaxHeaders.0/" + name[-80:].strip(b"/"), "file", 0o644, size=len(data))
        front = _ustar(extra, extra.name[:100], b"x") + data + bytes(-len(data) % BLOCK)
    return front + _ustar(member, name[:100], TYPES[member.kind])


def _records(member: Member, name: bytes) -> Iterator[tuple[bytes, bytes]]:
    if len(name) > 100:
        yield b"path", name
    if len(member.link) > 100:
        yield b"linkpath", member.link
    for key, value, most in (
        (b"size", member.size, 8**11),
        (b"uid", member.uid, 8**7),
        (b"gid", member.gid, 8**7),
    ):
        if value >= most:
            yield key, b"%d" % value
    if member.mtime_ns % 10**9 or not 0 <= member.mtime_ns < 8**11 * 10**9:
        sign, value = (b"-", -member.mtime_ns) if member.mtime_ns < 0 else (b"", member.mtime_ns)
        yield b"mtime", sign + (b"%d.%09d" % divmod(value, 10**9)).rstrip(b"0").rstrip(b".")


def _record(key: bytes, value: bytes) -> bytes:
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    length = rest + len(str(length))
    return b"%d %s=%s\n" % (length, key, value)


def _ustar(member: Member, name: bytes, kind: bytes) -> bytes:
    size = member.size if kind in (b"0", b"x") else 0
    seconds = member.mtime_ns // 10**9
    fields = (
        name,
        _octal(member.mode, 8),
        _octal(member.uid, 8),
        _octal(member.gid, 8),
        _octal(size, 12),
        _octal(seconds, 12),
        b" " * 8,
        kind,
        member.link[:100],
        b"ustar\x0000",
        b"",
        b"",
        _octal(0, 8),
        _octal(0, 8),
        b"",
    )
    block = tarheader.FIELDS.pack(*fields)
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def _octal(value: int, width: int) -> bytes:
    return b"%0*o\0" % (width - 1, value if 0 <= value < 8 ** (width - 1) else 0)


def write(members: Iterable[tuple[Member, Iterable[bytes]]]) -> Iterator[bytes]:
    """A whole tar. A member's content must be as long as its size says: the caller cuts and fills."""
    for member, content in members:
        yield header(member)
        if member.kind == "file":
            yield from content
            if padding := -member.size % BLOCK:
                yield bytes(padding)
    yield END
