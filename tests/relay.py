"""A unix socket that stands for an engine: it forwards to a real one, and fails at the request it is told to."""

from __future__ import annotations

import select
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


class Relay:
    """`with Relay(socket, engine) as relay:` forwards until a request comes by that has the words given.

    cut: the engine gets that request, and is gone before its answer. halt: the request is never answered.
    """

    def __init__(self, path: Path, engine: str):
        self.url = f"unix://{path}"
        self._path, self._engine = path, engine
        self._words, self._fail = b"", self._cut
        self._open: set[socket.socket] = set()

    def cut(self, at: str) -> None:
        self._words, self._fail = at.encode(), self._cut

    def halt(self, at: str) -> None:
        self._words, self._fail = at.encode(), self._halt

    def __enter__(self) -> Relay:
        relay = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                relay._forward(self.request)

        self._server = socketserver.ThreadingUnixStreamServer(str(self._path), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self._hang_up()
        self._server.shutdown()

    def _forward(self, here: socket.socket) -> None:
        with socket.socket(socket.AF_UNIX) as there:
            there.connect(self._engine)
            self._open |= {here, there}
            for data, sender in _messages(here, there):
                if sender is here and self._words and self._words in data:
                    self._fail(here, there, data)
                    break
                (there if sender is here else here).sendall(data)
            _end(here)

    def _cut(self, here: socket.socket, there: socket.socket, request: bytes) -> None:
        there.sendall(request)
        there.recv(1)
        self._hang_up()

    def _halt(self, here: socket.socket, there: socket.socket, request: bytes) -> None:
        here.recv(1)  # until the client gives up

    def _hang_up(self) -> None:
        self._server.socket.close()  # from now on a connection is refused
        for each in list(self._open):
            _end(each)


def _messages(*sockets: socket.socket) -> Iterator[tuple[bytes, socket.socket]]:
    """What arrives, and where, until one side ends."""
    with suppress(OSError):
        while True:
            for each in select.select(sockets, (), ())[0]:
                data = each.recv(65536)
                if not data:
                    return
                yield data, each


def _end(each: socket.socket) -> None:
    with suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
