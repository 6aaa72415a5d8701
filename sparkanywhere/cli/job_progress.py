"""Pure: the progress of a Spark job, from its pods, what Spark says of itself, and the time of each.

A job passes these phases in order; a phase begins when the one before it ends:

    control plane | submit | driver | executors | job | clean-up

Spark speaks by its REST API. Where that cannot be had, the executors are those whose pods run, and tasks are counted by
the driver's INFO lines, as far as it logs any.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from chalicelib.apimachinery.accessors import TERMINAL_PHASES, spec_of
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.start_phases import MAX_LINE, SparkStart
from chalicelib.providers import registry
from sparkanywhere.jobs.spark_rest import SparkProgress
from sparkanywhere.jobs.start_phases import start_advice, start_seconds

PHASES = ("control plane", "submit", "driver", "executors", "job", "clean-up")
TASKS = re.compile(r" INFO TaskSetManager: Finished task [\d.]+ in stage (\d{1,9})\.\d+ .*\((\d{1,9})/(\d{1,9})\)$")


@dataclass(slots=True)
class PodRecord:
    """The last that was seen of a pod, and when (clock seconds) it was first seen, ran and ended."""

    name: str
    role: str
    phase: str = "Pending"
    exit_code: int | None = None
    reason: str = ""
    started: str = ""  # as the API says it, RFC 3339
    ran_at: float | None = None
    ended_at: float | None = None
    gone: bool = False

    @property
    def seconds(self) -> float | None:
        """Return how long it ran, None if it never did or still does."""
        if self.ran_at is None or self.ended_at is None:
            return None
        return self.ended_at - self.ran_at


@dataclass(slots=True)
class JobProgress:
    """The state of one job. Every method takes the time (clock seconds) of its event."""

    instances: int
    began_at: float
    ends: dict[str, float] = field(default_factory=dict)  # phase -> when it ended
    pods: dict[str, PodRecord] = field(default_factory=dict)
    spark: SparkProgress | None = None  # what it said last
    logged: tuple[int, int, int] | None = None  # a stage, and how many of its tasks are done, by the log
    attempts: int = 1  # drivers that may fail
    stopped_with: int | None = None  # the exit code, where we ended the job
    advice: Mapping[str, str] = field(default_factory=dict)  # on phases of the start that are the job's own
    driver_pod: JSON = field(default_factory=dict)  # as last seen
    logged_start: SparkStart = field(default_factory=SparkStart)
    is_spark_silent: bool = False  # its Spark cannot be asked: what only that tells stays unknown

    def end(self, phase: str, now: float) -> None:
        """Note that a phase is over, and with it all before it. The first word on a phase counts."""
        for each in PHASES[: PHASES.index(phase) + 1]:
            self.ends.setdefault(each, now)

    def observe_pod(self, pod: JSON, now: float, *, gone: bool = False) -> None:
        """Take in a pod as a watch or list gives it; `gone` if it was deleted."""
        name = pod["metadata"]["name"]
        role = pod["metadata"].get("labels", {}).get("spark-role", "")
        seen = self.pods.setdefault(name, PodRecord(name, role))
        status = pod.get("status", {})
        seen.phase = status.get("phase", seen.phase)
        seen.gone = gone
        containers = status.get("containerStatuses") or [{}]
        state = containers[-1].get("state", {})  # with a sidecar, Spark's own container is the last
        ended = state.get("terminated", {})
        seen.exit_code = ended.get("exitCode", seen.exit_code)
        seen.reason = ended.get("reason") or state.get("waiting", {}).get("reason") or status.get("reason", "")
        seen.started = ended.get("startedAt") or state.get("running", {}).get("startedAt") or seen.started
        if seen.phase != "Pending" and seen.ran_at is None:
            seen.ran_at = now
        if (gone or seen.phase in TERMINAL_PHASES) and seen.ended_at is None:
            seen.ended_at = now
        if role == "driver":
            self.driver_pod = pod
            self.end("submit", now)
            if seen.ran_at is not None:
                self.end("driver", now)
            if self.is_over:
                if not self.executor_pods and "driver" in self.ends:  # a program that asks for none waits for none
                    self.ends.setdefault("executors", self.ends["driver"])
                self.end("job", now)
        self._judge_executors(now)

    def observe_spark(self, said: SparkProgress | None, now: float) -> None:
        """Take in what the driver's Spark says of itself; None: it never will say anything."""
        if said is None:
            self.is_spark_silent = True
            return
        self.spark = said
        if said.tasks_running or said.tasks_done:
            self.end("executors", now)  # Spark does not wait for the last one
        self._judge_executors(now)

    def observe_line(self, line: str, now: float) -> None:
        """Take in a line of the driver's log."""
        if self.logged_start.observe(line, now):
            self._judge_executors(now)
        if len(line) <= MAX_LINE and (found := TASKS.search(line)):
            self.logged = (int(found[1]), int(found[2]), int(found[3]))
            self.end("executors", now)

    def _judge_executors(self, now: float) -> None:
        if "driver" in self.ends and self.executors >= self.instances:
            self.end("executors", now)

    @property
    def start(self) -> dict[str, float]:
        """Return the seconds of each phase of the start that is known so far."""
        submit = self.seconds("submit", 0.0) if "submit" in self.ends else None
        known = start_seconds(self.driver_pod, self.spark, executors=self.instances, submit=submit)
        return {**known, **{name: each for name, each in self._logged_start().items() if name not in known}}

    @property
    def _is_logged_live(self) -> bool:
        """Return whether the log has INFO lines, and they come as they are written."""
        provider = registry.of_node(str(spec_of(self.driver_pod).get("nodeName", "")))
        return self.logged_start.made_at is not None and provider is not None and not provider.log_delay_seconds

    def _logged_start(self) -> dict[str, float]:
        """Return what the log tells of the start, where its lines come as they are written."""
        ran_at = self.driver.ran_at if self.driver else None
        return {} if ran_at is None or not self._is_logged_live else self.logged_start.seconds(ran_at, self.instances)

    @property
    def start_advice(self) -> str:
        """Return what would make a slow start faster, else ""."""
        return start_advice(self.driver_pod, self.start, self.advice, self.logged_start)

    @property
    def is_start_told(self) -> bool:
        """Return whether no more will be known of the start than is, and that is more than the submission."""
        is_all = "register" in self.start or self.is_over or (self.is_spark_silent and "executors" in self.ends)
        return is_all and bool(self.start.keys() - {"submit"})

    @property
    def phase(self) -> str:
        """Return the phase under way, the last one when all are over."""
        return next((phase for phase in PHASES if phase not in self.ends), PHASES[-1])

    @property
    def executors(self) -> int:
        """Return how many executors have registered; if unknown, and at the end, how many of their pods run."""
        if self.spark and not self.is_over:
            return self.spark.executors
        if self._is_logged_live and not self.is_over:
            return len(self.logged_start.registered_at)
        return sum(each.ran_at is not None and (each.ended_at is None or self.is_over) for each in self.executor_pods)

    @property
    def executor_pods(self) -> list[PodRecord]:
        """Return the executors' pods, also those that are gone."""
        return [pod for pod in self.pods.values() if pod.role == "executor"]

    @property
    def driver(self) -> PodRecord | None:
        """Return the driver's pod, the one of the last attempt."""
        return next(reversed(self.drivers), None)

    @property
    def drivers(self) -> list[PodRecord]:
        """Return the driver's pods, one for each attempt so far."""
        return [pod for pod in self.pods.values() if pod.role == "driver"]

    @property
    def is_over(self) -> bool:
        """Return whether the last driver has ended, and no other will be tried."""
        driver = self.driver
        if driver is None or driver.phase == "Failed":
            return driver is not None and len(self.drivers) >= self.attempts
        return driver.gone or driver.phase == "Succeeded"

    @property
    def succeeded(self) -> bool:
        """Return whether the driver ended with exit code 0."""
        return self.driver is not None and self.driver.phase == "Succeeded"

    @property
    def exit_code(self) -> int:
        """Return the driver's exit code, 128+n where signal n ended it; 1 where it failed without one that says so.

        Of a job that we ended, that which it was ended with.
        """
        if self.stopped_with is not None:
            return self.stopped_with
        return 0 if self.succeeded else (self.driver and self.driver.exit_code) or 1

    def seconds(self, phase: str, now: float) -> float:
        """Return how long a phase took, or has taken so far; 0 if it has not begun."""
        index = PHASES.index(phase)
        begin = self.began_at if index == 0 else self.ends.get(PHASES[index - 1])
        return 0.0 if begin is None else self.ends.get(phase, now) - begin
