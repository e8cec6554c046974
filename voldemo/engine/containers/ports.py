"""Published ports: the engine listens on the host's side and carries bytes to the container's own address.

A container's network is the host's. So a port that is published without an address is open on the loopback only: what
Docker opens to the whole network, a learner's notebook on a shared machine should not. Name an address to get it.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
from asyncio import StreamReader, StreamWriter
from contextlib import suppress
from typing import Any

from voldemo.engine.errors import BadParameter, Failed, Unsupported

EXPOSED = re.compile(r"\d{1,5}(/(tcp|udp|sctp))?", re.ASCII)
LOOPBACK = "127.0.0.1"
BLOCK = 1 << 16
Bindings = dict[str, list[dict[str, str]] | None]


def span(text: str) -> list[int]:
    """ "80" or "8000-8010"; empty: any free one."""
    if not text:
        return [0]
    first, _, last = text.partition("-")
    return list(range(int(first), int(last or first) + 1))


async def carry(reader: StreamReader, writer: StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(BLOCK):
            writer.write(data)
            await writer.drain()
        writer.write_eof()


class Proxy:
    def __init__(self, target: str, port: int) -> None:
        self._target = target
        self._port = port
        self._links: set[asyncio.Task[Any]] = set()

    async def open(self, address: str, candidates: list[int]) -> int:
        for number in candidates:
            try:
                self._server = await asyncio.start_server(self._link, address, number)
            except (OSError, OverflowError):
                continue
            return self._server.sockets[0].getsockname()[1]
        raise Failed(self._taken(address, candidates[0]))

    def _taken(self, address: str, number: int) -> str:
        return (
            f"failed to set up container networking: driver failed programming external connectivity: "
            f"failed to bind host port for {address}:{number}:{self._target}:{self._port}/tcp: address already in use"
        )

    async def _link(self, reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._links.add(task)
        try:
            with suppress(OSError):
                await self._join(reader, writer)
        except asyncio.CancelledError:  # the container stopped: its connections end, and that is all
            pass
        finally:
            self._links.discard(task)
            writer.transport.abort()

    async def _join(self, reader: StreamReader, writer: StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection(self._target, self._port)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(carry(reader, inner_writer))
                group.create_task(carry(inner_reader, writer))
        finally:
            inner_writer.transport.abort()

    async def close(self) -> None:
        self._server.close()
        links = list(self._links)
        for task in links:
            task.cancel()
        await asyncio.gather(*links, return_exceptions=True)


class Ports:
    """All of one container, while it runs."""

    def __init__(self) -> None:
        self._proxies: list[Proxy] = []
        self.open_now: Bindings = {}

    async def open(self, target: str, config: dict[str, Any], host: dict[str, Any]) -> None:
        wanted = wishes(config, host)
        try:
            for port, places in wanted.items():
                await self._publish(target, port, places)
        except BaseException:
            await self.close()
            raise

    async def _publish(self, target: str, port: str, places: list[dict[str, str]] | None) -> None:
        number, _, protocol = port.partition("/")
        self.open_now.setdefault(port, None)
        for place in places or []:
            if protocol != "tcp":
                raise Unsupported(f"publishing {port} is not part of this engine: only tcp ports are.")
            proxy = Proxy(target, int(number))
            address = check_address(place.get("HostIp") or "") or LOOPBACK
            given = await proxy.open(address, span(place.get("HostPort") or ""))
            self._proxies.append(proxy)
            entry = {"HostIp": address, "HostPort": str(given)}
            self.open_now[port] = [*(self.open_now[port] or []), entry]

    async def close(self) -> None:
        proxies, self._proxies, self.open_now = self._proxies, [], {}
        for proxy in proxies:
            await proxy.close()


def check_address(text: str) -> str:
    if text:
        try:
            ipaddress.ip_address(text)
        except ValueError:
            raise BadParameter(f"invalid IP address: {text}") from None
    return text


def normal(port: str) -> str:
    return port if "/" in port else f"{port}/tcp"


def wishes(config: dict[str, Any], host: dict[str, Any]) -> Bindings:
    """What EXPOSE and -p and -P ask for, by "80/tcp"."""
    exposed = config.get("ExposedPorts") or {}  # of anything: Docker takes no notice of what is no port
    wanted: Bindings = {normal(port): None for port in exposed if EXPOSED.fullmatch(port)}
    for port, places in (host.get("PortBindings") or {}).items():
        wanted[normal(port)] = places or [{}]
    if host.get("PublishAllPorts"):
        wanted = {port: places or [{}] for port, places in wanted.items()}
    return wanted
