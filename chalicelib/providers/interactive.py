"""What a provider may offer beside Provider: commands run in a task that runs, its terminal, its ports.

Local providers alone can do so. A session has two users: one thread reads, another writes; close() may come
from any. No Kubernetes word lives below this line.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from chalicelib.providers.base import ProviderError

Channel = Literal["stdout", "stderr"]

PIECE_BYTES = 32 * 1024  # the most that read() returns at once


class CannotRun(ProviderError):
    """The command can't be started in the container (no such program); str() says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Streams:
    """Which streams a session has. On a terminal stderr does not exist: all output is stdout."""

    stdin: bool = False
    stdout: bool = True
    stderr: bool = True
    tty: bool = False


class Session(Protocol):
    """A command that runs in a container, or a hold of the container's own input and output."""

    def read(self) -> tuple[Channel, bytes] | None:
        """Wait for output and return it with where it came from; None when there will be no more.

        At most PIECE_BYTES. Output of streams that were not asked for is dropped. An empty piece may come
        at any time as a sign of life.
        """

    def write(self, data: bytes) -> None:
        """Hand input over, waiting while it is not read. Raises OSError if nobody will read it."""

    def end_input(self) -> None:
        """Say that no more input comes. May be repeated."""

    def resize(self, *, columns: int, rows: int) -> None:
        """Set the terminal's size; without a terminal nothing happens."""

    def exit_code(self) -> int | None:
        """Return the command's exit code, 128+n for death by signal n; None for what is no command.

        To be asked once read() has returned None.
        """

    def close(self) -> None:
        """Let go: a command that still runs is killed, what was only held goes on. May be repeated.

        read() and write() that wait in other threads return or raise.
        """


@runtime_checkable
class InteractiveProvider(Protocol):
    """A provider whose tasks can be looked into. Each call returns within seconds."""

    def exec(self, handle: str, container: str, command: Sequence[str], streams: Streams) -> Session:
        """Start a command in a container that runs, with its environment and working directory.

        Raises CannotRun, TaskNotFound if the container does not run, ProviderUnavailable.
        """

    def attach(self, handle: str, container: str, streams: Streams) -> Session:
        """Hold the input and output of a container that runs, from now on.

        Raises TaskNotFound if the container does not run, ProviderUnavailable.
        """

    def connect(self, handle: str, port: int) -> socket.socket:
        """Return a connection to a TCP port of a task that runs.

        Raises OSError if nobody listens there, TaskNotFound, ProviderUnavailable.
        """
