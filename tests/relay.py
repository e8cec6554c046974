"""A unix socket that stands for an engine: it forwards to a real one, and fails at the request it is told to."""

from __future__ import annotations

import select
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path


class Relay:
    """`with Relay(socket, engine) as relay:` forwards, until it is told to fail or a request has the words given."""

    def __init__(self, path: Path, engine: str):
        self.url = f"unix://{path}"
        self._path, self._engine = path, engine
        self._words, self._then = None, self.hang_up
        self._first: Callable[[], object] = lambda: None
        self._halted = False
        self._open: set[socket.socket] = set()

    def cut(self, at: str) -> None:
        """The engine gets that request, and is gone when its answer begins."""
        self._words, self._then = at.encode(), self.hang_up

    def halt(self, at: str | None = None) -> None:
        """From then on, or from now on, nothing is forwarded any more in either direction."""
        self._words, self._halted = at and at.encode(), at is None
        self._then = self.halt

    def tell(self, at: str, action: Callable[[], object]) -> None:
        """`action` happens before the engine gets that request, which is then handed on."""
        self._words, self._first, self._then = at.encode(), action, lambda: None

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
        self.hang_up()
        self._server.shutdown()

    def hang_up(self) -> None:
        self._server.socket.close()  # from now on a connection is refused
        for each in list(self._open):
            _end(each)

    def _forward(self, here: socket.socket) -> None:
        with socket.socket(socket.AF_UNIX) as there:
            there.connect(self._engine)
            self._open |= {here, there}
            due = False
            for data, sender in _messages(here, there):
                if sender is here and self._words and self._words in data:
                    self._words, due = None, True  # once
                    self._first()
                if due and sender is there:
                    self._then()
                if not self._halted:
                    (there if sender is here else here).sendall(data)
            _end(here)


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
