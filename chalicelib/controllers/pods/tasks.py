"""PodTasks: what the PodController asks of a provider about tasks that it has started."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from chalicelib.apimachinery.rules.status import bad_request, not_found, unavailable
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.container_status import all_statuses
from chalicelib.controllers.podmodel.record import handle_of, has_seen_end
from chalicelib.controllers.pods.log_archive import LogArchive
from chalicelib.providers.base import LogOptions, Provider, ProviderUnavailable, TaskNotFound, TaskState, ToldInPart

LOG = logging.getLogger(__name__)

ORPHAN_GRACE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Told:
    """What a provider tells of some tasks, the handles of those of which it does not, and why not."""

    states: Sequence[TaskState]
    untold: Collection[str] = ()
    refused: ProviderUnavailable | None = None


def ask(call: Callable[[], Sequence[TaskState]], handles: Collection[str] = ()) -> Told:
    """Return what a call of a provider tells of the tasks with these handles: not told of is not the same as gone."""
    try:
        return Told(call())
    except ToldInPart as error:
        return Told(error.states, error.untold, error)
    except ProviderUnavailable as error:
        return Told((), handles, error)


def resumed(first: bytes, pieces: Iterator[bytes]) -> Generator[bytes]:
    """Yield the pieces of a log whose first was taken to see whether there is one; closing it closes them."""
    yield first
    yield from pieces


def stop_orphan(provider: Provider, state: TaskState) -> None:
    """End a task without a pod in two steps: stopped now, forgotten when it has ended. Raises ProviderUnavailable."""
    with suppress(TaskNotFound):
        if state.phase == "stopped":
            provider.remove(state.handle)
        else:
            provider.stop(state.handle, grace_seconds=ORPHAN_GRACE_SECONDS, reason="NoPod")


class PodTasks:
    """Ends tasks, finds them, reads their logs. A call that fails does no harm: resync asks again.

    `keeps_ended` says whether an ended task holds anything that the provider has to let go of.
    """

    def __init__(self, provider: Provider, archive: LogArchive | None = None, *, keeps_ended: bool = True) -> None:
        self._keeps_ended = keeps_ended
        self._provider = provider
        self._archive = archive

    def stop(self, handle: str, *, grace_seconds: float, reason: str) -> bool:
        """Ask a task to end; return whether the provider (still) knows it, as far as can be told."""
        try:
            self._provider.stop(handle, grace_seconds=grace_seconds, reason=reason)
        except TaskNotFound:
            return False
        except ProviderUnavailable as error:
            LOG.warning("stop failed, left to resync task=%s reason=%s", handle, error.reason)
        return True

    def discard(self, handle: str) -> None:
        """End a task at once and forget it; one that this fails for is an orphan for resync. "" is none."""
        if not handle:
            return
        try:
            self._provider.remove(handle)
        except TaskNotFound:
            return
        except ProviderUnavailable as error:
            LOG.warning("remove failed, left to resync task=%s reason=%s", handle, error.reason)

    def let_go(self, pod: JSON) -> None:
        """End the task of a pod that is gone, and have it forgotten, unless it has ended and holds nothing."""
        if self._keeps_ended or not has_seen_end(pod):
            self.discard(handle_of(pod))

    def logs(self, pod: JSON, handle: str, container: str, options: LogOptions) -> Iterator[bytes]:
        """Yield a log in pieces. Raises StatusError before the first: 400 not started, 404 forgotten, 503."""
        name = pod["metadata"]["name"]
        if not handle:
            states = [each.get("state") for each in all_statuses(pod) if each.get("name") == container]
            waiting = (states[0] or {}).get("waiting") or {} if states else {}
            why = waiting.get("reason") or "ContainerCreating"
            raise bad_request(f'container "{container}" in pod "{name}" is waiting to start: {why}')
        try:
            pieces = self._provider.logs(handle, container, options)
            first = next(pieces, b"")
        except TaskNotFound as error:
            if options.previous:
                raise bad_request(f'previous terminated container "{container}" in pod "{name}" not found') from error
            kept = self._archive.find(pod["metadata"]["uid"], container, options) if self._archive else None
            if kept is not None:
                return kept
            raise not_found("pods", name) from error
        except ProviderUnavailable as error:
            raise unavailable(f"{error.reason}: {error.message}") from error
        return resumed(first, pieces)

    def find(self, uid: str) -> TaskState | None:
        """Return the state of a pod's task that is not noted in the pod, None if there is none.

        Raises ProviderUnavailable if that cannot be told.
        """
        told = ask(self._provider.list_tasks)
        found = next((state for state in told.states if state.uid == uid), None)
        if told.refused and found is None:
            raise told.refused
        return found
