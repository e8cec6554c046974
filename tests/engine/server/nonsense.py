"""Calls of Docker's API as nobody would make them: right and wrong parameters for every path, and broken HTTP."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

PARAMETERS = Path(__file__).with_name("parameters.txt")
TEXTS = [
    "",
    "x",
    "busybox:1.37",
    "running",
    "stopped",
    "made",
    "a:b",
    "a:b:c",
    "ro",
    "true",
    "-1",
    "\0",
    "\udcff",
    "..",
    "a/../b",
]
TEXTS += [
    "{",
    "[]",
    "%",
    "n" * 300,
    "한글",
    "json-file",
    "tcp",
    "bridge",
    "none",
    "host",
    "container:running",
    "SIGKILL",
    "TERM",
]
TEXTS += [
    "80/tcp",
    "127.0.0.1",
    "1.5h",
    "2024-01-01T00:00:00Z",
    "always",
    "local",
    "CMD",
    "made:/d",
    "made:/d:ro",
    "a=b",
    "=",
]
NUMBERS = [0, 1, -1, 2, 7, 65536, 2**31, 2**63 - 1, 2**63, -(2**63), 10**30, 1.5, 6 << 20]
OTHERS = [None, True, False, [], {}, [None], {"": None}, [[]], {"x": {"x": []}}, "x", 1, 1e308]
FILTERS = [
    "",
    "{",
    "[]",
    "null",
    '{"label":["a"]}',
    '{"dangling":["x"]}',
    '{"name":{"x":true}}',
    '{"x":1}',
    '{"until":["x"]}',
]
NAMES = [
    "running",
    "stopped",
    "made",
    "network",
    "busybox:1.37",
    "busybox",
    "x",
    "n" * 300,
    "..%2f..%2fup",
    "%00",
    "%ff%fe",
    "a:b:c",
    "-",
]
BODIES = [b"", b"null", b"[]", b"{", b"{}{}", b"\xff\x00", b"[" * 20_000, b'{"a":' * 5000, b"1" * 5000, b'"\\ud800"']
TYPES = ["application/json", "application/json; charset=utf-8", "text/plain", "application/x-tar", ""]
HEADERS = [
    "X-Registry-Auth: e30=",
    "X-Registry-Auth: %%%",
    "X-Registry-Config: x",
    "Upgrade: tcp\r\nConnection: Upgrade",
    "Accept: x",
]
NOBODY = "127.0.0.1:1"  # where a registry might be: none is to be looked for outside
OFTEN = {("POST", "/containers/create"): 20, ("POST", "/containers/{id}/exec"): 5, ("POST", "/volumes/create"): 3}
VERSIONS = ["", "/v1.24", "/v1.41", *["/v1.47"] * 20, "/v9.9", "/vx"]


class Call(NamedTuple):
    method: str
    path: str
    query: list[tuple[str, str]]
    body: dict[str, str]

    @property
    def endless(self) -> bool:
        """Its answer may never end, or not begin before something happens."""
        return self.path.endswith(("/events", "/logs", "/stats", "/wait", "/attach", "/start", "/attach/ws"))


def calls() -> list[Call]:
    found: list[Call] = []
    for line in PARAMETERS.read_text().splitlines():
        if not line.startswith(" "):
            found.append(Call(*line.split(), [], {}))
            continue
        where, name, kind = line.split()
        if where == "query":
            found[-1].query.append((name, kind))
        else:
            found[-1].body[name] = kind
    return found


class Nonsense:
    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._choose = self._random.choice
        self._calls = calls()
        self._calls += [
            call for call in self._calls for often, times in OFTEN.items() if call[:2] == often for _ in range(times)
        ]
        self._wrong_share = 0.0

    def call(self) -> Call:
        return self._choose(self._calls)

    def _often(self, share: float) -> bool:
        return self._random.random() < share

    def request(self, call: Call) -> bytes:
        """Whole, and right as HTTP."""
        self._wrong_share = self._choose([0, 0, 0.02, 0.2])
        path = call.path
        for place in ("{id}", "{name}"):
            path = path.replace(place, self._choose(NAMES))
        query = "&".join(f"{name}={quote(self._text_of(name, kind))}" for name, kind in call.query if self._often(0.4))
        body = self._body(call)
        lines = [f"{call.method} {self._choose(VERSIONS)}{path}?{query} HTTP/1.1", "Host: docker"]
        lines += [self._choose(HEADERS)] if self._often(0.1) else []
        if body or self._often(0.5):
            kind = TYPES[0] if self._often(0.9) else self._choose(TYPES)
            lines += [f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
        return "\r\n".join([*lines, "", ""]).encode() + body

    def _text_of(self, name: str, kind: str) -> str:
        if name == "filters":
            return self._choose(FILTERS)
        value = self._choose(TEXTS) if self._often(0.2) else str(self._value(kind))
        return value.encode(errors="surrogateescape").decode("latin-1")

    def _body(self, call: Call) -> bytes:
        if not call.body or self._often(0.1):
            return self._choose(BODIES)
        made: dict[str, Any] = {}
        wanted = [name for name in call.body if name != "." and "." not in name]
        few = self._random.sample(wanted, min(len(wanted), self._choose([1, 2, 4])))
        for name in few:
            made[name] = self._field(call, name)
        if "Image" in wanted and self._often(0.9):  # nothing else of it would be looked at
            made |= {"Image": "busybox:1.37", "Cmd": ["true"]}
        return json.dumps(made, ensure_ascii=True).encode()

    def _field(self, call: Call, name: str) -> Any:
        kind = call.body[name]
        if name == "serveraddress":
            return NOBODY
        if self._often(self._wrong_share):
            return self._choose(OTHERS)
        if kind == "array":
            return [self._inside(call, f"{name}.[]") for _ in range(self._random.randrange(3))]
        if kind != "object":
            return self._value(kind)
        made = {self._choose(TEXTS): self._inside(call, f"{name}.*")} if f"{name}.*" in call.body else {}
        depth = name.count(".") + 1
        inside = [one for one in call.body if one.startswith(f"{name}.") and one.count(".") == depth]
        for one in self._random.sample(inside, min(len(inside), 3)):
            if not one.endswith((".*", ".[]")):
                made[one.rpartition(".")[2]] = self._field(call, one)
        return made

    def _inside(self, call: Call, name: str) -> Any:
        return self._field(call, name) if name in call.body else self._choose(OTHERS)

    def _value(self, kind: str) -> Any:
        match kind:
            case "string":
                return self._choose(TEXTS)
            case "integer" | "number":
                return self._choose(NUMBERS)
            case "boolean":
                return self._choose([True, False])
        return self._choose(OTHERS)

    def broken(self, data: bytes) -> bytes:
        """As HTTP it is wrong somewhere, or it ends too early."""
        head, _, body = data.partition(b"\r\n\r\n")
        return self._choose(list(self._wrong(head, body)))

    def _wrong(self, head: bytes, body: bytes) -> Iterator[bytes]:
        line, _, headers = head.partition(b"\r\n")
        whole = head + b"\r\n\r\n" + body
        yield whole[: self._random.randrange(len(whole))]
        yield head + b"\r\nX: " + b"x" * 400_000 + b"\r\n\r\n"
        yield head + b"".join(b"\r\nX%d: x" % number for number in range(30_000)) + b"\r\n\r\n"
        yield line.replace(b"?", b"?" + b"q" * 400_000) + b"\r\n" + headers + b"\r\n\r\n"
        yield head + b"\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n" + body
        yield head + b"\r\nContent-Length: -1\r\n\r\n" + body
        yield head + b"\r\nno colon\r\n\r\n" + body
        yield (
            head.replace(b"HTTP/1.1", self._choose([b"HTTP/1.0", b"HTTP/2.0", b"HTTP/1.1 x", b""])) + b"\r\n\r\n" + body
        )
        yield head.replace(b"\r\n", b"\n") + b"\n\n" + body
        chunked = b"\r\n".join(part for part in head.split(b"\r\n") if not part.startswith(b"Content-Length"))
        chunked += b"\r\nTransfer-Encoding: chunked\r\n\r\n"
        size = b"%x" % len(body)
        yield (
            chunked
            + self._choose([b"zz", b"-1", b"f" * 40, b"", size + b";x=" + b"x" * 100])
            + b"\r\n"
            + body
            + b"\r\n0\r\n\r\n"
        )
        yield chunked + size + b"\r\n" + body + b"no end"
        yield chunked + size + b"\r\n" + body
        mutated = bytearray(whole)
        for _ in range(3):
            mutated[self._random.randrange(len(line))] = self._random.randrange(256)
        yield bytes(mutated)
