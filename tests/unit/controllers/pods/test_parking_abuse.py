"""Parking opens no way around quotas, nodes or other pods' tasks: what clients write makes no pod a parked one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest

from chalicelib.apimachinery.rules.status import StatusError
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.record import handle_of
from chalicelib.providers.base import ProviderUnavailable
from chalicelib.registry.options import Patch, WriteOptions
from chalicelib.storage.base import KeyNotFound
from tests.api_client import ApiClient
from tests.fake_provider import FakeProvider
from tests.memory_storage import MemoryStorage
from tests.unit.controllers.builders import Clock
from tests.unit.controllers.parking_job import (
    PROPERTIES,
    create_driver,
    create_executor,
    labels_of_job,
    living,
    parked_names,
)
from tests.unit.controllers.world import World

PARKED_POD = "sparkanywhere.io/parked-pod"
PARKED_LABELS = {"spark-role": "parked", **labels_of_job("a")}
ROOM = 3
PODS = "/api/v1/namespaces/ns/pods"


@pytest.fixture
def launches() -> bool:
    """Return whether the control plane starts pods."""
    return True


@pytest.fixture
def w(launches: bool) -> World:
    """Return a World whose tasks stay pending until they are begun."""
    clock = Clock()
    return World(MemoryStorage(), provider=FakeProvider(clock=clock, hold_pending=True), clock=clock, launches=launches)


def names(w: World) -> list[str]:
    return sorted(item.object()["metadata"]["name"] for item in w.storage.list("/registry/pods/").items)


def patch(w: World, name: str, changed: JSON) -> None:
    registry = w.registries["", "pods"]
    registry.patch("ns", name, Patch("merge", changed), WriteOptions())


def crowd(create: Callable[[int], object]) -> None:
    """Ask for many more pods than a quota has room for."""
    for number in range(10):
        with suppress(StatusError):
            create(number)


def look_alikes(w: World, number: int, *, metadata: JSON | None = None, **spec: object) -> JSON:
    owner = w.owner_of()["ownerReferences"][0]
    labels = {"spark-role": "executor", "spark-exec-id": "1", **labels_of_job("a")}
    about = {"labels": labels, "ownerReferences": [{**owner, "controller": True}], **(metadata or {})}
    return w.create_pod(f"more-{number}", metadata=about, **spec)


def own_parked_pod(w: World) -> None:
    w.create_pod("a-parked-1", metadata={"labels": PARKED_LABELS})
    create_driver(w)
    crowd(lambda number: look_alikes(w, number))


def gated_executors(w: World) -> None:
    create_driver(w)
    crowd(lambda number: look_alikes(w, number, schedulingGates=[{"name": "hold"}]))


def foreign_node(w: World) -> None:
    create_driver(w)
    mark = {"annotations": {PARKED_POD: "a-parked-1"}}
    crowd(lambda number: look_alikes(w, number, metadata=mark, nodeName="elsewhere"))


def plain_mark(w: World) -> None:
    w.create_pod("mine")
    crowd(lambda number: w.create_pod(f"b-{number}", metadata={"annotations": {PARKED_POD: "mine"}}))


@pytest.mark.parametrize("launches", [True, False], ids=["launches", "launches-nothing"])
@pytest.mark.parametrize("fill", [own_parked_pod, gated_executors, foreign_node, plain_mark])
def test_no_client_gets_past_a_quota(w: World, fill: Callable[[World], None]) -> None:
    w.create("resourcequotas", "q", spec={"hard": {"pods": str(ROOM)}})

    fill(w)

    assert len(names(w)) == ROOM


def waiting_executor(w: World, number: int) -> JSON:
    """Create what takes a parked pod's place, and is not bound: it waits for its ConfigMap."""
    containers = [{"name": "c", "image": "i", "volumeMounts": [{"name": "conf", "mountPath": "/conf"}]}]
    return look_alikes(w, number, volumes=[{"name": "conf", "configMap": {"name": "absent"}}], containers=containers)


def test_a_parked_pods_place_in_a_quota_is_taken_by_one_executor(w: World) -> None:
    w.create("resourcequotas", "q", spec={"hard": {"pods": str(ROOM)}})
    create_driver(w)

    crowd(lambda number: waiting_executor(w, number))

    assert [each for each in names(w) if each.startswith("more-")] == ["more-0"]


def test_an_executor_that_is_asked_for_again_takes_the_same_place(w: World) -> None:
    w.create("resourcequotas", "q", spec={"hard": {"pods": str(ROOM)}})
    create_driver(w)
    tried = {"kind": "Pod", "apiVersion": "v1", **waiting_executor(w, 0)}
    w.delete("pods", "more-0", grace_seconds=0)
    tried["metadata"] = {name: tried["metadata"][name] for name in ("name", "labels", "ownerReferences")}

    w.registries["", "pods"].create("ns", tried, WriteOptions(dry_run=True))
    waiting_executor(w, 0)

    assert "more-0" in names(w)


def test_a_dry_run_takes_no_place(w: World) -> None:
    w.create("resourcequotas", "q", spec={"hard": {"pods": str(ROOM)}})
    create_driver(w)
    labels, owner = {"spark-role": "executor", "spark-exec-id": "1"}, w.owner_of()["ownerReferences"][0]
    metadata = {"name": "tried", "labels": labels, "ownerReferences": [{**owner, "controller": True}]}
    pod = {"metadata": metadata, "spec": {"containers": [{"name": "c", "image": "i"}]}}

    w.registries["", "pods"].create("ns", pod, WriteOptions(dry_run=True))
    waiting_executor(w, 0)

    assert "more-0" in names(w)


def test_the_mark_of_a_driver_says_how_many_were_made(w: World) -> None:
    w.create("resourcequotas", "q", spec={"hard": {"pods": "2"}})

    create_driver(w)

    assert w.pod()["metadata"]["annotations"]["sparkanywhere.io/parked"] == "1"


def test_a_pod_that_a_client_labels_is_no_parked_one(w: World, monkeypatch: pytest.MonkeyPatch) -> None:
    create_driver(w, park="false")
    monkeypatch.setattr(w.provider, "reserve", lambda task: pytest.fail(f"{task.name} waits"))
    metadata = {"labels": PARKED_LABELS, **w.owner_of()}
    w.create_pod("work", metadata=metadata)
    handle = handle_of(w.pod("work"))

    w.provider.begin(handle)
    w.observe_all()
    w.provider.finish(handle, 0)
    w.observe_all()
    w.run_chores()

    assert w.phase("work") == "Succeeded"
    w.delete("pods", "work")
    records = [item.object() for item in w.storage.list("/registry/podrecords/").items]
    assert [each["pod"]["metadata"]["name"] for each in records] == ["work"]


def test_a_pod_that_a_client_labels_as_it_runs_is_left_alone(w: World) -> None:
    w.create_pod("work")
    w.provider.begin(w.handle("work"))
    w.observe_all()

    patch(w, "work", {"metadata": {"labels": PARKED_LABELS}})
    w.run_chores()

    assert w.phase("work") == "Running"
    assert "deletionTimestamp" not in w.pod("work")["metadata"]


def test_a_parked_pod_whose_label_a_client_takes_away_is_given_back(w: World) -> None:
    create_driver(w)
    for name in parked_names(w):
        patch(w, name, {"metadata": {"labels": {"spark-role": "executor"}}})

    w.provider.finish(w.handle(), 1)
    w.observe_all()
    w.run_chores()

    assert names(w) == ["a"]


@pytest.mark.parametrize("wakes", ["sweep", "launch"])
def test_a_parked_pod_that_never_got_its_task_is_given_back(
    w: World, monkeypatch: pytest.MonkeyPatch, wakes: str
) -> None:
    reserve = w.provider.reserve

    def down(*_: object) -> None:
        raise ProviderUnavailable("Unavailable", "ECS does not answer")

    monkeypatch.setattr(w.provider, "reserve", down)
    create_driver(w)
    assert len(parked_names(w)) == 2
    monkeypatch.setattr(w.provider, "reserve", reserve)

    w.pass_time(181)
    if wakes == "sweep":
        assert w.controllers.parking is not None
        w.controllers.parking.sweep(w.plane.stored.index)
    else:
        for name in parked_names(w):
            w.pods.sync_key(f"/registry/pods/ns/{name}")

    assert parked_names(w) == []
    assert living(w) == [w.handle()]


def test_a_cordoned_node_gets_no_executor_by_a_task_that_waits_there(w: World) -> None:
    create_driver(w)
    w.run_chores()
    registry = w.registries["", "nodes"]
    registry.patch(None, "fake", Patch("merge", {"spec": {"unschedulable": True}}), WriteOptions())

    create_executor(w, 1)

    assert handle_of(w.pod("exec-1")) == ""
    assert "a-parked-1" in parked_names(w)


@pytest.mark.parametrize("value", ["a-parked-2", None])
@pytest.mark.parametrize("part", ["", "/status"])
def test_no_client_points_an_executor_at_a_siblings_task(w: World, value: str | None, part: str) -> None:
    create_driver(w)
    create_executor(w, 1, schedulingGates=[{"name": "hold"}])
    change = {"metadata": {"annotations": {PARKED_POD: value}}}

    kind = "application/merge-patch+json"
    answer = ApiClient(w.plane).request("PATCH", f"{PODS}/exec-1{part}", change, content_type=kind)

    assert answer.status == 200, answer.raw
    assert w.pod("exec-1")["metadata"]["annotations"][PARKED_POD] == "a-parked-1"


def test_an_executor_that_goes_while_it_is_bound_is_bound_to_nothing(w: World, monkeypatch: pytest.MonkeyPatch) -> None:
    create_driver(w)
    create_executor(w, 1, schedulingGates=[{"name": "hold"}])
    stored = w.storage.get("/registry/pods/ns/exec-1")
    bind = w.provider.bind

    def bind_as_it_goes(*args: object) -> object:
        w.delete("pods", "exec-1", grace_seconds=0)
        return bind(*args)  # type: ignore[arg-type]  # as it was called

    monkeypatch.setattr(w.provider, "bind", bind_as_it_goes)
    assert w.controllers.parking is not None

    assert w.controllers.parking.bind(stored) is None
    with pytest.raises(KeyNotFound):
        w.storage.get(stored.key)
    assert "a-parked-1" in parked_names(w)


@pytest.mark.parametrize(
    "wrong",
    [
        "spark.kubernetes.memoryOverheadFactor=1e999",
        "spark.kubernetes.memoryOverheadFactor=nan",
        "spark.executor.instances=-1",
        "spark.executor.instances=0",
        "spark.executor.instances=many",
    ],
)
def test_settings_that_make_no_sense_park_nothing(w: World, wrong: str, caplog: pytest.LogCaptureFixture) -> None:
    driver = create_driver(w, properties=f"{PROPERTIES}{wrong}\n")

    assert living(w) == [w.handle()]
    assert "sparkanywhere.io/parked" not in driver["metadata"]["annotations"]
    assert [each.getMessage() for each in caplog.records if each.exc_info] == []
