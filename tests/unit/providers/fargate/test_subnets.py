"""Executors run in one zone, their driver's, while there is room, and anywhere for who asks for that."""

from __future__ import annotations

import pytest

from chalicelib.controllers.podmodel import placement
from chalicelib.providers.base import Task, TaskRejected
from chalicelib.providers.fargate import subnets
from chalicelib.providers.fargate.subnets import subnet_choices
from chalicelib.resources.pods import marks

SUBNETS = (("a", "subnet-a"), ("b", "subnet-b"), ("c", "subnet-c"))
ALL = ["subnet-a", "subnet-b", "subnet-c"]
EXECUTOR = {"sparkanywhere.io/role": "executor"}
ZONE, HOME = "topology.kubernetes.io/zone", "sparkanywhere.io/home-zone"


def task(placement: dict[str, str], application: str = "") -> Task:
    labels = (("spark-app-selector", application),) if application else ()
    return Task(uid="u", group="g", name="n", containers=(), labels=labels, placement=tuple(placement.items()))


@pytest.mark.parametrize(
    ("hints", "choices"),
    [
        ({}, [ALL]),
        ({"sparkanywhere.io/role": "driver"}, [ALL]),
        ({**EXECUTOR, HOME: "b"}, [["subnet-b"], ALL]),
        ({**EXECUTOR, HOME: "any"}, [ALL]),
        ({**EXECUTOR, HOME: "z"}, [ALL]),
        ({**EXECUTOR, ZONE: "c", HOME: "b"}, [["subnet-c"]]),
        ({**EXECUTOR, ZONE: "b,c", HOME: "b"}, [["subnet-b"], ["subnet-b", "subnet-c"]]),
    ],
)
def test_the_zone_of_the_driver_comes_first(hints: dict[str, str], choices: list[list[str]]) -> None:
    assert subnet_choices(task(hints, "spark-1"), SUBNETS) == choices


def test_executors_of_a_driver_that_is_elsewhere_agree_on_a_zone() -> None:
    one, again = (subnet_choices(task(EXECUTOR, "spark-1"), SUBNETS) for _ in range(2))
    zones = {subnet_choices(task(EXECUTOR, f"spark-{number}"), SUBNETS)[0][0] for number in range(30)}

    assert one == again
    assert (len(one[0]), one[1]) == (1, ALL)
    assert zones == set(ALL), "not all applications in one zone"


def test_subnets_without_a_zone_are_one_choice() -> None:
    assert subnet_choices(task({**EXECUTOR, HOME: "b"}, "x"), (("", "s-1"), ("", "s-2"))) == [["s-1", "s-2"]]


def test_a_zone_without_a_subnet_is_refused() -> None:
    with pytest.raises(TaskRejected, match="mars"):
        subnet_choices(task({ZONE: "mars"}), SUBNETS)


def test_both_sides_call_the_hints_the_same() -> None:
    assert (subnets.HOME_KEY, subnets.ROLE_KEY) == (marks.HOME_ZONE, placement.ROLE)
    assert subnets.ANY_ZONE == marks.ANY_ZONE
