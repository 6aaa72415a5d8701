"""A port of a pod as a port of this machine, through the control plane, as `kubectl port-forward` does it.

Each connection is a WebSocket of its own with two channels, 0 for data and 1 for an error text. Reference:
kubernetes/pkg/kubelet/cri/streaming/portforward/websocket.go (v1.32).
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    RejectConnection,
    RejectData,
    Request,
)
from wsproto.utilities import ProtocolError

from sparkanywhere.client.kube_client import Access, ApiUnreachable, tls_context
from sparkanywhere.webserver.wire import Transport

PROTOCOL = "v4.channel.k8s.io"
DATA, ERROR = 0, 1
PORT_BYTES = 2  # each channel begins with a message that holds the port's number
CONNECT_SECONDS = 10.0  # for the control plane to take a connection and answer the upgrade
SILENCE_SECONDS = 24 * 3600.0  # a session may well say nothing overnight
PIECE_BYTES = 32 * 1024
HTTPS_PORT, HTTP_PORT = 443, 80


class ForwardRefused(Exception):
    """The control plane does not forward to this pod; str() is its own words where it has any."""


@dataclass(frozen=True, slots=True)
class PodPort:
    """A port of a pod, and how to get to its control plane."""

    access: Access
    namespace: str
    pod: str
    port: int


class PortForward:
    """Listens on 127.0.0.1 and carries every connection to the pod's port, until it is closed."""

    def __init__(self, target: PodPort, *, tell: Callable[[str], None], local_port: int = 0) -> None:
        """Listen on `local_port`, a free one where it is 0; `tell` hears why a connection failed. Raises OSError."""
        self._target = target
        self._tell = tell
        self._listener = socket.create_server(("127.0.0.1", local_port))
        self._thread = threading.Thread(target=self._accept, name="port-forward", daemon=True)

    @property
    def port(self) -> int:
        """Return the port of this machine."""
        port: int = self._listener.getsockname()[1]
        return port

    def __enter__(self) -> PortForward:
        self._thread.start()
        return self

    def __exit__(self, *_reason: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                local, _ = self._listener.accept()
            except OSError:
                return  # closed
            threading.Thread(target=self._serve, args=(local,), name="forwarded", daemon=True).start()

    def _serve(self, local: socket.socket) -> None:
        with local:
            try:
                carry(self._target, local)
            # The client only sees its connection end.
            except (ApiUnreachable, ForwardRefused, OSError) as error:
                self._tell(f"{self._target.pod}: {error}")


def carry(target: PodPort, local: socket.socket) -> None:
    """Carry bytes between a connection and the pod's port until either ends. Raises ForwardRefused, OSError."""
    with contextlib.closing(Channel(target)) as channel:
        sender = threading.Thread(target=_send_all, args=(local, channel), name="to-pod", daemon=True)
        sender.start()
        try:
            for piece in channel.pieces():
                local.sendall(piece)
        finally:
            with contextlib.suppress(OSError):
                local.shutdown(socket.SHUT_RDWR)  # with cut() wakes the thread that sends
            channel.cut()
            sender.join()


def _send_all(local: socket.socket, channel: Channel) -> None:
    with contextlib.suppress(OSError, ProtocolError):
        while piece := local.recv(PIECE_BYTES):
            channel.send(piece)
    channel.end()


class Channel:
    """The WebSocket of one connection. One thread reads its pieces, another may send."""

    def __init__(self, target: PodPort) -> None:
        """Connect and upgrade. Raises ForwardRefused, OSError."""
        self._socket = _connect(target.access)
        self._transport = Transport(self._socket)
        self._connection = WSConnection(ConnectionType.CLIENT)
        # Held while nothing waits, so that one direction never stops the other.
        self._framing = threading.Lock()
        self._sending = threading.Lock()
        self._is_over = False  # by us: the server may answer what it does not read any more with a reset
        self._events = self._receive()  # one for all readers: an answer and first messages may come together
        try:
            self._upgrade(target)
        except BaseException:
            self._socket.close()
            raise

    def send(self, piece: bytes) -> None:
        """Send bytes to the pod's port. Raises OSError, ProtocolError when the connection is over."""
        self._send(BytesMessage(data=bytes([DATA]) + piece))

    def end(self) -> None:
        """Say that this side is done; pieces() ends. May be repeated."""
        self._is_over = True
        with contextlib.suppress(OSError, ProtocolError):
            self._send(CloseConnection(code=1000))
        self.cut()

    def cut(self) -> None:
        """End the connection, for whoever reads or sends. May be repeated."""
        self._is_over = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of the connection."""
        self._socket.close()

    def pieces(self) -> Iterator[bytes]:
        """Yield what the pod's port sends, until it or the connection ends. Raises ForwardRefused, OSError."""
        headers = {DATA: PORT_BYTES, ERROR: PORT_BYTES}  # bytes of each channel's port that are still to come
        for message in self._messages():
            if not message:
                continue
            channel, data = message[0], message[1:]
            left = headers.get(channel, 0)
            headers[channel], data = max(0, left - len(data)), data[left:]
            if channel == ERROR and data:
                raise ForwardRefused(data.decode(errors="replace"))
            if data:
                yield data

    def _messages(self) -> Iterator[bytes]:
        parts: list[bytes] = []
        for event in self._events:
            if isinstance(event, BytesMessage):
                parts.append(bytes(event.data))
                if event.message_finished:
                    yield b"".join(parts)
                    parts = []
            elif isinstance(event, Ping):
                self._send(event.response())
            elif isinstance(event, CloseConnection):
                with contextlib.suppress(OSError, ProtocolError):  # ours may be under way
                    self._send(event.response())
                return

    def _receive(self) -> Iterator[Event]:
        while True:
            with self._framing:
                found = list(self._connection.events())
            yield from found
            try:
                data = self._transport.receive(PIECE_BYTES, self._transport.clock() + SILENCE_SECONDS)
            except OSError:
                if self._is_over:
                    return
                raise
            if not data:
                return
            with self._framing:
                self._connection.receive_data(data)

    def _send(self, event: Event) -> None:
        with self._sending:
            with self._framing:
                data = self._connection.send(event)
            self._transport.send(data, self._transport.clock() + SILENCE_SECONDS)

    def _upgrade(self, target: PodPort) -> None:
        path = f"/api/v1/namespaces/{quote(target.namespace)}/pods/{quote(target.pod)}/portforward"
        token = target.access.token
        headers = [(b"authorization", f"Bearer {token}".encode())] if token else []
        request = Request(
            host=urlsplit(target.access.url).netloc,
            target=f"{path}?ports={target.port}",
            subprotocols=[PROTOCOL],
            extra_headers=headers,
        )
        self._send(request)
        said = b""
        for event in self._events:
            if isinstance(event, AcceptConnection):
                return
            if isinstance(event, RejectData):
                said += event.data
                if event.body_finished:
                    break
            elif isinstance(event, RejectConnection) and not event.has_body:
                break
        try:
            message = str(json.loads(said)["message"])  # of a Status
        except (ValueError, KeyError, TypeError):
            message = ""
        raise ForwardRefused(message or f"{target.access.url} does not forward to it")


def _connect(access: Access) -> socket.socket:
    parts = urlsplit(access.url)
    is_tls = parts.scheme == "https"
    address = (parts.hostname or "", parts.port or (HTTPS_PORT if is_tls else HTTP_PORT))
    plain = socket.create_connection(address, timeout=CONNECT_SECONDS)
    if not is_tls:
        return plain
    try:
        return tls_context(access).wrap_socket(plain, server_hostname=parts.hostname)
    except BaseException:
        plain.close()
        raise
