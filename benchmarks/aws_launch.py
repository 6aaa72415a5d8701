"""How fast 1,000 executors that are asked for at once reach RunTask, and whether each does so once.

The packaged functions as on Lambda; ECS takes launches as it does in a real account (service quotas of Fargate: a burst
of 100, then 20 a second) and throttles what is beyond; a request to DynamoDB takes 5 ms and RunTask 100; the schedule
runs each minute. A Spark driver asks for one executor after another, so one job is one client.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chalicelib.providers.fargate.provider import TokenBucket
from tests.aws_box.client import PODS, Client
from tests.aws_box.deployment import Deployment
from tests.aws_box.ecs_task import Document
from tests.aws_box.fake_ecs import EcsError, FakeEcs, NoEngine
from tests.aws_box.package import Package, make_package
from tests.contract.fake_dynamodb import Faults

EXECUTORS = 1000
DRIVERS = (1, 4, 8, 16)  # at once, each a function's process of its own
LAUNCHES_PER_SECOND, LAUNCH_BURST = 20.0, 100.0
REQUEST_SECONDS = 0.005  # to DynamoDB, from within its region
RUN_TASK_SECONDS = 0.1
SCHEDULE_SECONDS = 60.0
GIVE_UP_SECONDS = 900.0
FAULTS = 100_000  # as many calls as may be throttled


class Launches:
    """ECS's own limit of launches; notes when each went through."""

    def __init__(self) -> None:
        self.at: list[float] = []
        self.throttled = 0
        self._bucket = TokenBucket(LAUNCHES_PER_SECOND, LAUNCH_BURST)
        self._lock = threading.Lock()

    def run_task(self, asked: Document, go_on: Any) -> Document:
        """Let the call through, or throttle it."""
        time.sleep(RUN_TASK_SECONDS)
        with self._lock:
            if self._bucket.take() > 0:
                self._bucket.give_back()
                self.throttled += 1
                raise EcsError("ThrottlingException", "Rate exceeded")
            self.at.append(time.monotonic())
        answer: Document = go_on(asked)
        return answer


@dataclass(frozen=True, slots=True)
class Taken:
    """What one run has taken, and what is wrong after it."""

    seconds: float
    launches: int
    throttled: int
    schedules: int
    without_task: int
    beyond: int


def run() -> str:
    """Return the table."""
    with tempfile.TemporaryDirectory() as name:
        package = make_package(Path(name) / "package")
        taken = {drivers: _run(package, Path(name) / str(drivers), drivers) for drivers in DRIVERS}
    rows = [
        ("all have reached RunTask after", lambda each: f"{each.seconds:.0f} s"),
        ("launches a second", lambda each: f"{each.launches / each.seconds:.1f}"),
        ("calls that ECS throttled", lambda each: each.throttled),
        ("resyncs needed", lambda each: each.schedules),
        ("pods without a task", lambda each: each.without_task),
        ("tasks without a pod, or second ones of a pod", lambda each: each.beyond),
    ]
    heads = " | ".join(f"{drivers} driver{'s' * (drivers > 1)}" for drivers in DRIVERS)
    return "\n".join(
        [
            f"| {EXECUTORS:,} executors at once, asked for by | {heads} |",
            f"|---|{'--:|' * len(DRIVERS)}",
            *(f"| {what} | {' | '.join(str(cell(taken[each])) for each in DRIVERS)} |" for what, cell in rows),
        ]
    )


def _run(package: Package, folder: Path, drivers: int) -> Taken:
    folder.mkdir()
    ecs = FakeEcs(NoEngine(), lambda _event: None, cluster="sparkanywhere")
    launches = Launches()
    ecs.faults["RunTask"] = [launches.run_task] * FAULTS
    deployment = Deployment(package, folder, ecs_url=ecs.url)
    try:
        client = Client(deployment, folder)
        client.get(PODS)  # a new table's defaults are written once
        deployment.dynamodb.fake.faults = Faults(latency_seconds=REQUEST_SECONDS)
        return _measured(deployment, client, ecs, launches, drivers)
    finally:
        deployment.close()
        ecs.close()


def _measured(deployment: Deployment, client: Client, ecs: FakeEcs, launches: Launches, drivers: int) -> Taken:
    started = time.monotonic()
    _ask_for_all(client, drivers)
    runs = 0
    while len(_launched(ecs)) < EXECUTORS:
        if time.monotonic() - started > GIVE_UP_SECONDS:
            break
        time.sleep(max(0.0, started + (runs + 1) * SCHEDULE_SECONDS - time.monotonic()))
        deployment.run_schedule()
        runs += 1
    pods = {each["metadata"]["uid"] for each in client.get(PODS)["items"]}
    tasks = _launched(ecs)
    return Taken(
        seconds=launches.at[-1] - started,
        launches=len(launches.at),
        throttled=launches.throttled,
        schedules=runs,
        without_task=len(pods - set(tasks)),
        beyond=sum(tasks.values()) - len(pods & set(tasks)),
    )


def _ask_for_all(client: Client, drivers: int) -> None:
    """Create the pods, as often as it takes."""
    started = time.monotonic()
    container = {"name": "main", "image": "spark"}

    def create(number: int) -> None:
        body = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": f"executor-{number}"},
            "spec": {"restartPolicy": "Never", "containers": [container]},
        }
        while (code := client.call("POST", PODS, json=body).status_code) not in (201, 409):
            if code < 500 or time.monotonic() - started > GIVE_UP_SECONDS:
                raise RuntimeError(f"executor-{number} was answered {code}")

    with ThreadPoolExecutor(drivers) as threads:
        list(threads.map(create, range(EXECUTORS)))


def _launched(ecs: FakeEcs) -> Counter[str]:
    return Counter(str(task.document["startedBy"]) for task in ecs.tasks)
