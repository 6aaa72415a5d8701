"""What the life of one executor writes to DynamoDB, in write units, by what is written and when.

The pods are those that Spark 4.3.0 has sent (tests/data/spark), the executors named after their driver as owner, one
request after another; ECS reports each step of each task. One control plane as on Lambda, on a DynamoDB in memory.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock, patch

from benchmarks.dynamodb_units import UnitMeter, Units
from chalicelib.config import Settings
from chalicelib.plane.control_plane import ControlPlane
from chalicelib.plane.foundation import Sources
from chalicelib.plane.host import LAMBDA
from chalicelib.storage.dynamodb.item import SETTLED_SECONDS
from chalicelib.storage.dynamodb.storage import DynamoStorage
from tests.api_client import CONFIGMAPS, PODS, ApiClient
from tests.aws_box.ecs_task import EcsTask
from tests.aws_box.fake_ecs import FakeEcs
from tests.aws_box.lambda_api import LambdaApi
from tests.aws_box.lambda_function import LambdaFunction
from tests.contract.fake_dynamodb import FakeDynamoDB

EXECUTORS = 10
TOKEN = "administrator"
FUNCTION = "sparkanywhere-prod"
ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts"
RECORDED = Path(__file__).resolve().parents[1] / "tests" / "data" / "spark"
SETTLE_SECONDS = 30.0
TRACES = timedelta(days=2)  # by then Events, records and the log have expired
REQUESTS = {
    "transactions": ("TransactWriteItems",),
    "transactions lost": ("TransactWriteItems refused",),
    "writes of one item": ("PutItem", "UpdateItem", "DeleteItem"),
}
ENVIRON = {
    "AWS_ACCESS_KEY_ID": "benchmark",
    "AWS_SECRET_ACCESS_KEY": "benchmark",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "SPARKANYWHERE_CLUSTER": "sparkanywhere-prod",
    "SPARKANYWHERE_CLUSTER_ARN": "arn:aws:ecs:us-east-1:123456789012:cluster/sparkanywhere-prod",
    "SPARKANYWHERE_SUBNETS": "us-east-1a=subnet-0a",
    "SPARKANYWHERE_SECURITY_GROUP": "sg-0a",
    "SPARKANYWHERE_EXECUTION_ROLE": "arn:aws:iam::123456789012:role/sparkanywhere-prod-execution",
    "SPARKANYWHERE_TASK_ROLE": "arn:aws:iam::123456789012:role/sparkanywhere-prod/tasks/default",
    "SPARKANYWHERE_LOG_GROUP": "/sparkanywhere-prod/tasks",
    "SPARKANYWHERE_URL": "https://api.example.com/api",
    "SPARKANYWHERE_PROVIDER": "fargate",
    "SPARKANYWHERE_STORAGE": "dynamodb",
    "SPARKANYWHERE_TABLE": "benchmark",
    "SPARKANYWHERE_TOKEN": TOKEN,
    "SPARKANYWHERE_PARK_SECONDS": "0",  # what tasks that start with their driver cost on top is not counted here
}


class Steps:
    """Takes tasks through the states that ECS reports, when told to, and keeps the events about them."""

    def __init__(self) -> None:
        self.events: deque[dict[str, Any]] = deque()

    def start(self, task: EcsTask) -> None:
        """Tell of a new task."""
        task.begin()

    def run(self, task: EcsTask) -> Iterator[None]:
        """Have a task run."""
        names = [each["name"] for each in task.containers]
        task.change(pullStartedAt=time.time(), pullStoppedAt=time.time())
        yield
        task.attach("10.0.0.1")
        yield
        task.change_container(names[0], lastStatus="STOPPED", exitCode=0)
        yield
        for name in names[1:]:
            task.change_container(name, announce=False, lastStatus="RUNNING")
        task.change("RUNNING", startedAt=time.time())
        yield

    def end(self, task: EcsTask) -> Iterator[None]:
        """Have a task end that was asked to."""
        assert task.stop_asked.is_set()
        for each in task.containers[1:]:
            task.change_container(each["name"], lastStatus="STOPPED", exitCode=143)
            yield
        task.change("DEPROVISIONING", executionStoppedAt=time.time())
        yield
        task.change("STOPPED", stoppedAt=time.time())
        yield


@dataclass(slots=True)
class Life:
    """What executors used until they ran, until they were gone, and until their traces were, on average each."""

    start: Units
    end: Units
    traces: Units
    lists: Units  # of one list of all executors, not of each
    executors: int


class World:
    """A control plane on fakes, and a clock that can be turned."""

    def __init__(self) -> None:
        self.skipped = timedelta()
        self.steps = Steps()
        self.fake = FakeDynamoDB()
        self.meter = UnitMeter(self.fake)
        self.ecs = FakeEcs(self.steps, self.steps.events.append)  # type: ignore[arg-type]
        os.environ["AWS_ENDPOINT_URL_ECS"] = self.ecs.url
        storage = DynamoStorage("benchmark", region="us-east-1", clock=lambda: self.now().timestamp())
        storage.client.meta.events.register("before-send.dynamodb", lambda request, **_: self.fake.answer(request))
        storage.create_table()
        self.plane = ControlPlane(Settings.from_env(), host=LAMBDA, storage=storage, sources=Sources(clock=self.now))
        self.api = ApiClient(self.plane, TOKEN)

    def now(self) -> datetime:
        """Return the time of this world."""
        return datetime.now(UTC) + self.skipped

    def start_driver(self) -> Any:  # Any: JSON
        """Do what spark-submit and the driver do before the first executor; return the driver's pod."""
        self.api.create(ACCOUNTS, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "spark"}})
        driver = _recorded("driver-4.3.0")
        volumes = [*driver["spec"]["volumes"], *_recorded("executor-4.3.0")["spec"]["volumes"]]
        made = self.api.create(PODS, driver)
        for name in [volume["configMap"]["name"] for volume in volumes if "configMap" in volume]:
            self.api.create(CONFIGMAPS, {**_recorded("configmap-4.3.0"), "metadata": {"name": name}})
        return made

    def tell(self) -> None:
        """Bring each event that waits to the control plane."""
        while self.steps.events:
            self.plane.observe_event(self.steps.events.popleft()["detail"])

    def take(self, steps: Iterator[None]) -> None:
        """Take a task through steps, each reported before the next."""
        self.tell()
        for _ in steps:
            self.tell()

    def close(self) -> None:
        """Take it down."""
        self.plane.close()
        self.ecs.close()


@contextmanager
def world(**environ: str) -> Iterator[World]:
    """Yield a world of its own, with further variables of the function's."""
    with patch.dict(os.environ, ENVIRON | environ):
        made = World()
        try:
            yield made
        finally:
            made.close()


def measure(executors: int = EXECUTORS) -> Life:
    """Return what executors of one driver use."""
    with world() as here:
        driver = here.start_driver()
        here.take(here.steps.run(here.ecs.tasks[0]))
        names = []

        def start(number: int) -> None:
            pod = executor(driver, number)
            here.api.create(PODS, pod)
            names.append(pod["metadata"]["name"])
            here.take(here.steps.run(here.ecs.tasks[-1]))

        def end(number: int) -> None:
            assert here.api.request("DELETE", f"{PODS}/{names[number]}").status == 200
            here.take(here.steps.end(here.ecs.tasks[1 + number]))
            assert here.api.request("GET", f"{PODS}/{names[number]}").status == 404

        def units_of(do: Callable[[int], object], times: int) -> Units:
            before = here.meter.read()
            for number in range(times):
                do(number)
            return here.meter.read() - before

        started = units_of(start, executors)
        lists = units_of(lambda _: here.api.request("GET", PODS, query={"labelSelector": executors_of(driver)}), 1)
        ended = units_of(end, executors)
        here.plane.run_chores()
        here.skipped += TRACES
        traces = units_of(lambda _: here.plane.run_chores(), 1)
        return Life(started, ended, traces, lists, executors)


def executors_of(pod: Any) -> str:  # Any: JSON
    """Return the selector by which Spark lists the executors of the application that a pod belongs to.

    ExecutorPodsPollingSnapshotSource, 3.1 to 4.3.
    """
    application = pod["metadata"]["labels"]["spark-app-selector"]
    return f"spark-app-selector={application},spark-role=executor,spark-exec-inactive!=true"


def executor(driver: Any, number: int) -> Any:  # Any: JSON
    """Return the pod that a driver asks for as its executor of that number."""
    pod = _recorded("executor-4.3.0")
    pod["metadata"]["ownerReferences"][0]["uid"] = driver["metadata"]["uid"]
    pod["metadata"]["name"] = f"{pod['metadata']['name'].rpartition('-')[0]}-{number}"
    pod["metadata"]["labels"]["spark-exec-id"] = str(number)
    return pod


def requests_of_a_driver() -> list[str]:
    """Return what DynamoDB is asked while a driver waits for an executor to be stored, its own token in the request.

    Pods are launched by another function, and nothing but pods has been written for a while.
    """
    functions = LambdaApi()
    functions.functions[f"{FUNCTION}-launch"] = Mock(spec=LambdaFunction)
    functions.lose = lambda _name: True
    try:
        with world(AWS_LAMBDA_FUNCTION_NAME=FUNCTION, AWS_ENDPOINT_URL_LAMBDA=functions.url) as here:
            driver = here.start_driver()
            named = {key: driver["metadata"][key] for key in ("name", "uid")}
            wanted = {"spec": {"boundObjectRef": {"kind": "Pod", "apiVersion": "v1", **named}}}
            token = here.api.create(f"{ACCOUNTS}/spark/token", wanted)["status"]["token"]
            api = ApiClient(here.plane, token)
            here.skipped += timedelta(seconds=2 * SETTLED_SECONDS)
            asked = []
            for number in range(5):  # who may do what, and whether somebody launches, is asked every few seconds only
                before = len(here.fake.requests)
                api.create(PODS, executor(driver, number))
                asked.append(here.fake.requests[before:])
            return min(asked, key=len)
    finally:
        functions.close()


def run() -> str:
    """Return the table."""
    life = measure()
    parts = (life.start, life.end, life.traces)
    by_kind = [_by_kind(part) for part in parts]
    lines = [
        f"| write units of an executor (Spark 4.3.0; mean of {life.executors}) "
        "| until it runs | until it is gone | until its traces are | together |",
        "|---|--:|--:|--:|--:|",
    ]
    for kind in sorted(set().union(*by_kind), key=lambda kind: -sum(part[kind] for part in by_kind)):
        lines.append(_row(kind, [part[kind] / life.executors for part in by_kind]))
    lines.append(_row("**all**", [sum(part.values()) / life.executors for part in by_kind]))
    for name, operations in REQUESTS.items():
        counts = [sum(count for each, count in part.requests.items() if each in operations) for part in parts]
        lines.append(_row(name, [count / life.executors for count in counts]))
    reads = sum(life.lists.reads.values()) / life.executors
    lines.append(f"\nA list of all executors reads {reads:.2f} units for each.")
    return "\n".join(lines)


def _row(name: str, figures: list[float]) -> str:
    cells = " | ".join(f"{figure:.1f}" for figure in [*figures, sum(figures)])
    return f"| {name} | {cells} |"


def _by_kind(units: Units) -> Counter[str]:
    """Return write units by what is written: owner#<uid> and the like are one kind."""
    found = Counter[str]()
    for pk, count in units.writes.items():
        kind, _, of = pk.partition("#")
        found[f"{kind} {of}" if kind in ("object", "event", "previous") else kind] += count
    return found


def _recorded(name: str) -> Any:  # Any: JSON
    return json.loads((RECORDED / f"{name}.json").read_text())


if __name__ == "__main__":
    print(run())
