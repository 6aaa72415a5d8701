"""Pure: how Slurm ended a job, and why it waits, in the words of a task's record."""

from __future__ import annotations

from typing import NamedTuple

from chalicelib.providers.slurm.client import Job
from chalicelib.providers.supervised import states
from chalicelib.providers.supervised.records import Record

OOM_EXIT_CODE = 137
TERMINATED = "Terminated"  # the supervisor's reason for an end that it was asked for by a signal, by anybody


class Ending(NamedTuple):
    """A reason, what it means, and whether somebody else ended the task."""

    reason: str
    sentence: str
    by_another: bool = True


ENDINGS = {
    "TIMEOUT": Ending("TimeLimit", "its time limit has passed"),
    "DEADLINE": Ending("TimeLimit", "its deadline has passed"),
    "OUT_OF_MEMORY": Ending("OOMKilled", "it held more memory than it had asked for", by_another=False),
    "NODE_FAIL": Ending("NodeLost", "its node has failed"),
    "BOOT_FAIL": Ending("NodeLost", "its node did not boot"),
    "PREEMPTED": Ending("Preempted", "a job of higher priority has its place"),
    "REVOKED": Ending("Cancelled", "another cluster runs it"),
    "CANCELLED": Ending("Cancelled", "it was cancelled"),
}
BY_ANOTHER = frozenset(ending.reason for ending in ENDINGS.values() if ending.by_another)
# Of a job that never began: what may pass, so that its task is worth another try (TaskState.passing).
PASSING = frozenset({"NODE_FAIL", "BOOT_FAIL", "PREEMPTED"})
# squeue(1), "Job reason codes": those that people ask about most.
_REASONS = {
    "Resources": "no node has room for it yet",
    "Priority": "jobs of higher priority are before it",
    "ReqNodeNotAvail": "a node that it needs is down, drained or reserved",
    "Dependency": "it waits for another job",
    "BeginTime": "its time has not come yet",
    "PartitionDown": "the partition takes no jobs now",
    "PartitionNodeLimit": "it asks for more than the partition allows",
    "PartitionTimeLimit": "its time is more than the partition allows",
    "AssocGrpCpuLimit": "the account has no processors left",
    "AssocMaxJobsLimit": "the account runs as many jobs as it may",
    "QOSMaxCpuPerUserLimit": "the user has as many processors as the quality of service allows",
    "QOSMaxJobsPerUserLimit": "the user runs as many jobs as the quality of service allows",
    "InvalidAccount": "its account is not known",
    "InvalidQOS": "its quality of service is not known",
    "Licenses": "a licence that it needs is taken",
}


def waiting_message(job: Job) -> str:
    """Return why a job waits, with its number: `squeue` and `scontrol show job` say more by that."""
    if job.reason in ("", "None"):
        return f"Slurm job {job.id} waits for its turn"
    code = job.reason.partition(",")[0].strip("()")
    plain = _REASONS.get(code)
    return f"Slurm job {job.id} waits: {plain} ({job.reason})" if plain else f"Slurm job {job.id} waits: {job.reason}"


def ended(record: Record, job: Job | None, *, now: int, stop_reason: str = "", last_words: str = "") -> Record:
    """Return the last record of a task whose job has ended, or is forgotten, without its supervisor saying how.

    `stop_reason` is ours for an end that we asked for; `last_words` what the job's script printed last.
    """
    ending = ENDINGS.get(job.state) if job else None
    if stop_reason:
        return states.lost(record, now=now, reason=stop_reason, message="")
    if job is None:
        message = "Slurm no longer knows its job, and the job has not told its end"
        return states.lost(record, now=now, reason=states.LOST, message=message)
    if ending is None:
        words = f": {last_words}" if last_words else ""
        message = f"Slurm job {job.id} ended as {job.state} with exit code {job.exit_code}{words}"
        return states.lost(record, now=now, reason=states.LOST, message=message)
    last = states.lost(record, now=now, reason=ending.reason, message=f"Slurm job {job.id}: {ending.sentence}")
    if ending.reason == "OOMKilled":
        for container in last["containers"]:
            if container["reason"] == ending.reason:
                container["exit_code"] = OOM_EXIT_CODE
    return last


def explained(record: Record, job: Job | None) -> Record:
    """Return the record of a task that a signal ended, with the reason that Slurm has for it, if it still knows."""
    ending = ENDINGS.get(job.state) if job else None
    if ending is None or job is None:
        return record
    message = f"Slurm job {job.id}: {ending.sentence}"
    return {**record, "version": record["version"] + 1, "reason": ending.reason, "message": message}
