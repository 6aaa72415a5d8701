"""A port that leads to another one until it is cut, as connections are that a network drops."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

PIECE_BYTES = 1 << 16


class Relay:
    """Listens on 127.0.0.1, at a free port if `listens` is 0, and carries bytes both ways."""

    def __init__(self, port: int, *, host: str = "127.0.0.1", listens: int = 0) -> None:
        self._to = (host, port)
        self._listener = socket.create_server(("127.0.0.1", listens))
        self._open: list[socket.socket] = []
        self.port: int = self._listener.getsockname()[1]
        self.accepted = 0

    def cut(self) -> None:
        """End every connection; new ones are taken."""
        for each in self._open:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self._open.clear()

    def run(self) -> None:
        """Take connections until the listener is closed."""
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                self.accepted += 1
                far = socket.create_connection(self._to)
                self._open += (near, far)
                for ends in ((near, far), (far, near)):
                    threading.Thread(target=_carry, args=ends, daemon=True).start()

    def close(self) -> None:
        """Take no connection any more, and end those that there are."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()


def _carry(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(PIECE_BYTES):
            sink.sendall(piece)
    for each in (source, sink):
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
    source.close()


@contextlib.contextmanager
def relay_to(port: int) -> Iterator[Relay]:
    """Yield what leads to a port of this machine."""
    relay = Relay(port)
    thread = threading.Thread(target=relay.run, daemon=True)
    thread.start()
    try:
        yield relay
    finally:
        relay.close()
        thread.join()
