"""Supervisors as the provider has to do with them: starting them, hearing from them, and cleaning up after one killed.

One is always started ahead, so that a task need not wait for Python. A supervisor writes its task's handle into a FIFO
of ours, so nothing is polled; now and then a look at every task finds supervisors that were killed, and news that got
lost.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import select
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path

import psutil

from chalicelib import system
from chalicelib.private_folder import make_private
from chalicelib.providers.base import ProviderUnavailable
from chalicelib.providers.supervised.own_program import own_program
from chalicelib.providers.supervised.records import MARKER, ContainerRecord, Plan, Record
from chalicelib.providers.supervised.supervisor.entry import LENGTH_BYTES
from chalicelib.system import Feature

ANSWER_SECONDS = 5.0  # a supervisor answers in milliseconds; run() must stay well under 8 seconds
LOG = logging.getLogger(__name__)
LOOK_SECONDS = 2.0  # a killed supervisor is noticed within this time; a look costs some 20 us a task
READ_BYTES = 64 * 1024
ROUNDS = 50  # a killed process may have started another just before
PAUSE_SECONDS = 0.01
CLOCK_SECONDS = 2.0  # by how much the system's time of a process's beginning and ours may differ


class Launcher:
    """Starts supervisors. Thread-safe. Those with a task outlive us, the one in reserve does not."""

    def __init__(self, *, python: str = sys.executable) -> None:
        self._command = own_program(python, "supervisor.entry", "main()")
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
            stdin, env = theirs.fileno(), {"PATH": os.defpath, **system.passed_on()}
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


class Monitor:
    """Calls `check(handle)` in a thread of its own whenever there may be news of that task."""

    def __init__(self, listeners: Path, *, handles: Callable[[], Iterable[str]], check: Callable[[str], None]) -> None:
        self._listeners = listeners
        self._handles = handles
        self._check = check
        self._fifo = listeners / f"{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._descriptor = -1
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._unread = b""

    def start(self) -> None:
        """Open the FIFO, report every task once, then go on in the background."""
        make_private(self._listeners)
        for fifo in self._listeners.iterdir():
            try:
                os.close(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
            except OSError:  # of a control plane that was killed: nobody reads it
                fifo.unlink(missing_ok=True)
        os.mkfifo(self._fifo, 0o600)
        self._descriptor = os.open(self._fifo, os.O_RDWR | os.O_NONBLOCK)
        self._thread = threading.Thread(target=self._run, name="process-monitor", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread and remove the FIFO. May be repeated, but not from within `check`."""
        self._closing.set()
        if self._thread is None:
            return
        with contextlib.suppress(BlockingIOError):
            os.write(self._descriptor, b"\n")
        self._thread.join()
        self._thread = None
        with contextlib.suppress(FileNotFoundError):
            self._fifo.unlink()
        os.close(self._descriptor)

    def _run(self) -> None:
        waiting = self._all_handles()
        while not self._closing.is_set():
            for handle in list(waiting):
                try:
                    self._check(handle)
                    waiting.discard(handle)
                except Exception:  # the thread's outermost frame: whatever it was, the task is looked at again
                    LOG.exception("task=%s what=check", handle)
            readable, _, _ = select.select([self._descriptor], [], [], LOOK_SECONDS)
            if not readable:
                waiting |= self._all_handles()
                continue
            with contextlib.suppress(BlockingIOError):
                self._unread += os.read(self._descriptor, READ_BYTES)
            *lines, self._unread = self._unread.split(b"\n")
            waiting |= {line.decode() for line in lines if line}

    def _all_handles(self) -> set[str]:
        try:
            return set(self._handles())
        except OSError as error:  # out of file descriptors, say: the next look comes in LOOK_SECONDS
            LOG.warning("what=list-tasks error=%s", error)
            return set()


def kill_leftovers(record: Record) -> None:
    """Send SIGKILL to every process of the task until none is found, at most half a second."""
    for _ in range(ROUNDS):
        mains = {one["process"] for one in record["containers"] if runs(one)}
        found = [one for one in psutil.process_iter() if _is_of_task(one, record["handle"], mains)]
        if not found:
            return
        for process in found:
            with contextlib.suppress(psutil.Error):
                process.kill()
        time.sleep(PAUSE_SECONDS)


def runs(container: ContainerRecord) -> bool:
    """Return whether the id of a container's main process is still its own, or that of the session it has left.

    It is another's if that began after the container did.
    """
    try:
        began_at = psutil.Process(container["process"]).create_time()
    except psutil.NoSuchProcess:
        return container["phase"] == "running"
    return container["phase"] == "running" and began_at <= (container["started_at"] or 0) / 1e9 + CLOCK_SECONDS


def _is_of_task(process: psutil.Process, handle: str, mains: set[int]) -> bool:
    """Return whether a process says so itself, or else came of one of the main processes."""
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        if system.has(Feature.ENVIRONMENTS):
            return process.environ().get(MARKER, "").startswith(f"{handle}/")
        return bool(mains & {process.pid, os.getsid(process.pid), *(one.pid for one in process.parents())})
    except (psutil.Error, OSError):
        return False
