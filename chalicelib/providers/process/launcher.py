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

    def launch(self, plan: Plan, descriptors: list[int]) -> None:
        """Give the plan to a supervisor and wait until it has written the first state.

        The first of `descriptors` is the claim on the task; the supervisor holds them open for as long as it
        lives. Raises ProviderUnavailable if no supervisor answers: the one that has the claim may yet begin.
        """
        try:
            with self._guard:
                reserve, self._reserve = self._reserve, None
            is_begun = reserve is not None and self._hand_over(reserve, plan, descriptors)
            if not is_begun and not self._hand_over(self._start(), plan, descriptors):
                raise ConnectionResetError("it ended at once")
        except OSError as error:
            message = f"the task's supervisor does not answer: {error}"
            raise ProviderUnavailable("FailedCreatePodSandBox", message) from error
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

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        ours.settimeout(ANSWER_SECONDS)
        with theirs:
            stdin, env = theirs.fileno(), {"PATH": os.defpath}
            subprocess.run(self._command, stdin=stdin, env=env, start_new_session=True, check=True)
        return ours

    @staticmethod
    def _hand_over(channel: socket.socket, plan: Plan, descriptors: list[int]) -> bool:
        """Return True once the supervisor has answered, False if it is gone. Raises TimeoutError."""
        body = json.dumps(plan).encode()
        header = len(body).to_bytes(LENGTH_BYTES, "big")
        with channel:
            try:
                socket.send_fds(channel, [header], descriptors)
                channel.sendall(body)
                return bool(channel.recv(1))
            except ConnectionError:  # the one in reserve may have died of anything
                return False
