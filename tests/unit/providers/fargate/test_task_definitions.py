"""Applications of one shape share one definition, who waits shares one refusal, and what is old is deleted."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.providers.base import Container, Mount, ProviderUnavailable, Task, TaskNotFound, Volume
from chalicelib.providers.fargate.provider import FargateProvider
from chalicelib.providers.fargate.task_definitions import DELETED_AT_ONCE, KEEP_SECONDS, REFUSED_SECONDS
from tests.aws_box.fake_ecs import CLUSTER, EcsError, FakeEcs, NoEngine
from tests.unit.providers.fargate.fake_api import SITE, ClientException, ClusterNotFoundException, ConflictException

ERRORS = {"ClientException": ClientException, "ClusterNotFoundException": ClusterNotFoundException}
NOW = datetime(2026, 11, 30, tzinfo=UTC)


class Ecs:
    """The box's ECS without a network: each operation as boto3's clients have it."""

    class exceptions:
        """The errors that the provider tells apart."""

        ClientException = ClientException
        ConflictException = ConflictException
        ClusterNotFoundException = ClusterNotFoundException

    def __init__(self) -> None:
        self.fake = FakeEcs(NoEngine(), lambda _event: None)
        self.seconds = NOW.timestamp()
        self.throttled = False
        self.listed: list[str] | None = None  # what families there are said to be
        self.calls: list[str] = []

    def __getattr__(self, operation: str) -> Any:
        name = "".join(word.capitalize() for word in operation.split("_"))

        def call(**asked: Any) -> Any:
            self.calls.append(operation)
            if self.throttled:
                raise ClientException("ThrottlingException", "Rate exceeded")
            try:
                answer = getattr(self.fake, f"_{name}")(asked)
            except EcsError as error:
                raise ERRORS[error.body["__type"]](error.body["__type"], str(error)) from error
            if operation == "list_task_definition_families" and self.listed is not None:
                return {"families": self.listed}
            if operation == "describe_task_definition":
                found = dict(answer["taskDefinition"])
                made = found.pop("registeredAt")
                told = {"registeredAt": datetime.fromtimestamp(made, UTC)} if made is not None else {}
                return {"taskDefinition": {**found, **told}}
            return answer

        return call

    def get_paginator(self, operation: str) -> Any:
        """Return what gives the one page there is."""
        call = getattr(self, operation)

        class Pages:
            def paginate(self, **asked: Any) -> list[Any]:
                return [call(**asked)]

        return Pages()

    def age(self, seconds: float) -> None:
        """Let all definitions be so much older."""
        for each in self.fake.definitions:
            each["registeredAt"] = self.seconds - seconds

    def provider(self) -> FargateProvider:
        """Return a process of its own."""
        return FargateProvider(
            replace(SITE, cluster=CLUSTER),
            payloads=lambda _task: "https://api",
            client=lambda _service, _region: self,
            sleep=lambda _seconds: None,
            seconds=lambda: self.seconds,
        )


@pytest.fixture
def ecs() -> Any:
    made = Ecs()
    yield made
    made.fake.close()


def executor(number: int, *, image: str = "spark") -> Task:
    """Return an executor of application `number`, which has its scratch space where Spark puts it."""
    path = f"/var/data/spark-{number:08x}-0000-4000-8000-000000000000"
    container = Container("main", image, env=(("SPARK_LOCAL_DIRS", path),), mounts=(Mount("local", path),))
    return Task(f"uid-{number}", "ns", f"exec-{number}", (container,), volumes=(Volume("local", "scratch"),))


def test_five_applications_of_one_shape_register_one_definition(ecs: Ecs) -> None:
    for number in range(5):
        ecs.provider().run(executor(number))

    assert ecs.calls.count("register_task_definition") == 1
    assert len({task.document["taskDefinitionArn"] for task in ecs.fake.tasks}) == 1


def test_those_that_wait_for_a_registration_share_its_refusal(ecs: Ecs) -> None:
    provider = ecs.provider()
    ecs.throttled = True
    for number in range(20):
        with pytest.raises(ProviderUnavailable, match="Rate exceeded"):
            provider.run(executor(number))
    asked = list(ecs.calls)

    ecs.throttled = False
    ecs.seconds += REFUSED_SECONDS
    provider.run(executor(0))

    assert asked == ["describe_task_definition", "register_task_definition"]
    assert len(ecs.fake.tasks) == 1


def test_definitions_that_are_old_are_deleted_and_registered_again_when_needed(ecs: Ecs) -> None:
    provider = ecs.provider()
    provider.run(executor(1, image="old"))
    ecs.age(KEEP_SECONDS + 60)
    ecs.seconds = NOW.timestamp()
    provider.run(executor(2, image="new"))
    for each in ecs.fake.definitions[1:]:
        each["registeredAt"] = ecs.seconds

    ecs.provider().tidy()

    assert [each["containerDefinitions"][0]["image"] for each in ecs.fake.definitions] == ["new"]
    ecs.provider().run(executor(3, image="old"))
    assert len(ecs.fake.definitions) == 2


def test_one_that_tells_no_time_or_is_gone_by_then_holds_up_no_other(ecs: Ecs) -> None:
    provider = ecs.provider()
    for number in (1, 2, 3):
        provider.run(executor(number, image=f"image-{number}"))
    ecs.age(KEEP_SECONDS + 60)
    untold, gone, old = sorted(ecs.fake.definitions, key=lambda each: str(each["family"]))
    untold["registeredAt"] = None
    gone["family"] += "0"  # listed by its old name
    ecs.listed = [untold["family"], gone["family"][:-1], old["family"]]

    tidies = ecs.provider()
    tidies.tidy()

    assert [each["status"] for each in (untold, gone)] == ["ACTIVE"] * 2
    assert old not in ecs.fake.definitions
    ecs.seconds += KEEP_SECONDS + 60
    tidies.tidy()
    assert untold not in ecs.fake.definitions


def test_those_of_a_deployment_whose_name_begins_alike_are_left_alone(ecs: Ecs) -> None:
    ecs.provider().run(executor(1))
    ecs.age(KEEP_SECONDS + 60)
    (made,) = ecs.fake.definitions
    made["family"] = made["family"].replace("jobs-", "jobs-dev-")

    ecs.provider().tidy()

    assert ecs.fake.definitions == [made]


def test_others_definitions_and_young_ones_are_left_alone(ecs: Ecs) -> None:
    provider = ecs.provider()
    provider.run(executor(1))
    ecs.age(timedelta(days=1).total_seconds())

    provider.tidy()

    assert len(ecs.fake.definitions) == 1
    assert "deregister_task_definition" not in ecs.calls


def test_no_more_are_deleted_at_once_than_one_call_takes(ecs: Ecs) -> None:
    provider = ecs.provider()
    for number in range(DELETED_AT_ONCE + 3):
        provider.run(executor(number, image=f"image-{number}"))
    ecs.age(KEEP_SECONDS + 60)

    provider.tidy()
    left = len(ecs.fake.definitions)
    provider.tidy()

    assert (left, ecs.fake.definitions) == (3, [])


def test_a_definition_that_another_process_has_deleted_is_registered_again(ecs: Ecs) -> None:
    provider = ecs.provider()
    provider.run(executor(1))
    for each in ecs.fake.definitions:
        each["status"] = "INACTIVE"

    with pytest.raises(ProviderUnavailable, match="inactive"):
        provider.run(executor(2))
    provider.run(executor(2))

    assert len(ecs.fake.tasks) == 2


def test_a_task_that_waits_is_bound_as_what_it_was_started_as(ecs: Ecs) -> None:
    provider, role = ecs.provider(), "arn:aws:iam::123456789012:role/reader"
    handle = provider.reserve(executor(1)).handle

    other = replace(executor(1), placement=(("eks.amazonaws.com/role-arn", role),))  # its account names it by now
    with pytest.raises(TaskNotFound, match="another role or shape"):
        provider.bind(handle, other)
    assert provider.bind(handle, executor(1)).handle == handle
