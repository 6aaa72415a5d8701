"""What probes find becomes a pod's status, its Events and another run; when they are attempted, and when not."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.probes.prober import EVENT_BURST, Prober
from chalicelib.controllers.runtime.background import Work, guarded
from tests.memory_storage import MemoryStorage
from tests.unit.controllers.builders import Clock
from tests.unit.controllers.probes.probed_provider import ProbedProvider
from tests.unit.controllers.world import World
from tests.waiting import until


class Turns:
    """A Workers that does what is due when a test lets time pass."""

    is_busy = False

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._numbers = itertools.count()
        self._queue: list[tuple[object, int, Work]] = []

    def __call__(self, work: Work, *, delay_seconds: float = 0.0) -> None:
        """Queue it."""
        due = self._clock.now + timedelta(seconds=delay_seconds)
        heapq.heappush(self._queue, (due, next(self._numbers), work))

    def pass_time(self, seconds: int) -> None:
        """Do what is due now, and after each of so many seconds."""
        for second in range(seconds + 1):
            self._clock.advance(min(second, 1))
            while self._queue and self._queue[0][0] <= self._clock.now:  # type: ignore[operator]  # times
                guarded(heapq.heappop(self._queue)[2])

    def settle(self, timeout_seconds: float) -> bool:
        """Return True."""
        return bool(timeout_seconds)

    def close(self) -> None:
        """Drop all."""
        self._queue.clear()


class Probed:
    """A world whose prober runs, and its clockwork."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.provider = ProbedProvider(clock=self.clock)
        self.world = World(MemoryStorage(), provider=self.provider, clock=self.clock)
        self.turns = Turns(self.clock)
        self.prober = self.new_prober()
        changes = self.world.plane.stored.changes
        changes.subscribe("pods", ("MODIFIED", "STATUS"), lambda _, pod: self.prober.follow(pod))
        changes.subscribe("pods", ("DELETED", "REMOVED"), lambda _, pod: self.prober.forget(pod))

    def new_prober(self) -> Prober:
        """Return a prober as another control plane on this store would have, started."""
        to = self.world.controllers
        made = Prober(provider=self.provider, pods=to.pods, recorder=to.recorder, later=self.turns, clock=self.clock)
        made.start()
        return made

    def create(self, *, restart: str = "Always", grace: int = 30, **probes: JSON) -> None:
        """Create the pod `a`, of which `probes` are attempted every second by the command of their names."""
        made = {
            f"{kind}Probe": {"exec": {"command": [kind]}, "periodSeconds": 1, **fields}
            for kind, fields in probes.items()
        }
        container = {"name": "c", "image": "i", **made}
        self.world.create_pod(restartPolicy=restart, containers=[container], terminationGracePeriodSeconds=grace)

    def pass_time(self, seconds: int) -> None:
        """Let time pass, and have what happens reported."""
        self.turns.pass_time(seconds)
        self.world.observe_all()
        self.turns.pass_time(0)

    @property
    def status(self) -> JSON:
        """The status of the one container."""
        found: JSON = self.world.pod()["status"]["containerStatuses"][0]
        return found

    @property
    def found(self) -> tuple[bool, bool]:
        """Whether the container has started, and is ready."""
        return self.status["started"], self.status["ready"]

    @property
    def is_ready(self) -> str:
        """The condition Ready."""
        return str(next(each["status"] for each in self.world.pod()["status"]["conditions"] if each["type"] == "Ready"))


@pytest.fixture
def w() -> Iterator[Probed]:
    """Return a fresh one."""
    made = Probed()
    yield made
    made.world.plane.close()


def test_a_container_without_probes_is_ready_at_once_and_costs_no_turn(w: Probed) -> None:
    w.create()

    assert w.found == (True, True)
    w.pass_time(100)
    assert w.provider.commands == []


def test_readiness_decides_whether_the_pod_is_ready(w: Probed) -> None:
    w.provider.codes["readiness"] = 1
    w.create(readiness={})
    assert (w.found, w.is_ready) == ((True, False), "False")

    w.pass_time(2)
    assert w.is_ready == "False"

    w.provider.codes["readiness"] = 0
    w.pass_time(1)
    assert (w.found, w.is_ready) == ((True, True), "True")
    assert [each["type"] for each in w.world.pod()["status"]["conditions"]] == [
        "PodReadyToStartContainers",
        "Initialized",
        "Ready",
        "ContainersReady",
        "PodScheduled",
    ]


def test_thresholds_count_results_in_a_row(w: Probed) -> None:
    w.create(readiness={"successThreshold": 2, "failureThreshold": 3})
    w.pass_time(0)
    assert w.is_ready == "False"
    w.pass_time(1)
    assert w.is_ready == "True"

    w.provider.codes["readiness"] = 1
    w.pass_time(2)
    assert w.is_ready == "True"
    w.provider.codes["readiness"] = 0
    w.pass_time(1)
    w.provider.codes["readiness"] = 1
    w.pass_time(2)
    assert w.is_ready == "True"
    w.pass_time(1)
    assert w.is_ready == "False"


def test_the_first_attempt_waits_for_the_initial_delay_and_the_next_for_the_period(w: Probed) -> None:
    w.create(readiness={"initialDelaySeconds": 5, "periodSeconds": 3})

    w.pass_time(4)
    assert len(w.provider.commands) == 0
    w.pass_time(1)
    assert len(w.provider.commands) == 1
    w.pass_time(2)
    assert len(w.provider.commands) == 1
    w.pass_time(1)
    assert len(w.provider.commands) == 2


def test_nothing_else_is_probed_before_the_startup_probe_has_succeeded_and_that_no_more_after_it(w: Probed) -> None:
    w.provider.codes["startup"] = 1
    w.create(startup={"failureThreshold": 10}, readiness={}, liveness={})
    w.pass_time(3)
    assert set(w.provider.commands) == {"startup"}
    assert w.found == (False, False)

    w.provider.codes["startup"] = 0
    w.pass_time(1)
    assert w.status["started"] is True
    w.provider.commands.clear()
    w.pass_time(3)

    assert set(w.provider.commands) == {"readiness", "liveness"}
    assert w.found == (True, True)


def test_a_container_with_a_startup_probe_alone_is_ready_once_that_succeeds(w: Probed) -> None:
    w.create(startup={})
    assert w.found == (False, False)

    w.pass_time(0)

    assert w.found == (True, True)


@pytest.mark.parametrize(
    ("kind", "pods", "own", "grace"), [("liveness", 30, None, 30), ("startup", 30, 7, 7), ("liveness", 3, None, 3)]
)
def test_an_unhealthy_container_is_restarted_with_its_grace(
    w: Probed, kind: str, pods: int, own: int | None, grace: int
) -> None:
    w.provider.codes[kind] = 1
    given: JSON = {"failureThreshold": 2} | ({} if own is None else {"terminationGracePeriodSeconds": own})
    probes: dict[str, Any] = {kind: given}
    w.create(grace=pods, **probes)

    w.pass_time(1)

    assert w.provider.restarted == [("c", grace)]
    assert w.status["restartCount"] == 1
    said = dict(w.world.events())
    assert said["Killing"] == f"Container c failed {kind} probe, will be restarted"
    assert said["Unhealthy"] == f"{kind.capitalize()} probe failed: said so"


def test_a_pod_that_never_restarts_is_told_so(w: Probed) -> None:
    w.provider.codes["liveness"] = 1
    w.create(restart="Never", liveness={"failureThreshold": 1})

    w.pass_time(0)

    assert ("Killing", "Container c failed liveness probe") in w.world.events()


def test_a_container_that_is_being_ended_is_probed_no_more_until_it_runs_anew(w: Probed) -> None:
    w.provider.codes["liveness"] = 1
    w.create(liveness={"failureThreshold": 1})
    w.turns.pass_time(5)  # the provider has not reported another run yet
    assert w.provider.restarted == [("c", 30)]

    w.pass_time(5)

    assert len(w.provider.restarted) > 1


def test_a_new_run_is_not_ready_before_its_own_probe_says_so(w: Probed) -> None:
    w.create(readiness={})
    w.pass_time(1)
    assert w.is_ready == "True"

    w.provider.codes["readiness"] = 1
    w.clock.advance(1)
    w.provider.restart(w.world.handle(), "c", grace_seconds=0)
    w.world.observe_all()

    assert (w.status["restartCount"], w.is_ready) == (1, "False")


def test_a_pod_that_is_deleted_is_probed_for_readiness_alone(w: Probed) -> None:
    w.provider.ignores_sigterm = True
    w.create(readiness={}, liveness={})
    w.pass_time(1)
    w.world.delete("pods", "a")
    w.provider.commands.clear()

    w.turns.pass_time(3)

    assert set(w.provider.commands) == {"readiness"}


def test_a_pod_that_has_ended_or_gone_is_probed_no_more(w: Probed) -> None:
    w.create(restart="Never", readiness={})
    w.pass_time(1)
    w.provider.finish(w.world.handle(), 0)
    w.world.observe_all()
    w.provider.commands.clear()

    w.pass_time(10)

    assert w.provider.commands == []


def test_a_probe_that_cannot_be_made_counts_for_nothing(w: Probed) -> None:
    w.provider.codes["liveness"] = None
    w.create(liveness={"failureThreshold": 1})

    w.pass_time(5)

    assert w.provider.restarted == []
    why = 'exec: "liveness": executable file not found in $PATH'
    assert ("Unhealthy", f"Liveness probe errored and resulted in unknown state: {why}") in w.world.events()


def test_a_pod_that_fails_for_long_does_not_fill_the_store_with_events(w: Probed) -> None:
    w.provider.codes["readiness"] = 1
    w.create(readiness={})

    w.pass_time(100)

    (failed,) = [
        item.object()
        for item in w.world.storage.list("/registry/events/").items
        if item.object()["reason"] == "Unhealthy"
    ]
    assert failed["count"] == EVENT_BURST
    assert w.provider.commands.count("readiness") == 101


def test_another_control_plane_goes_on_with_what_was_found(w: Probed) -> None:
    w.create(startup={}, readiness={"failureThreshold": 2})
    w.pass_time(1)
    assert w.found == (True, True)
    w.prober.close()
    w.provider.codes["readiness"] = 1

    w.prober = w.new_prober()
    w.prober.follow(w.world.pod())
    w.pass_time(0)
    assert w.found == (True, True)
    w.pass_time(1)

    assert w.found == (True, False)
    assert w.provider.commands.count("startup") == 1


def test_one_that_is_not_started_probes_nothing(w: Probed) -> None:
    w.prober.close()
    w.create(readiness={})

    w.pass_time(10)

    assert w.provider.commands == []


def test_a_resync_brings_pods_that_another_process_has_started(w: Probed) -> None:
    w.prober.close()
    w.create(readiness={})
    assert w.world.controllers.prober is not None
    w.world.controllers.prober.start()

    w.world.resync()

    until(lambda: w.provider.commands == ["readiness"], "an attempt, by threads")
