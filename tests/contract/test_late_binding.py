"""What every provider promises that binds tasks late (extensions.BindsLate)."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace

import pytest

from chalicelib.providers.base import Container, File, Mount, Task, TaskNotFound, Volume
from chalicelib.providers.extensions import BindsLate
from tests.contract.late_backends import LateFakes, LateFargate, LateProvider
from tests.waiting import until

CONF = Mount("conf", "/opt/spark/conf")


@pytest.fixture(params=[LateFakes, LateFargate])
def late(request: pytest.FixtureRequest) -> Iterator[LateProvider]:
    """Yield a provider without tasks."""
    backend = request.param()
    yield backend.provider
    backend.close()


def executor(number: int, **changed: object) -> Task:
    """Return one executor's task: like another's but for what is its own."""
    container = Container(
        name="main",
        image="spark",
        args=("executor",),
        env=(("SPARK_EXECUTOR_ID", str(number)),),
        mounts=(CONF,),
        memory_mib=1024,
    )
    conf = Volume("conf", "files", files=(File("spark.properties", f"id={number}".encode()),))
    named = Task(str(uuid.uuid4()), "ns", f"exec-{number}", (container,), (conf,), cpu_milli=500, memory_mib=1024)
    return replace(named, **changed)  # type: ignore[arg-type]  # fields of Task by name


def changed_container(**fields: object) -> tuple[Container, ...]:
    return (replace(executor(1).containers[0], **fields),)  # type: ignore[arg-type]  # as above


def test_it_is_what_it_says(late: LateProvider) -> None:
    assert isinstance(late, BindsLate)


def test_tasks_that_differ_in_what_they_fetch_are_of_one_shape(late: LateProvider) -> None:
    assert late.shape(executor(1)) == late.shape(executor(2))


@pytest.mark.parametrize(
    "fields", [{"image": "other"}, {"memory_mib": 512}, {"mounts": (Mount("conf", "/elsewhere"),)}], ids=str
)
def test_what_cannot_change_any_more_makes_another_shape(late: LateProvider, fields: dict[str, object]) -> None:
    other = executor(1, containers=changed_container(**fields))

    assert late.shape(executor(1)) != late.shape(other)


def test_a_reserved_task_waits_and_is_known_under_its_uid(late: LateProvider) -> None:
    one = executor(1)

    state = late.reserve(one)

    assert (state.uid, state.phase) == (one.uid, "pending")
    assert [(each.uid, each.handle) for each in late.list_tasks()] == [(one.uid, state.handle)]


def test_reserving_again_finds_the_first(late: LateProvider) -> None:
    one = executor(1)

    assert late.reserve(one).handle == late.reserve(one).handle
    assert len(late.list_tasks()) == 1


def test_it_is_told_of_as_the_task_that_it_is_bound_to_and_starts_none(late: LateProvider) -> None:
    parked, wanted = executor(0), executor(1)
    handle = late.reserve(parked).handle

    states = [late.bind(handle, wanted), late.bind(handle, wanted)]

    assert [(each.uid, each.handle, each.phase) for each in states] == [(wanted.uid, handle, "pending")] * 2
    assert [each.uid for each in late.list_tasks()] == [parked.uid], "until it is asked of under another name"


def test_it_may_be_bound_to_another_while_it_waits(late: LateProvider) -> None:
    handle = late.reserve(executor(0)).handle
    late.bind(handle, executor(1))
    other = executor(2)

    assert late.bind(handle, other).uid == other.uid


def test_a_task_that_has_ended_or_was_never_there_is_bound_to_nobody(late: LateProvider) -> None:
    handle = late.reserve(executor(0)).handle
    late.stop(handle, grace_seconds=0)
    until(lambda: all(each.phase == "stopped" for each in late.describe([handle])), "it ends")

    for unknown in (handle, handle[:-3] + "abc"):
        with pytest.raises(TaskNotFound):
            late.bind(unknown, executor(1))
