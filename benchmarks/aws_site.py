"""A deployment in the box that is measured: what it has used, and what ECS and Spark's watches do meanwhile."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.aws_launch import MANY, REQUEST_SECONDS, RUN_TASK_SECONDS
from benchmarks.cpu_share import FULL_MB, cpu_seconds
from benchmarks.dynamodb_units import UnitMeter
from tests.aws_box.client import PODS, Client
from tests.aws_box.deployment import Deployment
from tests.aws_box.ecs_task import EcsTask
from tests.aws_box.event_bus import WORKERS, EventBus
from tests.aws_box.fake_ecs import Engine, FakeEcs
from tests.aws_box.package import Package
from tests.waiting import in_thread

SETTLE_SECONDS = 1800.0
FABRIC8 = {"User-Agent": "fabric8-kubernetes-client/7.6.1"}

Prices = dict[str, Any]
Json = Any  # what the API has sent, or is sent


@dataclass(slots=True)
class Counts:
    """What AWS would count."""

    gateway: float = 0
    invocations: float = 0
    seconds: float = 0.0
    gb_seconds: float = 0.0
    reads: float = 0
    writes: float = 0

    def __sub__(self, before: Counts) -> Counts:
        return self + before * -1

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, each) + getattr(other, each) for each in Counts.__slots__))

    def __mul__(self, times: float) -> Counts:
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

    def cells(self) -> str:
        """Return it as cells of a table."""
        values = (self.gateway, self.invocations, self.seconds, self.gb_seconds, self.writes, self.reads)
        return " | ".join(f"{value:,.0f}" for value in values)


def begin(task: EcsTask) -> list[str]:
    """Take a task through the states that ECS reports until it runs; return its containers' names but the first's."""
    first, *others = [each["name"] for each in task.containers]
    task.begin()
    task.change(pullStartedAt=time.time(), pullStoppedAt=time.time())
    task.attach("10.0.0.1")
    task.change_container(first, lastStatus="STOPPED", exitCode=0)
    for name in others:
        task.change_container(name, announce=False, lastStatus="RUNNING")
    task.change("RUNNING", startedAt=time.time())
    return others


class QuickEngine:
    """Takes each task through the states that ECS reports, without any container."""

    def start(self, task: EcsTask) -> None:
        """Run the task in a thread of its own, until it is asked to stop."""
        threading.Thread(target=self._run, args=(task,), daemon=True).start()

    def _run(self, task: EcsTask) -> None:
        names = begin(task)
        task.stop_asked.wait()
        for name in names:
            task.change_container(name, lastStatus="STOPPED", exitCode=143)
        task.change("DEPROVISIONING", executionStoppedAt=time.time())
        task.change("STOPPED", stoppedAt=time.time())


class Site:
    """One deployment, and what it has used."""

    def __init__(
        self, package: Package, folder: Path, engine: Engine | None = None, *, event_workers: int = WORKERS
    ) -> None:
        self.ecs = FakeEcs(engine or QuickEngine(), lambda event: self.events.send(event))
        self.deployment = Deployment(package, folder, ecs_url=self.ecs.url, concurrency=MANY)
        self.events = EventBus(lambda event: self.deployment.tell(event), workers=event_workers)
        self.client = Client(self.deployment, folder)
        self._units = UnitMeter(self.deployment.dynamodb.fake)
        self._gb = {name: package.memory_gb(f"app.{name}") for name in ("app", "launch")}
        self._launching = 0.0
        self._lock = threading.Lock()
        launch = self.deployment.launch
        launch.invoke_queued = self._timed(launch.invoke_queued)  # type: ignore[method-assign]

    def _timed(self, invoke: Callable[[Any], bytes]) -> Callable[[Any], bytes]:
        def timed(event: Any) -> bytes:
            started = time.monotonic()
            try:
                return invoke(event)
            finally:
                with self._lock:
                    self._launching += time.monotonic() - started

        return timed

    def read(self) -> Counts:
        """Return what has been counted so far."""
        functions, units = self.deployment.functions, self._units.read()
        others = [each for each in functions if each is not self.deployment.launch]
        processor = sum(cpu_seconds(pid) for each in others for pid in each.pids)
        asked = sum(self.ecs.calls.values()) - self.ecs.calls["RunTask"]  # which the launch function's seconds have
        waits = sum(units.requests.values()) * REQUEST_SECONDS + asked * RUN_TASK_SECONDS
        seconds = processor * FULL_MB / 1024 / self._gb["app"] + waits
        return Counts(
            gateway=len(self.deployment.gateway.requests),
            invocations=sum(each.invocations for each in functions),
            seconds=seconds + self._launching,
            gb_seconds=seconds * self._gb["app"] + self._launching * self._gb["launch"],
            reads=sum(units.reads.values()),
            writes=sum(units.writes.values()),
        )

    def read_requests(self) -> Counter[str]:
        """Return how many requests to DynamoDB there were so far, by operation and whether it was refused."""
        return self._units.read().requests

    @contextmanager
    def counted(self) -> Iterator[Counts]:
        """Yield what is used meanwhile, known at the end."""
        counts, before = Counts(), self.read()
        yield counts
        used = self.read() - before
        for each in Counts.__slots__:
            setattr(counts, each, getattr(used, each))

    def wait_for_tasks(self, status: str, count: int) -> None:
        """Wait until so many tasks there are, all in that state, and all of it is told."""

        def settled() -> bool:
            return len(self.ecs.tasks) == count and all(
                task.document["lastStatus"] == status for task in self.ecs.tasks
            )

        deadline = time.monotonic() + SETTLE_SECONDS
        while not (settled() and self.events.is_idle):
            if time.monotonic() > deadline:
                raise TimeoutError("the job did not get on")
            time.sleep(1)

    def ask(self, method: str, path: str, **how: Any) -> Json:  # Any: as requests takes it
        """Return the document that is answered. Raises RuntimeError for an error."""
        answer = self.client.call(method, path, **how)
        if answer.status_code >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.text[:300]}")
        return answer.json()

    def close(self) -> None:
        """Take it down."""
        self.events.close()
        self.deployment.close()
        self.ecs.close()


@contextmanager
def watching(site: Site, *, slower: int = 1, **selector: str) -> Iterator[None]:
    """Watch pods as Spark's client does, but `slower` times as seldom, meanwhile."""
    over = threading.Event()

    def watch() -> None:
        query = {"watch": "true", "allowWatchBookmarks": "true", **selector}
        pause = 0.0
        while not over.wait(pause * slower):
            pause = 1.0
            for line in site.client.call("GET", PODS, params=query, headers=FABRIC8).text.splitlines():
                frame = json.loads(line)
                if frame["type"] == "ERROR":
                    pause = max(pause, frame["object"]["details"]["retryAfterSeconds"])
                else:
                    query["resourceVersion"] = frame["object"]["metadata"]["resourceVersion"]

    with in_thread(watch, over):
        yield
