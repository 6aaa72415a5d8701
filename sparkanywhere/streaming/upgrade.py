"""What a request for exec, attach or port-forward gets: the connection in a protocol of its choice, or a Status.

Reference: Kubernetes API reference v1.36, pods/exec, pods/attach, pods/portforward; KEP-4006.
"""

from __future__ import annotations

import functools

from chalicelib.apimachinery.rules.status import StatusError, bad_request, internal_error, unavailable
from chalicelib.endpoints.verbs.pod_streams import PodStream
from chalicelib.providers.base import ProviderUnavailable, TaskNotFound
from chalicelib.providers.interactive import CannotRun, Session
from sparkanywhere.streaming import remote_command
from sparkanywhere.streaming.port_forward import PortForward, SpdyPortForward
from sparkanywhere.streaming.remote_command import RemoteCommand
from sparkanywhere.streaming.websocket import SILENCE_SECONDS, WebSocket, handshake
from sparkanywhere.webserver.messages import RequestHead, Takeover
from sparkanywhere.webserver.wire import Wire

TUNNEL = "SPDY/3.1+portforward.k8s.io"  # SPDY within WebSocket messages
CHANNELS = remote_command.V4  # each port two channels
SPDY = "spdy/3.1"
SPDY_ANSWER = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: SPDY/3.1\r\nConnection: Upgrade\r\n"
    b"X-Stream-Protocol-Version: portforward.k8s.io\r\n\r\n"
)


def takeover(stream: PodStream, head: RequestHead) -> Takeover:
    """Return what carries the stream over the request's connection.

    Raises StatusError (400) for an unsupported protocol. Later failures are reported on the open connection:
    kubectl takes a refusal for a lack of WebSockets, tries SPDY, and shows that error.
    """
    protocol = choose(stream, head)
    if stream.kind == "portforward":
        return _port_forward(stream, head, protocol)
    return _remote_command(stream, head, protocol)


def choose(stream: PodStream, head: RequestHead) -> str:
    """Return the protocol to speak, SPDY for the bare one. Raises StatusError (400)."""
    wanted = head.headers.get("upgrade", "").lower()
    if wanted == "websocket" and head.headers.get("sec-websocket-key"):
        offered = [each.strip() for each in head.headers.get("sec-websocket-protocol", "").split(",")]
        spoken = (TUNNEL, CHANNELS) if stream.kind == "portforward" else remote_command.PROTOCOLS
        for protocol in spoken:
            if protocol in offered:
                return protocol
        raise bad_request(f"unable to upgrade: WebSocket protocols spoken here are {', '.join(spoken)}")
    if wanted == SPDY and stream.kind == "portforward":
        return SPDY
    if wanted == SPDY:
        raise bad_request("unable to upgrade: WebSocket is spoken here; kubectl 1.31 or newer uses it")
    raise bad_request("Upgrade request required")


def _open(stream: PodStream) -> Session:
    try:
        if stream.kind == "exec":
            return stream.provider.exec(stream.handle, stream.container, stream.command, stream.streams)
        return stream.provider.attach(stream.handle, stream.container, stream.streams)
    except TaskNotFound as error:
        raise internal_error(f'container not found ("{stream.container}")') from error
    except CannotRun as error:
        raise internal_error(f"error executing command in container: {error}") from error
    except ProviderUnavailable as error:
        raise unavailable(f"{error.reason}: {error.message}") from error


def _remote_command(stream: PodStream, head: RequestHead, protocol: str) -> Takeover:
    def run(wire: Wire) -> None:
        wire.send(handshake(head.headers["sec-websocket-key"], protocol))
        socket = WebSocket(wire)
        try:
            session = _open(stream)
        except StatusError as error:
            remote_command.refuse(socket, error)
            return
        RemoteCommand(socket, session).run()

    return run


def _port_forward(stream: PodStream, head: RequestHead, protocol: str) -> Takeover:
    connect = functools.partial(stream.provider.connect, stream.handle)

    def run(wire: Wire) -> None:
        if protocol == SPDY:
            wire.send(SPDY_ANSWER)
            SpdyPortForward(BareCarrier(wire), pod=stream.pod, connect=connect).run()
            return
        wire.send(handshake(head.headers["sec-websocket-key"], protocol))
        socket = WebSocket(wire)
        if protocol == TUNNEL:
            SpdyPortForward(socket, pod=stream.pod, connect=connect).run()
        else:
            PortForward(socket, stream.ports, pod=stream.pod, connect=connect).run()

    return run


class BareCarrier:
    """SPDY on the connection itself."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def receive(self) -> bytes | None:
        """Wait for bytes; None at the end, or after a long silence."""
        self._wire.allow(SILENCE_SECONDS)
        try:
            return self._wire.receive() or None
        except (OSError, ValueError):
            return None

    def send(self, message: bytes) -> None:
        """Send bytes. Raises OSError."""
        self._wire.send(message)
