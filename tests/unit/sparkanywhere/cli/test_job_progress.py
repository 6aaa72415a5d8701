"""What a job has come to, from its pods and its driver's log."""

from __future__ import annotations

import pytest

from chalicelib.apimachinery.types import JSON
from sparkanywhere.cli.job_progress import JobProgress, is_own_output, why_pending

REGISTERED = "26/11/23 00:40:00 INFO KubernetesClusterSchedulerBackend$X: Registered executor Y (1:2) with ID {}"


def test_a_job_passes_its_phases_in_order() -> None:
    job = JobProgress(instances=2, began_at=10.0)

    job.end("control plane", 11.0)
    job.observe_pod(pod("d", "driver", "Pending"), 13.0)
    job.observe_pod(pod("d", "driver", "Running"), 13.5)
    job.observe_line(REGISTERED.format(1), 16.0)
    job.observe_line(REGISTERED.format(2), 17.0)
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


def test_a_first_task_says_that_spark_waits_for_no_more_executors() -> None:
    job = JobProgress(instances=5, began_at=0.0)
    job.observe_pod(pod("d", "driver", "Running"), 1.0)

    job.observe_line("26/11/23 00:40:00 INFO TaskSetManager: Finished task 3.0 in stage 0.0 (TID 3) (4/100)", 2.0)

    assert (job.phase, job.tasks_done, job.tasks) == ("job", 4, 100)


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


@pytest.mark.parametrize(
    ("line", "own"),
    [
        ("Pi is roughly 3.14", True),
        ("26/11/23 00:40:00 INFO SparkContext: Running Spark version 4.3.0", False),
        ("WARNING: Using incubator modules: jdk.incubator.vector", False),
        ("Using Spark's default log4j profile: org/apache/spark/log4j2-defaults.properties", False),
        ("", False),
        ("        at app//io.vertx.core.impl.ContextImpl.execute(ContextImpl.java:327)", False),
        ("io.vertx.core.VertxException: Thread blocked", False),
        ("Nov 23, 2026 2:06:20 AM io.vertx.core.impl.BlockedThreadChecker", False),
        ("WARNING: Thread vert.x-eventloop-thread-0 has been blocked for 2000 ms", False),
        ("    indented output of mine", True),
        ("Traceback (most recent call last):", True),
    ],
)
def test_the_programs_own_output_is_told_from_sparks(line: str, own: bool) -> None:
    assert is_own_output(line) is own


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


UNSCHEDULED = [
    {"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available: 1 Insufficient memory."}
]


def waits(reason: str, message: str = "") -> list[JSON]:
    return [{"name": "c", "state": {"waiting": {"reason": reason, "message": message}}}]


@pytest.mark.parametrize(
    ("status", "why"),
    [
        ({"phase": "Pending"}, ""),
        ({"phase": "Pending", "conditions": UNSCHEDULED}, "0/1 nodes are available: 1 Insufficient memory."),
        ({"phase": "Pending", "containerStatuses": waits("ErrImagePull", "not here")}, "ErrImagePull: not here"),
        ({"phase": "Pending", "initContainerStatuses": waits("ErrImagePull", "no")}, "ErrImagePull: no"),
        ({"phase": "Pending", "containerStatuses": waits("ContainerCreating", "Pulling image")}, ""),
        ({"phase": "Pending", "message": "no nfs", "containerStatuses": waits("ContainerCreating")}, "no nfs"),
        ({"phase": "Running", "conditions": UNSCHEDULED}, ""),
    ],
)
def test_a_pod_that_does_not_start_says_why(status: JSON, why: str) -> None:
    assert why_pending({"metadata": {"name": "p"}, "status": status}) == why
