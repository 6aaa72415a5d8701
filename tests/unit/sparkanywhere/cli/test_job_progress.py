"""What a job has come to, from its pods and its driver's log."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.apimachinery.types import JSON
from sparkanywhere.cli.job_progress import JobProgress
from sparkanywhere.jobs.spark_rest import SparkProgress

FINISHED = "26/11/23 00:40:00 INFO TaskSetManager: Finished task 3.0 in stage 0.0 (TID 3) (4/100)"


def test_a_job_passes_its_phases_in_order() -> None:
    job = JobProgress(instances=2, began_at=10.0)

    job.end("control plane", 11.0)
    job.observe_pod(pod("d", "driver", "Pending"), 13.0)
    job.observe_pod(pod("d", "driver", "Running"), 13.5)
    job.observe_spark(spark(executors=1), 16.0)
    job.observe_spark(spark(executors=2), 17.0)
    job.observe_pod(pod("d", "driver", "Succeeded", exit_code=0), 20.0)
    job.end("clean-up", 20.5)

    phases = ("control plane", "submit", "driver", "executors", "job", "clean-up")
    assert [job.seconds(phase, 99.0) for phase in phases] == [1.0, 2.0, 0.5, 3.5, 3.0, 0.5]
    assert job.succeeded


def test_the_phase_under_way_counts_up_to_now() -> None:
    job = JobProgress(instances=1, began_at=10.0)

    job.end("control plane", 11.0)

    assert job.phase == "submit"
    assert job.seconds("submit", 14.0) == 3.0
    assert job.seconds("driver", 14.0) == 0.0


@pytest.mark.parametrize("tasks", [{"tasks_running": 1}, {"tasks_done": 1}])
def test_a_first_task_says_that_spark_waits_for_no_more_executors(tasks: dict[str, int]) -> None:
    job = JobProgress(instances=5, began_at=0.0)
    job.observe_pod(pod("d", "driver", "Running"), 1.0)

    job.observe_spark(spark(executors=1), 2.0)
    assert job.phase == "executors"
    job.observe_spark(spark(executors=1, **tasks), 3.0)

    assert job.phase == "job"
    assert job.seconds("executors", 9.0) == 2.0


def test_tasks_are_counted_by_the_log_where_spark_is_not_to_be_asked() -> None:
    job = JobProgress(instances=5, began_at=0.0)
    job.observe_pod(pod("d", "driver", "Running"), 1.0)

    job.observe_line(FINISHED, 2.0)

    assert (job.phase, job.logged) == ("job", (0, 4, 100))


def test_a_program_without_spark_spends_its_time_in_the_job() -> None:
    job = JobProgress(instances=1, began_at=0.0)
    job.end("control plane", 1.0)

    job.observe_pod(pod("d", "driver", "Running"), 2.0)
    job.observe_pod(pod("d", "driver", "Succeeded", exit_code=0), 9.0)

    assert (job.seconds("executors", 99.0), job.seconds("job", 99.0)) == (0.0, 7.0)


def test_executors_are_those_whose_pods_run_until_spark_can_be_asked() -> None:
    job = JobProgress(instances=2, began_at=0.0)
    job.observe_pod(pod("d", "driver", "Running"), 1.0)

    job.observe_pod(pod("e1", "executor", "Running"), 2.0)
    job.observe_pod(pod("e2", "executor", "Pending"), 2.0)
    assert job.executors == 1
    job.observe_spark(spark(executors=0), 3.0)
    assert job.executors == 0


@pytest.mark.parametrize(("node", "counts_the_log"), [("process", True), ("docker", True), ("fargate", False)])
def test_executors_are_those_that_the_log_says_have_registered_where_it_comes_as_written(
    node: str, counts_the_log: bool
) -> None:
    job = JobProgress(instances=2, began_at=0.0)
    job.observe_pod({**pod("d", "driver", "Running"), "spec": {"nodeName": node}}, 1.0)
    job.observe_line("26/11/30 12:31:03 INFO SparkContext: Running Spark version 4.3.0", 2.0)

    for name in ("e1", "e2"):
        job.observe_pod(pod(name, "executor", "Running"), 3.0)

    assert job.executors == (0 if counts_the_log else 2)
    for number, at in enumerate((4.0, 5.0), 1):
        line = f"INFO Backend: Registered executor Ref(spark-client://Executor) (127.0.0.1:1) with ID {number}"
        job.observe_line(line, at)
    assert job.executors == 2
    assert job.seconds("executors", 9.0) == (4.0 if counts_the_log else 2.0)


def test_at_the_end_executors_are_those_that_ran_whatever_spark_said_last() -> None:
    job = JobProgress(instances=2, began_at=0.0)
    job.observe_pod(pod("d", "driver", "Running"), 1.0)
    job.observe_spark(spark(executors=1), 2.0)

    for name in ("e1", "e2"):
        job.observe_pod(pod(name, "executor", "Running"), 3.0)
    job.observe_pod(pod("e3", "executor", "Pending"), 3.0)
    job.observe_pod(pod("e1", "executor", "Failed"), 4.0, gone=True)
    job.observe_pod(pod("d", "driver", "Succeeded", exit_code=0), 5.0)

    assert job.executors == 2


@pytest.mark.parametrize(
    ("phase", "exit_code", "ours"),
    [("Succeeded", 0, 0), ("Failed", 3, 3), ("Failed", 143, 143), ("Failed", 0, 1), ("Failed", None, 1)],
)
def test_the_exit_code_is_the_drivers(phase: str, exit_code: int | None, ours: int) -> None:
    job = JobProgress(instances=1, began_at=0.0)

    job.observe_pod(pod("d", "driver", phase, exit_code=exit_code), 1.0)

    assert job.exit_code == ours


def test_a_job_without_a_driver_has_failed() -> None:
    assert JobProgress(instances=1, began_at=0.0).exit_code == 1


def test_a_driver_that_never_ran_fails_the_job() -> None:
    job = JobProgress(instances=1, began_at=0.0)

    job.observe_pod(pod("d", "driver", "Failed"), 1.0)

    assert job.phase == "clean-up"
    assert not job.succeeded


def test_a_deleted_executor_keeps_the_last_that_was_seen_of_it() -> None:
    job = JobProgress(instances=1, began_at=0.0)

    job.observe_pod(pod("e", "executor", "Running"), 1.0)
    job.observe_pod(pod("e", "executor", "Failed", exit_code=143), 4.0, gone=True)

    seen = job.pods["e"]
    assert (seen.exit_code, seen.seconds, seen.gone) == (143, 3.0, True)


def spark(**said: Any) -> SparkProgress:
    """Return what Spark says of an application: nothing, but for what is given."""
    return replace(SparkProgress(0, 0, 0, 0, 0, 0), **said)


def pod(name: str, role: str, phase: str, *, exit_code: int | None = None) -> JSON:
    state: JSON = {} if exit_code is None else {"terminated": {"exitCode": exit_code, "reason": "Error"}}
    return {
        "metadata": {"name": name, "labels": {"spark-role": role}},
        "status": {"phase": phase, "containerStatuses": [{"name": "spark", "state": state}]},
    }


def test_a_driver_that_failed_may_be_tried_again() -> None:
    job = JobProgress(instances=1, began_at=0.0, attempts=2)

    job.observe_pod(pod("one", "driver", "Failed", exit_code=1), 1.0)
    assert (job.is_over, job.phase) == (False, "executors")

    job.observe_pod(pod("two", "driver", "Pending"), 2.0)
    assert not job.is_over
    job.observe_pod(pod("two", "driver", "Succeeded", exit_code=0), 3.0)

    assert (job.is_over, job.succeeded) == (True, True)


def test_the_last_attempt_that_fails_is_the_end() -> None:
    job = JobProgress(instances=1, began_at=0.0, attempts=2)

    job.observe_pod(pod("one", "driver", "Failed", exit_code=1), 1.0)
    job.observe_pod(pod("two", "driver", "Failed", exit_code=1), 2.0)

    assert (job.is_over, job.succeeded) == (True, False)


AT = "26/11/30 09:57:35 INFO "
MADE = f"{AT}SparkContext: Running Spark version 4.3.0"
REGISTERED = (
    f"{AT}KubernetesClusterSchedulerBackend$KubernetesDriverEndpoint: Registered executor"
    " NettyRpcEndpointRef(spark-client://Executor) (127.0.0.1:41960) with ID {}, ResourceProfileId 0"
)


@pytest.mark.parametrize(
    ("node", "expected"),
    [("process", {"submit": 1.0, "JVM": 3.0, "register": 4.5}), ("fargate", {"submit": 1.0}), ("", {"submit": 1.0})],
    ids=["as they are written", "seconds later", "nobody knows"],
)
def test_the_log_tells_of_the_start_where_its_lines_come_at_once(node: str, expected: dict[str, float]) -> None:
    job = JobProgress(instances=2, began_at=0.0)
    job.end("control plane", 1.0)
    driver = {
        "metadata": {"name": "d", "labels": {"spark-role": "driver"}},
        "spec": {"nodeName": node},
        "status": {"phase": "Running"},
    }
    job.observe_pod(driver, 2.0)

    for line, now in (
        (MADE, 5.0),
        (REGISTERED.format(1), 8.0),
        (REGISTERED.format(2), 9.5),
        (REGISTERED.format(3), 20.0),
    ):
        job.observe_line(line, now)

    assert job.start == expected
    assert job.is_start_told == (node == "process")
