"""The Provider that launches nothing: for work on the API alone. Its pods stay Pending, without a node."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from chalicelib.providers.base import Capacity, LogOptions, Observer, ProviderUnavailable, Task, TaskNotFound, TaskState

MESSAGE = "0/0 nodes are available: this control plane launches nothing (provider none)."


class NoneProvider:
    """Refuses every task for now, and so knows none. What it says is what a scheduler without nodes says."""

    name = "none"

    def run(self, task: Task) -> TaskState:  # noqa: ARG002 (the protocol's name)
        """Raise ProviderUnavailable("Unschedulable")."""
        raise ProviderUnavailable("Unschedulable", MESSAGE)

    def stop(self, handle: str, *, grace_seconds: float, reason: str = "") -> None:  # noqa: ARG002
        """Raise TaskNotFound."""
        raise TaskNotFound(handle)

    def remove(self, handle: str) -> None:
        """Do nothing: there is no task to forget."""

    def describe(self, handles: Sequence[str]) -> list[TaskState]:  # noqa: ARG002
        """Return []."""
        return []

    def list_tasks(self, known: Collection[str] = ()) -> list[TaskState]:  # noqa: ARG002
        """Return []."""
        return []

    def logs(self, handle: str, container: str, options: LogOptions) -> Iterator[bytes]:  # noqa: ARG002
        """Raise TaskNotFound."""
        raise TaskNotFound(handle)

    def warnings(self, task: Task) -> list[str]:  # noqa: ARG002
        """Return []: nothing is launched, so nothing is launched otherwise than asked."""
        return []

    def capacities(self) -> list[Capacity]:
        """Return []: there is no node."""
        return []

    def start(self, observe: Observer) -> None:
        """Do nothing: nothing will ever change."""

    def close(self) -> None:
        """Do nothing. May be repeated."""
