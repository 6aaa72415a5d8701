"""A fake provider whose tasks can be looked into: what their probes find is set by hand."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from dataclasses import replace

from chalicelib.providers.base import ContainerState, TaskNotFound, TaskState
from chalicelib.providers.interactive import CannotRun, Channel, Session, Streams
from tests.fake_provider import FakeProvider


class Said:
    """A command's session: its output in pieces, then its exit code. A code of None never comes."""

    def __init__(self, code: int | None, *pieces: bytes) -> None:
        self._pieces = list(pieces)
        self._code = code
        self.is_closed = False

    def read(self) -> tuple[Channel, bytes] | None:
        """Return the next piece; signs of life for ever where no code comes."""
        if self._pieces:
            return "stdout", self._pieces.pop(0)
        return ("stdout", b"") if self._code is None else None

    def write(self, data: bytes) -> None:
        """Drop it."""

    def end_input(self) -> None:
        """Do nothing."""

    def resize(self, *, columns: int, rows: int) -> None:
        """Do nothing."""

    def exit_code(self) -> int | None:
        """Return the code."""
        return self._code

    def close(self) -> None:
        """Note it."""
        self.is_closed = True


class ProbedProvider(FakeProvider):
    """Answers each command by `codes`, by its first word: an exit code, or None for one that cannot be run.

    Connections lead to `port` of this machine, whatever was asked for.
    """

    def __init__(self, **options: object) -> None:
        super().__init__(**options)  # type: ignore[arg-type]  # FakeProvider names them
        self.codes: dict[str, int | None] = {}
        self.commands: list[str] = []  # the first words of all commands, in order
        self.restarted: list[tuple[str, float]] = []  # (container, grace_seconds)
        self.session: Callable[[], Session] | None = None
        self.port = 0

    def exec(self, handle: str, container: str, command: Sequence[str], streams: Streams) -> Session:
        """Return the session that was set, or one that ends at once with the command's code."""
        del streams
        states = {one.name: one for state in self.describe([handle]) for one in state.containers}
        if container not in states or states[container].phase != "running":
            raise TaskNotFound(handle)
        self.commands.append(command[0])
        if self.session:
            return self.session()
        code = self.codes.get(command[0], 0)
        if code is None:
            raise CannotRun(f'exec: "{command[0]}": executable file not found in $PATH')
        return Said(code, b"said so")

    def attach(self, handle: str, container: str, streams: Streams) -> Session:
        """Raise: nothing here attaches."""
        raise AssertionError((handle, container, streams))

    def connect(self, handle: str, port: int) -> socket.socket:
        """Return a connection to the port that was set."""
        del handle, port
        return socket.create_connection(("127.0.0.1", self.port), timeout=5)

    def restart(self, handle: str, container: str, *, grace_seconds: float) -> None:
        """Let the container run anew, and tell."""
        self.restarted.append((container, grace_seconds))

        def again(one: ContainerState) -> ContainerState:
            if one.name != container:
                return one
            return replace(one, restarts=one.restarts + 1, started_at=self._clock())

        def restarted(state: TaskState) -> TaskState:
            return replace(state, containers=tuple(map(again, state.containers)))

        self.update(handle, restarted)
