"""A pod gets its one task though others register its shape, a token is spent on failures, or an answer is lost."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.providers.base import Container, ProviderUnavailable, Task, TaskRejected
from chalicelib.providers.fargate.provider import FargateProvider
from chalicelib.providers.fargate.site import DeploymentConfig
from chalicelib.providers.fargate.task_definitions import REGISTER_PAUSES_SECONDS
from tests.unit.providers.fargate.fake_api import (
    SITE,
    Answer,
    ClientException,
    ConflictException,
    FakeApi,
    in_turn,
    raising,
)

DEFINITION = {"taskDefinition": {"taskDefinitionArn": "arn:definition:1", "status": "ACTIVE"}}
TASK = Task(uid="uid-1", group="default", name="pod", containers=(Container(name="main", image="busybox"),))
RUNNING = {"taskArn": "arn:task/1", "lastStatus": "RUNNING", "startedBy": "uid-1", "containers": []}
BUSY = ClientException(
    "ClientException", "Too many concurrent attempts to create a new revision of the specified family."
)
UNKNOWN = ClientException("ClientException", "Unable to describe task definition.")
ZONES = replace(SITE, subnets=(("a", "subnet-a"), ("b", "subnet-b")))
NOW = 1_000_000_000.0


def known(_asked: dict[str, Any]) -> dict[str, Any]:
    return DEFINITION


def started(_asked: dict[str, Any]) -> dict[str, Any]:
    return {"tasks": [RUNNING], "failures": []}


def none_listed(_asked: dict[str, Any]) -> dict[str, Any]:
    return {"taskArns": []}


def provider(api: FakeApi, pauses: list[float] | None = None, *, site: DeploymentConfig = SITE) -> FargateProvider:
    def sleep(seconds: float) -> None:
        if pauses is not None:
            pauses.append(seconds)

    return FargateProvider(
        site,
        payloads=lambda _task: "https://api",
        client=lambda _service, _region: api,
        sleep=sleep,
        seconds=lambda: NOW,
    )


def test_a_log_is_named_as_the_console_has_it() -> None:
    named = provider(FakeApi()).log_place("arn:aws:ecs:eu-west-1:1:task/jobs/abc", "main")

    assert named == f"CloudWatch, log group {SITE.log_group}, stream {SITE.name}/main/abc"


def api_with(**answers: Answer) -> FakeApi:
    usual: dict[str, Answer] = {"describe_task_definition": known, "run_task": started, "list_tasks": none_listed}
    return FakeApi(**{**usual, **answers})


def test_a_shape_that_another_process_registers_meanwhile_is_waited_for() -> None:
    pauses: list[float] = []
    api = api_with(describe_task_definition=in_turn(raising(UNKNOWN), known), register_task_definition=raising(BUSY))

    state = provider(api, pauses).run(TASK)

    assert state.handle == "arn:task/1"
    assert pauses == [REGISTER_PAUSES_SECONDS[0]]
    assert api.asked("run_task")[0]["taskDefinition"] == "arn:definition:1"


def test_a_shape_that_nobody_gets_registered_is_tried_again_later() -> None:
    api = api_with(describe_task_definition=raising(UNKNOWN), register_task_definition=raising(BUSY))

    with pytest.raises(ProviderUnavailable, match="register"):
        provider(api, []).run(TASK)

    assert len(api.asked("register_task_definition")) == len(REGISTER_PAUSES_SECONDS)


def test_a_shape_that_ecs_refuses_is_refused_at_once() -> None:
    refused = ClientException("ClientException", "No Fargate configuration exists for given values.")
    api = api_with(describe_task_definition=raising(UNKNOWN), register_task_definition=raising(refused))

    with pytest.raises(TaskRejected, match="No Fargate configuration"):
        provider(api, []).run(TASK)


def conflict(*arns: str) -> ConflictException:
    return ConflictException("ConflictException", "clientToken is in use", resourceIds=list(arns))


def test_a_token_that_was_spent_on_failures_is_followed_by_another() -> None:
    api = api_with(run_task=in_turn(raising(conflict()), started))

    state = provider(api).run(TASK)

    assert state.handle == "arn:task/1"
    first, second = (asked["clientToken"] for asked in api.asked("run_task"))
    assert first == "uid-1" != second


def test_processes_that_try_anew_at_once_do_so_under_one_token() -> None:
    apis = [api_with(run_task=in_turn(raising(conflict()), started)) for _ in range(2)]

    for api in apis:
        provider(api).run(TASK)

    assert len({api.asked("run_task")[1]["clientToken"] for api in apis}) == 1


def test_a_task_that_the_token_has_started_is_taken_and_no_other_is_started() -> None:
    api = api_with(run_task=raising(conflict("arn:task/1")), describe_tasks=lambda _asked: {"tasks": [RUNNING]})

    assert provider(api).run(TASK).handle == "arn:task/1"
    assert len(api.asked("run_task")) == 1


@pytest.mark.parametrize("error", [conflict("arn:task/1"), conflict()], ids=["not shown yet", "spent again"])
def test_a_task_that_can_not_be_found_is_looked_for_later(error: ConflictException) -> None:
    api = api_with(run_task=raising(error), describe_tasks=lambda _asked: {"tasks": []})

    with pytest.raises(ProviderUnavailable):
        provider(api).run(TASK)

    assert len(api.asked("run_task")) <= 2


NO_CAPACITY = ClientException(
    "ClientException",
    "Capacity is unavailable at this time. Please try again later or in a different availability zone",
)


def asked_subnets(api: FakeApi) -> list[list[str]]:
    networks = [asked["networkConfiguration"]["awsvpcConfiguration"] for asked in api.asked("run_task")]
    return [each["subnets"] for each in networks]


@pytest.mark.parametrize("full", [raising(NO_CAPACITY), lambda _asked: {"failures": [{"reason": str(NO_CAPACITY)}]}])
def test_an_executor_whose_zone_is_full_is_started_in_any(full: Answer) -> None:
    api = api_with(run_task=in_turn(full, started))
    executor = replace(TASK, placement=(("sparkanywhere.io/home-zone", "b"),))

    state = provider(api, site=ZONES).run(executor)

    assert state.handle == "arn:task/1"
    assert asked_subnets(api) == [["subnet-b"], ["subnet-a", "subnet-b"]]
    assert {asked["clientToken"] for asked in api.asked("run_task")} == {"uid-1"}, (
        "one task, however many are asked for"
    )


def test_a_task_of_any_zone_is_not_asked_for_twice() -> None:
    api = api_with(run_task=raising(NO_CAPACITY))

    with pytest.raises(ProviderUnavailable, match="Capacity is unavailable"):
        provider(api, site=ZONES).run(TASK)

    assert asked_subnets(api) == [["subnet-a", "subnet-b"]]


def test_an_executor_that_did_not_start_in_its_zone_is_started_in_any() -> None:
    api = api_with()

    provider(api, site=ZONES).run(replace(TASK, attempt=1, placement=(("sparkanywhere.io/home-zone", "b"),)))

    assert asked_subnets(api) == [["subnet-a", "subnet-b"]]


OWN_ROLE = replace(SITE, task_role_arn="arn:aws:iam::1:role/jobs/tasks/default")
SESSION = "arn:aws:sts::1:assumed-role/default/t1"


@pytest.mark.parametrize(
    ("arn", "handle", "placement", "is_its"),
    [
        (SESSION, "arn:task/jobs/t1", (), True),
        (SESSION, "", (), True),  # RunTask has answered, and the pod is not written yet
        (SESSION, "arn:task/jobs/t2", (), False),
        ("arn:aws:sts::2:assumed-role/default/t1", "arn:task/jobs/t1", (), False),
        ("arn:aws:sts::1:assumed-role/other/t1", "arn:task/jobs/t1", (), False),
        ("arn:aws:iam::1:role/default", "arn:task/jobs/t1", (), False),
        ("arn:aws:sts::1:assumed-role/own/t1", "arn:task/jobs/t1", (("eks.amazonaws.com/role-arn", "own"),), True),
        (SESSION, "arn:task/jobs/t1", (("eks.amazonaws.com/role-arn", "own"),), False),
    ],
)
def test_a_caller_is_the_session_of_the_tasks_role(
    arn: str, handle: str, placement: tuple[tuple[str, str], ...], is_its: bool
) -> None:
    api = api_with(list_tasks=lambda asked: {"taskArns": ["arn:task/jobs/t1"] if asked["startedBy"] == "uid-1" else []})
    hints = tuple((key, f"arn:aws:iam::1:role/jobs/tasks/{name}") for key, name in placement)

    assert provider(api, site=OWN_ROLE).is_caller(replace(TASK, placement=hints), handle, arn) is is_its


def test_who_a_caller_is_cannot_be_told_while_ecs_is_down() -> None:
    with pytest.raises(ProviderUnavailable):
        provider(api_with(list_tasks=raising(BUSY)), site=OWN_ROLE).is_caller(TASK, "", SESSION)


def test_a_task_that_ecs_cannot_tell_of_is_not_one_that_is_gone() -> None:
    def partly(asked: dict[str, Any]) -> dict[str, Any]:
        gone, unclear = asked["tasks"]
        return {"tasks": [], "failures": [{"arn": gone, "reason": "MISSING"}, {"arn": unclear, "reason": "AGENT"}]}

    with pytest.raises(ProviderUnavailable, match="AGENT"):
        provider(api_with(describe_tasks=partly)).describe(["arn:task/1", "arn:task/2"])
