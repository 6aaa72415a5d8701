"""A connection all of whose reads and writes together end at a deadline, whatever the other side does."""

from __future__ import annotations

import socket
import ssl
import time
from types import TracebackType

PIECE_BYTES = 16 * 1024


class Wire:
    """Takes over a socket. Every call raises TimeoutError at the deadline, and OSError as the socket does."""

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self._socket = connection
        self._deadline = deadline  # monotonic
        self._rest = b""

    def __enter__(self) -> Wire:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def encrypt(self, name: str) -> None:
        """Speak TLS from now on, to whoever is there: a probe checks no certificate."""
        self.check_time()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self._socket = context.wrap_socket(self._socket, server_hostname=name)

    def send(self, data: bytes) -> None:
        """Send all of it."""
        self.check_time()
        self._socket.sendall(data)

    def read(self, length: int) -> bytes:
        """Return exactly so many bytes. Raises EOFError where they do not come."""
        while len(self._rest) < length:
            self._more()
        found, self._rest = self._rest[:length], self._rest[length:]
        return found

    def read_until(self, end: bytes, most: int) -> bytes:
        """Return the bytes up to and with `end`. Raises EOFError where it does not come, ValueError after `most`."""
        while end not in self._rest:
            if len(self._rest) > most:
                raise ValueError(f"no end within {most} bytes")
            self._more()
        found, end, self._rest = self._rest.partition(end)
        return found + end

    def _more(self) -> None:
        self.check_time()
        piece = self._socket.recv(PIECE_BYTES)
        if not piece:
            raise EOFError("EOF")
        self._rest += piece

    def check_time(self) -> None:
        """Let the next step take as long as is left."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("deadline exceeded")
        self._socket.settimeout(left)
