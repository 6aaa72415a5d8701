"""A hundred executors at once through the packaged Lambda: every answer in time, every task accounted for."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.aws_box.client import PODS, Client
from tests.aws_box.deployment import Deployment
from tests.aws_box.ecs_task import Document
from tests.aws_box.fake_ecs import FakeEcs, NoEngine
from tests.aws_box.package import Package
from tests.waiting import until

pytestmark = [pytest.mark.slow]

EXECUTORS = 100
SPARK_SECONDS = 10.0  # how long Spark's client waits for an answer
STOP_SECONDS = 0.1  # of one StopTask: from us-east-1 to itself
HEAL_SECONDS = 120.0


@pytest.fixture(scope="module")
def ecs() -> Iterator[FakeEcs]:
    made = FakeEcs(NoEngine(), lambda _event: None)
    yield made
    made.close()


@pytest.fixture(scope="module")
def deployment(package: Package, ecs: FakeEcs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    made = Deployment(package, tmp_path_factory.mktemp("bursts"), ecs_url=ecs.url)
    yield made
    made.close()


def slow_stop(asked: Document, go_on: Any) -> Document:
    """Take as long as the real API does."""
    time.sleep(STOP_SECONDS)
    answer: Document = go_on(asked)
    return answer


def start_executors(client: Client) -> dict[str, Any]:
    """Create a driver and executors that it owns; return the driver."""
    driver: dict[str, Any] = client.create_pod("driver")
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "driver", "uid": driver["metadata"]["uid"]}

    def start(number: int) -> None:
        metadata = {"ownerReferences": [owner], "labels": {"spark-role": "executor"}}
        client.create_pod(f"executor-{number}", metadata=metadata)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(start, range(EXECUTORS)))
    return driver


def tasks_left(ecs: FakeEcs) -> int:
    return sum(task.document["desiredStatus"] == "RUNNING" for task in ecs.tasks)


@pytest.mark.parametrize(
    "path",
    [f"{PODS}/driver", f"{PODS}?labelSelector=spark-role%3Dexecutor"],
    ids=["the driver alone", "the executors as a collection"],
)
def test_a_delete_that_ends_a_hundred_tasks_is_answered_in_time(
    deployment: Deployment, ecs: FakeEcs, tmp_path: Path, path: str
) -> None:
    client = Client(deployment, tmp_path)
    before = len(ecs.tasks)
    start_executors(client)

    def all_run() -> bool:
        if len(ecs.tasks) - before < EXECUTORS + 1:
            deployment.run_schedule()
        return len(ecs.tasks) - before == EXECUTORS + 1

    until(all_run, "every pod to have its one task", seconds=HEAL_SECONDS)
    ecs.faults["StopTask"] = [slow_stop] * (2 * EXECUTORS)

    answer = client.call("DELETE", path, timeout=SPARK_SECONDS)
    assert answer.status_code == 200, answer.text
    client.call("DELETE", PODS, timeout=SPARK_SECONDS)

    def all_gone() -> bool:
        deployment.run_schedule()
        return not tasks_left(ecs) and not client.get(PODS)["items"]

    until(all_gone, "the schedule to end what the requests left", seconds=HEAL_SECONDS)
