"""Look into a container: run a command beside its program, hold its input and output.

Reference: Docker Engine API v1.41, POST /exec/{id}/start and /containers/{id}/attach: after the answer 101 the
connection carries raw bytes (terminal), or frames of 8 bytes header and data.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import ssl
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import docker
import docker.errors

from chalicelib import system
from chalicelib.providers.base import ProviderUnavailable, TaskNotFound
from chalicelib.providers.docker.engine import Client, Raw, reachable, words
from chalicelib.providers.docker.snapshots import ContainerSnapshot
from chalicelib.providers.interactive import PIECE_BYTES, CannotRun, Channel, Streams
from chalicelib.system import Feature

HEADER = struct.Struct(">BxxxL")  # stream number, three zeros, length
CHANNELS: dict[int, Channel] = {1: "stdout", 2: "stderr"}
END_OF_INPUT = b"\x04"  # on a terminal
SIGN_OF_LIFE_SECONDS = 0.5
START_SECONDS, LOOK_SECONDS = 5.0, 0.01  # a command starts within 60 ms on an idle machine
CANNOT_RUN = (126, 127)  # the engine's exit codes for a program that it could not start


class Hijacked:
    """A connection that the engine has turned into a stream of bytes both ways."""

    def __init__(self, raw: Any) -> None:  # what the SDK's socket=True gives: a SocketIO, or a TLS socket
        self._response = raw._response  # keeps the connection open
        self._socket: socket.socket = getattr(raw, "_sock", raw)
        self._first = b""  # what came together with the head of the engine's answer: the SDK's reader holds it
        reader = self._response.raw._fp.fp
        self._socket.settimeout(0)
        with contextlib.suppress(OSError):
            if held := reader.peek():
                self._first = bytes(reader.read1(len(held)))
        self._socket.settimeout(None)  # a session may be silent for hours

    def read(self, most: int) -> bytes | None:
        """Wait for bytes; empty at the end, None after a while without any."""
        if self._first:
            first, self._first = self._first[:most], self._first[most:]
            return first
        try:
            if not (isinstance(self._socket, ssl.SSLSocket) and self._socket.pending()):
                poll = select.poll()
                poll.register(self._socket, select.POLLIN)
                if not poll.poll(SIGN_OF_LIFE_SECONDS * 1000):
                    return None
            return self._socket.recv(most)
        except (OSError, ValueError):  # closed by another thread
            return b""

    def send(self, data: bytes) -> None:
        """Hand bytes over. Raises OSError."""
        self._socket.sendall(data)

    def end_input(self) -> None:
        """Say that no more bytes come from us."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def interrupt(self) -> None:
        """Make a read of another thread end."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of the connection, which nobody reads any more."""
        with contextlib.suppress(Exception):  # the SDK expects an answer that ends; this one was taken over
            self._response.close()
        with contextlib.suppress(OSError):
            self._socket.close()


class DockerSession:
    """See interactive.Session. `exit` tells the exit code, `kill` ends the command; both for commands alone."""

    def __init__(
        self,
        stream: Hijacked,
        streams: Streams,
        *,
        resize: Callable[[int, int], None],
        exit_code: Callable[[], int | None],
        kill: Callable[[], None],
    ) -> None:
        self._stream = stream
        self._streams = streams
        self._resize = resize
        self._exit_code = exit_code
        self._kill = kill
        self._is_closed = False
        self._reading = threading.Lock()
        self._is_at_end = False
        self._header = b""  # as much of the next frame's as has come
        self._left = 0  # bytes of the frame being read
        self._channel: Channel = "stdout"
        self.waiting: deque[tuple[Channel, bytes]] = deque()  # read before anybody asked

    def read(self) -> tuple[Channel, bytes] | None:
        """Wait for output; see Session.read."""
        if self.waiting:
            return self.waiting.popleft()
        with self._reading:
            piece = None if self._is_closed else self._next_piece()
        if piece is None:
            return None
        channel, data = piece
        wanted = self._streams.stdout if channel == "stdout" else self._streams.stderr
        return channel, data if wanted else b""

    def _next_piece(self) -> tuple[Channel, bytes] | None:
        """Return output, an empty piece as a sign of life, None at the end."""
        if not self._streams.tty and not self._left and not self._take_header():
            return (self._channel, b"") if not self._is_at_end else None
        most = PIECE_BYTES if self._streams.tty else min(self._left, PIECE_BYTES)
        data = self._stream.read(most)
        if data == b"":
            return None
        self._left = max(0, self._left - len(data or b""))
        return self._channel, data or b""

    def _take_header(self) -> bool:
        """Read on until the next frame's header is whole; return whether it is."""
        more = self._stream.read(HEADER.size - len(self._header))
        if not more:
            self._is_at_end = more == b""
            return False
        self._header += more
        if len(self._header) < HEADER.size:
            return False
        number, self._left = HEADER.unpack(self._header)
        self._channel, self._header = CHANNELS.get(number, "stdout"), b""
        return True

    def write(self, data: bytes) -> None:
        """Hand input over; see Session.write."""
        if self._is_closed:
            raise BrokenPipeError("the session is closed")
        self._stream.send(data)

    def end_input(self) -> None:
        """Say that no more input comes; see Session.end_input."""
        if self._streams.tty:
            with contextlib.suppress(OSError):
                self.write(END_OF_INPUT)
        else:
            self._stream.end_input()

    def resize(self, *, columns: int, rows: int) -> None:
        """Set the terminal's size; too late is no error."""
        if self._streams.tty:
            with contextlib.suppress(docker.errors.APIError, ProviderUnavailable):
                self._resize(columns, rows)

    def exit_code(self) -> int | None:
        """Return the command's exit code; see Session.exit_code."""
        return self._exit_code()

    def close(self) -> None:
        """Let go, and kill a command that still runs; see Session.close."""
        if self._is_closed:
            return
        self._is_closed = True
        self._stream.interrupt()
        self._kill()
        with self._reading:  # who waits for output has been woken
            self._stream.close()


def run_command(client: Client, snapshot: ContainerSnapshot, command: Sequence[str], streams: Streams) -> DockerSession:
    """Start a command in a container. Raises CannotRun, TaskNotFound and ProviderUnavailable."""
    with reachable():
        try:
            made = client.exec_create(
                snapshot.id,
                list(command),
                stdin=streams.stdin,
                stdout=streams.stdout or streams.tty,
                stderr=streams.stderr and not streams.tty,
                tty=streams.tty,
            )
            stream = Hijacked(client.exec_start(made["Id"], tty=streams.tty, socket=True))
        except docker.errors.APIError as error:
            raise TaskNotFound(words(error)) from error
    session = DockerSession(
        stream,
        streams,
        resize=lambda columns, rows: client.exec_resize(made["Id"], height=rows, width=columns),
        exit_code=lambda: _ended(client, made["Id"]),
        kill=lambda: _kill(client, made["Id"], snapshot.id),
    )
    try:
        _await_start(client, made["Id"], session)
    except BaseException:
        session.close()
        raise
    return session


def _await_start(client: Client, exec_id: str, session: DockerSession) -> None:
    """Wait until the command runs or has run. Raises CannotRun with the engine's words."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        state = _state(client, exec_id)
        if state.get("Pid"):
            return
        if not state.get("Running") and state.get("ExitCode") is not None:
            said = []
            while (piece := session.read()) is not None:
                said.append(piece)
            if state["ExitCode"] in CANNOT_RUN:
                raise CannotRun(b"".join(data for _, data in said).decode(errors="replace").strip())
            session.waiting.extend(said)
            return
        time.sleep(LOOK_SECONDS)


def _state(client: Client, exec_id: str) -> Raw:
    with reachable():
        state: Raw = client.exec_inspect(exec_id)
    return state


def _ended(client: Client, exec_id: str) -> int | None:
    """Return the exit code, waiting a moment: the stream ends a little before the engine knows."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(docker.errors.APIError, ProviderUnavailable):
            state = _state(client, exec_id)
            if not state.get("Running"):
                code = state.get("ExitCode")
                return int(code) if code is not None else None
        time.sleep(LOOK_SECONDS)
    return None


def _kill(client: Client, exec_id: str, container_id: str) -> None:
    """Kill a command that still runs, where the engine's processes are this machine's and may be killed.

    The engine has no call for it. Elsewhere the end of its input is all that the command sees.
    """
    with contextlib.suppress(docker.errors.APIError, ProviderUnavailable, OSError, ValueError):
        state = _state(client, exec_id)
        pid = int(state.get("Pid") or 0)
        # the number may mean another process on this machine, if the engine runs elsewhere
        if not system.has(Feature.PROC):
            return
        if state.get("Running") and pid and container_id in Path(f"/proc/{pid}/cgroup").read_text():
            os.kill(pid, signal.SIGKILL)


def hold(client: Client, snapshot: ContainerSnapshot, streams: Streams) -> DockerSession:
    """Hold a container's own input and output. Raises TaskNotFound and ProviderUnavailable."""
    wanted = {"stdin": streams.stdin, "stdout": streams.stdout, "stderr": streams.stderr, "stream": 1}
    with reachable():
        try:
            stream = Hijacked(client.attach_socket(snapshot.id, params={key: int(on) for key, on in wanted.items()}))
        except docker.errors.APIError as error:
            raise TaskNotFound(words(error)) from error
    runs = False
    with reachable(), contextlib.suppress(docker.errors.APIError):
        runs = bool(client.inspect_container(snapshot.id)["State"]["Running"])
    if not runs:  # the engine takes it all the same, and never ends the stream
        stream.interrupt()
        stream.close()
        raise TaskNotFound(f"container {snapshot.name} has ended")
    # what the container was made with says whether its output comes in frames, not what the client asked for
    framed = Streams(stdin=streams.stdin, stdout=streams.stdout, stderr=streams.stderr, tty=snapshot.tty)
    return DockerSession(
        stream,
        framed,
        resize=lambda columns, rows: client.resize(snapshot.id, height=rows, width=columns),
        exit_code=lambda: None,
        kill=lambda: None,
    )
