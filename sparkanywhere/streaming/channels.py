"""Numbered channels, as a client and a server exchange them: over a WebSocket, or as the streams of a SPDY connection.

Reference: k8s.io/streaming/pkg/httpstream/wsstream and k8s.io/cri-streaming/pkg/streaming/remotecommand (v1.36).
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import time
from collections import deque
from collections.abc import Iterable
from typing import NamedTuple, Protocol

from sparkanywhere.streaming import spdy
from sparkanywhere.streaming.spdy_connection import SpdyConnection
from sparkanywhere.streaming.websocket import WebSocket

STDIN, STDOUT, STDERR, ERROR, RESIZE = range(5)
NAMES = ("stdin", "stdout", "stderr", "error", "resize")  # of SPDY streams, by channel
V5 = "v5.channel.k8s.io"
CLOSE = 255  # in V5: the next byte is the channel that ends

CREATION_SECONDS = 30.0  # for a client to open its SPDY streams, as upstream
EARLY_FRAMES = 64  # that may come before all streams are open; client-go sends none


class Piece(NamedTuple):
    """What a client says on a channel; `ends` says that it says no more there."""

    channel: int
    data: bytes
    ends: bool = False


class Channels(Protocol):
    """One client's channels. One thread receives; any may send."""

    def receive(self) -> Piece | None:
        """Wait for the client's next piece; None when the connection is over, or silent for hours."""
        ...

    def send(self, channel: int, data: bytes) -> None:
        """Send bytes on a channel, waiting for a slow client. Raises OSError when the connection is over."""
        ...

    def finish(self) -> None:
        """Tell the client that no more comes; it closes the connection once it has read all. Raises OSError."""
        ...

    def client_is_gone(self) -> bool:
        """Return whether the client has closed its side. Never waits."""
        ...

    def end(self) -> None:
        """End the connection whatever the client does."""
        ...


class WebSocketChannels:
    """A channel's number is the first byte of each message, in the base64 protocols a digit before base64 text."""

    def __init__(self, socket: WebSocket, protocol: str) -> None:
        self._socket = socket
        self._is_text = "base64." in protocol
        self._has_close = protocol == V5

    def receive(self) -> Piece | None:
        """See Channels. Messages that are empty, or no base64 where they should be, are passed over."""
        while (message := self._socket.receive()) is not None:
            if not message:
                continue
            channel, data = message[0], message[1:]
            if self._has_close and channel == CLOSE:
                if len(data) == 1:
                    return Piece(data[0], b"", ends=True)
            elif not self._is_text:
                return Piece(channel, data)
            else:
                try:
                    return Piece(channel - ord("0"), base64.b64decode(data.translate(None, b"\r\n"), validate=True))
                except binascii.Error:
                    continue
        return None

    def send(self, channel: int, data: bytes) -> None:
        """See Channels."""
        if self._is_text:
            self._socket.send_text(chr(ord("0") + channel) + base64.b64encode(data).decode())
        else:
            self._socket.send(bytes([channel]) + data)

    def finish(self) -> None:
        """See Channels."""
        self._socket.close()

    def client_is_gone(self) -> bool:
        """See Channels."""
        return self._socket.client_is_gone()

    def end(self) -> None:
        """See Channels."""
        self._socket.end()


class SpdyChannels:
    """The streams of an exec or attach, which the client opens by name and in any order."""

    def __init__(self, connection: SpdyConnection, wanted: Iterable[int]) -> None:
        self._connection = connection
        self._wanted = set(wanted)
        self._streams: dict[int, int] = {}  # by channel
        self._early: deque[spdy.Frame] = deque()

    def open(self) -> bool:
        """Wait until the client has opened all streams that it asked for; return whether it has."""
        deadline = time.monotonic() + CREATION_SECONDS
        while not self._wanted <= self._streams.keys():
            frame = self._connection.receive(seconds=deadline - time.monotonic())
            if frame is None or len(self._early) >= EARLY_FRAMES:
                return False
            if not self._take(frame):
                self._early.append(frame)
        return True

    def receive(self) -> Piece | None:
        """See Channels. A stream that the client resets has ended."""
        while (frame := self._early.popleft() if self._early else self._connection.receive()) is not None:
            if self._take(frame) or not isinstance(frame, spdy.Data | spdy.Reset):
                continue
            for channel, stream in self._streams.items():
                if stream == frame.stream:
                    data, ends = (frame.data, frame.ends) if isinstance(frame, spdy.Data) else (b"", True)
                    return Piece(channel, data, ends)
        return None

    def _take(self, frame: spdy.Frame) -> bool:
        """Accept a stream, also of a type unknown here, as upstream does; return whether the frame opened one."""
        if not isinstance(frame, spdy.Opened):
            return False
        if (name := frame.headers.get("streamtype")) in NAMES:
            self._streams.setdefault(NAMES.index(name), frame.stream)
        if frame.ends:
            self._early.append(spdy.Data(frame.stream, b"", ends=True))
        with contextlib.suppress(OSError):  # receive() tells of the end
            self._connection.reply(frame.stream)
        return True

    def send(self, channel: int, data: bytes) -> None:
        """See Channels."""
        if channel in self._streams:
            self._connection.data(self._streams[channel], data)

    def finish(self) -> None:
        """See Channels. Streams that only the client writes to are reset: what it still says there goes nowhere."""
        for channel, stream in self._streams.items():
            if channel in (STDIN, RESIZE):
                self._connection.reset(stream)
            else:
                self._connection.data(stream, b"", ends=True)

    def client_is_gone(self) -> bool:
        """See Channels."""
        return self._connection.client_is_gone()

    def end(self) -> None:
        """See Channels."""
        self._connection.end()
