"""Each pod counts once for its family, stored or gone, however often and in whatever order it goes."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.cost.usage_records import RECORDS
from chalicelib.controllers.podmodel.gone_pods import read_gone
from chalicelib.plane.host import LAMBDA
from chalicelib.resources.pods.marks import USED_BY_GONE
from chalicelib.storage.base import Page
from chalicelib.storage.keys import object_key
from chalicelib.storage.updates import guaranteed_update
from tests.memory_storage import MemoryStorage
from tests.unit.controllers.world import World

HOUR = 3600.0
ASKED = {"requests": {"cpu": "2", "memory": "4Gi"}}
SPEC: dict[str, Any] = {"containers": [{"name": "c", "image": "i", "resources": ASKED}]}


@pytest.fixture
def family() -> World:
    """Return a world with a driver `d` and an executor `e`, both running, at a dollar a vCPU-hour."""
    w = World(MemoryStorage(), usd_per_vcpu_hour=1.0)
    w.create_pod("d", **SPEC)
    add(w, "e")
    return w


def add(w: World, name: str) -> None:
    w.create_pod(name, metadata=w.owner_of("d"), **SPEC)
    w.observe_all()


def records(w: World) -> list[JSON]:
    return [item.object() for item in w.storage.list(f"/registry/{RECORDS}/").items]


def test_a_pod_that_is_deleted_while_it_runs_is_recorded(family: World) -> None:
    family.pass_time(HOUR)

    family.delete("pods", "e")
    family.observe_all()

    assert family.get("pods", "e") is None
    gone = read_gone(family.pod("d"))
    assert (gone.pods, gone.usage.vcpu_seconds, gone.usage.gib_seconds) == (1, 2 * HOUR, 4 * HOUR)
    assert gone.usage.usd == pytest.approx(2.0)
    assert gone.usd_on_fargate > 0


def test_a_finished_pod_that_a_client_deletes_is_recorded_with_its_own_end(family: World) -> None:
    family.pass_time(HOUR)
    family.provider.finish(family.handle("e"), 0)
    family.observe_all()
    family.pass_time(HOUR)

    family.delete("pods", "e")

    assert read_gone(family.pod("d")).usage.vcpu_seconds == 2 * HOUR


def test_a_pod_that_is_taken_out_by_force_is_recorded(family: World) -> None:
    family.pass_time(HOUR)

    family.delete("pods", "e", grace_seconds=0)

    assert read_gone(family.pod("d")).usage.vcpu_seconds == 2 * HOUR


def test_many_pods_add_up(family: World) -> None:
    for number in range(5):
        add(family, f"e{number}")
    family.pass_time(HOUR)

    for name in ("e", *(f"e{number}" for number in range(5))):
        family.delete("pods", name)
        family.observe_all()

    assert read_gone(family.pod("d")).pods == 6
    assert read_gone(family.pod("d")).usage.usd == pytest.approx(12.0)


def test_a_record_does_not_count_while_its_pod_is_stored(family: World) -> None:
    family.pass_time(HOUR)
    executor, driver = family.pod("e"), family.pod("d")["metadata"]["uid"]

    family.controllers.usage.before_delete(executor)  # and then the process dies before the removal
    family.controllers.usage.sweep()

    assert len(records(family)) == 1
    assert USED_BY_GONE not in (family.pod("d")["metadata"].get("annotations") or {})
    assert family.controllers.usage.of(driver, stored={executor["metadata"]["uid"]}).pods == 0


def test_a_removal_that_comes_about_later_counts_what_is_so_then(family: World) -> None:
    family.pass_time(HOUR)
    family.controllers.usage.before_delete(family.pod("e"))
    family.controllers.usage.sweep()
    family.pass_time(HOUR)

    family.delete("pods", "e", grace_seconds=0)

    assert len(records(family)) == 1
    assert read_gone(family.pod("d")).usage.vcpu_seconds == 4 * HOUR


def test_a_sum_that_nobody_wrote_is_written_by_a_sweep() -> None:
    w = World(MemoryStorage(), usd_per_vcpu_hour=1.0, host=LAMBDA)  # as on Lambda
    w.create_pod("d", **SPEC)
    add(w, "e")
    w.pass_time(HOUR)
    w.delete("pods", "e", grace_seconds=0)
    assert read_gone(w.pod("d")).pods == 0

    w.controllers.usage.sweep()
    w.controllers.usage.sweep()

    assert read_gone(w.pod("d")).pods == 1


def test_a_pod_of_two_heads_counts_for_both(family: World) -> None:
    family.create_pod("outer", **SPEC)
    owners = [owner for name in ("d", "outer") for owner in family.owner_of(name)["ownerReferences"]]
    family.create_pod("both", metadata={"ownerReferences": owners}, **SPEC)
    family.observe_all()
    family.pass_time(HOUR)

    family.delete("pods", "both")
    family.observe_all()

    assert [read_gone(family.pod(name)).usage.vcpu_seconds for name in ("d", "outer")] == [2 * HOUR] * 2


def test_records_go_with_the_head_of_the_family(family: World) -> None:
    family.pass_time(HOUR)
    family.delete("pods", "e", grace_seconds=0)
    assert len(records(family)) == 1

    family.delete("pods", "d", grace_seconds=0)

    assert records(family) == []


def test_records_without_a_head_are_swept_away(family: World) -> None:
    key = object_key(RECORDS, "no-such-pod", "e")
    figures = {"vcpuSeconds": 1, "gibSeconds": 1, "usd": 1, "usdOnFargate": 1}
    family.storage.create(key, {"metadata": {"name": "e", "uid": "usage-e"}, **figures})

    family.controllers.usage.sweep()

    assert records(family) == []


def test_a_record_that_another_process_writes_meanwhile_stays(family: World, monkeypatch: pytest.MonkeyPatch) -> None:
    family.delete("pods", "e", grace_seconds=0)
    (before,) = family.storage.list(f"/registry/{RECORDS}/").items
    listed = family.storage.list

    def list_and_write(*args: Any, **options: Any) -> Page:
        page = listed(*args, **options)
        guaranteed_update(family.storage, before.key, lambda record: {**record, "usd": 9.0})
        return page

    with monkeypatch.context() as patched:
        patched.setattr(family.storage, "list", list_and_write)
        family.controllers.usage.drop(family.pod("d")["metadata"]["uid"])

    assert [record["usd"] for record in records(family)] == [9.0]


def test_a_pod_without_a_family_leaves_no_record(family: World) -> None:
    family.create_pod("alone")
    family.observe_all()
    family.pass_time(HOUR)

    family.delete("pods", "alone", grace_seconds=0)

    assert records(family) == []


def test_an_executor_of_a_stateful_set_counts_for_the_driver(family: World) -> None:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": SPEC}
    selector = {"matchLabels": {"a": "b"}}
    spec = {"replicas": 1, "serviceName": "s", "selector": selector, "template": template}
    family.create("statefulsets", "set", metadata=family.owner_of("d"), spec=spec)
    family.observe_all()
    family.pass_time(HOUR)

    family.delete("pods", "set-0", grace_seconds=0)

    assert read_gone(family.pod("d")).pods == 1


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pods": "x"}', '{"pods": 1}'])
def test_a_broken_sum_says_nothing(text: str) -> None:
    assert read_gone({"metadata": {"annotations": {USED_BY_GONE: text}}}).pods == 0
