"""SupervisedTasks: what providers have in common whose tasks have a folder and a supervisor of ours."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Required, TypedDict

from chalicelib.providers import stored_logs
from chalicelib.providers.base import LogOptions, Task, TaskNotFound
from chalicelib.providers.supervised import logs, plan, volumes
from chalicelib.providers.supervised.directory import TaskDirectory
from chalicelib.providers.supervised.records import Plan, Record
from chalicelib.providers.supervised.spark import SparkHomes

BACKOFF_SECONDS = 10.0  # Kubernetes' first wait before a restart
LOG_BYTES = 10 * 1024 * 1024  # a kubelet's default (containerLogMaxSize)
LOG_FILES = 5  # a kubelet's default (containerLogMaxFiles)


def utc_now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


class Further(TypedDict, total=False):
    """The arguments of SupervisedTasks that its children hand on."""

    environ: Required[Mapping[str, str]]
    clock: Callable[[], datetime]
    python: str
    backoff_seconds: float
    log_bytes: int


class SupervisedTasks:
    """The tasks below a folder that belongs to one control plane, and what a Provider does by their files alone.

    `spark_dir` holds the installed Sparks, one per version; `environ` is the host's environment, of which tasks see a
    few harmless variables; `python` is what PySpark runs.
    """

    def __init__(
        self,
        folder: Path,
        spark_dir: Path,
        *,
        environ: Mapping[str, str],
        clock: Callable[[], datetime] = utc_now,
        python: str = sys.executable,
        backoff_seconds: float = BACKOFF_SECONDS,
        log_bytes: int = LOG_BYTES,
    ) -> None:
        self._tasks = folder.absolute() / "tasks"
        self._named_volumes = folder.absolute() / volumes.NAMED
        self._homes = SparkHomes(spark_dir.absolute())
        self._environ, self._python, self._clock = environ, python, clock
        self._backoff_seconds, self._log_bytes = backoff_seconds, log_bytes

    def keep_volumes(self, wanted: Callable[[], Collection[str]]) -> None:
        """Remove named volumes that nobody wants; see VolumeKeeper."""
        volumes.keep(self._named_volumes, wanted)

    def logs(self, handle: str, container: str, options: LogOptions) -> Iterator[bytes]:
        """Yield the container's output; see Provider.logs."""
        directory = self._directory(handle)
        run = self._last_run(handle, container) - int(options.previous)
        if run < 0:
            raise TaskNotFound(f"{handle}: container {container} has not been restarted")
        return logs.of_run(directory, container, run, options, clock=self._clock)

    def log_files(self, handle: str, container: str) -> list[Path]:
        """Return the files of a container's last run; see HasLogFiles."""
        return stored_logs.parts(self._directory(handle).log(container, self._last_run(handle, container)))

    def _last_run(self, handle: str, container: str) -> int:
        runs = [one["restarts"] for one in self._known(handle)["containers"] if one["name"] == container]
        if not runs:
            raise TaskNotFound(f"{handle} has no container {container}")
        return runs[0]

    def _resolved(
        self, task: Task, directory: TaskDirectory, address: str, *, isolated: bool
    ) -> list[plan.ResolvedContainer]:
        """Return the task's containers and what runs them. Raises ProviderUnavailable without the Spark they name."""
        host = plan.HostSettings(self._environ, self._python, self._named_volumes, isolated=isolated)
        sparks = [self._homes.find(one.image, pull=one.pull) for one in task.containers]
        return [
            plan.ResolvedContainer(task, one, home, directory, address, host)
            for one, home in zip(task.containers, sparks, strict=True)
        ]

    def _plan(self, task: Task, resolved: Sequence[plan.ResolvedContainer], listeners: Path, address: str) -> Plan:
        """Return what the task's supervisor is told. Raises TaskRejected."""
        directory, now = resolved[0].directory, self._now()
        return {
            "directory": str(directory.path),
            "listeners": str(listeners),
            "containers": [one.plan() for one in resolved],
            "record": plan.first_record(task, resolved, handle=directory.handle, address=address, created_at=now),
            "backoff_seconds": self._backoff_seconds,
            "stop_grace_seconds": task.stop_grace_seconds,
            "log_bytes": self._log_bytes,
            "log_files": LOG_FILES,
        }

    def _now(self) -> int:
        return int(self._clock().timestamp() * 1e9)

    def _directory(self, handle: str) -> TaskDirectory:
        directory = TaskDirectory(self._tasks, handle)
        if os.sep in handle or not directory.exists():
            raise TaskNotFound(handle)
        return directory

    def _known(self, handle: str) -> Record:
        record = self._directory(handle).record()
        if record is None:
            raise TaskNotFound(handle)
        return record

    def _records(self, handles: Sequence[str]) -> dict[str, Record]:
        """Return the records of those tasks that are still known."""
        found = {each: TaskDirectory(self._tasks, each).record() for each in handles if os.sep not in each}
        return {handle: record for handle, record in found.items() if record is not None}

    def _handles(self) -> list[str]:
        try:
            return [name for name in os.listdir(self._tasks) if not name.startswith(".")]
        except (FileNotFoundError, NotADirectoryError):
            return []
