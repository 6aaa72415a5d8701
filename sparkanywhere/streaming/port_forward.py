"""Ports as numbered channels over a WebSocket, as the Python client and fabric8 ask for them.

The n-th port asked for has channel 2n for data and 2n+1 for an error text; on each the server first
sends the port's number, 16 bits, little-endian. A connection to each port is made at once. Reference:
kubernetes/pkg/kubelet/cri/streaming/portforward/websocket.go (v1.32).
"""

from __future__ import annotations

import contextlib
import functools
import socket
import struct
from collections.abc import Callable, Sequence

from chalicelib.providers.base import ProviderError
from sparkanywhere.streaming.relay import Relay
from sparkanywhere.streaming.websocket import WebSocket

Connect = Callable[[int], socket.socket]


def failure(port: int, pod: str, error: Exception) -> str:
    """Return the error text for a port that can't be reached."""
    return f"error forwarding port {port} to pod {pod}: {error}"


class PortForward:
    """Carries bytes between a WebSocket's channels and the ports of one pod."""

    def __init__(self, web_socket: WebSocket, ports: Sequence[int], *, pod: str, connect: Connect) -> None:
        self._socket = web_socket
        self._ports = ports
        self._pod = pod
        self._connect = connect
        self._relays: dict[int, Relay] = {}

    def run(self) -> None:
        """Carry bytes until the client leaves or every port's connection has ended."""
        try:
            for number, port in enumerate(self._ports):
                self._open(2 * number, port)
            while self._relays and (message := self._socket.receive()) is not None:
                relay = self._relays.get(message[0]) if message else None
                if relay is not None:
                    relay.write(message[1:])
        except OSError:
            pass  # the client has left
        finally:
            for relay in list(self._relays.values()):
                relay.close()
            self._socket.close()

    def _open(self, channel: int, port: int) -> None:
        for each in (channel, channel + 1):
            self._socket.send(struct.pack("<BH", each, port))
        try:
            sock = self._connect(port)
        except (OSError, ProviderError) as error:
            self._socket.send(bytes([channel + 1]) + failure(port, self._pod, error).encode())
            return
        relay = Relay(sock, functools.partial(self._deliver, channel))
        self._relays[channel] = relay
        relay.start()

    def _deliver(self, channel: int, data: bytes) -> None:
        if data:
            self._socket.send(bytes([channel]) + data)
            return
        self._relays.pop(channel, None)
        if not self._relays:
            with contextlib.suppress(OSError):
                self._socket.close()
