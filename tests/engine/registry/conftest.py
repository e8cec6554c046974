"""A registry that does what it is told, lies included; and the real one, where Debian's package can be had."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import socket
import subprocess
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from voldemo.engine.store import Store

CACHE = Path(__file__).parents[3] / ".cache" / "docker-registry"
CONFIG = """\
version: 0.1
log: {{level: error}}
storage: {{filesystem: {{rootdirectory: {root}}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def tar_of(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


@dataclass
class Registry:
    """What it answers, by path. A function is called with the handler and answers itself."""

    answers: dict[str, tuple[int, dict[str, str], bytes] | Callable] = field(default_factory=dict)
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def blob(self, data: bytes, kind: str = "", **claims) -> dict:
        """Serves `data`; its descriptor, with `claims` in the place of the truth."""
        known = {"digest": digest(data), "size": len(data), "mediaType": kind} | claims
        self.answers[f"/v2/thing/blobs/{known['digest']}"] = (200, {}, data)
        return known

    def manifest(self, value: dict, *names: str) -> str:
        data = json.dumps(value).encode()
        for name in (digest(data), *names):
            self.answers[f"/v2/thing/manifests/{name}"] = (200, {}, data)
        return digest(data)

    def image(self, *tars: bytes, tag: str = "1", layers: list[dict] | None = None, **config) -> str:
        """A whole image with one layer for each tar."""
        packed = [gzip.compress(tar, mtime=0) for tar in tars]
        about = {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Cmd": ["sh"]},
            "rootfs": {"type": "layers", "diff_ids": [digest(tar) for tar in tars]},
        } | config
        blobs = layers if layers is not None else [self.blob(each) for each in packed]
        head = self.blob(json.dumps(about).encode())
        return self.manifest({"schemaVersion": 2, "config": head, "layers": blobs}, tag)


@pytest.fixture
def registry() -> Iterator[Registry]:
    known = Registry()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            path = self.path.partition("?")[0]
            known.asked.append((self.command, self.path, dict(self.headers)))
            answer = known.answers.get(path, (404, {}, b"{}"))
            if callable(answer):
                self.close_connection = True
                answer(self)
                return
            status, headers, body = answer
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # a client that hangs up is what some tests are about
    known.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield known
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def store(tmp_path):
    store = Store.open(tmp_path / "engine")
    yield store
    store.close()


@pytest.fixture(scope="session")
def real_registry(tmp_path_factory) -> Iterator[str]:
    """docker-registry on a free port of this machine."""
    program = shutil.which("docker-registry") or unpacked()
    assert program, "docker-registry is not here, and apt cannot get it: install Debian's package of that name"
    folder = tmp_path_factory.mktemp("registry")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (folder / "config.yml").write_text(CONFIG.format(root=folder / "data", port=port))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, "serve", folder / "config.yml"], stdout=log, stderr=log)
    try:
        wait_for(port, process)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def unpacked() -> str | None:
    """From Debian's package: 5 MB, never installed, its service never started."""
    program = CACHE / "usr/bin/docker-registry"
    if not program.exists() and shutil.which("apt-get") and shutil.which("dpkg-deb"):
        CACHE.mkdir(parents=True, exist_ok=True)
        if downloaded() or (os.geteuid() == 0 and updated() and downloaded()):
            (deb,) = CACHE.glob("docker-registry_*.deb")
            subprocess.run(["dpkg-deb", "--extract", deb, CACHE], check=True)
            deb.unlink()
    return str(program) if program.exists() else None


def downloaded() -> bool:
    return apt("download", "docker-registry")


def updated() -> bool:
    """A bare Debian has no lists of packages yet."""
    return apt("-o", "DPkg::Lock::Timeout=120", "update")


def apt(*words: str) -> bool:
    return subprocess.run(["apt-get", "-qq", *words], cwd=CACHE, capture_output=True, check=False).returncode == 0


def wait_for(port: int, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 20
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.02)  # there is no event for another program's listen()
    raise AssertionError("docker-registry does not listen")
