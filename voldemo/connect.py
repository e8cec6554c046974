"""Which engine? Looks in a fixed order, says what it found and why it passed over the others. The only switch.

VOLDEMO_ENGINE (or `engine=`), then DOCKER_HOST, then the active Docker context, then the usual local sockets, then
the embedded engine, which is started. A remote engine is used only when the learner names it: experiments create
and remove things there.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from docker import DockerClient
from docker.context import ContextAPI
from docker.errors import DockerException
from docker.utils import kwargs_from_env

from voldemo import embedded, notebook, sandbox
from voldemo.engines import EMBEDDED, Engine, describe
from voldemo.errors import causes, reason
from voldemo.words import Sentence, say

PROBE_SECONDS = 5
DOCKER_SOCKET = "/var/run/docker.sock"
PODMAN_SOCKET = "/run/podman/podman.sock"
CALL_SECONDS = 120  # a copy-up of a large file holds an answer back for a while


@dataclass(frozen=True)
class Candidate:
    source: str  # who proposed it: DOCKER_HOST, "docker context", the socket's path, the name asked for
    url: str = ""
    usual: bool = False  # one of the usual places: not worth a word when nothing is there
    start: Callable[[], embedded.Place] | None = None  # what makes something listen at the address


@dataclass(frozen=True)
class Found:
    client: DockerClient
    engine: Engine
    passed_over: tuple[str, ...]

    def __str__(self) -> str:
        line = say("engine.found", engine=self.engine, where=self.engine.where)
        return f"{line} {say('engine.passed_over', those='; '.join(self.passed_over))}" if self.passed_over else line


def connect(engine: str | None = None) -> DockerClient:
    """Docker's own client for the engine found. Prints one line, and removes what dead sandboxes left behind.

    `engine`: docker, podman, embedded, a socket's path or a URL; without it, the order this module's first lines give.
    """
    found = find(engine)
    os.environ.update(environment(found))
    notebook.prepare()
    print(found)
    try:
        sandbox.sweep(found.client)
    except OSError as error:  # Docker's answers are one too; a lesson goes on with something left over
        print(say("sandbox.left", why=reason(error)))
    return found.client


def environment(found: Found) -> dict[str, str]:
    """What makes `!docker` in a cell, Compose and a terminal follow the same switch."""
    builder = embedded.CLASSIC_BUILDER if found.engine.name == EMBEDDED else {}
    return {"DOCKER_HOST": found.engine.where, "LABEL": sandbox.exercise_label(), **builder}


def find(engine: str | None = None) -> Found:
    """The first engine that answers. Raises Sentence: the named one does not, or none does."""
    name = engine or os.environ.get("VOLDEMO_ENGINE")
    candidates = _named(name) if name else _in_order()
    passed_over: list[str] = []
    for candidate in candidates:
        try:
            url = candidate.start().url if candidate.start else candidate.url
            client, engine = _open(url, remote_too=bool(name))
            return Found(client, engine, tuple(passed_over))
        except Sentence as why:
            passed_over.append(f"{candidate.source}: {why}")
    tried = "; ".join(passed_over) or say("engine.no_socket")
    raise Sentence("engine.named_silent", name=name, tried=tried) if name else Sentence("engine.none", tried=tried)


def _named(name: str) -> list[Candidate]:
    """Where the engine is that a learner asked for by name. No other is tried: falling back would surprise."""
    if source := {"docker": docker_sockets, "podman": podman_sockets, "embedded": embedded_engine}.get(name):
        return list(_worth_a_word(source))
    url = f"unix://{name}" if name.startswith("/") else name
    if not _address(url).scheme:
        raise Sentence("engine.unknown", name=name)
    return [Candidate(name, url)]


def _in_order() -> Iterator[Candidate]:
    return (candidate for source in SOURCES for candidate in _worth_a_word(source))


def _worth_a_word(source: Callable[[], Iterator[Candidate]]) -> Iterator[Candidate]:
    return (candidate for candidate in source() if not candidate.usual or _exists(candidate))


def _open(url: str, remote_too: bool) -> tuple[DockerClient, Engine]:
    if not url:
        raise Sentence("engine.no_context")
    if not remote_too and not is_local(url):
        raise Sentence("engine.remote", url=url)
    if url.startswith("ssh://"):  # docker-py would need paramiko for it
        raise Sentence("engine.ssh")
    try:
        client = DockerClient(
            base_url=url,
            timeout=PROBE_SECONDS,
            tls=kwargs_from_env().get("tls") if url.startswith("tcp://") else None,
        )
        client.api.voldemo_url = url
        engine = describe(client)
    except (DockerException, OSError, ValueError, LookupError, TypeError) as error:  # whatever else answers there
        raise _refusal(url, error) from error
    client.api.timeout = CALL_SECONDS
    return client, engine


def _refusal(url: str, error: Exception) -> Sentence:
    """Why an engine could not be opened, and what to do about it."""
    kinds = [type(cause) for cause in causes(error)]
    for kind, key in (
        (PermissionError, "engine.permission"),
        (FileNotFoundError, "engine.absent"),
        (ConnectionRefusedError, "engine.stopped"),
        (TimeoutError, "engine.slow"),
    ):
        if any(issubclass(each, kind) for each in kinds):
            return Sentence(key, url=url)
    return Sentence("engine.odd", url=url, why=reason(error))


def is_local(url: str) -> bool:
    address = _address(url)
    if address.scheme in ("unix", "npipe", "http+unix"):
        return True
    return address.hostname in ("localhost", "127.0.0.1", "::1") and address.scheme != "ssh"


def _address(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")


def docker_host() -> Iterator[Candidate]:
    if url := os.environ.get("DOCKER_HOST"):
        yield Candidate("DOCKER_HOST", url)


def active_context() -> Iterator[Candidate]:
    """What `docker context use` or DOCKER_CONTEXT chose; the default context is the first of the usual sockets."""
    try:
        url = ContextAPI.kwargs_from_context(environment=os.environ).get("base_url", "")
    except Exception:  # docker-py raises just that for a file it cannot read
        url = ""
    if url != ContextAPI.DEFAULT_CONTEXT.Host:
        yield Candidate("docker context", url)


def docker_sockets() -> Iterator[Candidate]:
    return _sockets(
        DOCKER_SOCKET,
        f"{_run_time_dir()}/docker.sock",  # rootless
        "~/.docker/run/docker.sock",  # Docker Desktop on macOS
        "~/.docker/desktop/docker.sock",  # Docker Desktop on Linux
        "~/.colima/default/docker.sock",
        "~/.config/colima/default/docker.sock",
        "~/.orbstack/run/docker.sock",
    )


def podman_sockets() -> Iterator[Candidate]:
    return _sockets(
        f"{_run_time_dir()}/podman/podman.sock",
        PODMAN_SOCKET,
        "~/.local/share/containers/podman/machine/podman.sock",  # Podman machine on macOS
    )


def _sockets(*paths: str) -> Iterator[Candidate]:
    for path in paths:
        yield Candidate(path, f"unix://{Path(path).expanduser()}", usual=True)


def embedded_engine() -> Iterator[Candidate]:
    """Our own, for places where no other runs; see `voldemo.embedded`."""
    yield Candidate("embedded", start=embedded.start)


def _run_time_dir() -> str:
    return os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"


def _exists(candidate: Candidate) -> bool:
    try:
        Path(_address(candidate.url).path).stat()
    except PermissionError:  # a folder we may not look into: let the attempt say so
        return True
    except OSError:
        return False
    return True


# In this order.
SOURCES: tuple[Callable[[], Iterator[Candidate]], ...] = (
    docker_host,
    active_context,
    docker_sockets,
    podman_sockets,
    embedded_engine,
)
