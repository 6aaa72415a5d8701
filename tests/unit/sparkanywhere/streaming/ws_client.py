"""The client's side of a WebSocket, for tests, after the handshake."""

from __future__ import annotations

import socket

from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, Pong, TextMessage


class WsClient:
    """Sends events and waits for them."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._connection = Connection(ConnectionType.CLIENT)
        self._events: list[Event] = []

    def send(self, *events: Event) -> None:
        """Send events, in one write."""
        self.sock.sendall(b"".join(self._connection.send(event) for event in events))

    def say(self, message: bytes) -> None:
        """Send a binary message."""
        self.send(BytesMessage(data=message))

    def hear(self) -> bytes | None:
        """Return the next message, None at the end; a close is answered."""
        while True:
            event = self.event()
            if event is None or isinstance(event, CloseConnection):
                if event is not None:
                    self.send(event.response())
                return None
            if isinstance(event, BytesMessage | TextMessage):
                return event.data.encode() if isinstance(event, TextMessage) else bytes(event.data)

    def event(self) -> Event | None:
        """Return the next event, None at the end of the connection."""
        while not self._events:
            data = self.sock.recv(65536)
            if not data:
                return None
            self._connection.receive_data(data)
            self._events += list(self._connection.events())
        return self._events.pop(0)


__all__ = ["BytesMessage", "CloseConnection", "Ping", "Pong", "TextMessage", "WsClient"]
