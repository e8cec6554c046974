"""Keys let go of a terminal and leave what runs there running; and who starts an exec says how its output comes."""

from contextlib import contextmanager

import pytest

from engine.conformance.lab import refused, sh


@pytest.fixture
def cat(lab):
    return lab.start("cat", tty=True, stdin_open=True)


@contextmanager
def attached(container, **params):
    socket = container.attach_socket(params={"stdin": 1, "stdout": 1, "stream": 1} | params)
    yield socket._sock
    socket.close()


def to_the_end(socket):
    said = b""
    while chunk := socket.recv(1000):
        said += chunk
    return said


def test_ctrl_p_ctrl_q_detaches(cat):
    with attached(cat) as socket:
        socket.sendall(b"\x10\x11")
        assert to_the_end(socket) == b""
    cat.reload()
    assert cat.status == "running"


def test_keys_may_come_one_by_one(cat):
    with attached(cat) as socket:
        socket.sendall(b"\x10")
        socket.sendall(b"\x11")
        assert to_the_end(socket) == b""


def test_a_key_that_begins_like_them_is_passed_on(cat):
    with attached(cat) as socket:
        socket.sendall(b"\x10x\n")
        assert socket.recv(1000).startswith(b"^Px\r\n")


def test_other_keys_can_be_named(cat):
    with attached(cat, detachKeys="ctrl-x,a") as socket:
        socket.sendall(b"\x18a")
        assert to_the_end(socket) == b""


def test_detaching_is_an_event(lab, cat):
    with attached(cat) as socket:
        socket.sendall(b"\x10\x11")
        assert to_the_end(socket) == b""
    wanted = {"container": cat.id, "event": ["attach", "detach"]}
    events = lab.client.events(since=0, filters=wanted, decode=True)
    assert [next(events)["Action"], next(events)["Action"]] == ["attach", "detach"]
    events.close()


@pytest.mark.parametrize("keys", ["ab", "ctrl-", "a,,b"])
def test_what_is_no_key_is_refused(cat, keys):
    with refused(400, f"Invalid detach keys ({keys}) provided"), attached(cat, detachKeys=keys):
        pass
    cat.client.api._general_configs["detachKeys"] = keys
    try:
        with refused(500, f"Invalid escape keys ({keys}) provided"):
            cat.exec_run("true")
    finally:
        del cat.client.api._general_configs["detachKeys"]


def test_an_exec_says_that_it_was_left(cat):
    api = cat.client.api
    exec_id = api.exec_create(cat.id, ["cat"], stdin=True, tty=True)["Id"]
    socket = api.exec_start(exec_id, tty=True, socket=True)
    socket._sock.sendall(b"\x10\x11")
    assert to_the_end(socket._sock) == b"exec attach failed: error on attach stdin: read escape sequence\r\n"
    socket.close()
    assert sh(cat, "echo still there") == "still there"


def test_a_terminals_output_is_framed_if_its_start_says_so(cat):
    api = cat.client.api
    started = [api.exec_create(cat.id, ["printf", "x"], tty=True)["Id"] for _ in range(2)]
    bodies = [{"Tty": False}, {"Tty": True}]
    urls = [api._url("/exec/{0}/start", exec_id) for exec_id in started]
    answers = [api._post_json(url, data=body).content for url, body in zip(urls, bodies, strict=True)]
    assert answers == [b"\x01\0\0\0\0\0\0\x01x", b"x"]


def test_without_frames_standard_error_has_no_place(cat):
    api = cat.client.api
    exec_id = api.exec_create(cat.id, ["sh", "-c", "echo out; echo err >&2"])["Id"]
    assert api._post_json(api._url("/exec/{0}/start", exec_id), data={"Tty": True}).content == b"out\n"
