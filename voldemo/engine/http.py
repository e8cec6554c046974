"""What a handler is given and what it gives back."""

from __future__ import annotations

import json
import os
import re
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO
from urllib.parse import parse_qs

from voldemo.engine import bridge, filters
from voldemo.engine.errors import BadParameter
from voldemo.engine.fields import json_type

JSON = "application/json"
RAW_STREAM = "application/vnd.docker.raw-stream"
MULTIPLEXED_STREAM = "application/vnd.docker.multiplexed-stream"
JSON_LIMIT = 8 << 20
FIELDS_LIMIT = 10_000
HALF_A_PAIR = re.compile(rb"\\u[dD][89a-fA-F]")  # or a whole one. No text can have half: it is replaced, as in Go
PATHS = frozenset({"path"})
FALSE = frozenset({"", "0", "no", "false", "none"})

Headers = Sequence[tuple[str, str]]


class ClientGone(ConnectionError):
    """The other side went away in the middle of what it was sending or being sent."""


@dataclass(slots=True)
class Request:
    method: str
    path: str  # decoded, without the version
    query_string: str
    headers: dict[str, str]  # names in lower case
    body: AsyncIterator[bytes]
    version: tuple[int, int]
    _query: dict[str, list[str]] | None = field(default=None, repr=False)

    @property
    def query(self) -> dict[str, str]:
        return {name: values[0] for name, values in self._values().items()}

    def _values(self) -> dict[str, list[str]]:
        if self._query is None:
            self._query = parse_query(self.query_string)
        return self._query

    def values(self, name: str) -> list[str]:
        return self._values().get(name, [])

    def text(self, name: str, default: str = "") -> str:
        values = self._values().get(name)
        return values[0] if values else default

    def bool(self, name: str, default: bool = False) -> bool:
        values = self._values().get(name)
        return values[0].strip().lower() not in FALSE if values else default

    def int(self, name: str, default: int = 0) -> int:
        text = self.text(name)
        if not text:
            return default
        return parse_int(text)

    def filters(self, allowed: Collection[str] | None = None) -> filters.Filters:
        return filters.parse(self.text("filters"), allowed)

    async def read(self, limit: int = JSON_LIMIT) -> bytes:
        blocks = bytearray()
        async for block in self.body:
            blocks += block
            if len(blocks) > limit:
                raise BadParameter(f"http: request body too large: at most {limit} bytes are read here")
        return bytes(blocks)

    async def json(self) -> dict[str, Any]:
        data = await self.read()
        if not data:
            return {}
        check_content_type(self.headers.get("content-type", ""))
        return parse_object(data)

    def file(self) -> BinaryIO:
        """The body as a blocking file, for a thread."""
        return bridge.body_file(self.body)


def parse_int(text: str) -> int:
    try:
        if text.isascii() and len(text) < 20:
            return int(text)
    except ValueError:
        pass
    raise BadParameter(f'strconv.Atoi: parsing "{text[:100]}": invalid syntax')


def parse_query(text: str) -> dict[str, list[str]]:
    if not text:
        return {}
    try:
        found = parse_qs(text, keep_blank_values=True, max_num_fields=FIELDS_LIMIT, errors="surrogateescape")
    except ValueError:
        raise BadParameter("http: too many parameters in the query") from None
    return {name: values if name in PATHS else list(map(as_text, values)) for name, values in found.items()}


def as_text(value: str) -> str:
    """What is none is replaced; only paths are bytes, as `os.fsdecode` gives them."""
    return value if value.isascii() else os.fsencode(value).decode(errors="replace")


def check_content_type(value: str) -> None:
    if value.partition(";")[0].strip().lower() != JSON:
        raise BadParameter(f"unsupported Content-Type header ({value[:100]}): must be '{JSON}'")


def no_constant(name: str) -> None:
    raise ValueError(f"invalid character '{name[0]}' looking for beginning of value")


def parse_object(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data.decode(errors="replace"), parse_constant=no_constant)
        if HALF_A_PAIR.search(data):
            text = json.dumps(value, ensure_ascii=False)
            value = json.loads(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
    except RecursionError:
        raise BadParameter("invalid JSON: exceeded max depth") from None
    except ValueError as error:
        raise BadParameter(f"invalid JSON: {error}") from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BadParameter(f"invalid JSON: json: cannot unmarshal {json_type(value)} into Go value of type object")
    return value


@dataclass(slots=True)
class Bytes:
    data: bytes
    content_type: str
    headers: Headers = ()
    status: int = 200


def Json(value: object, status: int = 200, headers: Headers = ()) -> Bytes:
    """A kind of response like the classes beside it, hence its capital."""
    return Bytes(json.dumps(value, separators=(",", ":")).encode() + b"\n", JSON, headers, status)


@dataclass(slots=True)
class Empty:
    status: int = 204
    headers: Headers = ()


@dataclass(slots=True)
class Stream:
    """Headers go out at once, before the first block: `docker run` waits for those of /wait before it starts."""

    blocks: AsyncIterator[bytes]
    content_type: str = JSON
    headers: Headers = ()


@dataclass(slots=True)
class Hijack:
    handler: Callable[[StreamReader, StreamWriter], Awaitable[object]]
    content_type: str = RAW_STREAM


Response = Bytes | Empty | Stream | Hijack
