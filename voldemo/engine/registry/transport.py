"""HTTP to a registry: redirects, tokens, and an end to all of it when nobody waits any more."""

from __future__ import annotations

import base64
import http.client
import json
import re
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, BinaryIO
from urllib.parse import urlencode, urljoin, urlsplit

from voldemo.engine.errors import BadParameter, Failed, Forbidden
from voldemo.engine.registry.address import checked

TIMEOUT = 30  # seconds without a byte
REDIRECTS = (301, 302, 303, 307, 308)
MOST_REDIRECTS = 5
TOKEN_LIMIT = 1 << 20
CHALLENGE = re.compile(r'(\w+)="([^"]*)"')


class Cancelled(Exception):
    """Nobody waits for the answer any more."""


@dataclass(frozen=True)
class Credentials:
    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    registry_token: str = field(default="", repr=False)

    @classmethod
    def from_header(cls, text: str) -> Credentials:
        """X-Registry-Auth: JSON in URL-safe base 64."""
        if not text:
            return cls()
        try:
            value = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        except (ValueError, RecursionError):
            raise BadParameter("invalid X-Registry-Auth header") from None
        if not isinstance(value, dict):
            raise BadParameter("invalid X-Registry-Auth header")
        return cls.of(value)

    @classmethod
    def of(cls, value: Any) -> Credentials:
        value = value if isinstance(value, dict) else {}
        names = ("username", "password", "identitytoken", "registrytoken")
        return cls(*(value[name] if isinstance(value.get(name), str) else "" for name in names))

    @property
    def basic(self) -> str:
        pair = f"{self.username}:{self.password}".encode()
        return f"Basic {base64.b64encode(pair).decode()}"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    response: http.client.HTTPResponse
    connection: http.client.HTTPConnection
    url: str

    def read(self, limit: int) -> bytes:
        data = self.response.read(limit + 1)
        if len(data) > limit:
            raise Failed(f"{self.url}: the answer is longer than {limit} bytes")
        return data

    def header(self, name: str) -> str:
        return self.headers.get(name) or ""

    def close(self) -> None:
        self.response.close()
        self.connection.close()


Body = bytes | Callable[[], BinaryIO] | None


class Session:
    """One pull or push. May be cancelled from another thread at any moment."""

    def __init__(self, base: str, credentials: Credentials, scope: str) -> None:
        self.base = checked(base)
        self._credentials = credentials
        self._scope = scope
        self._authorization = f"Bearer {credentials.registry_token}" if credentials.registry_token else ""
        self._connections: set[http.client.HTTPConnection] = set()
        self._lock = threading.Lock()
        self._cancelled = False

    def cancel(self) -> None:
        with self._lock:
            self._cancelled = True
            connections = [*self._connections]
        for connection in connections:
            shut(connection)

    def close(self) -> None:
        with self._lock:
            connections = [*self._connections]
            self._connections.clear()
        for connection in connections:
            connection.close()

    def check(self) -> None:
        if self._cancelled:
            raise Cancelled

    def request(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: Body = None,
        length: int = 0,
    ) -> Answer:
        url = checked(urljoin(self.base, path))
        answer = self._follow(method, url, headers or {}, body, length)
        if answer.status == 401 and self._authenticate(answer):
            answer.close()
            answer = self._follow(method, url, headers or {}, body, length)
        return answer

    def _follow(self, method: str, url: str, headers: Mapping[str, str], body: Body, length: int) -> Answer:
        for _ in range(MOST_REDIRECTS + 1):
            sent = {"User-Agent": "voldemo", **headers}
            if self._authorization and same_origin(url, self.base):
                sent["Authorization"] = self._authorization
            answer = self._once(method, url, sent, body, length)
            target = answer.header("Location")
            if answer.status not in REDIRECTS or not target:
                return answer
            answer.close()
            url = checked(urljoin(url, target))
        raise Failed(f"{self.base}: more than {MOST_REDIRECTS} redirects")

    def _once(self, method: str, url: str, headers: Mapping[str, str], body: Body, length: int) -> Answer:
        parts = urlsplit(url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        sent = dict(headers)
        if length or isinstance(body, bytes):
            sent["Content-Length"] = str(len(body) if isinstance(body, bytes) else length)
        try:
            connection = self._connect(parts.scheme, parts.hostname or "", parts.port)
            connection.request(method, target, body() if callable(body) else body, sent)
            response = connection.getresponse()
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.check()
            raise Failed(unreachable(method, url, error)) from error
        return Answer(response.status, response.headers, response, connection, url)

    def _connect(self, scheme: str, host: str, port: int | None) -> http.client.HTTPConnection:
        if scheme == "https":
            connection = http.client.HTTPSConnection(host, port, timeout=TIMEOUT, context=ssl.create_default_context())
        else:
            connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT)
        with self._lock:
            self._connections = {each for each in self._connections if each.sock is not None}
            self._connections.add(connection)
        connection.connect()
        self.check()
        return connection

    def _authenticate(self, answer: Answer) -> bool:
        """True: it is worth asking again."""
        scheme, _, rest = answer.header("WWW-Authenticate").partition(" ")
        before = self._authorization
        if scheme.lower() == "basic" and self._credentials.username:
            self._authorization = self._credentials.basic
        elif scheme.lower() == "bearer":
            self._authorization = f"Bearer {self._token(dict(CHALLENGE.findall(rest)))}"
        return self._authorization != before

    def _token(self, challenge: Mapping[str, str]) -> str:
        realm = checked(challenge.get("realm", ""))
        query = {"service": challenge.get("service", ""), "scope": challenge.get("scope") or self._scope}
        if self._credentials.identity_token:
            form = {**query, "grant_type": "refresh_token", "refresh_token": self._credentials.identity_token}
            kind = {"Content-Type": "application/x-www-form-urlencoded"}
            answer = self._once("POST", realm, kind, urlencode(form | {"client_id": "voldemo"}).encode(), 0)
        else:
            headers = {"Authorization": self._credentials.basic} if self._credentials.username else {}
            joined = realm + ("&" if urlsplit(realm).query else "?") + urlencode(query)
            answer = self._once("GET", joined, headers, None, 0)
        if answer.status != 200:
            raise Forbidden(f"{realm}: the registry gives no token: {answer.status} {answer.response.reason}")
        value = json_object(answer.read(TOKEN_LIMIT), realm)
        token = value.get("token") or value.get("access_token")
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise Failed(f"{realm}: the registry's answer holds no token")
        return token


def shut(connection: http.client.HTTPConnection) -> None:
    """Wakes the thread that reads from it; closing alone would not."""
    sock = connection.sock
    if sock is not None:
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)


def same_origin(first: str, second: str) -> bool:
    one, two = urlsplit(first), urlsplit(second)
    return (one.scheme, one.hostname, one.port) == (two.scheme, two.hostname, two.port)


def unreachable(method: str, url: str, error: Exception) -> str:
    parts = urlsplit(url)
    verb = method.capitalize()
    if isinstance(error, ConnectionRefusedError):
        port = parts.port or (443 if parts.scheme == "https" else 80)
        return f'{verb} "{url}": dial tcp {parts.hostname}:{port}: connect: connection refused'
    if isinstance(error, socket.gaierror):
        return f'{verb} "{url}": dial tcp: lookup {parts.hostname}: no such host'
    if isinstance(error, TimeoutError):
        return f'{verb} "{url}": net/http: timeout: no answer for {TIMEOUT} seconds'
    return f'{verb} "{url}": {error or type(error).__name__}'


def json_object(data: bytes, what: str) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise Failed(f"{what}: the registry's answer is not JSON") from None
    if not isinstance(value, dict):
        raise Failed(f"{what}: the registry's answer is not a JSON object")
    return value
