"""Which task of a job failed for good, and what became of executors, as the driver's log tells.

Texts of TaskSetManager, TaskSchedulerImpl and ExecutorPodsLifecycleManager, Spark 3.5.9 and 4.3.0.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_ABORTED = re.compile(r"Task (?P<task>\d+) in stage (?P<stage>\d+)\.\d+ failed \d+ times")
_LOST = re.compile(
    r"Lost task (?P<task>\d+)\.\d+ in stage (?P<stage>\d+)\.\d+ \(TID \d+\)"
    r" (?:\(\S+ executor (?P<executor>\w+)\)|on \S+, executor (?P<on>\w+)): (?P<why>.*)"
)
_EXITED = re.compile(
    r"The executor with id (?P<executor>\w+) exited with exit code (?P<code>-?\d+)(?:\((?P<what>[^)]*)\))?"
)
_STOPPED = re.compile(r"Max number of executor failures \((\d+)\) reached")
_OUT_OF_MEMORY = re.compile(r"OOMKilled|possible container OOM|JVM OOM|OutOfMemoryError")
JVM_OUT_OF_MEMORY = 52  # SparkExitCode.OOM
KILLED = 137


@dataclass(frozen=True, slots=True)
class FailedTask:
    """The task that the job was given up for."""

    executor: str
    task: str
    stage: str
    why: str

    def __str__(self) -> str:
        """Return where it failed, in a few words."""
        where = f"executor {self.executor}" if self.executor != "driver" else "the driver"
        return f"on {where} (task {self.task} of stage {self.stage})"


def failed_task(lines: Sequence[str]) -> FailedTask | None:
    """Return the task that ended the last job that failed, None if the log names none."""
    aborted: re.Match[str] | None = None
    lost: dict[tuple[str, str], re.Match[str]] = {}
    for line in lines:
        for found in _LOST.finditer(line):
            lost[found["task"], found["stage"]] = found
        aborted = _ABORTED.search(line) or aborted
    last = lost.get((aborted["task"], aborted["stage"])) if aborted else None
    if last is None:
        return None
    return FailedTask(last["executor"] or last["on"], last["task"], last["stage"], last["why"])


@dataclass(frozen=True, slots=True)
class ExecutorEnd:
    """How an executor ended."""

    executor: str
    code: int
    out_of_memory: bool


def last_executor_end(lines: Sequence[str]) -> ExecutorEnd | None:
    """Return how the last executor ended that ended by itself, None if none did."""
    ends = [(found, index) for index, line in enumerate(lines) if (found := _EXITED.search(line))]
    if not ends:
        return None
    found, index = ends[-1]
    code = int(found["code"])
    told = " ".join([found["what"] or "", *lines[index : index + 20]])
    out = code in (KILLED, JVM_OUT_OF_MEMORY) and bool(_OUT_OF_MEMORY.search(told))
    return ExecutorEnd(found["executor"], code, out)


def most_executors_failed(lines: Sequence[str]) -> str:
    """Return how many executors failed if that is why Spark gave up, else ""."""
    return next((found[1] for line in reversed(lines) if (found := _STOPPED.search(line))), "")
