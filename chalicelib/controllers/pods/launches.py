"""Launches behind the answer: where a process is frozen once it has answered, a function of its own launches pods.

A client's next request need not wait for RunTask: LaunchRequests asks for the function, LaunchFunction is what it does.
The stored pod stays the intent (decision 1), and the schedule launches what is lost on the way.

    POST a pod ---> stored ---> is somebody at work who sees it? no: invoke ---> answer
                                                                      |
    LaunchFunction: launch the pods it was told of, take the lease, follow the store's log from there, launch each
    new pod; after LINGER_SECONDS without one let go of the lease and look once more. What the provider throttles is
    launched again after a pause, for as long as the function may last. Of new pods it looks up the owners, too: one
    that went before the pod was stored has not collected it.

One function at a time holds the lease and follows the log, for the provider's rate is one for all. That every pod is
seen rests on order alone. A pod is stored before the lease is read, and the log is read once more after the lease has
been let go: who finds the lease held has been seen by then. A function that finds another one at work covers what lies
between its own pod and the revision from which that one reads. Who has asked, or has seen the lease, need not look
again for SURE_SECONDS: that is less than LINGER_SECONDS. Two that launch one pod start one task (Provider.run).
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Protocol

from chalicelib.apimachinery.rules.retry import retried
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.pods.controller import PodController
from chalicelib.controllers.pods.store import pod_key
from chalicelib.controllers.runtime.background import Workers
from chalicelib.controllers.runtime.lease import Lease
from chalicelib.storage.base import Storage, StorageUnavailable, StoredObject, WatchEvent
from chalicelib.storage.keys import prefix

LOG = logging.getLogger(__name__)

FUNCTION = "launch"  # its name in app.py
LEASE = "launches"
LEASE_SECONDS = 15.0  # without a sign of life: what is stored meanwhile waits for the schedule
SURE_SECONDS = 2.0  # for so long after a look a process asks no more
LINGER_SECONDS = 4.0  # more than SURE_SECONDS, by more than a request and two clocks may differ
LOOK_SECONDS = 0.5  # a store sees what others write within that
FAILURES = 5  # of the store in a row: then the function fails, and Lambda invokes it again with the same event
PODS = prefix("pods")


class FunctionUnavailable(Exception):
    """A function cannot be invoked; str() says why."""


class InvokeFunction(Protocol):
    """Invokes another function of this deployment, which runs beside the caller and after it."""

    def __call__(self, name: str, event: dict[str, Any]) -> None:
        """Have it invoked with the event, at least once, if nothing gets lost. Raises FunctionUnavailable."""
        ...


class LaunchRequests:
    """Sees to it that the launch function is at work on what this process has stored. Safe from many threads."""

    def __init__(self, lease: Lease, invoke: InvokeFunction, *, clock: Callable[[], datetime]) -> None:
        self._lease = lease
        self._invoke = invoke
        self._clock = clock
        self._lock = threading.Lock()
        self._sure_until: datetime | None = None

    def ask(self, pod: JSON) -> bool:
        """Have a pod that was just stored launched; False if there is no such function to be had.

        Costs nothing within SURE_SECONDS of the last time, else a read, and an invocation if nobody is at work.
        Raises StorageUnavailable.
        """
        revision = int(pod["metadata"]["resourceVersion"])
        with self._lock:
            now, sure = self._clock(), timedelta(seconds=SURE_SECONDS)
            if self._sure_until is None or not now < self._sure_until <= now + sure:  # nor where the clock was put back
                held = self._lease.find()
                if (held is None or held.since >= revision) and not self._invoked([pod_key(pod)], revision):
                    return False
                self._sure_until = now + sure
            return True

    def ask_for_all(self, keys: Sequence[str]) -> bool:
        """Do the same where nobody is at work; False where somebody is: the provider's rate is one for all."""
        return self._lease.find() is None and self.ask_for(keys)

    def ask_for(self, keys: Sequence[str]) -> bool:
        """Have the pods under these storage keys launched, however old they are; False as for ask()."""
        return self._invoked(keys, 0)

    def _invoked(self, keys: Sequence[str], after: int) -> bool:
        try:
            self._invoke(FUNCTION, {"pods": list(keys), "after": after})
        except FunctionUnavailable as error:
            LOG.warning("pods are launched before the answer: %s", error)
            return False
        return True


class LaunchFunction:
    """Launches pods until no more come. Safe to run several times at once, and again after any crash."""

    def __init__(
        self,
        storage: Storage,
        pods: PodController,
        lease: Lease,
        *,
        look_up_owners: Callable[[Iterable[JSON]], None],
        later: Workers,
        clock: Callable[[], datetime],
    ) -> None:
        self._storage = storage
        self._look_up_owners = look_up_owners
        self._pods = pods
        self._lease = lease
        self._later = later
        self._clock = clock

    def run(self, event: dict[str, Any], *, seconds: float) -> None:
        """Launch the pods under the storage keys `pods`, and where `after` is a revision those stored after it.

        Returns when all is done and no more come, or after so many seconds; what is left then is the schedule's.
        """
        end = self._clock() + timedelta(seconds=seconds)
        for key in event["pods"]:
            self._later(partial(self._launch, key))
        try:
            if event["after"]:
                self._later(lambda: self._look_up_owners(map(_object, self._storage.get_all(event["pods"]).values())))
                self._follow(event["after"], end)
        finally:
            self._later.settle((end - self._clock()).total_seconds())

    def _launch(self, key: str) -> None:
        """Launch a pod, and again after a pause where the provider's rate is exceeded."""
        if seconds := self._pods.launch_key(key):
            self._later(partial(self._launch, key), delay_seconds=seconds)

    def _follow(self, seen: int, end: datetime) -> None:
        """Launch all that is stored after a revision; where another function follows, what it does not see."""
        while self._clock() < end:
            if other := self._lease.take(seen):
                self._launch_after(seen, until=other.since)
                return
            try:
                seen = self._lead(seen, end)
            finally:
                self._lease.release()
            # what was stored by those who saw us at work
            seen, found = retried(partial(self._launch_after, seen), on=StorageUnavailable, attempts=FAILURES)
            if not found:
                return

    def _lead(self, seen: int, end: datetime) -> int:
        """Launch what is stored until no more comes, or the lease is another's; return the revision seen last.

        Raises StorageUnavailable if the store fails FAILURES times in a row, each with all attempts of its client.
        """
        linger = timedelta(seconds=LINGER_SECONDS)
        quiet_at, failures = self._clock() + linger, 0
        while self._clock() < min(quiet_at, end):
            try:
                if not self._lease.renew():
                    break
                seen, found = self._launch_after(seen)
                if found or self._later.is_busy:
                    quiet_at = self._clock() + linger  # after the look, however long it took
                self._storage.wait(seen, LOOK_SECONDS, PODS)
                failures = 0
            except StorageUnavailable:
                failures += 1
                if failures == FAILURES:
                    raise
                quiet_at = self._clock() + linger  # nothing was seen: nobody knows that no more comes
        return seen

    def _launch_after(self, seen: int, *, until: int | None = None) -> tuple[int, int]:
        """Launch the pods stored after a revision; return what is seen by then, and how many there were."""
        found = 0
        while until is None or seen < until:
            batch = self._storage.events_after(PODS, seen)
            new = [each for each in batch.events if each.type == "ADDED"]
            for each in new:
                self._later(partial(self._launch, each.key))
            if new:
                self._later(partial(self._look_up_owners, list(map(_object, new))))
            found += len(new)
            seen = batch.revision
            if not batch.events:
                break
        return seen, found


def _object(stored: StoredObject | WatchEvent) -> JSON:
    decoded: JSON = json.loads(stored.json)
    return decoded
