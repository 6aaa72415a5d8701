"""How jobs end and why they wait, in a task's own words."""

from __future__ import annotations

import pytest

from chalicelib.providers.base import Container, Task
from chalicelib.providers.slurm.client import Job
from chalicelib.providers.slurm.endings import BY_ANOTHER, ended, explained, waiting_message
from chalicelib.providers.supervised.plan import first_record
from chalicelib.providers.supervised.records import Record


def record(phase: str = "running") -> Record:
    """Return the record of a task whose one container runs."""
    task = Task("uid", "default", "pi", (Container("main", "spark"),))
    found = first_record(task, handle="uid", address="10.0.0.1", created_at=1)
    found["containers"][0].update({"phase": "running", "started_at": 2})
    return {**found, "phase": phase}  # type: ignore[typeddict-item]


@pytest.mark.parametrize(
    ("state", "reason", "by_another"),
    [
        ("TIMEOUT", "TimeLimit", True),
        ("DEADLINE", "TimeLimit", True),
        ("OUT_OF_MEMORY", "OOMKilled", False),
        ("NODE_FAIL", "NodeLost", True),
        ("BOOT_FAIL", "NodeLost", True),
        ("PREEMPTED", "Preempted", True),
        ("CANCELLED", "Cancelled", True),
        ("FAILED", "Lost", False),
        ("COMPLETED", "Lost", False),
    ],
)
def test_slurms_state_is_the_reason_of_an_end_that_nobody_saw(state: str, reason: str, by_another: bool) -> None:
    last = ended(record(), Job(7, "pi.uid", state), now=9)

    assert (last["phase"], last["reason"], last["containers"][0]["reason"]) == ("stopped", reason, reason)
    assert "Slurm job 7" in last["message"]
    assert (reason in BY_ANOTHER) is by_another


def test_a_task_out_of_memory_has_the_exit_code_of_one() -> None:
    assert ended(record(), Job(7, "pi.uid", "OUT_OF_MEMORY"), now=9)["containers"][0]["exit_code"] == 137


def test_an_end_that_we_asked_for_has_our_reason() -> None:
    assert ended(record(), Job(7, "pi.uid", "CANCELLED"), now=9, stop_reason="Deleted")["reason"] == "Deleted"


def test_a_script_that_failed_is_quoted() -> None:
    job = Job(7, "pi.uid", "FAILED", exit_code=127)

    last = ended(record(), job, now=9, last_words="exec: python3: not found")

    assert last["message"] == "Slurm job 7 ended as FAILED with exit code 127: exec: python3: not found"


def test_a_job_that_slurm_has_forgotten_is_lost() -> None:
    assert ended(record(), None, now=9)["reason"] == "Lost"


def test_an_end_by_a_signal_is_explained_by_slurm() -> None:
    last = explained(record("stopped"), Job(7, "pi.uid", "PREEMPTED"))

    assert (last["reason"], last["version"]) == ("Preempted", 1)


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("None", "Slurm job 7 waits for its turn"),
        ("Resources", "Slurm job 7 waits: no node has room for it yet (Resources)"),
        (
            "ReqNodeNotAvail, UnavailableNodes:n2",
            "Slurm job 7 waits: a node that it needs is down, drained or reserved"
            " (ReqNodeNotAvail, UnavailableNodes:n2)",
        ),
        ("PartitionConfig", "Slurm job 7 waits: PartitionConfig"),
    ],
)
def test_a_job_that_waits_says_why(reason: str, message: str) -> None:
    assert waiting_message(Job(7, "pi.uid", "PENDING", reason)) == message
