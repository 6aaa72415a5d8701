"""What the control plane of a job costs on AWS: what is paid for, counted on fakes and priced (aws_prices.json).

The packaged functions run as on Lambda, on a DynamoDB in memory and an ECS without containers. Not executed but added:
the driver's and the submitter's watches, which hold a function all the time, and the driver's regular lists, of which
one is measured.
"""

from __future__ import annotations

import json
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

from benchmarks.dynamodb_units import UnitMeter
from tests.aws_box.client import PODS, Client
from tests.aws_box.deployment import Deployment
from tests.aws_box.ecs_task import EcsTask
from tests.aws_box.event_bus import EventBus
from tests.aws_box.fake_ecs import FakeEcs
from tests.aws_box.package import Package, make_package

EXECUTORS = (10, 100, 1000)
JOB_MINUTES = 30
WATCHES = 2  # the driver's on its executors, the submitter's on its driver
WATCH_SECONDS = 25.0  # each request of a watch is held so long
POLLS_A_MINUTE = 2  # Spark's driver lists its executors every 30 seconds
EXECUTOR_PODS = f"{PODS}?labelSelector=spark-role%3Dexecutor"
LAMBDA_GB = 0.5
MONTH_MINUTES = 30 * 24 * 60
SETTLE_SECONDS = 900.0

Prices = dict[str, Any]


@dataclass(slots=True)
class Counts:
    """What AWS would count."""

    gateway: int = 0
    invocations: int = 0
    gb_seconds: float = 0.0
    reads: int = 0
    writes: int = 0
    ecs: int = 0

    def __sub__(self, before: Counts) -> Counts:
        return self + before * -1

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, each) + getattr(other, each) for each in Counts.__slots__))

    def __mul__(self, times: int) -> Counts:
        return Counts(*(getattr(self, each) * times for each in Counts.__slots__))

    def dollars(self, prices: Prices) -> float:
        """Return what it costs."""
        return float(
            self.gateway * prices["api_gateway_request"]
            + self.invocations * prices["lambda_request"]
            + self.gb_seconds * prices["lambda_gb_second_arm64"]
            + self.reads * prices["dynamodb_read_unit"]
            + self.writes * prices["dynamodb_write_unit"]
        )


class QuickEngine:
    """Takes each task through the states that ECS reports, without any container."""

    def start(self, task: EcsTask) -> None:
        """Run the task in a thread of its own, until it is asked to stop."""
        threading.Thread(target=self._run, args=(task,), daemon=True).start()

    def _run(self, task: EcsTask) -> None:
        names = [each["name"] for each in task.containers]
        task.begin()
        task.change(pullStartedAt=time.time(), pullStoppedAt=time.time())
        task.attach("10.0.0.1")
        task.change_container(names[0], lastStatus="STOPPED", exitCode=0)
        for name in names[1:]:
            task.change_container(name, announce=False, lastStatus="RUNNING")
        task.change("RUNNING", startedAt=time.time())
        task.stop_asked.wait()
        for name in names[1:]:
            task.change_container(name, lastStatus="STOPPED", exitCode=143)
        task.change("DEPROVISIONING", executionStoppedAt=time.time())
        task.change("STOPPED", stoppedAt=time.time())


class Meter:
    """Counts what one deployment uses."""

    def __init__(self, deployment: Deployment, ecs: FakeEcs) -> None:
        self._deployment = deployment
        self._ecs = ecs
        self._units = UnitMeter(deployment.dynamodb.fake)
        self._seconds = 0.0
        self._lock = threading.Lock()
        for function in deployment.functions:
            function.invoke = self._timed(function.invoke)  # type: ignore[method-assign, assignment]
        deployment.gateway._invoke = deployment.api.invoke

    def read(self) -> Counts:
        """Return what has been counted so far."""
        units = self._units.read()
        invocations = sum(each.invocations for each in self._deployment.functions)
        return Counts(
            gateway=len(self._deployment.gateway.requests),
            invocations=invocations,
            gb_seconds=self._seconds * LAMBDA_GB,
            reads=sum(units.reads.values()),
            writes=sum(units.writes.values()),
            ecs=sum(self._ecs.calls.values()),
        )

    def _timed(self, invoke: Callable[[Any], bytes]) -> Callable[[Any], bytes]:
        def timed(event: Any) -> bytes:
            started = time.monotonic()
            try:
                return invoke(event)
            finally:
                with self._lock:
                    self._seconds += time.monotonic() - started

        return timed


def run() -> str:
    """Return the table."""
    prices: Prices = json.loads(Path(__file__).with_name("aws_prices.json").read_text())
    with tempfile.TemporaryDirectory() as name:
        package = make_package(Path(name) / "package")
        results = {count: _job(package, Path(name), count) for count in EXECUTORS}
    lines = [
        f"| {JOB_MINUTES} minutes, {prices['region']}, prices of {prices['as_of']} | API Gateway | Lambda | GB-s "
        "| DynamoDB writes | reads | ECS calls | control plane | EKS |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    eks = prices["eks_cluster_hour"]
    for count, (job, _) in results.items():
        lines.append(
            f"| {count} executors {_cells(job)} | ${job.dollars(prices):.4f} | ${eks * JOB_MINUTES / 60:.4f} |"
        )
    idle = results[EXECUTORS[0]][1]
    month = idle.dollars(prices) * MONTH_MINUTES
    lines.append(
        f"| a minute without a job {_cells(idle)} | ${month:.2f} a month | ${eks * MONTH_MINUTES / 60:.2f} a month |"
    )
    return "\n".join(lines)


def _cells(counts: Counts) -> str:
    return (
        f"| {counts.gateway} | {counts.invocations} | {counts.gb_seconds:.1f} | {counts.writes} "
        f"| {counts.reads} | {counts.ecs}"
    )


def _job(package: Package, folder: Path, executors: int) -> tuple[Counts, Counts]:
    """Return the counts of one job, and of one minute's schedule when it is over."""
    events: list[EventBus] = []
    ecs = FakeEcs(QuickEngine(), lambda event: events[0].send(event), cluster="sparkanywhere")
    deployment = Deployment(package, folder, ecs_url=ecs.url)
    meter = Meter(deployment, ecs)
    events.append(EventBus(lambda event: deployment.task_events.invoke(event)))
    client = Client(deployment, folder)

    def settled(status: str) -> bool:
        return all(task.document["lastStatus"] == status for task in ecs.tasks) and events[0].is_idle

    try:
        client.get(PODS)  # a new table's defaults are written once, not with each job
        before = meter.read()
        _start(client, executors)
        _wait(lambda: len(ecs.tasks) == executors + 1 and settled("RUNNING"))
        listing = meter.read()
        client.get(EXECUTOR_PODS)
        listing = meter.read() - listing
        _end(client, executors)
        _wait(lambda: settled("STOPPED"))
        deployment.run_schedule()
        job = _with_watches(meter.read() - before, listing)
        before = meter.read()
        deployment.run_schedule()
        return job, meter.read() - before
    finally:
        events[0].close()
        deployment.close()
        ecs.close()


def _start(client: Client, executors: int) -> None:
    """Do what Spark does: a driver, a Service, a ConfigMap, executors."""
    settings = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "conf"}, "data": {"a": "x" * 4000}}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "driver"}, "spec": {"clusterIP": "None"}}
    client.call("POST", "/api/v1/namespaces/default/configmaps", json=settings)
    client.call("POST", "/api/v1/namespaces/default/services", json=service)
    env = [{"name": f"SPARK_VARIABLE_{number}", "value": "x" * 40} for number in range(40)]
    container = {"name": "main", "image": "spark", "env": env}
    client.create_pod("driver", containers=[container])
    labels = {"labels": {"spark-role": "executor"}}

    def create(number: int) -> None:
        client.create_pod(f"executor-{number}", containers=[container], metadata=dict(labels))

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(create, range(executors)))


def _end(client: Client, executors: int) -> None:
    """Delete each pod, as Spark does."""
    names = [f"executor-{number}" for number in range(executors)]
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda name: client.call("DELETE", f"{PODS}/{name}"), names))
    client.call("DELETE", f"{PODS}/driver")


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SETTLE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("the job did not get on")
        time.sleep(2)


def _with_watches(counts: Counts, listing: Counts) -> Counts:
    """Add what a job's watches, lists and schedule need over its time."""
    held = WATCHES * JOB_MINUTES * 60
    requests = ceil(held / WATCH_SECONDS)
    watches = Counts(
        gateway=requests,
        invocations=requests + JOB_MINUTES,
        gb_seconds=held * LAMBDA_GB,
        reads=ceil(held / 0.4),  # a watch looks for others' writes every 0.4 seconds
        ecs=3 * JOB_MINUTES,
    )
    return counts + watches + listing * (POLLS_A_MINUTE * JOB_MINUTES)
