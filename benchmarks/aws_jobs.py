"""Ten jobs of 1,000 executors at once, run whole on AWS in a box: when all run, whether one was lost, the ceiling.

Each of ten drivers asks for its executors one after another with its own token, watches them as Spark's client does,
and lists them every two minutes. ECS takes 20 calls of RunTask a second and reports what becomes of each task, the
schedule runs each minute, a request to DynamoDB takes 5 ms and RunTask 100, and each process has the processor of its
function.

A machine of two cores has less than all these functions together. So everything that AWS sets takes SLOWER times as
long here, 2 if not given: latencies, ECS's rate, the schedule's minute, timeouts, the processor of each function. What
the clock says is divided by it. Pauses that the functions make by their own clocks are not stretched, and so count as
shorter than they are; their own limit of 20 launches a second lets more through than ECS takes then, which throttles
the rest. `EACH` is for a shorter run.
"""

from __future__ import annotations

import os
import re
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.aws_launch import (
    FAULTS,
    LAUNCH_MB,
    LAUNCHES_PER_SECOND,
    MEMORY_MB,
    REQUEST_SECONDS,
    SCHEDULE_SECONDS,
    Driver,
    Launches,
    ask,
    create_drivers,
)
from benchmarks.aws_site import FABRIC8, Site, begin, watching
from benchmarks.cpu_share import FULL_MB, CpuShare, cpu_seconds
from tests.aws_box.client import PODS, Client
from tests.aws_box.ecs_task import EcsTask
from tests.aws_box.lambda_function import FunctionError, LambdaFunction
from tests.aws_box.package import make_package
from tests.contract.fake_dynamodb import Faults
from tests.waiting import in_thread

JOBS, EACH = 10, int(os.environ.get("EACH", "1000"))
WANTED_SECONDS = 600.0
GIVE_UP_SECONDS = 1800.0
LIST_SECONDS = 120.0  # between a driver's lists of its executors, as it is told to
PAGE = 400
SLOWER = int(os.environ.get("SLOWER", "2"))


class StartingEngine:
    """Takes each task to RUNNING, without any container."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(4)

    def start(self, task: EcsTask) -> None:
        """Run the task, behind the answer."""
        self._threads.submit(begin, task)


class Processors:
    """Gives each process of a function the processor of its memory, and knows what all have used."""

    def __init__(self, function: LambdaFunction, memory_mb: int) -> None:
        self._memory_mb = memory_mb
        self._shares: list[CpuShare] = []
        self._used: dict[int, float] = {}
        self._function = function
        function.on_start = self._started

    def _started(self, pid: int) -> None:
        self._shares.append(CpuShare(self._memory_mb // SLOWER))
        self._shares[-1].take(pid)
        self._used[pid] = 0.0

    def seconds(self) -> float:
        """Return the processor seconds of all processes, of those that have ended as of the last call."""
        for pid in list(self._used):
            try:
                self._used[pid] = cpu_seconds(pid)
            except OSError:
                continue
        return sum(self._used.values())

    def peak_mib(self) -> int:
        """Return the most memory that one of them has held at once."""
        texts = [Path(f"/proc/{pid}/status").read_text() for pid in self._function.pids]
        return max((int(re.findall(r"VmHWM:\s+(\d+)", text)[0]) for text in texts), default=0) // 1024

    def close(self) -> None:
        """Let go of the control groups, whose processes have ended."""
        for share in self._shares:
            share.close()


@dataclass(slots=True)
class Schedule:
    """The schedule's runs, each minute."""

    site: Site
    over: threading.Event = field(default_factory=threading.Event)
    seconds: list[float] = field(default_factory=list)
    failed: int = 0

    def run(self) -> None:
        """Run until it is over; one that takes longer than a minute delays the next."""
        began, minute = time.monotonic(), SCHEDULE_SECONDS * SLOWER
        while not self.over.wait(max(0.0, began + (len(self.seconds) + 1) * minute - time.monotonic())):
            started = time.monotonic()
            try:
                self.site.deployment.run_schedule()
            except FunctionError:
                self.failed += 1
            self.seconds.append((time.monotonic() - started) / SLOWER)


@dataclass(frozen=True, slots=True)
class Taken:
    """What all jobs together have taken; seconds since the first POST."""

    executors: int
    asked: float
    launched: float
    known: float
    throttled: int
    schedule: Schedule
    transactions: int
    lost: int
    processor_seconds: dict[str, float]  # by handler
    peak_mib: dict[str, int]  # by handler
    not_running: int
    without_task: int
    beyond: int

    def rows(self) -> Iterator[tuple[str, str]]:
        """Yield what was counted."""
        longest = max(self.schedule.seconds, default=0.0)
        yield "all were asked for after", f"{self.asked:.0f} s"
        yield "all had reached RunTask after", f"{self.launched:.0f} s"
        yield "the control plane knew of all that they run after", f"{self.known:.0f} s"
        yield "calls that ECS throttled", f"{self.throttled:,}"
        yield "schedules, the longest of them", f"{len(self.schedule.seconds)}, {longest:.0f} s"
        yield "schedules that were not done in time", str(self.schedule.failed)
        yield "transactions of an executor", f"{self.transactions / self.executors:.1f}"
        yield "and those that another was before, tried again", f"{self.lost / self.executors:.1f}"
        for handler, seconds in self.processor_seconds.items():
            yield f"processor ms of an executor, `{handler}`", f"{seconds / self.executors * 1000:.1f}"
        for handler in ("app.resync", "app.launch"):  # the two that hold what grows with the number of pods
            yield f"most memory at once, `{handler}`", f"{self.peak_mib[handler]} MiB"
        yield "pods that do not run", str(self.not_running)
        yield "pods without a task", str(self.without_task)
        yield "tasks without a pod, or second ones of a pod", str(self.beyond)

    def used(self) -> dict[str, float]:
        """Return of what all share, how much of it was in use until all had reached RunTask, 1.0 being all of it."""
        return {
            "launches that ECS takes": self.executors / LAUNCHES_PER_SECOND / self.launched,
            # one reads the store's last entry and writes the next, after the one before
            "transactions, one after the other": self.transactions * 2 * REQUEST_SECONDS / self.known,
            "the launch function's processor": self.processor_seconds["app.launch"]
            / (LAUNCH_MB / FULL_MB)
            / self.launched,
        }


def run() -> str:
    """Return the table. Raises RuntimeError if an executor was lost or launched twice."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "jobs")
        folder.mkdir()
        site = Site(make_package(Path(name) / "package"), folder, StartingEngine(), event_workers=JOBS)
        functions = site.deployment.functions
        for each in functions:
            each.timeout_seconds *= SLOWER
        memory = dict.fromkeys(functions, MEMORY_MB) | {site.deployment.launch: LAUNCH_MB}
        processors = {each.handler: Processors(each, memory[each]) for each in functions}
        try:
            taken = measured(site, processors)
        finally:
            site.close()
            for used in processors.values():
                used.close()
    if taken.not_running or taken.without_task or taken.beyond:
        raise RuntimeError(f"executors were lost or doubled: {taken}")
    used = taken.used()
    shares = ", ".join(f"{what} {share:.0%}" for what, share in used.items())
    verdict = "within" if taken.launched <= WANTED_SECONDS else "not within"
    return "\n".join(
        [
            f"| {JOBS} jobs of {EACH:,} executors at once | |",
            "|---|--:|",
            *(f"| {what} | {value} |" for what, value in taken.rows()),
            "",
            f"Run whole, with SLOWER={SLOWER}. In use: {shares}. The ceiling: {max(used, key=used.__getitem__)}; all "
            f"started {verdict} ten minutes.",
        ]
    )


def measured(site: Site, processors: dict[str, Processors]) -> Taken:
    """Have all drivers ask for their executors; return what that took."""
    owners = create_drivers(site.client, JOBS)
    site.deployment.run_schedule()
    others, executors, schedule, launches = len(site.ecs.tasks), JOBS * EACH, Schedule(site), Launches(SLOWER)
    site.ecs.faults["RunTask"] = [launches.run_task] * FAULTS
    site.deployment.dynamodb.fake.faults = Faults(latency_seconds=REQUEST_SECONDS * SLOWER)
    before, requested = {name: each.seconds() for name, each in processors.items()}, site.read_requests()
    started = time.monotonic()
    with ExitStack() as stack:
        stack.enter_context(in_thread(schedule.run, schedule.over))
        for owner in owners:
            stack.enter_context(watching(site, slower=SLOWER, labelSelector=_theirs(owner)))
            over = threading.Event()
            stack.enter_context(in_thread(partial(_list, site, owner, over), over))
        with ThreadPoolExecutor(JOBS) as threads:
            list(threads.map(lambda number: ask(site.deployment, owners[number], number, EACH), range(JOBS)))
        asked, end = time.monotonic(), started + GIVE_UP_SECONDS * SLOWER
        while time.monotonic() < end and (len(site.ecs.tasks) < others + executors or not site.events.is_idle):
            time.sleep(1)
        known = time.monotonic()
    requested = site.read_requests() - requested
    pods = list(_pods(site.client))
    tasks = Counter(str(task.document["startedBy"]) for task in site.ecs.tasks)
    uids = {pod["metadata"]["uid"] for pod in pods}
    return Taken(
        executors=executors,
        asked=(asked - started) / SLOWER,
        launched=(launches.at[-1] - started) / SLOWER,
        known=(known - started) / SLOWER,
        throttled=launches.throttled,
        schedule=schedule,
        transactions=requested["TransactWriteItems"],
        lost=requested["TransactWriteItems refused"],
        processor_seconds={name: each.seconds() - before[name] for name, each in processors.items()},
        peak_mib={name: each.peak_mib() for name, each in processors.items()},
        not_running=executors + JOBS - sum(pod["status"]["phase"] == "Running" for pod in pods),
        without_task=len(uids - set(tasks)),
        beyond=tasks.total() - len(uids & set(tasks)),
    )


def _theirs(owner: Driver) -> str:
    return f"spark-app-selector={owner.name},spark-role=executor"


def _list(site: Site, owner: Driver, over: threading.Event) -> None:
    """List a driver's executors now and then."""
    while not over.wait(LIST_SECONDS * SLOWER):
        site.client.call("GET", PODS, params={"labelSelector": _theirs(owner)}, headers=FABRIC8)


def _pods(client: Client) -> Iterator[Any]:
    query: dict[str, Any] = {"limit": PAGE}
    while query.get("continue", "first"):
        found = client.call("GET", PODS, params=query).json()
        yield from found["items"]
        query["continue"] = found["metadata"].get("continue")
