"""One command's input, output and end, shared by a thread that reads, one that writes, and whoever closes."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import termios
import threading
from collections.abc import Callable, Iterator, Mapping

from chalicelib.providers.interactive import PIECE_BYTES, Channel

LOOK_SECONDS = 0.5  # how late, at most, the end of the container or of a silent command is noticed
EXIT_SECONDS = 5.0  # for a killed command to be gone
END_OF_INPUT = b"\x04"  # on a terminal


class CommandSession:
    """See interactive.Session. Takes over the descriptors it is given.

    `sink` is where input goes, None for nowhere; on a terminal it is the output's as well. A command whose
    container ends (`container_runs`) is killed.
    """

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        *,
        sink: int | None,
        outputs: Mapping[int, Channel],
        is_terminal: bool,
        container_runs: Callable[[], bool],
    ) -> None:
        self._process = process
        self._sink = sink
        self._outputs = dict(outputs)
        self._is_terminal = is_terminal
        self._container_runs = container_runs
        self._descriptors = {*outputs, *([] if sink is None else [sink])}
        for descriptor in self._descriptors:
            os.set_blocking(descriptor, False)
        self._guard = threading.Lock()
        self._users = 0
        self._closed = False

    def read(self) -> tuple[Channel, bytes] | None:
        """Wait for output; see Session.read."""
        try:
            with self._in_use():
                return self._read()
        except BrokenPipeError:
            return None

    def _read(self) -> tuple[Channel, bytes] | None:
        while self._outputs:
            ready = self._poll(list(self._outputs), select.POLLIN)
            if self._closed:
                return None
            for descriptor in ready:
                data = b""
                with contextlib.suppress(OSError):  # EIO: the last process on the terminal has gone
                    data = os.read(descriptor, PIECE_BYTES)
                if data:
                    return self._outputs[descriptor], data
                del self._outputs[descriptor]
            if not ready:
                return self._quiet()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(LOOK_SECONDS)  # it has closed its output: it ends now, or works on in silence
        return self._quiet()

    def _quiet(self) -> tuple[Channel, bytes] | None:
        """Return a sign of life, None if the command has ended. What it left running may hold its pipes."""
        if self._process.poll() is not None or self._closed:
            return None
        if not self._container_runs():
            self._kill()
        return "stdout", b""

    def write(self, data: bytes) -> None:
        """Hand input over; see Session.write."""
        rest = memoryview(data)
        with self._in_use():
            while rest:
                if self._sink is None:
                    raise BrokenPipeError("the command takes no input")
                ready = self._poll([self._sink], select.POLLOUT)
                if self._closed or self._process.poll() is not None:
                    raise BrokenPipeError("the command has ended")
                if ready:
                    with contextlib.suppress(BlockingIOError):
                        rest = rest[os.write(self._sink, rest) :]

    def end_input(self) -> None:
        """Say that no more input comes; see Session.end_input."""
        if self._is_terminal:
            with contextlib.suppress(OSError):
                self.write(END_OF_INPUT)
            return
        with self._guard:
            if self._sink is not None and not self._closed:
                os.close(self._sink)
                self._descriptors.discard(self._sink)
                self._sink = None

    def resize(self, *, columns: int, rows: int) -> None:
        """Set the terminal's size; the kernel tells the programs on it."""
        if self._is_terminal and self._sink is not None:
            with contextlib.suppress(OSError), self._in_use():
                termios.tcsetwinsize(self._sink, (rows, columns))

    def exit_code(self) -> int | None:
        """Return the exit code, waiting a moment for it; see Session.exit_code."""
        try:
            code = self._process.wait(EXIT_SECONDS)
        except subprocess.TimeoutExpired:
            return None
        return 128 - code if code < 0 else code

    def close(self) -> None:
        """Kill the command if it runs, and let go; see Session.close."""
        with self._guard:
            if self._closed:
                return
            self._closed = True
            self._release()
        if self._process.poll() is None:
            self._kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(EXIT_SECONDS)

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    @contextlib.contextmanager
    def _in_use(self) -> Iterator[None]:
        """Keep the descriptors open within. Raises BrokenPipeError once the session is closed."""
        with self._guard:
            if self._closed:
                raise BrokenPipeError("the session is closed")
            self._users += 1
        try:
            yield
        finally:
            with self._guard:
                self._users -= 1
                self._release()

    def _release(self) -> None:
        """Close the descriptors when nobody uses them any more: their numbers would name other files."""
        if self._closed and not self._users:
            while self._descriptors:
                os.close(self._descriptors.pop())

    @staticmethod
    def _poll(descriptors: list[int], event: int) -> list[int]:
        """Return those that are ready; those of a killed command are at once."""
        poll = select.poll()
        for descriptor in descriptors:
            poll.register(descriptor, event)
        return [ready for ready, _ in poll.poll(LOOK_SECONDS * 1000)]
