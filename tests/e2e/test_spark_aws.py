"""Real Spark on AWS in a box: stock spark-submit, the packaged control plane, and tasks on a Docker engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.aws_box.box import AwsBox
from tests.aws_box.client import PODS
from tests.aws_box.event_bus import Trouble
from tests.aws_box.package import make_package
from tests.aws_box.spark_job import EXECUTOR, JOB_SECONDS, submit
from tests.functional.waiting import until

pytestmark = [
    pytest.mark.spark,
    pytest.mark.docker,
    pytest.mark.slow,
    pytest.mark.timeout(900),
]

GONE_SECONDS = 180.0  # for tasks to end and pods to go


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsBox]:
    folder = tmp_path_factory.mktemp("aws")
    made = AwsBox(make_package(folder / "package"), folder / "box")
    yield made
    made.close()


@pytest.fixture(autouse=True)
def quiet_end(box: AwsBox) -> Iterator[None]:
    """Hold after each test that no task is left, and no pod that says it runs."""
    yield
    box.events.trouble = Trouble()
    box.client.call("DELETE", PODS)
    box.wait_until_quiet()
    until(lambda: not box.client.get(PODS)["items"], "deleted pods to go", seconds=GONE_SECONDS)


@pytest.mark.kubectl
@pytest.mark.parametrize("version", ["4.3.0", "3.5.9"])
def test_spark_pi_runs_to_its_end(box: AwsBox, tmp_path: Path, version: str) -> None:
    job = submit(box, tmp_path, version=version)

    assert job.end() == "Succeeded"
    assert "Pi is roughly 3.1" in job.log()


def test_a_killed_executor_is_replaced_and_events_may_be_lost(box: AwsBox, tmp_path: Path) -> None:
    box.events.trouble = Trouble(drop=0.2, double=0.3, delay_seconds=1.0)
    job = submit(box, tmp_path)
    lost = job.wait_for_executors(2)[0]["metadata"]["name"]
    (task,) = box.tasks(lost)

    box.fargate.kill(task, EXECUTOR)

    until(lambda: len(job.executor_tasks()) > 2, "a third executor's task", seconds=JOB_SECONDS)
    assert job.end() == "Succeeded"


def test_an_executor_on_spot_that_is_interrupted_is_replaced(box: AwsBox, tmp_path: Path) -> None:
    spot = {"spark.kubernetes.executor.node.selector.sparkanywhere.io/capacity-type": "spot"}
    job = submit(box, tmp_path, conf=spot)
    interrupted = job.wait_for_executors(2)[0]["metadata"]["name"]
    (task,) = box.tasks(interrupted)

    box.fargate.interrupt(task)

    assert task.document["capacityProviderName"] == "FARGATE_SPOT"
    until(lambda: len(job.executor_tasks()) > 2, "a third executor's task", seconds=JOB_SECONDS)
    assert job.end() == "Succeeded"


def test_a_driver_that_is_deleted_takes_its_executors_along(box: AwsBox, tmp_path: Path) -> None:
    job = submit(box, tmp_path, parts=1_000_000)
    job.wait_for_executors(2)

    deleted = box.client.kubectl("delete", "pod", job.driver()["metadata"]["name"])

    assert deleted.returncode == 0, deleted.stderr
    box.wait_until_quiet()
    until(lambda: not job.executors(), "the executors' pods to go", seconds=GONE_SECONDS)
    job.process.communicate(timeout=JOB_SECONDS)  # spark-submit sees its driver go
