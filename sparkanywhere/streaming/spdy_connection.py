"""A SPDY connection: on the client's connection itself, or within the messages of a WebSocket."""

from __future__ import annotations

import threading
from collections import deque
from typing import Protocol

from sparkanywhere.streaming import spdy
from sparkanywhere.streaming.websocket import SILENCE_SECONDS
from sparkanywhere.webserver.wire import Wire


class Carrier(Protocol):
    """What SPDY runs on. One thread receives; any may send."""

    def receive(self, *, seconds: float = SILENCE_SECONDS) -> bytes | None:
        """Wait for bytes; None at the end, or when none come for so long."""
        ...

    def send(self, message: bytes) -> None:
        """Send bytes. Raises OSError."""
        ...

    def client_is_gone(self) -> bool:
        """Return whether the client has closed its side. Never waits."""
        ...

    def end(self) -> None:
        """End the connection whatever the client does."""
        ...


class BareCarrier:
    """The connection itself."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.client_is_gone = wire.client_is_gone
        self.end = wire.finish

    def receive(self, *, seconds: float = SILENCE_SECONDS) -> bytes | None:
        """See Carrier."""
        self._wire.allow(seconds)
        try:
            return self._wire.receive() or None
        except (OSError, ValueError):
            return None

    def send(self, message: bytes) -> None:
        """See Carrier."""
        self._wire.send(message, seconds=SILENCE_SECONDS)


class SpdyConnection:
    """Frames in and out. One thread receives; any may send."""

    def __init__(self, carrier: Carrier) -> None:
        self._carrier = carrier
        self._decoder = spdy.Decoder()
        self._encoder = spdy.Encoder()
        self._sending = threading.Lock()
        self._ready: deque[spdy.Frame] = deque()
        self.client_is_gone = carrier.client_is_gone
        self.end = carrier.end

    def receive(self, *, seconds: float = SILENCE_SECONDS) -> spdy.Frame | None:
        """Wait for a frame; None when the connection is over, silent for so long, or does not speak SPDY.

        Pings are answered here.
        """
        while True:
            while self._ready:
                frame = self._ready.popleft()
                if not isinstance(frame, spdy.Pinged):
                    return frame
                try:
                    self._send(self._encoder.pong(frame.number))
                except OSError:
                    return None
            data = self._carrier.receive(seconds=seconds)
            if data is None:
                return None
            try:
                self._ready += self._decoder.feed(data)
            except spdy.SpdyError:
                return None

    def reply(self, stream: int) -> None:
        """Accept a stream. Raises OSError."""
        with self._sending:  # made and sent in one go: replies are packed one upon the other
            self._carrier.send(self._encoder.reply(stream))

    def data(self, stream: int, data: bytes, *, ends: bool = False) -> None:
        """Send bytes on a stream. Raises OSError."""
        self._send(self._encoder.data(stream, data, ends=ends))

    def reset(self, stream: int) -> None:
        """End a stream in both directions, or refuse it. Raises OSError."""
        self._send(self._encoder.reset(stream, spdy.REFUSED_STREAM))

    def _send(self, frame: bytes) -> None:
        with self._sending:
            self._carrier.send(frame)
