"""Hands plans to supervisors. One is always started ahead, so that a task need not wait for Python."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

from chalicelib.providers.base import ProviderUnavailable
from chalicelib.providers.process.records import Plan
from chalicelib.providers.process.supervisor.entry import LENGTH_BYTES

ANSWER_SECONDS = 5.0  # a supervisor answers in milliseconds; run() must stay well under 8 seconds
ROOT = Path(__file__).resolve().parents[3]
PROGRAM = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from chalicelib.providers.process.supervisor.entry import main; main()"
)


class Launcher:
    """Starts supervisors. Thread-safe. Those with a task outlive us, the one in reserve does not."""

    def __init__(self, *, python: str = sys.executable) -> None:
        self._command = [python, "-S", "-E", "-s", "-c", PROGRAM, str(ROOT)]
        self._guard = threading.Lock()
        self._reserve: socket.socket | None = None
        self._closed = False

    def launch(self, plan: Plan, guard: int | None) -> None:
        """Give the plan to a supervisor and wait until it has written the first state.

        `guard` is a descriptor that it holds open for as long as it lives. Returns as well if another
        supervisor has this task. Raises ProviderUnavailable if no supervisor answers.
        """
        channel = self._take() or self._start()
        try:
            self._hand_over(channel, plan, guard)
        except OSError:  # the one in reserve may have died of anything: try a fresh one
            channel.close()
            channel = self._start()
            self._try_once_more(channel, plan, guard)
        finally:
            channel.close()
        threading.Thread(target=self.fill_reserve, name="process-reserve", daemon=True).start()

    def fill_reserve(self) -> None:
        """Have a supervisor stand by, unless one does. May be repeated."""
        with self._guard:
            if self._reserve is None and not self._closed:
                with contextlib.suppress(OSError):
                    self._reserve = self._start()

    def close(self) -> None:
        """Let the one in reserve go. May be repeated."""
        with self._guard:
            self._closed = True
            if self._reserve is not None:
                self._reserve.close()
                self._reserve = None

    def _take(self) -> socket.socket | None:
        with self._guard:
            channel, self._reserve = self._reserve, None
            return channel

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        ours.settimeout(ANSWER_SECONDS)
        with theirs:
            stdin, env = theirs.fileno(), {"PATH": os.defpath}
            subprocess.run(self._command, stdin=stdin, env=env, start_new_session=True, check=True)
        return ours

    @staticmethod
    def _hand_over(channel: socket.socket, plan: Plan, guard: int | None) -> None:
        body = json.dumps(plan).encode()
        header = len(body).to_bytes(LENGTH_BYTES, "big")
        socket.send_fds(channel, [header], [] if guard is None else [guard])
        channel.sendall(body)
        if not channel.recv(1):
            raise ConnectionResetError("the supervisor ended without an answer")

    def _try_once_more(self, channel: socket.socket, plan: Plan, guard: int | None) -> None:
        try:
            self._hand_over(channel, plan, guard)
        except OSError as error:
            reason = "FailedCreatePodSandBox"
            raise ProviderUnavailable(reason, f"the task's supervisor did not start: {error}") from error
