"""A port of this machine that a command of the provider's carries to a task, Session Manager's for instance."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from sparkanywhere.client.failure import Failure
from sparkanywhere.client.loopback import answers

START_SECONDS = 60.0
LOOK_SECONDS = 0.1
END_SECONDS = 5.0
LAST_LINES = 5
TABLES, LISTENING = ("/proc/net/tcp", "/proc/net/tcp6"), "0A"  # proc_pid_net(5)


class TunnelFailed(Failure):
    """The command carries nothing; str() has its last words."""


class Tunnel:
    """Runs the command within its `with`; it listens from the start of that."""

    def __init__(self, command: Callable[[int], Sequence[str]], *, local_port: int = 0) -> None:
        """`command` returns it for a port of this machine; a free one is taken where `local_port` is 0."""
        self.port = local_port or _free_port()
        self._command = command(self.port)
        self._said: deque[str] = deque(maxlen=LAST_LINES)
        self._process: subprocess.Popen[str] | None = None
        self._reader = threading.Thread(target=self._read, name="tunnel", daemon=True)

    def __enter__(self) -> Tunnel:
        """Start the command and wait until it listens. Raises TunnelFailed."""
        try:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
        except FileNotFoundError:
            raise TunnelFailed(f"{self._command[0]} is not installed here, which is to run: {self}") from None
        self._reader.start()
        deadline = time.monotonic() + START_SECONDS
        while not answers("127.0.0.1", self.port):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                raise TunnelFailed(f"No port is carried to the task by: {self}\n  {'  '.join(self._said)}".rstrip())
            time.sleep(LOOK_SECONDS)
        if owners_of(self.port) - {os.getuid()}:  # they would be sent what is for the task, a token among it
            self.__exit__()
            raise TunnelFailed(
                f"Another user of this machine listens on port {self.port}, which was to be that of: {self}"
            )
        return self

    def __exit__(self, *_reason: object) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(END_SECONDS)

    def __str__(self) -> str:
        return " ".join(self._command)

    def _read(self) -> None:
        assert self._process
        assert self._process.stdout
        with self._process.stdout as output:
            self._said.extend(output)


def owners_of(port: int, tables: Sequence[str] = TABLES) -> set[int]:
    """Return the user ids of who listens on a port of this machine, none where the system does not tell."""
    lines = [line.split() for each in tables if Path(each).exists() for line in Path(each).read_text().splitlines()[1:]]
    return {int(row[7]) for row in lines if row[3] == LISTENING and int(row[1].rpartition(":")[2], 16) == port}


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
