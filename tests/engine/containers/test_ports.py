"""Published ports."""

import asyncio

import pytest

from voldemo.engine.containers.ports import Ports, wishes
from voldemo.engine.errors import BadParameter, Failed

TARGET = "127.77.200.1"


def run(story):
    return asyncio.run(asyncio.wait_for(story(), 10))


async def echo(reader, writer):
    try:
        while data := await reader.read(100):
            writer.write(data.upper())
        writer.write(b"end")
    finally:
        writer.close()


async def ask(port, host="127.0.0.1"):
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(b"hello")
    writer.write_eof()
    try:
        return await reader.read()
    finally:
        writer.close()


def bindings(**places):
    return {"PortBindings": {f"{port}/tcp": value for port, value in places.items()}}


async def published(place, server):
    ports = Ports()
    number = str(server.sockets[0].getsockname()[1])
    await ports.open(TARGET, {}, {"PortBindings": {f"{number}/tcp": [place]}})
    return ports, ports.open_now[f"{number}/tcp"][0]


def test_bytes_go_both_ways_and_ends_too():
    async def story():
        async with await asyncio.start_server(echo, TARGET, 0) as server:
            ports, place = await published({}, server)
            assert place["HostIp"] == "127.0.0.1"
            assert await ask(int(place["HostPort"])) == b"HELLOend"
            await ports.close()
            with pytest.raises(ConnectionError):
                await ask(int(place["HostPort"]))

    run(story)


def test_an_address_that_is_named_is_used():
    async def story():
        async with await asyncio.start_server(echo, TARGET, 0) as server:
            ports, place = await published({"HostIp": "127.0.0.9"}, server)
            assert await ask(int(place["HostPort"]), "127.0.0.9") == b"HELLOend"
            await ports.close()

    run(story)


def test_a_port_that_is_taken():
    async def story():
        async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
            taken = str(server.sockets[0].getsockname()[1])
            ports = Ports()
            with pytest.raises(Failed, match=f"failed to bind host port for 127.0.0.1:{taken}.*address already in use"):
                await ports.open(TARGET, {}, {"PortBindings": {"80/tcp": [{}], "81/tcp": [{"HostPort": taken}]}})
            assert ports.open_now == {}

    run(story)


def test_nobody_listens_inside():
    async def story():
        ports = Ports()
        await ports.open(TARGET, {}, {"PortBindings": {"1/tcp": [{}]}})
        assert await ask(int(ports.open_now["1/tcp"][0]["HostPort"])) == b""
        await ports.close()

    run(story)


def test_a_connection_ends_with_the_container():
    async def story():
        async with await asyncio.start_server(echo, TARGET, 0) as server:
            ports, place = await published({}, server)
            reader, writer = await asyncio.open_connection("127.0.0.1", int(place["HostPort"]))
            writer.write(b"x")
            assert await reader.read(10) == b"X"
            await ports.close()
            assert await asyncio.wait_for(reader.read(1), 2) == b""
            writer.close()
            await writer.wait_closed()

    run(story)


def test_an_address_that_is_none():
    async def story():
        with pytest.raises(BadParameter, match="invalid IP address: nowhere"):
            await Ports().open(TARGET, {}, {"PortBindings": {"80/tcp": [{"HostIp": "nowhere"}]}})

    run(story)


def test_wishes():
    exposed = {"ExposedPorts": {"80/tcp": {}, "53/udp": {}}}
    assert wishes(exposed, {}) == {"80/tcp": None, "53/udp": None}
    assert wishes(exposed, {"PublishAllPorts": True})["80/tcp"] == [{}]
    assert wishes({}, {"PortBindings": {"80": [{"HostPort": "1"}]}}) == {"80/tcp": [{"HostPort": "1"}]}


@pytest.mark.parametrize(
    "port",
    ["", "json-file", "80-90/tcp", "80/xyz", "80/tcp/udp", "-1/tcp", "99999999/tcp", "\N{ARABIC-INDIC DIGIT TWO}"],
)
def test_what_is_no_port_is_not_exposed(port):
    assert wishes({"ExposedPorts": {port: {}}}, {"PublishAllPorts": True}) == {}
