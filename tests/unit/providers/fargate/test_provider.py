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


ACCOUNT_ROLES = "arn:aws:iam::123456789012:role/jobs/tasks"
OWN_ROLE = replace(SITE, task_role_arn=f"{ACCOUNT_ROLES}/default")
ID, OTHER_ID = "0a" * 16, "0b" * 16
HANDLE = f"arn:aws:ecs:eu-west-1:123456789012:task/jobs/{ID}"
SESSIONS = "arn:aws:sts::123456789012:assumed-role"
SESSION = f"{SESSIONS}/default/{ID}"
ROLES = {
    "jobs-default:1": f"{ACCOUNT_ROLES}/default",
    "jobs-reader:3": f"{ACCOUNT_ROLES}/reader",
    "jobs-foreign:1": "arn:aws:iam::210987654321:role/jobs/tasks/default",
    "jobs-elsewhere:1": "arn:aws:iam::123456789012:role/admins/default",
    "jobs-bare:1": "",
}


def ecs_with(definition: str, *, uid: str = "uid-1", status: str = "RUNNING") -> FakeApi:
    """Return an ECS with one task, ID, of one of those definitions."""
    arn = f"arn:aws:ecs:eu-west-1:123456789012:task-definition/{definition}"
    task = {"taskArn": HANDLE, "lastStatus": status, "startedBy": uid, "containers": [], "taskDefinitionArn": arn}
    return FakeApi(
        describe_tasks=lambda asked: {"tasks": [task] if asked["tasks"] == [HANDLE] else []},
        describe_task_definition=lambda asked: {"taskDefinition": {"taskRoleArn": ROLES[asked["taskDefinition"]]}},
    )


@pytest.mark.parametrize(("handle", "recorded"), [(HANDLE, True), (HANDLE, False), ("", False)])
@pytest.mark.parametrize(
    ("arn", "definition", "is_its"),
    [
        (SESSION, "jobs-default:1", True),
        (f"{SESSIONS}/reader/{ID}", "jobs-reader:3", True),
        # who holds another role, of whatever account, and names its session after the task
        (f"{SESSIONS}/default/{ID}", "jobs-reader:3", False),
        (f"{SESSIONS}/reader/{ID}", "jobs-default:1", False),
        (SESSION.replace("123456789012", "210987654321"), "jobs-default:1", False),
        (SESSION.replace("123456789012", "210987654321"), "jobs-foreign:1", False),
        (SESSION, "jobs-elsewhere:1", False),
        (SESSION, "jobs-bare:1", False),
        (SESSION.replace("aws", "aws-cn"), "jobs-default:1", False),
        # another task of the same role, and what is no task's session at all
        (f"{SESSIONS}/default/{OTHER_ID}", "jobs-default:1", False),
        (f"{SESSIONS}/default/somebody", "jobs-default:1", False),
        (f"{SESSIONS}/default/", "jobs-default:1", False),
        (f"{SESSIONS}/default/{ID}\n", "jobs-default:1", False),
        ("arn:aws:iam::123456789012:role/default", "jobs-default:1", False),
        ("arn:aws:iam::123456789012:user/default/" + ID, "jobs-default:1", False),
        ("", "jobs-default:1", False),
    ],
)
def test_a_caller_is_the_session_of_the_role_that_the_task_was_started_with(
    arn: str, definition: str, is_its: bool, handle: str, recorded: bool
) -> None:
    fargate = provider(ecs_with(definition), site=OWN_ROLE)

    known = {"handle": handle, "definition": definition if recorded else ""}
    assert fargate.is_caller(arn, "uid-1", **known) is is_its


@pytest.mark.parametrize(("uid", "status"), [("uid-2", "RUNNING"), ("uid-1", "STOPPED")])
def test_a_task_that_is_not_stored_yet_runs_for_the_uid_that_is_asked_for(uid: str, status: str) -> None:
    fargate = provider(ecs_with("jobs-default:1", uid=uid, status=status), site=OWN_ROLE)

    assert not fargate.is_caller(SESSION, "uid-1", handle="", definition="")


@pytest.mark.parametrize("handle", [HANDLE, ""])
@pytest.mark.parametrize(
    "arn",
    [
        SESSION.replace("123456789012", "210987654321"),
        SESSION.replace("aws", "aws-cn"),
        f"arn:aws:iam::123456789012:user/{ID}",
        f"arn:aws:sts::123456789012:federated-user/{ID}",
    ],
)
def test_strangers_make_nobody_ask_ecs(arn: str, handle: str) -> None:
    api = ecs_with("jobs-default:1")

    assert not provider(api, site=OWN_ROLE).is_caller(arn, "uid-1", handle=handle, definition="")
    assert api.calls == []


def test_what_is_recorded_costs_one_question_for_each_definition() -> None:
    api = ecs_with("jobs-default:1")
    fargate = provider(api, site=OWN_ROLE)

    assert all(fargate.is_caller(SESSION, "uid-1", handle=HANDLE, definition="jobs-default:1") for _ in range(3))
    assert [name for name, _ in api.calls] == ["describe_task_definition"]


@pytest.mark.parametrize(
    ("down", "definition"), [("describe_tasks", ""), ("describe_task_definition", "jobs-default:1")]
)
def test_who_a_caller_is_cannot_be_told_while_ecs_is_down(down: str, definition: str) -> None:
    with pytest.raises(ProviderUnavailable):
        provider(FakeApi(**{down: raising(BUSY)}), site=OWN_ROLE).is_caller(
            SESSION, "uid-1", handle=HANDLE, definition=definition
        )


def test_a_task_that_ecs_cannot_tell_of_is_not_one_that_is_gone() -> None:
    def partly(asked: dict[str, Any]) -> dict[str, Any]:
        gone, unclear = asked["tasks"]
        return {"tasks": [], "failures": [{"arn": gone, "reason": "MISSING"}, {"arn": unclear, "reason": "AGENT"}]}

    with pytest.raises(ProviderUnavailable, match="AGENT"):
        provider(api_with(describe_tasks=partly)).describe(["arn:task/1", "arn:task/2"])
