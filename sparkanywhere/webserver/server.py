"""The sockets we listen on, the connections that came in, and how all of it ends."""

from __future__ import annotations

import contextlib
import logging
import selectors
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable

from sparkanywhere.webserver.connection import Connection, Refuse
from sparkanywhere.webserver.limits import DEFAULT_LIMITS, Limits
from sparkanywhere.webserver.messages import Handler
from sparkanywhere.webserver.wire import Wire, prepare

LOG = logging.getLogger("sparkanywhere.http")

_NO_ROOM_PAUSE_SECONDS = 0.05  # out of file descriptors or threads: let some connections end first


def listen(host: str, port: int, *, backlog: int = DEFAULT_LIMITS.backlog) -> socket.socket:
    """Return a listening socket; port 0 takes a free one. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=backlog)


class WebServer:
    """Serves `handler` on listening sockets, each connection in a thread of its own.

    start() returns at once; stop() ends every stream whole, lets running requests finish, and returns
    within the time it is given. Sockets may be added at any time before stop().
    """

    def __init__(
        self,
        handler: Handler,
        *,
        refuse: Refuse,
        limits: Limits = DEFAULT_LIMITS,
        tls: Callable[[], ssl.SSLContext | None] = lambda: None,
        own_names: frozenset[str] = frozenset(),
    ) -> None:
        self._handler = handler
        self._refuse = refuse
        self._limits = limits
        self._tls = tls
        self._own_names = own_names
        self._connections: set[Connection] = set()
        self._room = threading.BoundedSemaphore(limits.connections)  # taken from accept to the thread's end
        self._lock = threading.Lock()
        self._listeners: list[socket.socket] = []
        self._selector = selectors.DefaultSelector()
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._selector.register(self._wake_reader, selectors.EVENT_READ)
        self._acceptor = threading.Thread(target=self._accept_all, name="accept", daemon=True)
        self._stopping = False

    @property
    def connection_count(self) -> int:
        """Return how many connections are open."""
        return len(self._connections)

    def add_listener(self, listener: socket.socket) -> None:
        """Accept connections from `listener`, which becomes ours to close."""
        listener.setblocking(False)
        self._listeners.append(listener)
        self._selector.register(listener, selectors.EVENT_READ)
        self._wake_writer.send(b"\0")  # a selector that waits does not see new sockets everywhere

    def start(self) -> None:
        """Begin to accept connections."""
        self._acceptor.start()

    def stop(self, *, seconds: float = 1.5) -> None:
        """Refuse new connections, end the open ones, and return within `seconds`. May be repeated."""
        deadline = time.monotonic() + seconds
        self._stopping = True
        with contextlib.suppress(OSError):
            self._wake_writer.send(b"\0")
        if self._acceptor.is_alive():
            self._acceptor.join(timeout=seconds / 3)
        for listener in self._listeners:
            listener.close()
        if not self._acceptor.is_alive():
            self._selector.close()
            self._wake_reader.close()
            self._wake_writer.close()
        for connection in self._open_connections():
            connection.stop()
        for connection in self._open_connections():
            if connection.phase == "streaming":
                connection.end()
        # Threads that sleep in a stream, which has already been ended for its client, are not waited for.
        while time.monotonic() < deadline and any(
            connection.phase != "streaming" for connection in self._open_connections()
        ):
            time.sleep(0.01)
        for connection in self._open_connections():
            connection.end()

    def _open_connections(self) -> Iterable[Connection]:
        with self._lock:
            return list(self._connections)

    def _accept_all(self) -> None:
        while not self._stopping:
            for key, _ in self._selector.select():
                if key.fileobj is self._wake_reader:
                    self._wake_reader.recv(64)
                elif isinstance(key.fileobj, socket.socket):
                    self._accept_from(key.fileobj)

    def _accept_from(self, listener: socket.socket) -> None:
        """Accept one connection and serve it on a thread of its own. At the limit, connections wait in the backlog."""
        if not self._room.acquire(timeout=_NO_ROOM_PAUSE_SECONDS):
            return
        is_begun = False
        before = threading.stack_size(self._limits.stack_bytes)
        try:
            sock, address = listener.accept()
            client = (str(address[0]), int(address[1]))
            name = f"http-{client[1]}"
            threading.Thread(target=self._serve, args=(sock, client), name=name, daemon=True).start()
            is_begun = True
        except (BlockingIOError, ConnectionError):
            return
        except OSError as error:
            LOG.warning("accept failed error=%s", error)
            time.sleep(_NO_ROOM_PAUSE_SECONDS)
        except RuntimeError as error:  # no more threads
            LOG.warning("connection refused error=%s", error)
            sock.close()
            time.sleep(_NO_ROOM_PAUSE_SECONDS)
        finally:
            threading.stack_size(before)
            if not is_begun:
                self._room.release()

    def _serve(self, sock: socket.socket, client: tuple[str, int]) -> None:
        connection: Connection | None = None
        try:
            sock.settimeout(self._limits.handshake_seconds)
            prepare(sock)
            context = self._tls()
            if context is not None:
                sock = context.wrap_socket(sock, server_side=True)
            connection = Connection(
                Wire(sock, self._limits),
                client=client,
                handler=self._handler,
                refuse=self._refuse,
                limits=self._limits,
                own_names=self._own_names,
            )
            with self._lock:
                self._connections.add(connection)
            if self._stopping:
                connection.stop()
            connection.serve()
        except OSError as error:
            LOG.debug("connection ended before its first request client=%s error=%s", client[0], error)
            sock.close()
        finally:
            if connection is not None:
                with self._lock:
                    self._connections.discard(connection)
            self._room.release()
