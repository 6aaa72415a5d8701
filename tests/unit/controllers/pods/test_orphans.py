"""A task never outlives its pod by more than a run of the schedule, and what it has used is recorded once.

The launch function dies at each of its calls in turn, then the pod goes, while the provider answers nobody for a while.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.cost.usage_records import RECORDS
from chalicelib.controllers.pods.launches import FUNCTION, LEASE, LEASE_SECONDS, LaunchFunction
from chalicelib.controllers.pods.removed import KEEP_SECONDS, REMOVED
from chalicelib.controllers.runtime.lease import Lease
from chalicelib.plane import foundation
from chalicelib.providers.base import ProviderUnavailable, Task, TaskNotFound, TaskState
from tests.fake_provider import FakeProvider
from tests.memory_storage import MemoryStorage
from tests.unit.controllers.builders import Clock
from tests.unit.controllers.crashing import Countdown, Crash, crashing_provider, crashing_storage
from tests.unit.controllers.world import World

pytestmark = pytest.mark.slow
VCPUS = 2
ASKED = {"requests": {"cpu": str(VCPUS), "memory": "4Gi"}}
SPEC: dict[str, Any] = {"containers": [{"name": "c", "image": "i", "resources": ASKED}]}
EXECUTOR = {"spark-role": "executor", "spark-app-selector": "spark-1"}
CALLS_AT_MOST = 60  # more than a launch makes
RUN_SECONDS = 30.0
PERIOD_SECONDS = 60.0


class Flaky(FakeProvider):
    """Refuses so many calls, whatever is asked."""

    refusals = 0
    is_late = False  # what was started is neither listed, described nor found yet, as ECS may have it

    def _answer(self) -> None:
        if self.refusals:
            self.refusals -= 1
            raise ProviderUnavailable("ServerError", "nobody answers")

    def run(self, task: Task) -> TaskState:
        """Start the task."""
        self._answer()
        return super().run(task)

    def stop(self, handle: str, *, grace_seconds: float, reason: str = "") -> None:
        """End the task."""
        self._answer()
        if self.is_late:
            raise TaskNotFound(handle)
        super().stop(handle, grace_seconds=grace_seconds, reason=reason)

    def remove(self, handle: str) -> None:
        """End the task, as ECS does, which forgets none at once."""
        self.stop(handle, grace_seconds=0)

    def describe(self, handles: Sequence[str]) -> list[TaskState]:
        """Return the states of those that are known."""
        self._answer()
        return [] if self.is_late else super().describe(handles)

    def list_tasks(self, known: Any = ()) -> list[TaskState]:  # Any: as the provider's
        """Return those that run, as ECS does."""
        self._answer()
        return [state for state in super().list_tasks(known) if state.phase != "stopped" and not self.is_late]

    def every(self) -> list[TaskState]:
        """Return all states, whoever is not answered."""
        return super().list_tasks()


class Region:
    """A driver, and functions that come and go over one store and one provider."""

    def __init__(self) -> None:
        self.storage, self.clock = MemoryStorage(), Clock()
        self.provider = Flaky(clock=self.clock)
        self.events: list[dict[str, Any]] = []  # invocations of the launch function
        self.world(first=True).create_pod("d", **SPEC)
        self.launch()
        self.events.clear()

    def world(self, storage: Any = None, provider: Any = None, *, first: bool = False) -> World:  # Any: proxies
        """Return a new process."""
        provider = provider or self.provider
        return World(storage or self.storage, provider=provider, clock=self.clock, first=first, usd_per_vcpu_hour=1.0)

    def invoke(self, name: str, event: dict[str, Any]) -> None:
        """Note an invocation."""
        assert name == FUNCTION
        self.events.append(event)

    def launch(self, countdown: Countdown | None = None) -> None:
        """Run the function that was asked for first."""
        dies = countdown or Countdown(None, after=False)
        storage, provider = crashing_storage(self.storage, dies), crashing_provider(self.provider, dies)
        world = self.world(storage, provider)
        lease = Lease(storage, LEASE, holder="function", seconds=LEASE_SECONDS, clock=self.clock)
        event = {**self.events[0], "after": 0}  # what it was told of, and no more: nothing waits here
        function = LaunchFunction(
            storage,
            world.pods,
            lease,
            look_up_owners=world.controllers.lifecycle.garbage.dependents_stored,
            later=world.plane.base.later,
            clock=self.clock,
        )
        function.run(event, seconds=RUN_SECONDS)

    def schedule(self) -> None:
        """Let the schedule come once more, in a new process."""
        self.clock.advance(PERIOD_SECONDS)
        self.world().run_chores()

    def recorded(self) -> list[JSON]:
        """Return the usage records."""
        return [item.object() for item in self.storage.list(f"/registry/{RECORDS}/").items]

    def running_without_pod(self) -> list[str]:
        """Return the handles of tasks that run and have no pod that does."""
        pods = {item.object()["metadata"]["uid"]: item.object() for item in self.storage.list("/registry/pods/").items}
        living = {uid for uid, pod in pods.items() if pod["status"]["phase"] in ("Pending", "Running")}
        return [each.handle for each in self.provider.every() if each.phase != "stopped" and each.uid not in living]


@pytest.fixture
def region(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Region]:
    """Return what makes regions in which launches are a function's."""
    made: list[Region] = []

    def functions(prefix: str, region: str) -> Callable[[str, dict[str, Any]], None]:
        del prefix, region
        return lambda name, event: made[-1].invoke(name, event) if made else None

    monkeypatch.setattr(foundation, "functions_prefix", lambda: "sparkanywhere-prod")
    monkeypatch.setattr(foundation, "Functions", functions)

    def make() -> Region:
        new = Region.__new__(Region)
        made.append(new)
        new.__init__()  # type: ignore[misc]  # its first world already asks for launches
        return new

    return make


def delete(w: World) -> None:
    """A client deletes the pod."""
    w.delete("pods", "e")


def force(w: World) -> None:
    """A client deletes the pod at once."""
    w.delete("pods", "e", grace_seconds=0)


def overrun(w: World) -> None:
    """The pod's time is over; a client deletes it later."""
    w.pass_time(3600)


@pytest.mark.parametrize("refusals", [0, 1, 2, 5])
@pytest.mark.parametrize("after", [False, True], ids=["before-the-call", "after-the-call"])
@pytest.mark.parametrize("end", [delete, force, overrun], ids=lambda end: end.__name__)
def test_no_task_outlives_its_pod_wherever_the_launch_dies(
    region: Callable[[], Region], end: Callable[[World], None], refusals: int, after: bool
) -> None:
    for calls in range(CALLS_AT_MOST):
        here = region()
        api = here.world()
        deadline = {"activeDeadlineSeconds": 3600} if end is overrun else {}
        pod = api.create_pod("e", metadata={**api.owner_of("d"), "labels": EXECUTOR}, **SPEC, **deadline)
        countdown = Countdown(calls, after=after)
        with contextlib.suppress(Crash):
            here.launch(countdown)
        here.clock.advance(RUN_SECONDS)
        here.provider.refusals = refusals
        end(api)

        here.schedule()
        if refusals:
            here.provider.refusals = 0  # the second time it answers
        here.schedule()
        assert here.running_without_pod() == []
        here.schedule()
        if end is overrun:
            api.delete("pods", "e")
        here.clock.advance(KEEP_SECONDS)
        here.schedule()

        ran = [state for state in here.provider.every() if state.uid == pod["metadata"]["uid"] and state.started_at]
        seconds = [(each.stopped_at - each.started_at).total_seconds() for each in ran]  # type: ignore[operator]
        assert [each["vcpuSeconds"] for each in here.recorded()] == [VCPUS * each for each in seconds]
        assert here.storage.list(f"/registry/{REMOVED}/").items == []
        if not countdown.crashed:
            return
    raise AssertionError("the function makes more calls than that")


@pytest.mark.parametrize("runs_late", [0, 1, 2, 3])
@pytest.mark.parametrize("end", [delete, force], ids=lambda end: end.__name__)
def test_a_task_that_the_provider_shows_late_is_found_and_recorded(
    region: Callable[[], Region], end: Callable[[World], None], runs_late: int
) -> None:
    here = region()
    api = here.world()
    api.create_pod("e", metadata={**api.owner_of("d"), "labels": EXECUTOR}, **SPEC)
    here.launch()
    here.provider.is_late = True
    here.clock.advance(RUN_SECONDS)
    end(api)
    for _ in range(runs_late):
        here.schedule()
    here.provider.is_late = False

    here.schedule()
    assert here.running_without_pod() == []
    here.schedule()

    (ran,) = [state for state in here.provider.every() if state.phase == "stopped"]
    used = VCPUS * (ran.stopped_at - ran.started_at).total_seconds()  # type: ignore[operator]  # it ran
    assert [each["vcpuSeconds"] for each in here.recorded()] == [used]


def test_a_stop_that_is_refused_keeps_no_other_from_its_turn(region: Callable[[], Region]) -> None:
    here = region()
    api = here.world()
    for name in ("e", "f"):
        api.create_pod(name, metadata=api.owner_of("d"), **SPEC)
        here.launch()
        here.events.clear()
        here.clock.advance(RUN_SECONDS)
    here.provider.refusals = 2
    for name in ("e", "f"):
        api.delete("pods", name, grace_seconds=0)
    assert len(here.running_without_pod()) == 2
    stop, refused = here.provider.stop, set[str]()

    def refuse_one(handle: str, *, grace_seconds: float, reason: str = "") -> None:
        refused.add(handle)
        if len(refused) == 1:
            raise ProviderUnavailable("Throttled", "later")
        stop(handle, grace_seconds=grace_seconds, reason=reason)

    here.provider.stop = refuse_one  # type: ignore[method-assign]  # one region, one provider
    here.schedule()

    assert len(refused) == 2
    assert len(here.running_without_pod()) <= 1
