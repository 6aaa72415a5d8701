"""A Lambda function: as many execution environments as are asked for at once, each used again when free."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.aws_box.execution_environment import ExecutionEnvironment, FunctionError

CONCURRENCY = 10  # of all functions of a new account together; an older one has 1,000, this machine has not
THROTTLED = "TooManyRequestsException"


class Account:
    """What the functions of an account share: how many invocations run at once."""

    def __init__(self, concurrency: int = CONCURRENCY) -> None:
        self.throttled = 0
        self._slots = threading.Semaphore(concurrency)

    @contextmanager
    def slot(self, *, waits: bool) -> Iterator[None]:
        """Yield while one invocation more may run. Raises FunctionError if none may, and the caller does not wait."""
        if not self._slots.acquire(blocking=waits):
            self.throttled += 1
            raise FunctionError(THROTTLED, "Rate Exceeded.")
        try:
            yield
        finally:
            self._slots.release()


class LambdaFunction:
    """One function of the packaged archive. Safe to call from many threads."""

    def __init__(
        self,
        handler: str,
        *,
        task_root: Path,
        runtime: Path,
        environ: Mapping[str, str],
        log: Path,
        account: Account,
        timeout_seconds: float = 29.0,
    ) -> None:
        self.handler = handler
        self.environ = dict(environ)
        self.invocations = 0
        self.cold_starts = 0
        self.on_start: Callable[[int], None] | None = None  # told the id of each process of its own
        self._make: Callable[[], ExecutionEnvironment] = lambda: ExecutionEnvironment(
            task_root=task_root, runtime=runtime, handler=handler, environ=self.environ, log=log
        )
        self.timeout_seconds = timeout_seconds
        self._account = account
        self._lock = threading.Lock()
        self._free: list[ExecutionEnvironment] = []
        self._all: list[ExecutionEnvironment] = []

    @property
    def pids(self) -> list[int]:
        """Return the ids of its processes."""
        with self._lock:
            return [each.pid for each in self._all if each.is_alive]

    @property
    def is_idle(self) -> bool:
        """Return whether no invocation is under way."""
        with self._lock:
            return all(each in self._free for each in self._all if each.is_alive)

    def invoke(self, event: Any) -> bytes:
        """Return the handler's answer as JSON text. Raises FunctionError, THROTTLED too."""
        return self._invoke(event, waits=False)

    def invoke_queued(self, event: Any) -> bytes:
        """Do the same with an event that Lambda queues, for as long as the account has no room for it."""
        return self._invoke(event, waits=True)

    def _invoke(self, event: Any, *, waits: bool) -> bytes:
        with self._account.slot(waits=waits):
            environment = self._take()
            try:
                return environment.invoke(event, timeout_seconds=self.timeout_seconds)
            finally:
                self._give_back(environment)

    def stream(self, event: Any) -> Iterator[bytes]:
        """Yield the handler's answer as it comes. Raises FunctionError, THROTTLED too.

        The invocation goes on until its own end when nobody reads any more.
        """
        pieces: queue.Queue[bytes | FunctionError | None] = queue.Queue()
        threading.Thread(target=self._stream_to, args=(event, pieces), daemon=True).start()
        while (piece := pieces.get()) is not None:
            if isinstance(piece, FunctionError):
                raise piece
            yield piece

    def _stream_to(self, event: Any, pieces: queue.Queue[bytes | FunctionError | None]) -> None:
        try:
            with self._account.slot(waits=False):
                environment = self._take()
                try:
                    for piece in environment.stream(event, timeout_seconds=self.timeout_seconds):
                        pieces.put(piece)
                finally:
                    self._give_back(environment)
            pieces.put(None)
        except FunctionError as error:
            pieces.put(error)

    def kill_busy(self) -> int:
        """Kill the processes of all invocations under way, as a lost host would; return how many."""
        with self._lock:
            busy = [each for each in self._all if each not in self._free and each.is_alive]
        return _kill(busy)

    def kill_all(self) -> int:
        """Kill the processes of all environments, of those that wait for a request too; return how many."""
        with self._lock:
            return _kill([each for each in self._all if each.is_alive])

    def restart(self, **changes: str) -> None:
        """Let every environment go, so that the next have further settings: a new deployment."""
        self.environ.update(changes)
        with self._lock:
            ended, self._all, self._free = self._all, [], []
        for each in ended:
            each.close()

    def close(self) -> None:
        """End all environments."""
        self.restart()

    def _take(self) -> ExecutionEnvironment:
        with self._lock:
            self.invocations += 1
            while self._free:
                environment = self._free.pop()
                if environment.is_alive:
                    return environment
            self.cold_starts += 1
            environment = self._make()
            if self.on_start is not None:
                self.on_start(environment.pid)
            self._all.append(environment)
            return environment

    def _give_back(self, environment: ExecutionEnvironment) -> None:
        with self._lock:
            if environment.is_alive and environment in self._all:
                self._free.append(environment)


def _kill(environments: list[ExecutionEnvironment]) -> int:
    for each in environments:
        each.kill()
    return len(environments)


__all__ = ["FunctionError", "LambdaFunction"]
