"""Spot falls back in order, whatever way capacity is refused, and never makes two tasks; instances have no sizes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import validate_parameters

from chalicelib.providers.base import Container, ProviderUnavailable, Task, TaskRejected
from chalicelib.providers.fargate.capacity import ladder, rungs
from chalicelib.providers.fargate.definitions import Launch, definition, run_task, unhonoured
from chalicelib.providers.fargate.states import task_state
from tests.unit.providers.fargate.fake_api import SITE, ClientException, ConflictException, in_turn, raising
from tests.unit.providers.fargate.test_provider import RUNNING, TASK, api_with, provider, started

KEY = "sparkanywhere.io/{}"
FULL = ClientException("ClientException", "Capacity is unavailable at this time. Please try again later")
ECS = ServiceModel(Loader().load_service_model("ecs", "service-2"))
GPUS = Container(name="main", image="busybox", gpus=2)


def pod(*, attempt: int = 0, **hints: str) -> Task:
    placement = tuple((KEY.format(name.replace("_", "-")), value) for name, value in hints.items())
    return replace(TASK, placement=placement, attempt=attempt)


@pytest.mark.parametrize(
    ("hints", "expected"),
    [
        ({}, ("FARGATE",)),
        ({"capacity_type": "spot"}, ("FARGATE_SPOT",)),
        ({"capacity_type": "on-demand"}, ("FARGATE",)),
        ({"capacity_type": "on-demand,spot"}, ("FARGATE_SPOT", "FARGATE")),
        ({"fallback": "fargate-spot,fargate"}, ("FARGATE_SPOT", "FARGATE")),
        ({"fallback": "Fargate, gpu-Pool", "capacity_type": "spot"}, ("FARGATE", "gpu-Pool")),
        ({"capacity_provider": "gpu-Pool"}, ("gpu-Pool",)),
    ],
)
def test_a_ladder_is_what_a_pod_names_in_its_order(hints: dict[str, str], expected: tuple[str, ...]) -> None:
    assert ladder(pod(**hints)) == expected  # type: ignore[arg-type]  # none is called attempt


def test_each_failed_start_uses_up_a_rung_and_the_last_one_stays() -> None:
    left = [rungs(pod(attempt=attempt, fallback="fargate-spot,fargate")) for attempt in range(3)]

    assert left == [("FARGATE_SPOT", "FARGATE"), ("FARGATE",), ("FARGATE",)]


def of_no_room(_asked: dict[str, Any]) -> dict[str, Any]:
    return {"tasks": [], "failures": [{"reason": "RESOURCE:FARGATE", "detail": "none left"}]}


@pytest.mark.parametrize("full", [raising(FULL), of_no_room], ids=["an error", "failures"])
def test_where_spot_has_no_room_the_next_is_taken(full: Any) -> None:
    api = api_with(run_task=in_turn(full, started))

    provider(api).run(pod(fallback="fargate-spot,fargate"))

    asked = api.asked("run_task")
    assert [each["capacityProviderStrategy"][0]["capacityProvider"] for each in asked] == ["FARGATE_SPOT", "FARGATE"]
    assert len({each["clientToken"] for each in asked}) == 1  # whichever ECS has started is found by it


def test_a_token_that_failures_have_spent_keeps_nobody_from_the_next_rung() -> None:
    spent = raising(ConflictException("ConflictException", "in use", resourceIds=[]))
    api = api_with(run_task=in_turn(of_no_room, spent, started))

    provider(api).run(pod(fallback="fargate-spot,fargate"))

    first, second, third = (each["clientToken"] for each in api.asked("run_task"))
    assert first == second != third


def test_without_a_fallback_spot_alone_is_tried() -> None:
    api = api_with(run_task=raising(FULL))

    with pytest.raises(ProviderUnavailable, match="Capacity"):
        provider(api).run(pod(capacity_type="spot"))

    assert len(api.asked("run_task")) == 1


def test_what_is_refused_for_another_reason_is_not_tried_elsewhere() -> None:
    api = api_with(run_task=raising(ClientException("InvalidParameterException", "no such subnet")))

    with pytest.raises(TaskRejected):
        provider(api).run(pod(fallback="fargate-spot,fargate"))

    assert len(api.asked("run_task")) == 1


@pytest.mark.parametrize(
    ("name", "capacity"), [("FARGATE_SPOT", "fargate-spot"), ("FARGATE", "fargate"), ("gpu-Pool", "gpu-Pool")]
)
def test_a_task_says_what_it_runs_on(name: str, capacity: str) -> None:
    assert task_state({**RUNNING, "capacityProviderName": name}).capacity == capacity


def test_a_task_on_instances_has_its_size_its_gpus_and_parameters_that_ecs_knows() -> None:
    task = replace(pod(capacity_provider="gpu-Pool"), containers=(GPUS,), cpu_milli=48_000, memory_mib=400_000)
    site = replace(SITE, assign_public_ip=True)

    made = definition(task, site)
    run = run_task(task, site, Launch("arn:definition", "https://api", capacity_provider="gpu-Pool"))

    assert (made["requiresCompatibilities"], made["cpu"], made["memory"]) == (["MANAGED_INSTANCES"], "49152", "400000")
    assert made["containerDefinitions"][1]["resourceRequirements"] == [{"type": "GPU", "value": "2"}]
    assert "platformVersion" not in run
    assert run["networkConfiguration"]["awsvpcConfiguration"]["assignPublicIp"] == "DISABLED"
    for asked, operation in ((made, "RegisterTaskDefinition"), (run, "RunTask")):
        shape = ECS.operation_model(operation).input_shape
        assert shape is not None
        validate_parameters(asked, shape)
    assert unhonoured(task) == ["the price of instances is not known here: their time counts at Fargate's list price"]


def test_one_that_may_run_on_fargate_too_has_fargates_size_and_no_gpus() -> None:
    task = replace(pod(fallback="pool,fargate"), containers=(GPUS,), cpu_milli=300, memory_mib=100)

    made = definition(task, SITE)

    assert made["requiresCompatibilities"] == ["FARGATE", "MANAGED_INSTANCES"]
    assert (made["cpu"], made["memory"]) == ("512", "1024")
    assert "resourceRequirements" not in made["containerDefinitions"][1]
    assert "GPUs are not to be had on Fargate" in unhonoured(task)
