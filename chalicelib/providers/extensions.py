"""What a provider may offer beside Provider; see also interactive."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from chalicelib.providers.base import Task, TaskState


@runtime_checkable
class VolumeKeeper(Protocol):
    """A provider whose named volumes take up room until they are removed."""

    def keep_volumes(self, wanted: Callable[[], Collection[str]]) -> None:
        """Remove every named volume whose source is not wanted; one that a task still mounts may stay.

        Asks what is wanted once it knows what there is: so a volume is never taken for unwanted that was
        made after its source. Repeatable. Raises ProviderUnavailable.
        """


@runtime_checkable
class Prepares(Protocol):
    """A provider that can do before its first call what that call would wait for."""

    def prepare(self) -> None:
        """Make what starting and finding tasks needs. Repeatable; asks nobody."""


@runtime_checkable
class VouchesForTasks(Protocol):
    """A provider whose tasks have identities of AWS, one each: by that a task proves which payload is its own."""

    @property
    def audience(self) -> str:
        """Return for whom tasks sign: as what `aws eks get-token` calls the cluster."""

    def is_caller(self, arn: str, uid: str, *, handle: str, definition: str) -> bool:
        """Return whether STS knows by this ARN the containers of the task that was started for a uid.

        The role is the one that the task was launched with, whatever its pod's objects name by now. Handle and
        definition are those of its TaskState, "" where they are not stored yet. A uid that no task has been started
        for is no error: nobody is its caller. Repeatable. Raises ProviderUnavailable.
        """


@runtime_checkable
class BindsLate(Protocol):
    """A provider whose tasks fetch what they are to run, so that one may be started before that is known.

    Such a task waits, asks the control plane what it is for, and ends by itself when it is told to, when its time is
    over, or when nobody answers. What is stored decides which task it becomes: nothing here does.
    """

    def shape(self, task: Task) -> str:
        """Return what no longer changes once a task is started; two of one shape may take each other's place.

        Which of several zones an application is kept in is not part of it. Raises TaskRejected.
        """

    def reserve(self, task: Task) -> TaskState:
        """Start a task of this one's shape that waits; return its state. As run() in all else, and as repeatable."""

    def bind(self, handle: str, task: Task) -> TaskState:
        """Return the state of a reserved task, under the uid of the task that it is to become.

        It begins once it fetches that one's payload; its later states have the uid that it was reserved under. May
        be repeated, also with another task, until then. Raises TaskNotFound if it has ended or is about to, and
        ProviderUnavailable.
        """


@runtime_checkable
class HasListenAddresses(Protocol):
    """A provider whose tasks have a network of their own on this machine."""

    @property
    def listen_addresses(self) -> tuple[str, ...]:
        """Return this machine's addresses at which tasks look for the control plane: a local server listens there."""


@runtime_checkable
class Restarter(Protocol):
    """A provider that ends one container of a task, to be started anew, while the others run on."""

    def restart(self, handle: str, container: str, *, grace_seconds: float) -> None:
        """Ask a container that runs to end, as stop() does, and start it again unless its `restart` is never.

        Returns at once; states tell the rest, and `restarts` grows or a container's started_at. Nothing happens to a
        container that has been started again meanwhile, or in a task that is being stopped. Raises TaskNotFound if
        the container does not run, ProviderUnavailable.
        """


@dataclass(frozen=True, slots=True)
class ContainerUsage:
    """What a container has used of processors since it started, and holds of memory now."""

    name: str
    cpu_seconds: float
    memory_bytes: int


@runtime_checkable
class Measures(Protocol):
    """A provider that can tell what its tasks use."""

    def measure(self, handle: str) -> Sequence[ContainerUsage]:
        """Return what the containers of a task use that run now; within a second. Raises ProviderUnavailable."""


@runtime_checkable
class HasLogFiles(Protocol):
    """A provider whose logs are files of this machine, as stored_logs has them."""

    def log_files(self, handle: str, container: str) -> Sequence[Path]:
        """Return the files of a container's last run, oldest first: they may be linked to. Raises TaskNotFound."""


@runtime_checkable
class RemembersLogs(Protocol):
    """A provider whose logs outlive its tasks by themselves: logs() finds them when the task is long forgotten."""

    def log_place(self, handle: str, container: str) -> str:
        """Return where a person finds a container's log, in a few words."""


@dataclass(frozen=True, slots=True)
class SharedFolders:
    """Folders of this machine that tasks may work in at the same paths; "/" stands for all of them.

    `user` ("uid:gid") is whom a task runs as so that what it writes there belongs to the user of the control plane, ""
    for that user anyway. With `is_mounted` a task sees a folder only if it mounts it.
    """

    paths: tuple[str, ...]
    user: str = ""
    is_mounted: bool = False


@runtime_checkable
class SharesFolders(Protocol):
    """A provider whose tasks run on this machine, or may, and see files of it."""

    @property
    def shared_folders(self) -> SharedFolders | None:
        """Return which folders; None where tasks run on another machine, or that is not known yet."""


@dataclass(frozen=True, slots=True)
class Quota:
    """How many processors tasks of one capacity type (`on-demand`, `spot`) may have at once, and how to get `more`."""

    capacity: str
    vcpus: float
    more: str


@runtime_checkable
class HasQuotas(Protocol):
    """A provider that somebody else bounds: an account's quotas. Tasks beyond them wait."""

    def quotas(self) -> Sequence[Quota]:
        """Return the quotas, without those that nobody tells. Cheap: they may be an hour old. Raises nothing."""


@runtime_checkable
class Tidies(Protocol):
    """A Provider that leaves things behind which no task needs any more and nobody else removes."""

    def tidy(self) -> None:
        """Remove some of them. Called seldom; may be repeated. Raises ProviderUnavailable."""
