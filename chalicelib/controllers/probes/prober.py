"""Prober: runs the probes of the pods that this control plane follows, and acts on what they find.

A probe is attempted while its container runs, by turns that schedule one another on a few threads; pods without probes
cost nothing. What counts is written into the pod's status, where another control plane finds it. Only the one that
follows the pods of a store is started, so two servers never probe the same pod.

Compare doProbe in kubernetes/pkg/kubelet/prober/worker.go, and computePodActions in kuberuntime_manager.go, v1.36.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Protocol

from chalicelib.apimachinery.accessors import is_deleting, is_terminal
from chalicelib.apimachinery.rules.time import find_time
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.container_status import Run, run_of
from chalicelib.controllers.podmodel.probe import LONGEST_SECONDS, Probe, find_status, probed_status, probes_of
from chalicelib.controllers.podmodel.record import handle_of, task_grace_seconds
from chalicelib.controllers.pods.controller import PodController
from chalicelib.controllers.probes.attempt import Outcome, attempt
from chalicelib.controllers.runtime.background import Workers
from chalicelib.controllers.runtime.recorder import News, Recorder
from chalicelib.providers.base import ProviderUnavailable, TaskNotFound
from chalicelib.providers.extensions import Restarter
from chalicelib.providers.interactive import InteractiveProvider

LOG = logging.getLogger(__name__)

# Events of one probe, as a kubelet bounds those of one pod (EventSourceObjectSpamFilter of client-go, v1.36)
EVENT_BURST, EVENT_SECONDS = 25.0, 300.0


class ProbedProvider(InteractiveProvider, Restarter, Protocol):
    """What a provider must offer for probes of its tasks to be run."""


@dataclass
class _Turns:
    """The attempts of one probe. `number` is that of the turn that is to come; an older one that comes late is void."""

    probe: Probe
    number: int = 0
    run: Run | None = None  # that the counts are of
    last: str = ""  # the last result, and how often it came in a row
    count: int = 0
    is_on_hold: bool = False  # the run is being ended
    events: float = EVENT_BURST  # that may be written yet
    told_at: float = 0.0  # monotonic: when the last was


class Prober:
    """Follows pods that it is told of. Safe to call from many threads."""

    def __init__(
        self,
        *,
        provider: ProbedProvider,
        pods: PodController,
        recorder: Recorder,
        later: Workers,
        clock: Callable[[], datetime],
    ) -> None:
        self._provider = provider
        self._pods = pods
        self._recorder = recorder
        self._later = later
        self._clock = clock
        self._guard = threading.Lock()
        self._is_started = False
        self._known: dict[str, tuple[JSON, list[_Turns]]] = {}  # by the pod's uid

    def start(self) -> None:
        """Follow pods from now on."""
        self._is_started = True

    def close(self) -> None:
        """End all attempts. May be repeated."""
        self._is_started = False
        self._later.close()

    def follow(self, pod: JSON) -> None:
        """Take note of a pod as it is now; probes begin or go on where a container runs. May be repeated."""
        if not self._is_started or not (probes := list(probes_of(pod))):
            return
        uid = pod["metadata"]["uid"]
        if is_terminal(pod) or not handle_of(pod):
            self.forget(pod)
            return
        with self._guard:
            before, turns = self._known.get(uid) or ({}, [_Turns(probe) for probe in probes])
            if before and int(before["metadata"]["resourceVersion"]) >= int(pod["metadata"]["resourceVersion"]):
                return
            self._known[uid] = (pod, turns)
            for each in turns:
                if _stage(before, each.probe) != _stage(pod, each.probe):
                    self._schedule(uid, each, 0.0)

    def forget(self, pod: JSON) -> None:
        """Probe a pod no more. May be repeated."""
        with self._guard:
            self._known.pop(pod["metadata"]["uid"], None)

    def _schedule(self, uid: str, turns: _Turns, seconds: float) -> None:
        turns.number += 1
        self._later(partial(self._turn, uid, turns, turns.number), delay_seconds=seconds)

    def _turn(self, uid: str, turns: _Turns, number: int) -> None:
        """Make one attempt if it is time, and schedule the next."""
        with self._guard:
            pod, _ = self._known.get(uid) or ({}, [])
            status = find_status(pod, turns.probe.container)
            run = run_of(status)
            if number != turns.number or run is None or not self._is_wanted(pod, status, turns, run):
                return
            wait = self._delay(status, turns.probe)
            if wait > 0:
                self._schedule(uid, turns, wait)
                return
        began = time.monotonic()
        try:
            self._probe(pod, turns, run)
        finally:
            with self._guard:
                if number == turns.number and uid in self._known:
                    self._schedule(uid, turns, max(0.0, began + turns.probe.period - time.monotonic()))

    @staticmethod
    def _is_wanted(pod: JSON, status: JSON, turns: _Turns, run: Run) -> bool:
        """Return whether a probe is to be attempted in this stage of its container; a change of that asks again."""
        if turns.run != run:
            turns.run, turns.last, turns.count, turns.is_on_hold = run, "", 0, False
        kind = turns.probe.kind
        if turns.is_on_hold or (is_deleting(pod) and kind != "readiness"):
            return False
        return bool(status.get("started")) == (kind != "startup")

    def _delay(self, status: JSON, probe: Probe) -> float:
        """Return for how many seconds a container that runs is not to be probed yet."""
        since = find_time(status["state"]["running"].get("startedAt"))
        passed = (self._clock() - since).total_seconds() if since else LONGEST_SECONDS
        return probe.initial_delay - passed

    def _probe(self, pod: JSON, turns: _Turns, run: Run) -> None:
        address = str(pod["status"].get("podIP") or "localhost")
        try:
            outcome = attempt(self._provider, handle_of(pod), address, turns.probe)
        except TaskNotFound:  # it has just ended; what becomes of it will bring the pod back
            self.forget(pod)
            return
        except ProviderUnavailable as error:
            LOG.info("probe not run pod=%s reason=%s", pod["metadata"]["name"], error.reason)
            return
        if turns.run != run or turns.is_on_hold or not self._is_started:
            return
        if outcome.result != "success" and _may_tell(turns):
            self._recorder.record(pod, [_news(turns.probe, outcome)])
        if outcome.result == "error":
            return
        turns.count = turns.count + 1 if outcome.result == turns.last else 1
        turns.last = outcome.result
        succeeded, probe = outcome.result == "success", turns.probe
        if turns.count < (probe.successes if succeeded else probe.failures):
            return
        if probe.kind == "readiness":
            self._write(pod, probe, run, started=True, ready=succeeded)
        elif not succeeded:
            self._end_run(pod, turns)
        elif probe.kind == "startup":
            self._write(pod, probe, run, started=True, ready=not _has(pod, probe.container, "readiness"))

    def _write(self, pod: JSON, probe: Probe, run: Run, *, started: bool, ready: bool) -> None:
        status = find_status(pod, probe.container)
        if (status.get("started"), status.get("ready")) == (started, ready):
            return
        change = partial(probed_status, container=probe.container, run=run, started=started, ready=ready)
        self._pods.change_status(pod["metadata"]["uid"], lambda now: change(now, now=self._clock()))

    def _end_run(self, pod: JSON, turns: _Turns) -> None:
        """Have a container ended that is not healthy; where its pod lets it, another run follows."""
        probe = turns.probe
        grace = task_grace_seconds(pod) if probe.grace_seconds is None else min(probe.grace_seconds, LONGEST_SECONDS)
        turns.count = 0
        try:
            self._provider.restart(handle_of(pod), probe.container, grace_seconds=grace)
        except (TaskNotFound, ProviderUnavailable) as error:
            LOG.info("container not restarted pod=%s error=%s", pod["metadata"]["name"], error)
            return
        turns.is_on_hold = True
        said = f"Container {probe.container} failed {probe.kind} probe"
        said += ", will be restarted" if probe.restarts else ""
        self._recorder.record(pod, [News("Normal", "Killing", said, probe.part)])


def _stage(pod: JSON, probe: Probe) -> tuple[object, ...]:
    """Return what decides whether a probe is to be attempted."""
    status = find_status(pod, probe.container)
    return run_of(status), status.get("started"), is_deleting(pod)


def _has(pod: JSON, container: str, kind: str) -> bool:
    return any((each.container, each.kind) == (container, kind) for each in probes_of(pod))


def _may_tell(turns: _Turns) -> bool:
    """Return whether an Event may be written now, and count it: so many at once, then one now and then."""
    now = time.monotonic()
    turns.events = min(EVENT_BURST, turns.events + (now - turns.told_at) / EVENT_SECONDS)
    turns.told_at = now
    if turns.events < 1:
        return False
    turns.events -= 1
    return True


def _news(probe: Probe, outcome: Outcome) -> News:
    what = "failed" if outcome.result == "failure" else "errored and resulted in unknown state"
    return News("Warning", "Unhealthy", f"{probe.kind.capitalize()} probe {what}: {outcome.message}", probe.part)
