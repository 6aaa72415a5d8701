"""Bytes between a client's stream and a TCP connection: a thread reads the one, the caller writes it."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Callable

PIECE_BYTES = 32 * 1024
WRITE_SECONDS = 30.0  # a peer that takes nothing for so long has its connection cut: others wait behind it


class Relay:
    """A TCP connection whose bytes go to `on_data`, an empty piece at its end."""

    def __init__(self, sock: socket.socket, on_data: Callable[[bytes], None]) -> None:
        sock.settimeout(None)
        self._sock = sock
        self._on_data = on_data
        self._thread = threading.Thread(target=self._read, name="relay", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def write(self, data: bytes) -> None:
        """Send bytes on; a peer that takes none is cut off."""
        rest = memoryview(data)
        try:
            while rest:
                poll = select.poll()
                poll.register(self._sock, select.POLLOUT)
                if not poll.poll(WRITE_SECONDS * 1000):
                    raise TimeoutError
                rest = rest[self._sock.send(rest, socket.MSG_DONTWAIT) :]
        except (OSError, ValueError):  # ValueError: closed already
            self.close()

    def end_input(self) -> None:
        """Say that no more bytes come."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """End the connection; the reading thread then lets go of it. May be repeated."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def _read(self) -> None:
        with self._sock:
            try:
                while piece := self._sock.recv(PIECE_BYTES):
                    self._on_data(piece)
            except OSError:
                pass  # reset by the peer, or the client is gone: either way an end
            with contextlib.suppress(OSError):
                self._on_data(b"")
