"""Pods that wait for room on the node, for a node that takes them, and what they are started by."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.runtime.background import Background, Work
from chalicelib.providers.base import Capacity, ProviderUnavailable, TaskRejected
from chalicelib.registry.options import WriteOptions
from tests.fake_provider import FakeProvider
from tests.inline import inline
from tests.memory_storage import MemoryStorage
from tests.unit.controllers.world import World

GIB = 1024**3
NO_MEMORY = "0/1 nodes are available: 1 Insufficient memory."


@pytest.fixture
def w() -> World:
    """Return a world whose node has 16 GiB and 4 processors, which pods share."""
    return bounded(World(MemoryStorage()))


def bounded(w: World) -> World:
    w.controllers.nodes.keep()
    return w


def ask(w: World, name: str, memory: str, *, cpu: str = "0", **spec: Any) -> None:  # Any: fields of the spec
    """Create a pod that asks for so much."""
    requests = {"memory": memory, "cpu": cpu}
    containers = [{"name": "c", "image": "image:1", "resources": {"requests": requests}}]
    w.create_pod(name, containers=containers, **spec)


def running(w: World) -> list[str]:
    w.observe_all()
    pods = [item.object() for item in w.storage.list("/registry/pods/").items]
    return [pod["metadata"]["name"] for pod in pods if pod["status"]["phase"] == "Running"]


def condition(w: World, name: str) -> tuple[str, str]:
    found = next(each for each in w.pod(name)["status"]["conditions"] if each["type"] == "PodScheduled")
    return found["status"], found.get("message", "")


def change_node(w: World, **spec: object) -> None:
    registry = w.registries["", "nodes"]
    node = registry.typed(registry.get(None, "fake"))
    registry.update(None, "fake", {**node, "spec": {**node["spec"], **spec}}, WriteOptions())


def end(w: World, name: str) -> None:
    w.provider.finish(w.handle(name), 0)
    w.observe_all()


def test_pods_beyond_the_memory_of_the_node_wait(w: World) -> None:
    for name in ("a", "b", "c"):
        ask(w, name, "6Gi")

    assert running(w) == ["a", "b"]
    assert (w.phase("c"), condition(w, "c")) == ("Pending", ("False", NO_MEMORY))
    assert w.events("c") == [("FailedScheduling", NO_MEMORY)]
    assert "nodeName" not in w.pod("c")["spec"]


def test_a_pod_larger_than_the_node_waits_and_keeps_no_other_from_running(w: World) -> None:
    ask(w, "huge", "900Gi")
    ask(w, "a", "8Gi")

    assert running(w) == ["a"]


def test_what_a_pod_asks_for_as_a_whole_counts_like_what_its_containers_do(w: World) -> None:
    w.create_pod("huge", resources={"requests": {"memory": "900Gi"}})
    w.create_pod("a", resources={"limits": {"memory": "12Gi"}})
    ask(w, "b", "8Gi")

    assert running(w) == ["a"]
    assert condition(w, "huge") == condition(w, "b") == ("False", NO_MEMORY)


@pytest.mark.parametrize("name", ["nvidia.com/gpu", "amd.com/gpu", "example.com/fpga"])
def test_an_extended_resource_that_the_node_does_not_have_is_waited_for(w: World, name: str) -> None:
    limits = {"limits": {name: "1"}}
    w.create_pod("a", containers=[{"name": "c", "image": "image:1", "resources": limits}])

    assert running(w) == []
    assert condition(w, "a") == ("False", f"0/1 nodes are available: 1 Insufficient {name}.")


@pytest.mark.parametrize(("gpus", "expected"), [(1, ["a"]), (None, ["a", "b"])])
def test_gpus_are_given_out_as_far_as_the_provider_counts_them(gpus: int | None, expected: list[str]) -> None:
    class WithGpus(FakeProvider):
        def capacities(self) -> list[Capacity]:
            return [Capacity("amd64", 4000, 16 * 1024, gpus)]

    w = bounded(World(MemoryStorage(), provider=WithGpus()))
    resources = {"limits": {"nvidia.com/gpu": "1"}}
    for name in ("a", "b"):
        w.create_pod(name, containers=[{"name": "c", "image": "image:1", "resources": resources}])

    assert running(w) == expected


def test_room_goes_to_the_oldest_that_fits_and_to_higher_priorities_first(w: World) -> None:
    w.create("priorityclasses", "urgent", value=1000)
    ask(w, "runs", "16Gi")
    for name, memory in (("z-old", "8Gi"), ("young", "8Gi")):
        ask(w, name, memory)
        w.pass_time(1)
    ask(w, "most-urgent", "8Gi", priorityClassName="urgent")
    assert running(w) == ["runs"]

    end(w, "runs")

    assert running(w) == ["most-urgent", "z-old"]
    assert condition(w, "young") == ("False", NO_MEMORY)


def test_one_that_comes_now_does_not_take_the_room_of_one_that_has_waited(w: World) -> None:
    ask(w, "runs", "16Gi")
    ask(w, "waits", "12Gi")
    w.pass_time(1)
    end(World(w.storage, provider=w.provider, clock=w.clock, first=False), "runs")  # which knows of none that waits

    ask(w, "new", "12Gi")
    assert running(w) == []
    w.pods.retry()

    assert running(w) == ["waits"]


def test_many_small_ones_are_started_in_their_order(w: World) -> None:
    ask(w, "runs", "16Gi")
    for number in range(1, 13):
        ask(w, f"exec-{number}", "4Gi")

    end(w, "runs")

    assert running(w) == ["exec-1", "exec-2", "exec-3", "exec-4"]


def test_a_deleted_pod_makes_room(w: World) -> None:
    ask(w, "a", "12Gi")
    ask(w, "b", "12Gi")

    w.delete("pods", "a")

    assert running(w) == ["b"]


def test_a_pod_that_is_deleted_while_it_waits_for_room_is_gone_at_once(w: World) -> None:
    ask(w, "a", "12Gi")
    ask(w, "b", "12Gi")

    w.delete("pods", "b")
    end(w, "a")

    assert w.get("pods", "b") is None
    assert len(w.provider.tasks) == 1


def test_a_pod_that_asks_for_nothing_runs_on_a_full_node(w: World) -> None:
    ask(w, "a", "16Gi")

    w.create_pod("small")

    assert running(w) == ["a", "small"]


def test_processors_may_be_asked_for_by_more_than_there_are_and_that_is_said(w: World) -> None:
    ask(w, "a", "1Gi", cpu="3")
    ask(w, "b", "1Gi", cpu="3")

    assert running(w) == ["a", "b"]
    assert not [reason for reason, _ in w.events("a") if reason == "NotHonoured"]
    assert "its node's pods ask for more processors than it has" in dict(w.events("b"))["NotHonoured"]


@pytest.mark.parametrize("spec", [{}, {"nodeName": "fake"}, {"resources": {"requests": {"cpu": "64"}}}])
def test_a_pod_that_asks_for_processors_alone_is_told_that_there_are_too_few(w: World, spec: JSON) -> None:
    ask(w, "a", "0", cpu="64", **spec)

    assert running(w) == ["a"]
    assert "its node's pods ask for more processors than it has" in dict(w.events("a"))["NotHonoured"]


def test_processors_are_bounded_where_the_settings_say_so() -> None:
    w = bounded(World(MemoryStorage(), node_cpus=4))
    ask(w, "a", "1Gi", cpu="3")
    ask(w, "b", "1Gi", cpu="3")

    assert running(w) == ["a"]
    assert condition(w, "b")[1] == "0/1 nodes are available: 1 Insufficient cpu."


def test_the_settings_lift_the_bound_and_the_node_says_so() -> None:
    w = bounded(World(MemoryStorage(), node_memory_mib=64 * 1024))
    for name in ("a", "b", "c"):
        ask(w, name, "20Gi")

    node = w.get("nodes", "fake", None)
    assert node is not None
    assert node["status"]["allocatable"]["memory"] == "64Gi"
    assert running(w) == ["a", "b", "c"]


def test_what_runs_counts_after_a_restart(w: World) -> None:
    ask(w, "a", "12Gi")
    again = World(w.storage, provider=w.provider, clock=w.clock, first=False)

    ask(again, "b", "12Gi")

    assert running(again) == ["a"]
    end(again, "a")
    assert running(again) == ["b"]


def test_a_pod_that_another_server_has_no_room_for_is_started_by_this_one(w: World) -> None:
    other = World(w.storage, provider=w.provider, clock=w.clock, first=False)
    ask(w, "a", "12Gi")
    ask(w, "b", "12Gi")

    end(other, "a")
    w.pods.retry()

    assert running(w) == ["b"]


def test_two_servers_on_one_store_never_bind_more_than_there_is() -> None:
    storage, provider = MemoryStorage(), FakeProvider()
    workers = [Background(threads=4) for _ in range(2)]
    first = bounded(World(storage, provider=provider, later=workers[0]))
    worlds = [first, World(storage, provider=provider, clock=first.clock, later=workers[1], first=False)]

    def create(number: int) -> None:
        for index in range(20):
            ask(worlds[number], f"p{number}-{index}", "3Gi")

    threads = [threading.Thread(target=create, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for each in workers:
        assert each.settle(60)

    assert len(provider.tasks) == 5, "16 GiB hold five of 3 GiB"
    for done in range(1, 36):
        name = next(name for name in running(first))
        end(first, name)
        for world in worlds:
            world.resync()
            world.pods.retry()
        for each in workers:
            assert each.settle(60)
        assert len(running(first)) <= 5
        assert len(provider.tasks) == min(5 + done, 40)
    for each in workers:
        each.close()


def test_a_pod_without_its_claim_keeps_no_room(w: World) -> None:
    mounts = [{"name": "v", "mountPath": "/v"}]
    resources = {"requests": {"memory": "12Gi"}}
    w.create_pod(
        "claims",
        containers=[{"name": "c", "image": "i", "volumeMounts": mounts, "resources": resources}],
        volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}],
    )
    w.pass_time(1)
    ask(w, "b", "12Gi")

    assert running(w) == ["b"]
    assert condition(w, "claims")[1] == 'persistentvolumeclaim "data" not found'


def test_a_refused_pod_keeps_its_room(w: World) -> None:
    w.provider.failures.append(TaskRejected("CreateContainerError", "no command"))
    ask(w, "refused", "12Gi")
    ask(w, "b", "12Gi")
    assert running(w) == []
    assert w.pod("refused")["spec"]["nodeName"] == "fake"

    w.delete("pods", "refused")

    assert running(w) == ["b"]


def test_a_pod_that_is_not_taken_now_has_its_node_taken_away_and_is_first_again(w: World) -> None:
    w.provider.failures.append(ProviderUnavailable("Throttled", "later"))
    ask(w, "a", "12Gi")
    ask(w, "b", "12Gi")
    assert "nodeName" not in w.pod("a")["spec"]
    assert condition(w, "b") == ("False", NO_MEMORY)
    w.pods.retry()
    w.delete("pods", "b")
    assert w.provider.tasks == [], "not before its pause is over"
    ask(w, "b", "12Gi")

    w.pass_time(60)
    w.pods.retry()

    assert running(w) == ["a"]


def test_gated_and_foreign_pods_keep_no_room(w: World) -> None:
    ask(w, "gated", "12Gi", schedulingGates=[{"name": "example.com/wait"}])
    ask(w, "foreign", "12Gi", nodeName="other")
    w.pass_time(1)

    ask(w, "b", "12Gi")

    assert running(w) == ["b"]


class Endless(FakeProvider):
    """A provider without a known end."""

    def capacities(self) -> list[Capacity]:
        """Return both architectures."""
        return [Capacity("amd64"), Capacity("arm64")]


class Watched(MemoryStorage):
    """Counts lists of all pods, and reads of their events."""

    looks = 0

    def list(self, prefix: str, **options: object):  # type: ignore[no-untyped-def]
        """Count, then list."""
        self.looks += prefix == "/registry/pods/"
        return super().list(prefix, **options)  # type: ignore[arg-type]

    def events_after(self, prefix: str, revision: int, *, limit: int = 500):  # type: ignore[no-untyped-def]
        """Count, then read."""
        self.looks += prefix == "/registry/pods/"
        return super().events_after(prefix, revision, limit=limit)


def test_a_provider_without_an_end_binds_nothing_and_looks_at_no_other_pods() -> None:
    storage = Watched()
    w = bounded(World(storage, provider=Endless()))
    storage.looks = 0

    for number in range(20):
        ask(w, f"p{number}", "900Gi")

    assert len(running(w)) == 20
    assert storage.looks == 1, "that of this test alone"


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"unschedulable": True}, "0/1 nodes are available: 1 node(s) were unschedulable."),
        (
            {"taints": [{"key": "k", "value": "v", "effect": "NoSchedule"}]},
            "0/1 nodes are available: 1 node(s) had untolerated taint(s).",
        ),
    ],
)
@pytest.mark.parametrize("provider", [FakeProvider, Endless])
def test_a_new_pod_waits_while_the_node_takes_none(spec: JSON, why: str, provider: type[FakeProvider]) -> None:
    w = bounded(World(MemoryStorage(), provider=provider()))
    ask(w, "before", "1Gi")
    change_node(w, **spec)

    ask(w, "a", "1Gi")
    w.create_pod("small")
    w.resync()
    w.pods.retry()

    assert running(w) == ["before"]
    assert {condition(w, name) for name in ("a", "small")} == {("False", why)}
    assert w.events("a") == [("FailedScheduling", why)]

    change_node(w, unschedulable=False, taints=[])

    assert running(w) == ["a", "before", "small"]


def test_a_pod_that_the_node_does_not_take_keeps_no_room_from_one_that_it_does(w: World) -> None:
    change_node(w, taints=[{"key": "k", "value": "v", "effect": "NoSchedule"}])
    ask(w, "kept-off", "12Gi")
    w.pass_time(1)

    ask(w, "b", "12Gi", tolerations=[{"key": "k", "operator": "Exists"}])

    assert running(w) == ["b"]


def test_a_label_of_the_node_that_does_not_match_keeps_a_pod_waiting_until_it_does(w: World) -> None:
    ask(w, "a", "1Gi", nodeSelector={"kubernetes.io/arch": "arm64"})
    w.create_pod("b", nodeSelector={"disk": "ssd"})

    assert condition(w, "a")[1] == "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."
    assert running(w) == ["b"], "no node carries such a label, so that it says nothing"


def test_a_pod_of_another_architecture_runs_where_the_provider_has_that_too() -> None:
    w = bounded(World(MemoryStorage(), provider=Endless()))

    w.create_pod("a", nodeSelector={"kubernetes.io/arch": "arm64"})

    assert running(w) == ["a"]


NO_EXECUTE = [{"key": "k", "value": "v", "effect": "NoExecute"}]


def test_a_taint_that_evicts_deletes_what_does_not_tolerate_it(w: World) -> None:
    ask(w, "a", "1Gi")
    ask(w, "stays", "1Gi", tolerations=[{"key": "k", "operator": "Exists"}])
    change_node(w, taints=[{**NO_EXECUTE[0], "effect": "NoSchedule"}])
    assert running(w) == ["a", "stays"]

    change_node(w, taints=NO_EXECUTE)

    assert running(w) == ["stays"]
    assert w.get("pods", "a") is None
    assert ("TaintManagerEviction", "Marking for deletion Pod ns/a") in w.events("a")


class Delayed:
    """Does what is due at once, and keeps what is due later until it is asked to do it."""

    is_busy = False

    def __init__(self) -> None:
        self.later: list[tuple[float, Work]] = []

    def __call__(self, work: Work, *, delay_seconds: float = 0.0) -> None:
        """Do it, or keep it."""
        if delay_seconds:
            self.later.append((delay_seconds, work))
        else:
            inline(work)

    def settle(self, timeout_seconds: float) -> bool:
        """Return that there is nothing to wait for."""
        del timeout_seconds
        return True

    def close(self) -> None:
        """Have nothing to close."""


@pytest.mark.parametrize("is_lifted", [False, True])
def test_a_pod_that_tolerates_a_taint_for_a_while_goes_then_unless_it_is_lifted(is_lifted: bool) -> None:
    later = Delayed()
    w = bounded(World(MemoryStorage(), later=later))
    ask(w, "a", "1Gi", tolerations=[{"key": "k", "operator": "Exists", "tolerationSeconds": 60}])
    change_node(w, taints=NO_EXECUTE)
    assert running(w) == ["a"]
    if is_lifted:
        change_node(w, taints=[])

    for delay, work in later.later:
        assert delay == 60
        work()

    assert running(w) == (["a"] if is_lifted else [])
