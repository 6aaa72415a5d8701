"""What Slurm knows of tasks, put into their records where their supervisors cannot do so."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

from chalicelib.providers.slurm import endings
from chalicelib.providers.slurm.client import Job, Queue
from chalicelib.providers.slurm.job_folder import JobFolder
from chalicelib.providers.supervised.directory import TaskDirectory
from chalicelib.providers.supervised.records import Record

LAG_SECONDS = 3.0  # how late what a node has written is seen here; NFS looks that often, by acregmin and acdirmin


def is_settled(record: Record) -> bool:
    """Return whether a record is the last one: of a task that a signal ended, Slurm says why."""
    return record["phase"] == "stopped" and record["reason"] != endings.TERMINATED


class Progress:
    """Looks at tasks by what Slurm has just told. Thread-safe: each record is replaced under its task's lock."""

    def __init__(self, *, now: Callable[[], int]) -> None:
        self._now = now  # nanoseconds since 1970
        self._ended_at: dict[str, float] = {}  # by handle, monotonic: when its job was first seen to have ended

    def look(self, directory: TaskDirectory, queue: Queue) -> Record | None:
        """Return a task's record, brought up to what Slurm says; None where it is gone, or is about to be told."""
        record = directory.record()
        if record is None or is_settled(record):
            self._ended_at.pop(directory.handle, None)
            return record
        folder = JobFolder(directory)
        submitted = folder.submitted() or folder.find(queue)
        if submitted is None or submitted["submitted_at"] >= queue.asked_at:
            return record
        job = queue.job(submitted["job"], directory.handle)
        with contextlib.suppress(FileNotFoundError), directory.locked():
            if record["phase"] == "stopped":
                return self._explain(directory, record, job)
            if job is not None and job.waits and not directory.begun():
                return self._wait(directory, record, endings.waiting_message(job))
            if job is None or job.has_ended:
                return self._end(folder, job)
            self._ended_at.pop(directory.handle, None)
        return directory.record()

    def _wait(self, directory: TaskDirectory, record: Record, message: str) -> Record:
        """Write why a task waits, where that has changed."""
        if record["message"] == message:
            return record
        containers = [{**one, "message": message} for one in record["containers"]]
        waiting: Record = {**record, "version": record["version"] + 1, "message": message, "containers": containers}  # type: ignore[typeddict-item]
        directory.write_intent(waiting)
        return waiting

    def _end(self, folder: JobFolder, job: Job | None) -> Record | None:
        """Write the end of a task whose job has ended, once what its supervisor wrote must have come here."""
        directory = folder.directory
        since = self._ended_at.setdefault(directory.handle, time.monotonic())
        record = directory.record()
        if record is None or record["phase"] == "stopped" or time.monotonic() < since + LAG_SECONDS:
            return None if record is None or not is_settled(record) else record
        never_began = not directory.begun() and folder.take()
        submitted = folder.submitted()
        if never_began and submitted and job and job.state in endings.PASSING:
            folder.note({**submitted, "passing": endings.ENDINGS[job.state].reason})
        reason, words = folder.stop_reason(), folder.last_words()
        last = endings.ended(record, job, now=self._now(), stop_reason=reason, last_words=words)
        directory.write_state(last)
        return last

    def _explain(self, directory: TaskDirectory, record: Record, job: Job | None) -> Record | None:
        """Write why a task was ended that only knows by which signal; None while its job has not ended."""
        if job is not None and not job.has_ended:
            return None
        explained = endings.explained(record, job)
        if explained["reason"] == endings.TERMINATED:
            explained = {**explained, "version": record["version"] + 1, "reason": endings.ENDINGS["CANCELLED"].reason}
        directory.write_state(explained)
        return explained
