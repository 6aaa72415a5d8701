"""End tasks: the stop command first, then the stop signal, then SIGKILL when the grace is over.

Nothing here blocks the caller. What a crash of ours interrupts is taken up when stop() is repeated.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import docker
import docker.errors

from chalicelib.providers.base import ProviderUnavailable
from chalicelib.providers.docker import labels
from chalicelib.providers.docker.engine import Client, close_stream, reachable, unless_gone, words
from chalicelib.providers.docker.snapshots import ContainerSnapshot

LOG = logging.getLogger(__name__)

WORKERS = 3
RETRY_SECONDS = 2.0  # after a signal that the engine could not deliver
CHECKS, CHECK_SECONDS = 40, 0.05  # for the engine to notice that a restart has been called off
IDLE_SECONDS = 3600.0  # the longest sleep without anything due; a push wakes earlier


class Stopper:
    """Brings containers to their end within a grace period. Thread-safe.

    `live(uid)` returns the containers of a task that still run; `kill(id, signal)` may be repeated, and returns whether
    the container ran;
    `look(id)` has the engine asked about a container.
    """

    def __init__(
        self,
        client: Client,
        *,
        live: Callable[[str], list[ContainerSnapshot]],
        kill: Callable[[str, str], bool],
        look: Callable[[str], None],
    ) -> None:
        self._client = client
        self._live = live
        self._kill = kill
        self._look = look
        self._gone = threading.Event()
        self._lock = threading.Condition()
        self._due: list[tuple[float, int, str]] = []
        self._count = itertools.count()
        self._asked: set[str] = set()  # ids of containers that are on their way out
        self._closed = False
        self._workers = ThreadPoolExecutor(max_workers=WORKERS, thread_name_prefix="docker-stop")
        self._clock = threading.Thread(target=self._watch_deadlines, name="docker-deadlines", daemon=True)
        self._clock.start()

    def stop(self, uid: str, *, grace_seconds: float) -> None:
        """Ask all running containers of a task to end, and see that they do. Returns at once."""
        deadline = time.monotonic() + max(0.0, grace_seconds)
        with self._lock:
            self._push(uid, deadline)
            fresh = [each for each in self._live(uid) if each.id not in self._asked]
            self._asked |= {each.id for each in fresh}
        if grace_seconds <= 0:
            return  # the deadline has come already
        for snapshot in fresh:
            command = labels.stop_command(snapshot.labels)
            if command:
                threading.Thread(
                    target=self._signal_after,
                    args=(snapshot, command, deadline),
                    name="docker-stop-command",
                    daemon=True,
                ).start()
            else:
                self._signal_soon(snapshot)

    def _signal_after(self, snapshot: ContainerSnapshot, command: tuple[str, ...], deadline: float) -> None:
        """Run the stop command, then send the signal; SIGKILL at the deadline ends both."""
        self._run_command(snapshot, command, deadline)
        self._signal_soon(snapshot)

    def end_run(self, snapshot: ContainerSnapshot, *, grace_seconds: float) -> None:
        """End one container, and have the engine start it again where that is what it does with it; waits for both."""
        deadline = time.monotonic() + grace_seconds
        if command := labels.stop_command(snapshot.labels):
            self._run_command(snapshot, command, deadline)
        left = max(0, round(deadline - time.monotonic()))
        act = self._client.restart if snapshot.restarts_itself else self._client.stop
        try:
            with unless_gone():
                act(snapshot.id, timeout=left)
        except (docker.errors.APIError, ProviderUnavailable) as error:
            LOG.warning("event=restart-failed task=%s container=%s error=%s", snapshot.uid, snapshot.name, error)

    def _run_command(self, snapshot: ContainerSnapshot, command: tuple[str, ...], deadline: float) -> None:
        """Run the stop command to its end, at most until the deadline."""
        try:
            with reachable():
                made = self._client.exec_create(snapshot.id, list(command))
                stream = self._client.exec_start(made["Id"], stream=True)
                try:
                    for _ in stream:
                        if time.monotonic() > deadline:
                            break
                finally:
                    close_stream(stream)
                code = self._client.exec_inspect(made["Id"]).get("ExitCode")
            if code:
                LOG.warning("event=stop-command-failed task=%s container=%s exit=%s", snapshot.uid, snapshot.name, code)
        except (docker.errors.APIError, ProviderUnavailable) as error:
            LOG.warning("event=stop-command-failed task=%s container=%s error=%s", snapshot.uid, snapshot.name, error)

    def _signal_soon(self, snapshot: ContainerSnapshot) -> None:
        with self._lock:
            if not self._closed:
                self._workers.submit(self._signal, snapshot.uid, snapshot.id, snapshot.stop_signal or "SIGTERM")

    def _signal(self, uid: str, container_id: str, signal: str) -> None:
        try:
            # Docker ends a container that waits for its restart, without an event; Podman starts it all the same
            for _ in range(CHECKS):
                if self._kill(container_id, signal) or self._gone.wait(CHECK_SECONDS):
                    return
                self._look(container_id)
                if all(each.id != container_id for each in self._live(uid)):
                    return
        except (docker.errors.APIError, ProviderUnavailable) as error:
            text = words(error) if isinstance(error, docker.errors.APIError) else error.message
            LOG.warning("event=signal-failed task=%s signal=%s error=%s", uid, signal, text)
            self._push(uid, time.monotonic() + RETRY_SECONDS)

    def _push(self, uid: str, deadline: float) -> None:
        with self._lock:
            heapq.heappush(self._due, (deadline, next(self._count), uid))
            self._lock.notify()

    def _watch_deadlines(self) -> None:
        while True:
            with self._lock:
                if self._closed:
                    return
                pause = self._due[0][0] - time.monotonic() if self._due else IDLE_SECONDS
                if pause > 0:
                    self._lock.wait(pause)
                    continue
                _, _, uid = heapq.heappop(self._due)
                live = self._live(uid)
                self._asked -= {each.id for each in live}  # a later stop() may try again
                for snapshot in live:
                    self._workers.submit(self._signal, uid, snapshot.id, "SIGKILL")

    def close(self) -> None:
        """Give no further signal; repeatable."""
        with self._lock:
            self._closed = True
            self._gone.set()
            self._lock.notify()
        self._workers.shutdown(wait=False, cancel_futures=True)
