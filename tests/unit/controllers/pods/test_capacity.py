"""A pod says what it runs on, and by an Event that its first choice had no room; a driver stays off Spot."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chalicelib.apimachinery.types import JSON
from tests.memory_storage import MemoryStorage
from tests.unit.controllers.world import World

FALLBACK, CAPACITY = "sparkanywhere.io/fallback", "sparkanywhere.io/capacity"
ORDER = "fargate-spot, fargate"
FELL_BACK = ("OtherCapacity", "runs on fargate: fargate-spot has no room for it")


@pytest.fixture
def w() -> World:
    return World(MemoryStorage())


def runs_on(w: World, capacity: str, metadata: JSON) -> None:
    """Create a pod whose task runs on that."""
    w.provider.hold_pending = True
    w.create_pod(metadata=metadata)
    w.provider.update(w.handle(), lambda state: replace(state, capacity=capacity))
    w.provider.begin(w.handle())
    w.observe_all()


@pytest.mark.parametrize(("capacity", "told"), [("fargate", [FELL_BACK]), ("fargate-spot", [])])
def test_an_event_says_that_the_first_choice_had_no_room(w: World, capacity: str, told: list[tuple[str, str]]) -> None:
    runs_on(w, capacity, {"annotations": {FALLBACK: ORDER}})
    w.observe_all()

    assert w.pod()["metadata"]["annotations"][CAPACITY] == capacity
    assert [each for each in w.events() if each[0] == "OtherCapacity"] == told


@pytest.mark.parametrize(
    ("annotations", "expected"), [({}, "fargate"), ({"sparkanywhere.io/spot-driver": "true"}, "fargate-spot,fargate")]
)
def test_a_driver_falls_back_at_once_unless_it_may_be_interrupted(
    w: World, annotations: dict[str, str], expected: str
) -> None:
    w.create_pod(metadata={"labels": {"spark-role": "driver"}, "annotations": {FALLBACK: ORDER, **annotations}})

    assert dict(w.provider.tasks[-1].placement)[FALLBACK] == expected
