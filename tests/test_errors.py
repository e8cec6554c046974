"""The engine's trouble becomes a sentence; what is a lesson stays Docker's own word. Real failures throughout."""

import errno
import io
import tarfile
from pathlib import Path

import pytest
import requests
from docker import DockerClient
from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from relay import Relay

from voldemo.errors import LESSON, causes, explain, reason
from voldemo.images import BUSYBOX
from voldemo.sandbox import Sandbox
from voldemo.words import say


def failure(work, *arguments, **options) -> BaseException:
    with pytest.raises((*LESSON, OSError)) as caught:
        work(*arguments, **options)
    return caught.value


# ---- lessons


def test_a_name_in_use_is_a_lesson(client):
    with Sandbox(client) as box:
        taken = box.create().name
        error = failure(box.create, name=taken)
    assert error.response.status_code == 409
    assert explain(error) is None
    assert "already in use" in reason(error)


def test_a_missing_container_is_a_lesson(client):
    error = failure(client.containers.get, "vd-no-such")
    assert isinstance(error, NotFound)
    assert explain(error) is None
    assert reason(error) == "No such container: vd-no-such"


def test_a_missing_image_is_not(client):
    error = failure(client.containers.create, "voldemo-no-such:1")
    assert isinstance(error, ImageNotFound)
    assert str(explain(error)) == say("image.missing", image="voldemo-no-such:1")


def test_a_mistake_in_a_cell_is_none_of_ours():
    assert explain(KeyError("x")) is None
    assert explain(FileNotFoundError(errno.ENOENT, "No such file")) is None


# ---- a full disk


def test_the_engines_full_disk(client):
    """A volume on a tmpfs of 64 KiB; it is the engine that unpacks into it and fails."""
    small = {"driver_opts": {"type": "tmpfs", "device": "tmpfs", "o": "size=64k"}}
    with Sandbox(client) as box:
        container = box.start(volumes=[f"{box.volume(**small).name}:/data"])
        error = failure(container.put_archive, "/data", tar_of(bytes(1 << 20)))
    assert isinstance(error, APIError)
    assert str(explain(error)) == say("disk.full", error=reason(error))
    assert "no space left on device" in str(explain(error))


def tar_of(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        member = tarfile.TarInfo("file")
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def test_this_machines_full_disk():
    error = failure(Path("/dev/full").write_text, "x")
    assert str(explain(error)) == say("disk.full", error=error)


# ---- an engine that goes away, or comes to a halt


@pytest.fixture
def through(relay):
    client = DockerClient(relay.url, timeout=1.5)
    yield client
    client.close()


def test_an_engine_that_stops_during_a_call(relay, through):
    relay.cut(at="/info")
    assert str(explain(failure(through.info))) == say("engine.gone")
    assert str(explain(failure(through.info))) == say("engine.gone")  # refused from now on


def test_an_engine_that_stops_during_a_download(relay, through):
    stream = through.images.get(BUSYBOX).save(chunk_size=1024)
    next(stream)
    relay.hang_up()
    assert str(explain(failure(list, stream))) == say("engine.gone")


def test_an_engine_that_does_not_answer_in_time(relay, through):
    relay.halt(at="/info")
    assert str(explain(failure(through.info))) == say("engine.slow")


@pytest.mark.parametrize(
    ("break_off", "key"), [(Relay.hang_up, "engine.gone"), (Relay.halt, "engine.slow")], ids=["stops", "halts"]
)
def test_an_engine_that_fails_during_a_stream(client, relay, through, break_off, key):
    """These reach past requests: urllib3's own errors come out."""
    with Sandbox(client) as box:
        stream = through.api.stats(box.start().id, decode=True)
        next(stream)
        break_off(relay)
        assert str(explain(failure(list, stream))) == say(key)


# ---- why, in one line


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (OSError(errno.ENOENT, "No such file or directory"), "No such file or directory"),
        (DockerException("first\nsecond"), "first"),
        (DockerException(""), "DockerException"),
        (requests.ConnectionError(("aborted", ConnectionRefusedError(111, "Connection refused"))), "('aborted', "),
        (requests.ConnectionError(ConnectionRefusedError(111, "Connection refused")), "Connection refused"),
    ],
)
def test_the_reason_is_one_line(error, why):
    assert reason(error).startswith(why)
    assert "\n" not in reason(error)


def test_causes_are_found_among_the_arguments_and_behind_the_error():
    inner, outer = TimeoutError(), requests.ConnectionError(OSError("a"))
    outer.__cause__ = inner
    assert [type(each) for each in causes(outer)] == [requests.ConnectionError, OSError, TimeoutError]
