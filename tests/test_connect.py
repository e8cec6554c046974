"""Which engine `connect()` takes, and what it says about that one and the others. Real sockets, real processes."""

import hashlib
import http.server
import importlib
import json
import os
import socket
import socketserver
import threading
import time
from contextlib import contextmanager

import children
import pytest

from voldemo import sandbox
from voldemo.engines import describe, url
from voldemo.words import Sentence, say

connecting = importlib.import_module("voldemo.connect")  # the package has a function of the same name
VARIABLES = ("VOLDEMO_ENGINE", "DOCKER_HOST", "DOCKER_CONTEXT", "XDG_RUNTIME_DIR")


@pytest.fixture
def engine(client) -> str:
    """The address of the real engine."""
    return url(client)


@pytest.fixture
def bare(client, tmp_path, monkeypatch):
    """A machine on which nobody chose an engine: `bare(DOCKER_HOST=…)` chooses one."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LABEL", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setattr(connecting, "DOCKER_SOCKET", str(tmp_path / "default.sock"))
    monkeypatch.setattr(connecting, "PODMAN_SOCKET", str(tmp_path / "podman.sock"))
    return lambda **variables: [monkeypatch.setenv(*each) for each in variables.items()]


def refusal(**variables) -> Sentence:
    with pytest.raises(Sentence) as caught:
        connecting.find(**variables)
    return caught.value


def say_start(key: str, **values) -> str:
    """A sentence up to its first value that is not given."""
    blanks = {name: "\0" for name in ("why", "tried", "those", "url")}
    return say(key, **blanks | values).split("\0")[0]


@contextmanager
def listener(path, answer: bytes | None):
    """Something at a socket: it says `answer` to each GET, or takes the connection and says nothing."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def address_string(self):
            return "unix"

        def log_message(self, *_):
            pass

    class Silence(socketserver.BaseRequestHandler):
        def handle(self):
            while self.request.recv(4096):
                pass

    server = socketserver.ThreadingUnixStreamServer(str(path), Silence if answer is None else Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"unix://{path}"
    finally:
        server.shutdown()
        server.server_close()


def context(folder, name: str, host: str) -> None:
    """What `docker context create NAME --docker host=HOST` writes."""
    meta = folder / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest()
    meta.mkdir(parents=True)
    content = {"Name": name, "Metadata": {}, "Endpoints": {"docker": {"Host": host, "SkipTLSVerify": False}}}
    (folder / "config.json").touch()  # docker-py looks for contexts beside this file only
    (meta / "meta.json").write_text(json.dumps(content))


# ---- the order


def test_a_named_engine_wins_over_everything(bare, engine, short_path):
    bare(VOLDEMO_ENGINE=engine, DOCKER_HOST=f"unix://{short_path}/nothing", DOCKER_CONTEXT="nowhere")
    found = connecting.find()
    assert (found.engine.where, found.passed_over) == (engine, ())


def test_the_argument_wins_over_the_variable(bare, engine, short_path):
    bare(VOLDEMO_ENGINE=f"{short_path}/nothing")
    assert connecting.find(engine).engine.where == engine


def test_docker_host_comes_before_the_context(bare, engine, tmp_path, short_path):
    bare(DOCKER_HOST=engine, DOCKER_CONTEXT="lab")
    context(tmp_path / "docker", "lab", f"unix://{short_path}/nothing")
    found = connecting.find()
    assert (found.engine.where, found.passed_over) == (engine, ())


def test_the_context_is_followed(bare, engine, tmp_path):
    context(tmp_path / "docker", "lab", engine)
    bare(DOCKER_CONTEXT="lab")
    assert connecting.find().engine.where == engine


def test_the_current_context_of_the_configuration_is_followed(bare, engine, tmp_path):
    context(tmp_path / "docker", "lab", engine)
    (tmp_path / "docker" / "config.json").write_text('{"currentContext": "lab"}')
    assert connecting.find().engine.where == engine


def usual(engine: str, path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(engine.removeprefix("unix://"))
    return f"unix://{path}"


@pytest.mark.parametrize("place", ["default.sock", "run/docker.sock", ".colima/default/docker.sock", "podman.sock"])
def test_a_usual_socket_is_found(bare, engine, tmp_path, place):
    where = usual(engine, tmp_path / place)
    found = connecting.find()
    assert (found.engine.where, found.passed_over) == (where, ())


def test_docker_comes_before_podman_and_a_name_turns_that_round(bare, engine, tmp_path):
    docker, podman = usual(engine, tmp_path / "default.sock"), usual(engine, tmp_path / "run/podman/podman.sock")
    assert connecting.find().engine.where == docker
    assert connecting.find("podman").engine.where == podman
    assert connecting.find("docker").engine.where == docker


def test_the_path_of_a_socket_is_a_name(bare, engine):
    assert connecting.find(engine.removeprefix("unix://")).engine.where == engine


# ---- what is passed over, and why


def test_each_candidate_passed_over_is_named_with_its_reason(bare, engine, tmp_path, short_path):
    context(tmp_path / "docker", "lab", "tcp://192.0.2.1:2375")
    bare(DOCKER_HOST=f"unix://{short_path}/nothing", DOCKER_CONTEXT="lab")
    where = usual(engine, tmp_path / "default.sock")
    found = connecting.find()
    assert found.engine.where == where
    assert found.passed_over == (
        f"DOCKER_HOST: {say('engine.absent', url=f'unix://{short_path}/nothing')}",
        f"docker context: {say('engine.remote', url='tcp://192.0.2.1:2375')}",
    )
    assert str(found).count("\n") == 0
    assert say("engine.passed_over", those="; ".join(found.passed_over)) in str(found)


@pytest.mark.parametrize("broken", ["no such context", "broken file"])
def test_a_context_that_cannot_be_read_is_passed_over(bare, engine, tmp_path, broken):
    bare(DOCKER_CONTEXT="lab")
    if broken == "broken file":
        context(tmp_path / "docker", "lab", engine)
        (file,) = (tmp_path / "docker").rglob("meta.json")
        file.write_text("{")
    where = usual(engine, tmp_path / "default.sock")
    found = connecting.find()
    assert found.engine.where == where
    assert found.passed_over == (f"docker context: {say('engine.no_context')}",)


@pytest.fixture
def no_own_engine(monkeypatch):
    """As where the embedded engine cannot run, and silently: a test must not start one."""
    sources = tuple(source for source in connecting.SOURCES if source is not connecting.embedded_engine)
    monkeypatch.setattr(connecting, "SOURCES", sources)


def test_no_engine_at_all(bare, no_own_engine):
    error = refusal()
    assert error.key == "engine.none"
    assert say("engine.no_socket") in str(error)


def test_a_remote_engine_is_refused_until_it_is_named(bare, no_own_engine, monkeypatch):
    bare(DOCKER_HOST="tcp://192.0.2.1:2375")
    assert say("engine.remote", url="tcp://192.0.2.1:2375") in str(refusal())
    opened = []
    monkeypatch.setattr(connecting, "DockerClient", lambda base_url, **_: opened.append(base_url) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        connecting.find("tcp://192.0.2.1:2375")
    assert opened == ["tcp://192.0.2.1:2375"]


@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("unix:///run/docker.sock", True),
        ("npipe:////./pipe/docker_engine", True),
        ("tcp://localhost:2375", True),
        ("tcp://127.0.0.1:2375", True),
        ("tcp://[::1]:2375", True),
        ("tcp://192.0.2.1:2375", False),
        ("ssh://me@localhost", False),
        ("localhost", False),
        ("http://[odd", False),
    ],
)
def test_what_is_local(address, local):
    assert connecting.is_local(address) is local


@pytest.mark.parametrize("name", ["dokcer", "http://[odd"])
def test_a_name_that_is_no_engine(bare, engine, name):
    bare(VOLDEMO_ENGINE=name, DOCKER_HOST=engine)
    assert refusal().key == "engine.unknown"


def test_a_named_engine_that_is_silent_is_not_replaced_by_another(bare, engine, short_path):
    bare(VOLDEMO_ENGINE=f"{short_path}/nothing", DOCKER_HOST=engine)
    error = refusal()
    assert error.key == "engine.named_silent"
    assert say("engine.absent", url=f"unix://{short_path}/nothing") in str(error)


def test_a_kind_of_engine_that_is_not_here(bare):
    assert say("engine.no_socket") in str(refusal(engine="podman"))


# ---- sockets that are there and no good


def test_a_stopped_engine(bare, no_own_engine, short_path):
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(short_path / "docker.sock"))
    where = f"unix://{short_path}/docker.sock"
    bare(DOCKER_HOST=where)
    assert say("engine.stopped", url=where) in str(refusal())


@pytest.mark.parametrize("answer", [b"hello", b"{}", b"[]", b'{"ApiVersion": "1.47"}', b'{"ApiVersion": "x"}'])
def test_something_that_is_no_docker_engine(bare, no_own_engine, short_path, answer):
    with listener(short_path / "web.sock", answer) as where:
        bare(DOCKER_HOST=where)
        assert say_start("engine.odd", url=where) in str(refusal())


def test_an_engine_that_never_answers(bare, no_own_engine, short_path, monkeypatch):
    monkeypatch.setattr(connecting, "PROBE_SECONDS", 0.2)
    with listener(short_path / "stuck.sock", None) as where:
        bare(DOCKER_HOST=where)
        started = time.monotonic()
        assert say("engine.slow") in str(refusal())
        assert time.monotonic() - started < 5


@pytest.mark.parametrize("closed", ["docker.sock", "."])
def test_a_socket_one_may_not_open(bare, short_path, tmp_path, closed):
    """By its own mode, and by that of a folder on the way."""
    short_path.chmod(0o755)
    with listener(short_path / "docker.sock", b"{}") as where:
        (short_path / closed).chmod(0)
        said = children.answer(find_without_rights, where)
        short_path.chmod(0o755)
    assert say("engine.permission", url=where) in said


def find_without_rights(pipe, where: str) -> None:
    children.give_up_rights()
    pipe.send(str(refusal(engine=where)))


# ---- connect() itself


def test_connect_says_one_line_and_exports_the_engine(bare, engine, own_home, capsys):
    bare(DOCKER_HOST=engine)
    client = connecting.connect()
    assert capsys.readouterr().out == f"{say('engine.found', engine=describe(client), where=engine)}\n"
    assert os.environ["DOCKER_HOST"] == engine
    assert os.environ["LABEL"] == f"{sandbox.LABEL}={sandbox.exercise()}"


def test_what_a_terminal_follows_is_the_engine_found(bare, engine, own_home, tmp_path):
    where = usual(engine, tmp_path / "default.sock")
    bare(DOCKER_HOST="tcp://192.0.2.1:2375")
    connecting.connect()
    assert os.environ["DOCKER_HOST"] == where


def test_connect_removes_what_a_dead_kernel_left(bare, engine, client, own_home):
    dead = f"{sandbox.key()}-0dead000"
    client.volumes.create(labels={sandbox.LABEL: dead})
    connecting.connect(engine)
    assert sandbox.things(client, dead) == []


def test_connect_goes_on_when_something_cannot_be_removed(bare, engine, client, own_home, capsys):
    dead = f"{sandbox.key()}-0dead000"
    volume = client.volumes.create(labels={sandbox.LABEL: dead})
    user = client.containers.create("busybox:1.37", "true", volumes=[f"{volume.name}:/data"], network_mode="none")
    try:
        assert connecting.connect(engine).ping()
        assert say_start("sandbox.left", why="\0") in capsys.readouterr().out
    finally:
        user.remove()
        volume.remove()


def test_the_client_waits_longer_than_the_probe(bare, engine):
    assert connecting.find(engine).client.api.timeout == connecting.CALL_SECONDS > connecting.PROBE_SECONDS


def test_ssh_is_told_how_to_be_reached():
    with pytest.raises(Sentence, match="ssh -L"):
        connecting.find("ssh://somewhere.invalid")
