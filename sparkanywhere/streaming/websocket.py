"""RFC 6455 on a wire, server side: whole messages in and out. The framing is wsproto's."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import threading

from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, TextMessage
from wsproto.utilities import ProtocolError

from sparkanywhere.webserver.wire import Wire

MESSAGE_BYTES = 32 * 1024 * 1024  # as upstream; kubectl sends 32 KiB, Python clients all their input at once
# As a kubelet's streaming-connection-idle-timeout. kubectl pings every few seconds, so only the Python client's
# silent sessions ever come near it.
SILENCE_SECONDS = 4 * 3600.0
NORMAL, TOO_BIG, PROTOCOL_ERROR = 1000, 1009, 1002

_KEY_SUFFIX = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 4.2.2


def accept_key(key: str) -> str:
    """Return the Sec-WebSocket-Accept that answers a Sec-WebSocket-Key."""
    digest = hashlib.sha1(key.encode("latin-1") + _KEY_SUFFIX, usedforsecurity=False).digest()
    return base64.b64encode(digest).decode("ascii")


def handshake(key: str, subprotocol: str) -> bytes:
    """Return the 101 answer; an empty subprotocol is none."""
    lines = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {accept_key(key)}",
        *([f"Sec-WebSocket-Protocol: {subprotocol}"] if subprotocol else []),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


class WebSocket:
    """An open WebSocket. One thread receives; any may send. Pings are answered while receiving."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._connection = Connection(ConnectionType.SERVER)
        self._sending = threading.Lock()
        self._parts: list[bytes] = []
        self._size = 0
        self._ready: list[bytes] = []

    def receive(self, *, seconds: float = SILENCE_SECONDS) -> bytes | None:
        """Wait for a whole message, text as UTF-8; None when the connection is over, or silent for so long."""
        while not self._ready:
            self._wire.allow(seconds)
            try:
                data = self._wire.receive()
            except (OSError, ValueError):
                return None
            if not data:
                return None
            try:
                self._connection.receive_data(data)
                if not all(self._handle(event) for event in self._connection.events()):
                    return None
            except ProtocolError:
                return None
        return self._ready.pop(0)

    def _handle(self, event: Event) -> bool:
        """Act on an event; return whether the connection goes on."""
        if isinstance(event, TextMessage | BytesMessage):
            part = event.data.encode() if isinstance(event, TextMessage) else bytes(event.data)
            self._size += len(part)
            if self._size > MESSAGE_BYTES:
                self.close(TOO_BIG)
                return False
            self._parts.append(part)
            if event.message_finished:
                self._ready.append(b"".join(self._parts))
                self._parts, self._size = [], 0
            return True
        if isinstance(event, Ping):
            self._try_to_send(event.response())
        elif isinstance(event, CloseConnection):
            if self._connection.state is ConnectionState.REMOTE_CLOSING:
                self._try_to_send(event.response())
            elif self._connection.state is ConnectionState.OPEN:  # what came broke the protocol
                self.close(PROTOCOL_ERROR)
            return False
        return True

    def send(self, message: bytes) -> None:
        """Send a binary message. Raises OSError when the connection is over."""
        self._send(BytesMessage(data=message))

    def send_text(self, message: str) -> None:
        """Send a text message. Raises OSError when the connection is over."""
        self._send(TextMessage(data=message))

    def close(self, code: int = NORMAL) -> None:
        """Say goodbye; the thread that receives sees the end when the client answers. May be repeated."""
        self._try_to_send(CloseConnection(code=code))

    def client_is_gone(self) -> bool:
        """Return whether the client has closed its side. Never waits."""
        return self._wire.client_is_gone()

    def end(self) -> None:
        """End the connection whatever the client does."""
        self._wire.finish()

    def _send(self, event: Event) -> None:
        with self._sending:
            try:
                data = self._connection.send(event)
            except ProtocolError as error:
                raise BrokenPipeError(str(error)) from error
            self._wire.send(data, seconds=SILENCE_SECONDS)  # a client may read as slowly as it likes

    def _try_to_send(self, event: Event) -> None:
        with contextlib.suppress(OSError):
            self._send(event)
