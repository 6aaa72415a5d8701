"""What ECS does not tell of one task hides no other, and is never taken for its end."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.providers.base import ProviderUnavailable, TaskNotFound, ToldInPart
from chalicelib.providers.fargate.cluster_tasks import DESCRIBE_AT_ONCE
from chalicelib.providers.fargate.provider import FargateProvider
from tests.unit.providers.fargate.fake_api import SITE, FakeApi, InvalidParameterException

ARN = "arn:aws:ecs:eu-west-1:123456789012:task/jobs/{}"
FOREIGN = "arn:aws:ecs:eu-west-1:999999999999:task/jobs/foreign"
# As ECS says it, github.com/aws-actions/amazon-ecs-deploy-task-definition/issues/261
OTHER_ACCOUNT = "Identifier is for 999999999999. Your accountId is 123456789012"


def provider(api: FakeApi) -> FargateProvider:
    return FargateProvider(SITE, payloads=lambda _task: "https://api", client=lambda _service, _region: api)


def raw(arn: str) -> dict[str, Any]:
    return {"taskArn": arn, "lastStatus": "RUNNING", "startedBy": arn[-3:], "group": f"{SITE.name}:ns"}


def describe(asked: dict[str, Any]) -> dict[str, Any]:
    """Answer as ECS does: it refuses the whole call where one of the tasks is another account's."""
    assert len(asked["tasks"]) <= DESCRIBE_AT_ONCE
    if FOREIGN in asked["tasks"]:
        raise InvalidParameterException("InvalidParameterException", OTHER_ACCOUNT)
    unclear = [each for each in asked["tasks"] if each.endswith("unclear")]
    gone = [each for each in asked["tasks"] if each.endswith("gone")]
    told = [raw(each) for each in asked["tasks"] if each not in (*unclear, *gone)]
    failures = [
        {"arn": each, "reason": reason} for some, reason in ((unclear, "AGENT"), (gone, "MISSING")) for each in some
    ]
    return {"tasks": told, "failures": failures}


@pytest.mark.parametrize("bad", [FOREIGN, ARN.format("unclear")])
@pytest.mark.parametrize("place", [0, 42, 150])
def test_one_of_many_hides_no_other(bad: str, place: int) -> None:
    good = [ARN.format(f"{number:03}") for number in range(180)]

    with pytest.raises(ToldInPart) as refused:
        provider(FakeApi(describe_tasks=describe)).describe([*good[:place], bad, ARN.format("gone"), *good[place:]])

    assert sorted(each.handle for each in refused.value.states) == good
    assert list(refused.value.untold) == [bad]


def test_a_list_tells_of_the_others_too() -> None:
    arns = [ARN.format("001"), ARN.format("unclear"), ARN.format("002")]

    with pytest.raises(ToldInPart) as refused:
        provider(FakeApi(list_tasks=lambda _: {"taskArns": arns}, describe_tasks=describe)).list_tasks()

    assert [each.handle for each in refused.value.states] == [arns[0], arns[2]]


def test_what_is_known_is_not_described() -> None:
    arns = [ARN.format("001"), ARN.format("002")]
    api = FakeApi(list_tasks=lambda _: {"taskArns": arns}, describe_tasks=describe)

    assert [each.handle for each in provider(api).list_tasks({arns[0]})] == [arns[1]]


def test_what_is_not_reached_is_untold_after_one_call() -> None:
    calls = 0

    def down(asked: dict[str, Any]) -> dict[str, Any]:
        nonlocal calls
        calls += 1
        raise ConnectionError(f"nobody answers for {len(asked['tasks'])}")

    good = [ARN.format(f"{number:03}") for number in range(250)]
    with pytest.raises(ToldInPart) as refused:
        provider(FakeApi(describe_tasks=down)).describe(good)

    assert (calls, sorted(refused.value.untold)) == (1, good)


@pytest.mark.parametrize(
    ("said", "error"), [("The referenced task was not found.", TaskNotFound), (OTHER_ACCOUNT, ProviderUnavailable)]
)
def test_only_a_task_that_is_not_found_has_ended(said: str, error: type[Exception]) -> None:
    def refuse(_asked: dict[str, Any]) -> dict[str, Any]:
        raise InvalidParameterException("InvalidParameterException", said)

    with pytest.raises(error):
        provider(FakeApi(stop_task=refuse)).stop(ARN.format("001"), grace_seconds=1)
