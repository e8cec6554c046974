"""The engine's end of a control socket, on the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from socket import socket

from voldemo.engine.runtime import control

OnMessage = Callable[[control.Message, list[int]], None]  # the descriptors are the receiver's to close


class Channel:
    def __init__(self, end: socket, on_message: OnMessage, on_hangup: Callable[[], None]) -> None:
        self._socket = end
        self._on_message = on_message
        self._on_hangup = on_hangup
        self._loop = asyncio.get_running_loop()
        self._writing = asyncio.Lock()
        self._room: asyncio.Future[None] | None = None
        end.setblocking(False)
        self._loop.add_reader(end, self.drain)

    @property
    def open(self) -> bool:
        return self._socket.fileno() >= 0

    def close(self) -> None:
        if self.open:
            self._loop.remove_reader(self._socket)
            self._there_is_room()
            self._socket.close()

    def post(self, message: control.Message) -> bool:
        """False: it did not get through, because nobody is there or nobody reads."""
        if not self.open:
            return False
        try:
            control.send(self._socket, message)
        except (ConnectionError, BlockingIOError):
            return False
        return True

    async def send(self, message: control.Message, descriptors: Sequence[int] = ()) -> None:
        async with self._writing:
            while True:
                if not self.open:
                    raise ConnectionResetError
                try:
                    return control.send(self._socket, message, descriptors)
                except BlockingIOError:
                    await self._writable()

    async def _writable(self) -> None:
        self._room = self._loop.create_future()
        self._loop.add_writer(self._socket, self._there_is_room)
        try:
            await self._room
        finally:
            self._there_is_room()

    def _there_is_room(self) -> None:
        if self._room is None:
            return
        if self.open:
            self._loop.remove_writer(self._socket)
        if not self._room.done():
            self._room.set_result(None)
        self._room = None

    def drain(self) -> None:
        """Hand on all that has arrived."""
        while self.open:
            try:
                received = control.receive(self._socket)
            except BlockingIOError:
                return
            if received is None:
                self.close()
                self._on_hangup()
                return
            self._on_message(*received)
