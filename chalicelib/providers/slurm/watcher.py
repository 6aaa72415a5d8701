"""Reports changes of tasks: looks at their records often, and asks Slurm now and then, once for all of them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable

from chalicelib.providers.base import ProviderUnavailable
from chalicelib.providers.slurm.client import Queue
from chalicelib.providers.slurm.progress import is_settled
from chalicelib.providers.supervised.records import Record

LOOK_SECONDS = 0.25  # between two looks at the files of tasks that have not ended
ASK_SECONDS = 1.5  # between two calls of squeue
LOG = logging.getLogger(__name__)


class Watcher:
    """Calls `report(handle, record)` for each newer record that `look(handle, queue)` finds, in a thread of its own."""

    def __init__(
        self,
        ask: Callable[[], Queue],
        *,
        handles: Callable[[], Iterable[str]],
        look: Callable[[str, Queue | None], Record | None],
        report: Callable[[str, Record], None],
    ) -> None:
        self._ask, self._handles, self._look, self._report = ask, handles, look, report
        self._versions: dict[str, int] = {}
        self._ended: set[str] = set()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._ask_at = 0.0
        self._refused = ""

    def start(self) -> None:
        """Report every task once, then go on in the background."""
        self._thread = threading.Thread(target=self._run, name="slurm-watcher", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread. May be repeated, but not from within `report`."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while not self._closing.is_set():
            handles = set(self._handles())
            self._ended &= handles
            alive = handles - self._ended
            queue = self._queue() if alive else None
            for handle in alive:
                try:
                    self._check(handle, queue)
                except Exception:  # the thread's outermost frame: whatever it was, the task is looked at again
                    LOG.exception("task=%s what=check", handle)
            self._closing.wait(LOOK_SECONDS)

    def _queue(self) -> Queue | None:
        """Return what Slurm tells if it is time to ask, None if not, or if it does not answer."""
        if time.monotonic() < self._ask_at:
            return None
        self._ask_at = time.monotonic() + ASK_SECONDS
        try:
            queue = self._ask()
        except ProviderUnavailable as error:
            if error.message != self._refused:
                LOG.warning("what=squeue error=%s", error.message)
            self._refused = error.message
            return None
        self._refused = ""
        return queue

    def _check(self, handle: str, queue: Queue | None) -> None:
        record = self._look(handle, queue)
        if record is None:
            return
        if self._versions.get(handle) != record["version"]:
            self._report(handle, record)
            self._versions[handle] = record["version"]
        if is_settled(record):
            self._ended.add(handle)
            self._versions.pop(handle)
