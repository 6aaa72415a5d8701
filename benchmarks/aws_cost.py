"""What the control plane of a job costs on AWS in an hour: what is paid for, counted on fakes and priced.

The packaged functions run as on Lambda, on a DynamoDB in memory and an ECS without containers, for a job of Spark's
recorded pods, created one after another, owned by their driver, and deleted as Spark does. Driver and submitter watch
all the time, as Spark's client does (polled_watch.py), the driver lists its executors, and the schedule runs. Counted
are start, end and one minute between; an hour has sixty of such minutes, twelve schedules in which everything is due
and 48 with what is due each minute. A bill has seconds in which a function waits, too: they are the processor seconds
by what a function has of a processor, and what each request to DynamoDB and ECS takes on AWS; of the function that
launches, which waits for more to launch, the seconds that it takes here. Prices: aws_prices.json.
"""

from __future__ import annotations

import copy
import json
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.aws_launch import MANY, REQUEST_SECONDS, RUN_TASK_SECONDS
from benchmarks.aws_writes import executors_of
from benchmarks.cpu_share import FULL_MB, cpu_seconds
from benchmarks.dynamodb_units import UnitMeter
from tests.aws_box.client import PODS, Client
from tests.aws_box.deployment import Deployment
from tests.aws_box.ecs_task import EcsTask
from tests.aws_box.event_bus import EventBus
from tests.aws_box.fake_ecs import FakeEcs
from tests.aws_box.package import Package, make_package

GOALS = {10: 0.01, 100: 0.02, 1000: 0.06}  # dollars an hour, by executors
QUIET_SECONDS, MINUTE = 35.0, 60.0  # until watches are asked for as seldom as they ever are
LISTS = 30  # of its executors by a driver in an hour, as it is told to
SCHEDULES, WHOLE_SCHEDULES = 60, 12
DELETES = 20
SETTLE_SECONDS = 1800.0
RECORDED = Path(__file__).resolve().parents[1] / "tests" / "data" / "spark"
CORE = PODS.removesuffix("/pods")
EXECUTORS = "spark-role=executor"
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


class Site:
    """One deployment, and what it has used."""

    def __init__(self, package: Package, folder: Path) -> None:
        self.ecs = FakeEcs(QuickEngine(), lambda event: self.events.send(event))
        self.deployment = Deployment(package, folder, ecs_url=self.ecs.url, concurrency=MANY)
        self.events = EventBus(lambda event: self.deployment.tell(event))
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
def watching(site: Site, **selector: str) -> Iterator[None]:
    """Watch pods as Spark's client does, meanwhile."""
    over = threading.Event()

    def watch() -> None:
        query = {"watch": "true", "allowWatchBookmarks": "true", **selector}
        pause = 0.0
        while not over.wait(pause):
            pause = 1.0
            for line in site.client.call("GET", PODS, params=query, headers=FABRIC8).text.splitlines():
                frame = json.loads(line)
                if frame["type"] == "ERROR":
                    pause = max(pause, frame["object"]["details"]["retryAfterSeconds"])
                else:
                    query["resourceVersion"] = frame["object"]["metadata"]["resourceVersion"]

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def run() -> str:
    """Return the table."""
    prices: Prices = json.loads(Path(__file__).with_name("aws_prices.json").read_text())
    eks, address = prices["eks_cluster_hour"], prices["public_ipv4_hour"]
    with tempfile.TemporaryDirectory() as name:
        package = make_package(Path(name) / "package")
        idle = _measured(package, Path(name, "idle"), _idle_hour)
        hours = {count: _measured(package, Path(name, f"{count}"), _job_hour, count) for count in GOALS}
    month = idle.dollars(prices) * 24 * 30
    lines = [
        f"| an hour of a job, {prices['region']}, prices of {prices['as_of']} | gateway | Lambda | seconds | GB-s "
        "| DynamoDB writes | reads | functions at once | control plane | goal | public addresses of its tasks |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for count, hour in hours.items():
        lines.append(
            f"| {count:,} executors | {hour.cells()} | {hour.seconds / 3600:.3f} | ${hour.dollars(prices):.4f} "
            f"| ${GOALS[count]:.2f} | ${(count + 1) * address:.2f} |"
        )
    dollars = f"${idle.dollars(prices):.4f}, ${month:.2f} a month"
    lines.append(f"| no job | {idle.cells()} | {idle.seconds / 3600:.3f} | {dollars} | | |")
    return "\n".join([*lines, "", f"EKS takes ${eks:.2f} an hour for its control plane, whatever runs."])


def _measured(package: Package, folder: Path, measure: Callable[..., Counts], *arguments: int) -> Counts:
    folder.mkdir()
    site = Site(package, folder)
    try:
        site.client.get(PODS)  # a new table's defaults are written once, not with each job
        site.deployment.run_schedule()
        return measure(site, *arguments)
    finally:
        site.close()


def _idle_hour(site: Site) -> Counts:
    return _schedules(site)[0]


def _schedules(site: Site) -> tuple[Counts, Counts]:
    """Return what an hour's schedules use, and what else goes on in the minute between two of them."""
    site.deployment.resync.restart()  # in a new process everything is due
    with site.counted() as whole:
        site.deployment.run_schedule()
    with site.counted() as minute:
        time.sleep(MINUTE)
    with site.counted() as brief:
        site.deployment.run_schedule()
    return whole * WHOLE_SCHEDULES + brief * (SCHEDULES - WHOLE_SCHEDULES), minute


def _job_hour(site: Site, executors: int) -> Counts:
    driver = _recorded("driver-4.3.0")
    labels, name = driver["metadata"]["labels"], driver["metadata"]["name"]
    application = f"spark-app-selector={labels['spark-app-selector']}"
    theirs = f"{application},{EXECUTORS}"
    with site.counted() as start:
        owner = _create_driver(site, driver)
    with watching(site, fieldSelector=f"metadata.name={name}"), watching(site, labelSelector=theirs):
        with site.counted() as scaling:
            _create_executors(site, owner, labels, executors)
            site.wait_for_tasks("RUNNING", executors + 1)
        with site.counted() as settling:
            time.sleep(QUIET_SECONDS)
        schedules, minute = _schedules(site)
        with site.counted() as listing:
            site.ask("GET", PODS, params={"labelSelector": executors_of(driver)}, headers=FABRIC8)
        with site.counted() as end:
            _delete_executors(site, theirs)
            site.ask("DELETE", f"{PODS}/{name}")
            site.wait_for_tasks("STOPPED", executors + 1)
            time.sleep(QUIET_SECONDS)
    return start + scaling + settling + schedules + minute * 60 + listing * LISTS + end


def _create_driver(site: Site, driver: Json) -> Json:
    """Do what spark-submit does; return the driver's metadata."""
    site.ask("POST", f"{CORE}/serviceaccounts", json={"metadata": {"name": "spark"}})
    made = site.ask("POST", PODS, json=driver)["metadata"]
    service = {"metadata": {"name": "driver"}, "spec": {"clusterIP": "None", "ports": [{"port": 7078}]}}
    site.ask("POST", f"{CORE}/services", json=service)
    for volume in [*driver["spec"]["volumes"], *_recorded("executor-4.3.0")["spec"]["volumes"]]:
        if "configMap" in volume:
            settings = {**_recorded("configmap-4.3.0"), "metadata": {"name": volume["configMap"]["name"]}}
            site.ask("POST", f"{CORE}/configmaps", json=settings)
    return made


def _create_executors(site: Site, owner: Json, labels: Json, count: int) -> None:
    body = _recorded("executor-4.3.0")
    body["metadata"]["ownerReferences"][0] |= {"name": owner["name"], "uid": owner["uid"]}
    body["metadata"]["labels"]["spark-app-selector"] = labels["spark-app-selector"]
    for number in range(1, count + 1):
        pod = copy.deepcopy(body)
        pod["metadata"]["name"] = f"pi-exec-{number}"
        pod["metadata"]["labels"]["spark-exec-id"] = str(number)
        site.ask("POST", PODS, json=pod, headers=FABRIC8)


def _delete_executors(site: Site, theirs: str) -> None:
    """Delete them as Spark does; again where so many take longer than a request may, as their ends would do later."""
    for _ in range(DELETES):
        if site.client.call("DELETE", PODS, params={"labelSelector": theirs}, headers=FABRIC8).status_code == 200:
            return
    raise RuntimeError("the executors could not be deleted")


def _recorded(name: str) -> Json:
    return json.loads((RECORDED / f"{name}.json").read_text())
