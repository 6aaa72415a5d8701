"""An executor is asked for in the zone of its driver, and an Event says where it runs in another."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chalicelib.apimachinery.types import JSON
from tests.memory_storage import MemoryStorage
from tests.unit.controllers.world import World

HOME = "sparkanywhere.io/home-zone"
SPREAD = {"sparkanywhere.io/zones": "all"}


@pytest.fixture
def w() -> World:
    return World(MemoryStorage())


def annotations_of(w: World, name: str) -> JSON:
    return w.pod(name)["metadata"].get("annotations") or {}


def driver_in(w: World, zone: str, **metadata: JSON) -> None:
    w.provider.hold_pending = True
    w.create_pod("driver", metadata=metadata)
    w.provider.update(w.handle("driver"), lambda state: replace(state, zone=zone))
    w.provider.begin(w.handle("driver"))
    w.observe_all()


def executor(w: World, **metadata: JSON) -> None:
    w.create_pod("executor", metadata={**w.owner_of("driver"), **metadata})


def hint(w: World) -> str | None:
    return dict(w.provider.tasks[-1].placement).get(HOME)


def test_an_executor_is_asked_for_in_the_zone_of_its_driver(w: World) -> None:
    driver_in(w, "us-east-1b")
    executor(w)

    assert annotations_of(w, "driver")["sparkanywhere.io/zone"] == "us-east-1b"
    assert hint(w) == "us-east-1b"


@pytest.mark.parametrize("whose", ["driver", "executor"])
def test_who_asks_for_all_zones_gets_them(w: World, whose: str) -> None:
    driver_in(w, "us-east-1b", annotations=SPREAD if whose == "driver" else {})
    executor(w, annotations=SPREAD if whose == "executor" else {})

    assert hint(w) == "any"


def test_without_a_zone_nothing_is_asked_for(w: World) -> None:
    driver_in(w, "")
    executor(w)

    assert hint(w) is None
    assert HOME not in annotations_of(w, "executor")


def test_a_client_does_not_say_which_zone_is_the_drivers(w: World) -> None:
    driver_in(w, "us-east-1b")
    executor(w, annotations={HOME: "us-east-1c"})

    assert hint(w) == "us-east-1b"


@pytest.mark.parametrize(("zone", "said"), [("us-east-1c", ["OtherZone"]), ("us-east-1b", [])])
def test_an_event_says_where_it_runs_in_another(w: World, zone: str, said: list[str]) -> None:
    driver_in(w, "us-east-1b")
    executor(w)
    w.provider.update(w.handle("executor"), lambda state: replace(state, zone=zone))
    w.provider.begin(w.handle("executor"))
    w.observe_all()
    w.observe_all()

    assert [reason for reason, _ in w.events("executor") if reason == "OtherZone"] == said
