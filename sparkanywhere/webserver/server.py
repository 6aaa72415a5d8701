"""The sockets we listen on, the connections that came in, and how all of it ends."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import selectors
import socket
import ssl
import threading
import time
from collections.abc import Callable, Collection, Iterable
from functools import partial

from sparkanywhere.webserver.connection import Connection
from sparkanywhere.webserver.entrance import announced_client, begins_tls
from sparkanywhere.webserver.limits import DEFAULT_LIMITS, Limits
from sparkanywhere.webserver.messages import Application, answer_head
from sparkanywhere.webserver.shares import Shares
from sparkanywhere.webserver.wire import Wire, prepare

LOG = logging.getLogger("sparkanywhere.http")

_NO_ROOM_PAUSE_SECONDS = 0.05  # out of file descriptors or threads: let some connections end first
_WARNING_SECONDS = 10.0  # between two lines of the log that say so
_NO_DESCRIPTORS = "the server is out of file descriptors, please try again later"
_DESCRIPTOR_ERRORS = (errno.EMFILE, errno.ENFILE)


def listen(host: str, port: int, *, backlog: int = DEFAULT_LIMITS.backlog) -> socket.socket:
    """Return a listening socket; port 0 takes a free one. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=backlog)


class WebServer:
    """Serves an application on listening sockets, each connection in a thread of its own.

    `peer` tells which user of this machine a connection is of, if of any; `closed_to` says why that user is refused
    whatever he asks, "" for one who is let in. With `plain_too` a connection that does not begin with TLS is served as
    it is. Connections of the addresses `proxies` say whose they are.

    start() returns at once; stop() ends every stream whole, lets running requests finish, and returns
    within the time it is given. Sockets may be added at any time before stop().
    """

    def __init__(
        self,
        application: Application,
        *,
        limits: Limits = DEFAULT_LIMITS,
        tls: Callable[[], ssl.SSLContext | None] = lambda: None,
        plain_too: bool = False,
        proxies: Callable[[], Collection[str]] = tuple,
        peer: Callable[[socket.socket], int | None] = lambda _: None,
        closed_to: Callable[[int | None], str] = lambda _: "",
    ) -> None:
        self._application = application
        self._limits = limits
        self._tls = tls
        self._plain_too = plain_too
        self._proxies = proxies
        self._peer = peer
        self._closed_to = closed_to
        self._connections: set[Connection] = set()
        self._room = threading.BoundedSemaphore(limits.connections)  # taken from accept to the thread's end
        self._clients = Shares(limits.connections, each=limits.client_connections)  # likewise
        neighbours = limits.connections // 4  # of all of them, so that they leave room whatever the settings are
        self._neighbours = Shares(neighbours, each=min(limits.neighbour_connections, neighbours))
        self._strangers = Shares(limits.stranger_connections, each=limits.stranger_connections)
        self._transfer = Shares(limits.transfer_bytes, each=limits.transfer_bytes // 2)
        self._spare: int | None = os.open(os.devnull, os.O_RDONLY)  # a descriptor to refuse with when all are taken
        self._warned_at = -_WARNING_SECONDS
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
            if self._spare is not None:
                os.close(self._spare)
                self._spare = None
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
            is_begun = self._begin(sock, client)
        except (BlockingIOError, ConnectionError):
            return
        except OSError as error:
            self._warn("accept failed error=%s", error)
            if error.errno in _DESCRIPTOR_ERRORS:
                self._turn_away(listener)
            time.sleep(_NO_ROOM_PAUSE_SECONDS)
        finally:
            threading.stack_size(before)
            if not is_begun:
                self._room.release()

    def _begin(self, sock: socket.socket, client: tuple[str, int]) -> bool:
        """Serve a connection on a thread of its own; return whether there was one to be had."""
        try:
            uid = self._peer(sock)
        except OSError as error:
            self._warn("connection refused error=%s", error)
            self._dismiss(sock, 503, _NO_DESCRIPTORS)
            return False
        closed_to = self._closed_to(uid)
        shares, who = self._clients, client[0]
        if closed_to:
            shares = self._strangers
        elif uid not in (None, 0, os.getuid()):  # who could come from any of loopback's 16 million addresses
            shares, who = self._neighbours, f"user {uid}"
        if not shares.take(who):
            self._warn("connection refused client=%s error=too many of one client", who)
            self._dismiss(sock, 429, "too many connections from this client, please try again later")
            return False
        leave = partial(shares.give, who)
        try:
            served = partial(self._serve, sock, client, closed_to=closed_to, leave=leave)
            threading.Thread(target=served, name=f"http-{client[1]}", daemon=True).start()
        except RuntimeError as error:  # no more threads
            leave()
            self._warn("connection refused error=%s", error)
            self._dismiss(sock, 503, "the server is out of threads, please try again later")
            time.sleep(_NO_ROOM_PAUSE_SECONDS)
            return False
        return True

    def _turn_away(self, listener: socket.socket) -> None:
        """Refuse one connection where every file descriptor is taken but the one that is kept for this."""
        if self._spare is not None:
            os.close(self._spare)
            self._spare = None
            with contextlib.suppress(OSError):
                sock, _ = listener.accept()
                self._dismiss(sock, 503, _NO_DESCRIPTORS)
        with contextlib.suppress(OSError):
            self._spare = os.open(os.devnull, os.O_RDONLY)

    def _dismiss(self, sock: socket.socket, code: int, why: str) -> None:
        """Answer a connection without reading from it or waiting for it, and close it. Over TLS there is no answer."""
        with sock, contextlib.suppress(OSError):
            sock.setblocking(False)
            if self._tls() is None or self._plain_too:
                answer = self._application.refuse(code, why)
                sock.send(answer_head(answer, chunked=False, close=True, now=time.time()) + answer.body)
                sock.shutdown(socket.SHUT_WR)

    def _warn(self, words: str, value: object) -> None:
        """Log a warning, unless there was one just now."""
        if time.monotonic() - self._warned_at >= _WARNING_SECONDS:
            self._warned_at = time.monotonic()
            LOG.warning(words, value)

    def _serve(
        self, sock: socket.socket, client: tuple[str, int], *, closed_to: str, leave: Callable[[], None]
    ) -> None:
        connection: Connection | None = None
        try:
            sock.settimeout(self._limits.handshake_seconds)
            prepare(sock)
            named = announced_client(sock) if client[0] in self._proxies() else client
            context = self._tls()
            if context is not None and (not self._plain_too or begins_tls(sock)):
                sock = context.wrap_socket(sock, server_side=True)
            connection = Connection(
                Wire(sock, self._limits),
                client=named,
                application=self._application,
                limits=self._limits,
                transfer=self._transfer,
                closed_to=closed_to,
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
            leave()
            self._room.release()
