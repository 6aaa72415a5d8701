"""How fast executors that Spark's drivers ask for reach RunTask, and whether each does so once.

The packaged functions as on Lambda; ECS takes calls of RunTask as it does in a real account (quotas of Fargate: 20 a
second, in a burst too; each of ours starts one task) and throttles what is beyond; a request to DynamoDB takes 5 ms and
RunTask 100; the schedule runs each minute. The pod is the executor that Spark 4.3 was recorded to ask for, owned by its
driver and asked for with that driver's own token. Spark asks for one executor after another, so one driver is one
client with one connection.

How long an answer takes on AWS is told beside, since the processor of this machine is another: what the requests take
that a driver waits for, and the API's processor time, of which its function has a share.
"""

from __future__ import annotations

import json
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from benchmarks.aws_writes import requests_of_a_driver
from benchmarks.cpu_share import FULL_MB, cpu_seconds
from benchmarks.dynamodb_units import UnitMeter
from chalicelib.providers.fargate.provider import RUN_BURST, RUNS_PER_SECOND
from chalicelib.providers.fargate.token_bucket import TokenBucket
from tests.aws_box.client import PODS, Client
from tests.aws_box.deployment import Deployment
from tests.aws_box.ecs_task import Document
from tests.aws_box.fake_ecs import EcsError, FakeEcs, NoEngine
from tests.aws_box.package import Package, make_package
from tests.contract.fake_dynamodb import Faults

EXECUTORS = 1000
DRIVERS = (1, 16)  # at once, each a function's process of its own
EXECUTOR = Path(__file__).resolve().parents[1] / "tests" / "data" / "spark" / "executor-4.3.0.json"
LAUNCHES_PER_SECOND, LAUNCH_BURST = RUNS_PER_SECOND, RUN_BURST
REQUEST_SECONDS = 0.005  # to DynamoDB, from within its region
RUN_TASK_SECONDS = 0.1
SCHEDULE_SECONDS = 60.0
GIVE_UP_SECONDS = 1800.0
LOOK_SECONDS = 0.2
FAULTS = 100_000  # as many calls as may be throttled
MEMORY_MB, LAUNCH_MB = 512, 1024  # of the API's and of the launch function: .chalice/config.json
MANY = 1000  # functions at once: an account that has been used for a while


class Launches:
    """ECS's own limit of launches, of which everything takes `slower` times as long; notes when each went through."""

    def __init__(self, slower: int = 1) -> None:
        self._slower = slower
        self.at: list[float] = []
        self.throttled = 0
        self._bucket = TokenBucket(LAUNCHES_PER_SECOND / slower, LAUNCH_BURST)
        self._lock = threading.Lock()

    def run_task(self, asked: Document, go_on: Any) -> Document:
        """Let the call through, or throttle it."""
        time.sleep(RUN_TASK_SECONDS * self._slower)
        with self._lock:
            if self._bucket.take() > 0:
                self._bucket.give_back()
                self.throttled += 1
                raise EcsError("ThrottlingException", "Rate exceeded")
            self.at.append(time.monotonic())
        answer: Document = go_on(asked)
        return answer


@dataclass(frozen=True, slots=True)
class Driver:
    """A driver's pod, and the token that it has."""

    name: str
    uid: str
    token: str


@dataclass(frozen=True, slots=True)
class Taken:
    """What one run has taken, and what is wrong after it."""

    answered_each: float
    seconds: float
    launches: int
    throttled: int
    schedules: int
    requests: int
    transactions: int
    writes: int
    api_cpu_seconds: float
    launch_cpu_seconds: float
    cold_api: int
    cold_launch: int
    without_task: int
    beyond: int

    def answer_seconds(self, waits: int) -> float:
        """Return how long an answer takes on AWS, whatever this machine does, if it `waits` for so many requests."""
        return self.api_cpu_seconds / EXECUTORS / (MEMORY_MB / FULL_MB) + waits * REQUEST_SECONDS

    def launch_seconds(self) -> float:
        """Return how long the launch function's processor takes for one pod on AWS, as one of them launches for all."""
        return self.launch_cpu_seconds / EXECUTORS / (LAUNCH_MB / FULL_MB)


def run() -> str:
    """Return the table."""
    with tempfile.TemporaryDirectory() as name:
        package = make_package(Path(name) / "package")
        taken = {drivers: measured(package, Path(name) / str(drivers), drivers) for drivers in DRIVERS}
    waits = len(requests_of_a_driver())
    rows: list[tuple[str, Callable[[Taken], Any]]] = [
        ("processor time of an answer", lambda each: f"{each.api_cpu_seconds / EXECUTORS * 1000:.1f} ms"),
        (f"an answer on AWS, with {waits} requests", lambda each: f"{each.answer_seconds(waits) * 1000:.0f} ms"),
        ("so each driver gets, a second", lambda each: f"{1 / each.answer_seconds(waits):.0f}"),
        ("answered to each driver here, a second", lambda each: f"{each.answered_each:.1f}"),
        ("all have reached RunTask after", lambda each: f"{each.seconds:.0f} s"),
        ("launches a second", lambda each: f"{each.launches / each.seconds:.1f}"),
        ("calls that ECS throttled", lambda each: each.throttled),
        ("resyncs needed", lambda each: each.schedules),
        ("requests to DynamoDB, each executor", lambda each: f"{each.requests / EXECUTORS:.1f}"),
        ("write units, each executor", lambda each: f"{each.writes / EXECUTORS:.0f}"),
        ("cold starts that drivers waited for", lambda each: each.cold_api),
        ("cold starts of the launch function", lambda each: each.cold_launch),
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


def measured(package: Package, folder: Path, drivers: int) -> Taken:
    """Have so many drivers ask for all executors; return what that has taken."""
    folder.mkdir()
    ecs = FakeEcs(NoEngine(), lambda _event: None)
    deployment = Deployment(package, folder, ecs_url=ecs.url, concurrency=MANY)
    try:
        client = Client(deployment, folder)
        owners = create_drivers(client, drivers)
        deployment.run_schedule()  # whatever has not started yet
        launches = Launches()
        ecs.faults["RunTask"] = [launches.run_task] * FAULTS
        deployment.dynamodb.fake.faults = Faults(latency_seconds=REQUEST_SECONDS)
        return _measured(deployment, ecs, launches, owners)
    finally:
        deployment.close()
        ecs.close()


def create_drivers(client: Client, count: int) -> list[Driver]:
    """Create so many drivers, and the service account and the ConfigMap that the recorded executor names."""
    name = json.loads(EXECUTOR.read_text())["spec"]["volumes"][0]["configMap"]["name"]
    objects = [
        ("serviceaccounts", {"kind": "ServiceAccount", "metadata": {"name": "spark"}}),
        ("configmaps", {"kind": "ConfigMap", "metadata": {"name": name}, "data": {"log4j2.properties": "a=b"}}),
    ]
    for resource, each in objects:
        client.call("POST", PODS.replace("pods", resource), json={"apiVersion": "v1", **each})
    return [_create_driver(client, f"driver-{number}") for number in range(count)]


def _create_driver(client: Client, name: str) -> Driver:
    made = client.create_pod(name, metadata={"labels": {"spark-role": "driver"}}, serviceAccountName="spark")[
        "metadata"
    ]
    bound = {"kind": "Pod", "apiVersion": "v1", "name": name, "uid": made["uid"]}
    path = PODS.replace("pods", "serviceaccounts/spark/token")
    answer = client.call("POST", path, json={"spec": {"boundObjectRef": bound}})
    return Driver(name, made["uid"], answer.json()["status"]["token"])


def _measured(deployment: Deployment, ecs: FakeEcs, launches: Launches, owners: list[Driver]) -> Taken:
    meter = UnitMeter(deployment.dynamodb.fake)
    others, asked = len(ecs.tasks), len(deployment.dynamodb.fake.requests)
    before = sum(map(cpu_seconds, deployment.api.pids))
    launched_before = sum(map(cpu_seconds, deployment.launch.pids))
    started = time.monotonic()
    with ThreadPoolExecutor(len(owners)) as threads:
        each = EXECUTORS // len(owners)
        list(threads.map(lambda number: ask(deployment, owners[number], number, each), range(len(owners))))
    asked_seconds = time.monotonic() - started
    runs = 0
    while len(ecs.tasks) - others < EXECUTORS and time.monotonic() - started < GIVE_UP_SECONDS:
        time.sleep(LOOK_SECONDS)
        if time.monotonic() > started + (runs + 1) * SCHEDULE_SECONDS:
            deployment.run_schedule()
            runs += 1
    api_cpu_seconds = sum(map(cpu_seconds, deployment.api.pids)) - before
    launch_cpu_seconds = sum(map(cpu_seconds, deployment.launch.pids)) - launched_before
    requested = deployment.dynamodb.fake.requests[asked:]
    writes = sum(meter.read().writes.values())
    found = Client(deployment, Path()).get(PODS)["items"]
    pods = {each["metadata"]["uid"] for each in found}
    tasks = Counter(str(task.document["startedBy"]) for task in ecs.tasks)
    return Taken(
        answered_each=EXECUTORS / len(owners) / asked_seconds,
        seconds=launches.at[-1] - started,
        launches=len(launches.at),
        throttled=launches.throttled,
        schedules=runs,
        requests=len(requested),
        transactions=requested.count("TransactWriteItems"),
        writes=writes,
        api_cpu_seconds=api_cpu_seconds,
        launch_cpu_seconds=launch_cpu_seconds,
        cold_api=deployment.api.cold_starts,
        cold_launch=deployment.launch.cold_starts,
        without_task=len(pods - set(tasks)),
        beyond=sum(tasks.values()) - len(pods & set(tasks)),
    )


def ask(deployment: Deployment, owner: Driver, driver: int, count: int) -> None:
    """Create a driver's executors, one after the other, each as often as it takes."""
    started = time.monotonic()
    body = json.loads(EXECUTOR.read_text())
    body["metadata"]["ownerReferences"][0] |= {"name": owner.name, "uid": owner.uid}
    body["metadata"]["labels"]["spark-app-selector"] = owner.name
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {owner.token}"
        for number in range(count):
            body["metadata"]["name"] = f"executor-{driver}-{number}"
            while (answer := session.post(deployment.url + PODS, json=body, timeout=60)).status_code not in (201, 409):
                if answer.status_code < 500 or time.monotonic() - started > GIVE_UP_SECONDS:
                    raise RuntimeError(f"{body['metadata']['name']} was answered {answer.status_code}: {answer.text}")
