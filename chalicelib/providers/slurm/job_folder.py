"""What we keep of a task's job in the task's folder, beside what its supervisor writes there."""

from __future__ import annotations

import contextlib
from typing import TypedDict

from chalicelib.providers.slurm.client import Queue
from chalicelib.providers.supervised.directory import TaskDirectory
from chalicelib.providers.supervised.records import STOP_FILE, StopRequest, read_json, write_json
from chalicelib.providers.supervised.supervisor.job_entry import claim
from chalicelib.providers.supervised.supervisor.loop import STOP_HEARD

JOB_FILE = "job.json"
OUTPUT_FILE = "job.out"


class Submitted(TypedDict):
    """A job that Slurm has taken; the time in seconds since 1970 by our own clock, from before it was asked."""

    job: int
    submitted_at: float
    passing: str  # the reason of a task that has ended before any of it began, for what passes; else ""


class JobFolder:
    """A task's folder as the provider sees it."""

    def __init__(self, directory: TaskDirectory) -> None:
        self.directory = directory

    def submitted(self) -> Submitted | None:
        """Return the task's job, None where Slurm has not answered yet."""
        found: Submitted | None = read_json(str(self.directory.path / JOB_FILE))
        return found

    def find(self, queue: Queue) -> Submitted | None:
        """Return and write down the job that Slurm has for the task, None if it has none. Raises OSError."""
        job = queue.of_handle(self.directory.handle)
        if job is None:
            return None
        found: Submitted = {"job": job.id, "submitted_at": queue.asked_at, "passing": ""}
        self.note(found)
        return found

    def note(self, submitted: Submitted) -> None:
        """Write the task's job down. Raises OSError."""
        write_json(str(self.directory.path / JOB_FILE), submitted)

    def take(self) -> bool:
        """Take the task, so that no job begins it any more; return False where one has. Raises OSError."""
        return claim(str(self.directory.path))

    def ask_to_stop(self, request: StopRequest) -> None:
        """Leave the wish that the task end, which its supervisor reads once it is signalled. Raises OSError."""
        write_json(str(self.directory.path / STOP_FILE), request)

    def stop_reason(self) -> str:
        """Return for what reason we asked the task to stop; "" where we have not."""
        for name in (STOP_FILE, STOP_HEARD):
            request: StopRequest | None = read_json(str(self.directory.path / name))
            if request is not None:
                return request["reason"] or "Stopped"
        return ""

    def last_words(self) -> str:
        """Return the last line that the job's script printed, "" for none."""
        with contextlib.suppress(OSError):
            lines = (self.directory.path / OUTPUT_FILE).read_text(errors="replace").strip().splitlines()
            return lines[-1][:300] if lines else ""
        return ""
