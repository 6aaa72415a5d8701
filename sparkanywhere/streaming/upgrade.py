"""What a request for exec, attach or port-forward gets: the connection in a protocol of its choice, or a Status.

Reference: Kubernetes API reference v1.36, pods/exec, pods/attach, pods/portforward; KEP-4006.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

from chalicelib.apimachinery.rules.status import StatusError, bad_request, internal_error, unavailable
from chalicelib.endpoints.verbs.pod_streams import PodStream
from chalicelib.providers.base import ProviderUnavailable, TaskNotFound
from chalicelib.providers.interactive import CannotRun, Session
from sparkanywhere.streaming import remote_command
from sparkanywhere.streaming.channels import (
    ERROR,
    RESIZE,
    STDERR,
    STDIN,
    STDOUT,
    V5,
    Channels,
    SpdyChannels,
    WebSocketChannels,
)
from sparkanywhere.streaming.port_forward import PortForward, SpdyPortForward
from sparkanywhere.streaming.remote_command import RemoteCommand
from sparkanywhere.streaming.spdy_connection import BareCarrier, SpdyConnection
from sparkanywhere.streaming.websocket import WebSocket, handshake
from sparkanywhere.webserver.messages import RequestHead, Takeover
from sparkanywhere.webserver.wire import Wire

TUNNEL = "SPDY/3.1+portforward.k8s.io"  # SPDY within WebSocket messages
SPDY = "spdy/3.1"
FIRST = (V5, TUNNEL)  # what a real server takes wherever it stands in a client's list
# For the bare SPDY and for WebSockets, "" for a client that names none.
SPOKEN = {
    "portforward": (("portforward.k8s.io",), (TUNNEL, "v4.channel.k8s.io", "v4.base64.channel.k8s.io", "")),
    "exec": (remote_command.SPDY_PROTOCOLS, remote_command.WEB_SOCKET_PROTOCOLS),
    "attach": (remote_command.SPDY_PROTOCOLS, remote_command.WEB_SOCKET_PROTOCOLS),
}


@dataclass(frozen=True, slots=True)
class Choice:
    """What to speak: the protocol, and whether on the bare connection (SPDY) or in a WebSocket."""

    protocol: str
    is_spdy: bool

    def answer(self, head: RequestHead) -> bytes:
        """Return the 101 answer."""
        if not self.is_spdy:
            return handshake(head.headers["sec-websocket-key"], self.protocol)
        lines = ("HTTP/1.1 101 Switching Protocols", "Upgrade: SPDY/3.1", "Connection: Upgrade")
        return "\r\n".join((*lines, f"X-Stream-Protocol-Version: {self.protocol}", "", "")).encode("latin-1")


def takeover(stream: PodStream, head: RequestHead) -> Takeover:
    """Return what carries the stream over the request's connection.

    Raises StatusError (400, 403) for an unsupported protocol. Later failures are reported on the open connection:
    kubectl takes a refusal for a lack of WebSockets, tries SPDY, and shows that error.
    """
    choice = choose(stream, head)
    if stream.kind == "portforward":
        return _port_forward(stream, head, choice)
    return _remote_command(stream, head, choice)


def choose(stream: PodStream, head: RequestHead) -> Choice:
    """Return what to speak: the first of the client's protocols that is spoken here. Raises StatusError (400, 403)."""
    wanted = head.headers.get("upgrade", "").lower()
    is_spdy = wanted == SPDY
    if not is_spdy and not (wanted == "websocket" and head.headers.get("sec-websocket-key")):
        raise bad_request("Upgrade request required")
    header = "x-stream-protocol-version" if is_spdy else "sec-websocket-protocol"
    if is_spdy and not head.headers.get(header):
        raise bad_request(f"unable to upgrade: header {header.title()} does not exist")
    offered = [each.strip() for each in head.headers.get(header, "").split(",")]
    for_spdy, for_web_sockets = SPOKEN[stream.kind]
    spoken = for_spdy if is_spdy else for_web_sockets
    common = [each for each in offered if each in spoken]
    if not common:
        words = f"client supports [{' '.join(offered)}], server accepts [{' '.join(filter(None, spoken))}]"
        raise StatusError(403, "Forbidden", f"unable to upgrade: unable to negotiate protocol: {words}")
    protocol = next((each for each in common if each in FIRST), common[0])
    if stream.kind == "portforward" and not is_spdy and protocol != TUNNEL and not stream.ports:
        raise bad_request('query parameter "ports" is required')
    return Choice(protocol, is_spdy)


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


def _remote_command(stream: PodStream, head: RequestHead, choice: Choice) -> Takeover:
    streams = stream.streams
    wanted = {ERROR: True, STDIN: streams.stdin, STDOUT: streams.stdout, STDERR: streams.stderr}
    wanted[RESIZE] = streams.tty and choice.protocol in remote_command.RESIZABLE

    def run(wire: Wire) -> None:
        wire.send(choice.answer(head))
        channels: Channels
        if choice.is_spdy:
            spdy = SpdyChannels(SpdyConnection(BareCarrier(wire)), [each for each, is_on in wanted.items() if is_on])
            if not spdy.open():
                return
            channels = spdy
        else:
            channels = WebSocketChannels(WebSocket(wire), choice.protocol)
            # as a real server: clients take it for "connected"
            channels.send(next(each for each in (STDOUT, STDERR, ERROR) if wanted[each]), b"")
        try:
            session = _open(stream)
        except StatusError as error:
            remote_command.refuse(channels, error, choice.protocol)
            return
        is_command = stream.kind == "exec"
        RemoteCommand(channels, session, protocol=choice.protocol, outlives_client=is_command).run()

    return run


def _port_forward(stream: PodStream, head: RequestHead, choice: Choice) -> Takeover:
    connect = functools.partial(stream.provider.connect, stream.handle)

    def run(wire: Wire) -> None:
        wire.send(choice.answer(head))
        if choice.is_spdy or choice.protocol == TUNNEL:
            connection = SpdyConnection(BareCarrier(wire) if choice.is_spdy else WebSocket(wire))
            SpdyPortForward(connection, pod=stream.pod, connect=connect).run()
        else:
            channels = WebSocketChannels(WebSocket(wire), choice.protocol)
            PortForward(channels, stream.ports, pod=stream.pod, connect=connect).run()

    return run
