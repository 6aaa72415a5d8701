"""Launches behind the answer: every pod that is asked for is seen, whoever is at work when, and whatever dies."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.controllers.podmodel.record import handle_of
from chalicelib.controllers.pods.launches import (
    FAILURES,
    FUNCTION,
    LEASE,
    LEASE_SECONDS,
    LINGER_SECONDS,
    SURE_SECONDS,
    FunctionUnavailable,
    LaunchFunction,
    LaunchRequests,
)
from chalicelib.controllers.runtime.lease import Lease
from chalicelib.plane import foundation
from chalicelib.providers.base import THROTTLED, ProviderUnavailable
from chalicelib.storage.base import StorageUnavailable
from tests.fake_provider import FakeProvider
from tests.inline import inline
from tests.memory_storage import MemoryStorage
from tests.unit.controllers.builders import Clock
from tests.unit.controllers.crashing import Countdown, Crash, crashing_provider, crashing_storage
from tests.unit.controllers.world import World

RUN_SECONDS = 870.0
INTERRUPTED = ("get", "get_all", "create", "update", "transact", "events_after", "wait")
CALLS_AT_MOST = 200  # more than a run of the function makes here


class Interrupted:
    """A store at each call of which something else may happen first; waiting lets time pass."""

    def __init__(self, storage: Any, clock: Clock, meanwhile: Callable[[], None]) -> None:
        self._storage, self._clock, self._meanwhile = storage, clock, meanwhile

    def __getattr__(self, name: str) -> Any:  # Any: any method of a storage
        method = getattr(self._storage, name)
        if name not in INTERRUPTED:
            return method

        def call(*args: Any, **kwargs: Any) -> Any:
            self._meanwhile()
            if name == "wait":
                self._clock.advance(args[1])
                return self._storage.revision()
            return method(*args, **kwargs)

        return call


class Region:
    """API processes and invocations of the launch function on one store, one thing at a time."""

    def __init__(self, *, processes: int = 1, meanwhile: Callable[[Region], None] = lambda _: None) -> None:
        self.storage, self.clock = MemoryStorage(), Clock()
        self.provider = FakeProvider(clock=self.clock)
        self.client = World(self.storage, clock=self.clock, launches=False)
        self.events: list[dict[str, Any]] = []  # invocations that have not begun
        self.invocations = self.pods = self.runs = 0
        self.refuse = False
        self._meanwhile = meanwhile
        self.api = [
            LaunchRequests(self._lease(self.storage, f"api-{n}"), self._invoke, clock=self.clock)
            for n in range(processes)
        ]

    def _lease(self, storage: Any, holder: str) -> Lease:
        return Lease(storage, LEASE, holder=holder, seconds=LEASE_SECONDS, clock=self.clock)

    def _invoke(self, name: str, event: dict[str, Any]) -> None:
        assert name == FUNCTION
        if self.refuse:
            raise FunctionUnavailable("no such function")
        self.invocations += 1
        self.events.append(event)

    def ask(self, process: int = 0) -> bool:
        """Store a pod and ask for its launch; return whether somebody sees to it."""
        self.pods += 1
        return self.api[process].ask(self.client.create_pod(f"pod-{self.pods}"))

    def run_next(self, countdown: Countdown | None = None) -> None:
        """Run the next invocation, in a process of its own."""
        self.runs += 1
        event, holder = self.events.pop(0), f"function-{self.runs}"
        dies = countdown or Countdown(None, after=False)
        storage: Any = crashing_storage(Interrupted(self.storage, self.clock, lambda: self._meanwhile(self)), dies)
        provider = crashing_provider(self.provider, dies)
        world = World(storage, provider=provider, clock=self.clock, first=False)
        lease = self._lease(storage, holder)
        function = LaunchFunction(
            storage,
            world.pods,
            lease,
            look_up_owners=world.controllers.lifecycle.garbage.dependents_stored,
            later=inline,
            clock=self.clock,
        )
        function.run(event, seconds=RUN_SECONDS)

    def run_all(self) -> None:
        """Run invocations until there are none."""
        while self.events:
            self.run_next()

    def heal(self) -> None:
        """Let the schedule come a few times."""
        for _ in range(4):
            self.clock.advance(60)
            World(self.storage, provider=self.provider, clock=self.clock, first=False).run_chores()

    def launched(self) -> list[str]:
        """Return the uids of all tasks ever started, in order."""
        return [task.uid for task in self.provider.tasks]

    def without_task(self) -> list[str]:
        """Return the names of pods that know no task."""
        pods = [item.object() for item in self.storage.list("/registry/pods/").items]
        return [pod["metadata"]["name"] for pod in pods if not handle_of(pod)]


def test_a_burst_is_launched_by_one_invocation() -> None:
    region = Region()
    for _ in range(10):
        assert region.ask()

    region.run_all()

    assert (region.invocations, len(region.launched()), region.without_task()) == (1, 10, [])


def test_pods_that_are_stored_after_their_owner_has_gone_are_collected() -> None:
    region = Region()
    model = region.client.create_pod("model")
    gone = {"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "gone"}

    def ask_for_orphan(name: str) -> None:  # the client's own control plane would collect it
        metadata = {**model["metadata"], "name": name, "uid": f"uid-{name}", "ownerReferences": [gone]}
        assert region.api[0].ask(
            region.storage.create(f"/registry/pods/ns/{name}", {**model, "metadata": metadata}).object()
        )

    ask_for_orphan("first")  # of which the function is told
    ask_for_orphan("second")  # which it finds
    region.run_all()

    pods = [item.object()["metadata"] for item in region.storage.list("/registry/pods/").items]
    assert [each["name"] for each in pods if "deletionTimestamp" not in each] == ["model"]


def test_pods_that_come_while_it_is_at_work_cost_no_invocation() -> None:
    def meanwhile(region: Region) -> None:
        if region.pods < 20:
            region.ask()

    region = Region(meanwhile=meanwhile)
    region.ask()
    region.run_all()

    assert (region.invocations, len(region.launched())) == (1, 20)


def test_once_it_has_ended_the_next_pod_invokes_it_again() -> None:
    region = Region()
    region.ask()
    region.run_all()
    region.ask()
    region.run_all()

    assert (region.invocations, len(region.launched())) == (2, 2)


def test_a_lost_invocation_is_repeated_with_a_later_pod_and_the_schedule_launches_the_rest() -> None:
    region = Region()
    region.ask()
    region.events.clear()
    region.clock.advance(SURE_SECONDS)
    region.ask()
    region.run_all()
    assert region.without_task() == ["pod-1"]

    region.heal()

    assert (region.without_task(), len(region.launched())) == ([], 2)


def test_without_the_function_the_caller_is_told_to_launch_the_pod_itself() -> None:
    region = Region()
    region.refuse = True

    assert not region.ask()
    assert not region.api[0].ask_for(["/registry/pods/ns/pod-1"])


def test_pods_are_launched_by_their_keys_however_old_they_are() -> None:
    region = Region()
    region.ask()
    region.events.clear()

    assert region.api[0].ask_for(["/registry/pods/ns/pod-1", "/registry/pods/ns/gone"])
    region.run_all()

    assert region.without_task() == []


def test_what_the_provider_throttles_is_launched_by_the_same_invocation() -> None:
    region = Region()
    region.provider.failures = [ProviderUnavailable(THROTTLED, "Rate exceeded")] * 5
    for _ in range(3):
        region.ask()
    region.run_all()

    assert (region.invocations, region.without_task(), len(region.launched())) == (1, [], 3)


@pytest.mark.parametrize("reason", ["QuotaExceeded", "CapacityUnavailable"])
def test_what_the_provider_has_no_room_for_is_left_to_the_schedule(reason: str) -> None:
    region = Region()
    region.provider.failures = [ProviderUnavailable(reason, "no room")]
    region.ask()
    region.run_all()

    assert (region.provider.failures, region.without_task()) == ([], ["pod-1"])


def test_a_throttled_pod_that_is_deleted_meanwhile_is_not_launched_again() -> None:
    region = Region()
    region.provider.failures = [ProviderUnavailable(THROTTLED, "Rate exceeded")] * 2
    region.ask()
    run = region.provider.run

    def delete_then_run(task: Any) -> Any:  # Any: as the provider's
        if len(region.provider.failures) == 1:
            region.client.delete("pods", "pod-1")
        return run(task)

    region.provider.run = delete_then_run  # type: ignore[method-assign]  # one world, one provider
    region.run_all()

    assert (region.client.get("pods", "pod-1"), region.launched()) == (None, [])


def failing_reads(region: Region, monkeypatch: pytest.MonkeyPatch, times: int) -> list[str]:
    """Have so many reads of the log fail while the lease is held; return what grows with each."""
    read, failed = region.storage.events_after, list[str]()

    def events_after(prefix: str, revision: int, **options: Any) -> Any:  # Any: as the storage's
        if len(failed) < times and region.api[0]._lease.find():
            failed.append(prefix)
            raise StorageUnavailable("throttled")
        return read(prefix, revision, **options)

    monkeypatch.setattr(region.storage, "events_after", events_after)
    return failed


def test_reads_that_fail_for_a_while_cost_no_pod_its_launch(monkeypatch: pytest.MonkeyPatch) -> None:
    def meanwhile(region: Region) -> None:
        if region.pods < 5:
            region.ask()

    region = Region(meanwhile=meanwhile)
    failed = failing_reads(region, monkeypatch, FAILURES - 1)
    region.ask()
    region.run_all()

    assert (len(failed), region.invocations, region.without_task()) == (FAILURES - 1, 1, [])


def test_a_function_that_can_read_no_more_gives_the_lease_back(monkeypatch: pytest.MonkeyPatch) -> None:
    region = Region()
    failing_reads(region, monkeypatch, FAILURES)
    region.ask()

    with pytest.raises(StorageUnavailable):
        region.run_next()

    assert region.api[0]._lease.find() is None


def test_a_process_whose_clock_is_put_back_looks_again() -> None:
    region = Region()
    region.ask()
    region.run_all()
    region.clock.advance(-3600)
    region.ask()
    region.run_all()

    assert (region.invocations, region.without_task()) == (2, [])


def test_where_somebody_is_at_work_old_pods_are_not_handed_out() -> None:
    region = Region()
    keys = ["/registry/pods/ns/pod-1"]
    assert region.api[0].ask_for_all(keys)

    region.api[0]._lease.take(0)

    assert not region.api[0].ask_for_all(keys)


def test_the_function_outlasts_what_its_callers_take_for_granted() -> None:
    assert LINGER_SECONDS >= 2 * SURE_SECONDS


@pytest.mark.parametrize("seed", range(16))
def test_every_pod_is_launched_once_however_requests_and_functions_interleave(seed: int) -> None:
    draw = random.Random(seed)
    processes = draw.randint(1, 4)

    def meanwhile(region: Region) -> None:
        chance = draw.random()
        if chance < 0.15 and region.pods < 40:
            region.ask(draw.randrange(processes))
        elif chance < 0.25 and region.events:
            region.run_next()
        elif chance < 0.35:
            region.clock.advance(draw.choice([0.1, 1.0, SURE_SECONDS]))

    region = Region(processes=processes, meanwhile=meanwhile)
    while region.pods < 40:
        region.ask(draw.randrange(processes))
        region.clock.advance(draw.choice([0.0, 0.1, SURE_SECONDS, 3 * LINGER_SECONDS]))
        if draw.random() < 0.5:
            region.run_all()
    region.run_all()

    assert region.without_task() == []
    assert len(region.launched()) == len(set(region.launched())) == region.pods


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True], ids=["before-the-call", "after-the-call"])
@pytest.mark.parametrize("seed", range(3))
def test_a_function_that_dies_at_any_call_loses_and_doubles_nothing(seed: int, after: bool) -> None:
    for calls in range(CALLS_AT_MOST):
        draw = random.Random(seed)

        def meanwhile(region: Region, draw: random.Random = draw) -> None:
            if draw.random() < 0.3 and region.pods < 8:
                region.ask()

        region = Region(meanwhile=meanwhile)
        region.ask()
        countdown = Countdown(calls, after=after)
        with contextlib.suppress(Crash):
            region.run_next(countdown)
        region.clock.advance(SURE_SECONDS)
        region.ask()  # the driver goes on
        region.run_all()
        region.heal()

        assert region.without_task() == []
        assert len(region.launched()) == len(set(region.launched())) == region.pods
        if not countdown.crashed:
            return
    raise AssertionError("the function makes more calls than that")


def test_a_node_that_is_written_launches_nothing_where_functions_do(monkeypatch: pytest.MonkeyPatch) -> None:
    invoked: list[str] = []

    def functions(prefix: str, region: str) -> Callable[[str, dict[str, Any]], None]:
        del prefix, region
        return lambda name, _event: invoked.append(name)

    monkeypatch.setattr(foundation, "functions_prefix", lambda: "sparkanywhere-prod")
    monkeypatch.setattr(foundation, "Functions", functions)
    world = World(MemoryStorage())
    world.create_pod()

    world.controllers.nodes.keep()

    assert world.get("nodes", world.plane.stored.node.name, None)
    assert invoked == [FUNCTION]
    assert world.provider.tasks == []
