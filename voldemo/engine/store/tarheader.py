"""One header of a tar, read with suspicion: every number and name in it was written by a stranger."""

from __future__ import annotations

from dataclasses import dataclass, field
from struct import Struct

from voldemo.engine.errors import BadParameter

BLOCK = 512
NUL = b"\0"
ZEROS = bytes(BLOCK)
MOST_BYTES = 1 << 62
MOST_PIECES = 1 << 16  # of a sparse file
FIELDS = Struct("100s8s8s8s12s12s8sc100s8s32s32s8s8s155s12x")
KINDS = {
    b"0": "file",
    NUL: "file",
    b"7": "file",
    b"S": "file",
    b"1": "hardlink",
    b"2": "symlink",
    b"3": "device",
    b"4": "device",
    b"5": "dir",
    b"6": "fifo",
}
WITH_CONTENT = (b"0", NUL, b"7", b"S", b"x", b"g", b"L", b"K", b"X")
Pieces = list[tuple[int, int]]  # where in the file, how many bytes


class BadTar(BadParameter):
    pass


BAD_HEADER = "archive/tar: invalid tar header"


@dataclass(slots=True)
class Member:
    name: bytes
    kind: str
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    mtime_ns: int = 0
    size: int = 0  # of the file
    link: bytes = b""
    stored: int = 0  # bytes that follow in the tar
    type: bytes = b"0"
    pieces: Pieces | None = None
    pax: dict[bytes, bytes] = field(default_factory=dict)


def parse(block: bytes) -> Member:
    name, mode, uid, gid, size, mtime, checksum, kind, link, magic, *_, prefix = FIELDS.unpack(block)
    if number(checksum) not in (
        256 + sum(block[:148]) + sum(block[156:]),
        256 + _signed_sum(block[:148]) + _signed_sum(block[156:]),
    ):
        raise BadTar(BAD_HEADER)
    name = cut(name)
    if magic[:6] == b"ustar\0" and (front := cut(prefix)):
        name = front + b"/" + name
    return Member(
        name=name,
        kind=KINDS.get(kind, ""),
        mode=number(mode) & 0o7777,
        uid=identity(number(uid)),
        gid=identity(number(gid)),
        mtime_ns=number(mtime) * 10**9,
        size=_size(number(size)),
        link=cut(link),
        stored=_size(number(size)) if kind in WITH_CONTENT or kind not in KINDS else 0,
        type=kind,
    )


def _signed_sum(block: bytes) -> int:
    return sum(block) - 256 * sum(1 for byte in block if byte > 127)


def cut(text: bytes) -> bytes:
    return text.partition(NUL)[0]


def number(text: bytes) -> int:
    """Octal digits, or binary with the first bit set (GNU)."""
    if text[0] & 0x80:
        value = int.from_bytes(text, "big")
        bits = 8 * len(text)
        return value - (1 << bits) if text[0] & 0x40 else value & ((1 << (bits - 1)) - 1)
    digits = text.strip(b" \0").partition(NUL)[0]
    if not digits:
        return 0
    if digits.strip(b"01234567"):
        raise BadTar(BAD_HEADER)
    return int(digits, 8)


def decimal(text: bytes) -> int:
    if not text.isdigit() or len(text) > 20:
        raise BadTar(BAD_HEADER)
    return int(text)


def identity(value: int) -> int:
    if not 0 <= value < 1 << 32:
        raise BadTar(BAD_HEADER)
    return value


def _size(value: int) -> int:
    if not 0 <= value < MOST_BYTES:
        raise BadTar(BAD_HEADER)
    return value


def pax_records(data: bytes) -> list[tuple[bytes, bytes]]:
    """`LENGTH KEY=VALUE\\n`, in their order: the oldest sparse format repeats its keys."""
    records, start = [], 0
    while start < len(data):
        space = data.find(b" ", start, start + 21)
        end = start + decimal(data[start:space]) if space > start else 0
        key, equals, value = data[space + 1 : end - 1].partition(b"=")
        if not start < space < end <= len(data) or not equals or not key or data[end - 1 : end] != b"\n":
            raise BadTar(BAD_HEADER)
        if key in (b"path", b"linkpath", b"GNU.sparse.name") and NUL in value:
            raise BadTar(BAD_HEADER)
        records.append((key, value))
        start = end
    return records


def apply_pax(member: Member, records: list[tuple[bytes, bytes]]) -> None:
    member.pax = pax = dict(records)
    member.name = pax.get(b"path") or member.name
    member.link = pax.get(b"linkpath") or member.link
    member.uid = identity(decimal(pax[b"uid"])) if pax.get(b"uid") else member.uid
    member.gid = identity(decimal(pax[b"gid"])) if pax.get(b"gid") else member.gid
    member.mtime_ns = _nanoseconds(pax[b"mtime"]) if pax.get(b"mtime") else member.mtime_ns
    if pax.get(b"size"):
        member.size = _size(decimal(pax[b"size"]))
        member.stored = member.size if member.type in WITH_CONTENT else 0
    _apply_sparse(member, records)


def _nanoseconds(text: bytes) -> int:
    whole, _, fraction = text.partition(b".")
    sign = -1 if whole.startswith(b"-") else 1
    seconds = decimal(whole.removeprefix(b"-") or b"0")
    return sign * (seconds * 10**9 + int(decimal(fraction[:9].ljust(9, b"0")) if fraction else 0))


def _apply_sparse(member: Member, records: list[tuple[bytes, bytes]]) -> None:
    pax = member.pax
    real = pax.get(b"GNU.sparse.realsize") or pax.get(b"GNU.sparse.size")
    if real is None or member.kind != "file":
        return
    member.size = _size(decimal(real))
    member.name = pax.get(b"GNU.sparse.name") or member.name
    if b"GNU.sparse.map" in pax:
        numbers = [decimal(text) for text in pax[b"GNU.sparse.map"].split(b",") if text]
        member.pieces = pairs(numbers)
    elif pax.get(b"GNU.sparse.major") != b"1":
        keys = (b"GNU.sparse.offset", b"GNU.sparse.numbytes")
        member.pieces = pairs([decimal(value) for key, value in records if key in keys])


def pairs(numbers: list[int]) -> Pieces:
    if len(numbers) % 2 or len(numbers) > 2 * MOST_PIECES:
        raise BadTar(BAD_HEADER)
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def old_sparse(block: bytes, start: int, count: int) -> Pieces:
    """The map of GNU's own type S: up to the first empty place."""
    pieces = []
    for at in range(start, start + 24 * count, 24):
        if not block[at]:
            break
        pieces.append((number(block[at : at + 12]), number(block[at + 12 : at + 24])))
    return pieces


def check_pieces(member: Member) -> None:
    end = 0
    for offset, length in member.pieces or ():
        if offset < end or length < 0:
            raise BadTar(BAD_HEADER)
        end = offset + length
    if member.pieces is not None and (end > member.size or sum(n for _, n in member.pieces) != member.stored):
        raise BadTar(BAD_HEADER)
