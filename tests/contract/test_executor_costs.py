"""What an executor of Spark 4.3 takes of DynamoDB: its driver waits for each request, and a bill has each unit."""

from __future__ import annotations

from typing import Any

from benchmarks import aws_writes
from benchmarks.aws_writes import World
from tests.api_client import PODS

UNITS = 39.0  # for an executor to be asked for, to run, and to be gone without a trace


def test_the_life_of_an_executor_writes_so_many_units() -> None:
    life = aws_writes.measure(executors=2)

    units = [sum(part.writes.values()) / life.executors for part in (life.start, life.end, life.traces)]

    assert sum(units) == UNITS, units


def test_a_driver_waits_for_four_requests_until_its_executor_is_stored() -> None:
    # its token's pod and account; where the log ends, before it decides and before it writes; the pod
    expected = ["BatchGetItem", "Query", "Query", "TransactWriteItems"]

    assert aws_writes.requests_of_a_driver() == expected


def driver_that_runs(world: World) -> dict[str, Any]:
    """Return a driver whose task ECS has started."""
    driver: dict[str, Any] = world.start_driver()["metadata"]
    world.take(world.steps.run(world.ecs.tasks[0]))
    return driver


def test_the_task_of_a_deleted_pod_is_stopped_once() -> None:
    with aws_writes.world() as here:
        path = f"{PODS}/{driver_that_runs(here)['name']}"

        here.api.request("DELETE", path)
        here.take(here.steps.end(here.ecs.tasks[0]))

        assert here.api.request("GET", path).status == 404
        assert here.ecs.calls["StopTask"] == 1


def test_the_task_of_a_pod_that_goes_without_grace_is_stopped() -> None:
    with aws_writes.world() as here:
        path = f"{PODS}/{driver_that_runs(here)['name']}"

        here.api.request("DELETE", path, query={"gracePeriodSeconds": "0"})

        assert here.api.request("GET", path).status == 404
        assert here.ecs.tasks[0].stop_asked.is_set()


def test_a_pod_whose_task_somebody_stops_says_so() -> None:
    with aws_writes.world() as here:
        path = f"{PODS}/{driver_that_runs(here)['name']}"

        here.ecs.tasks[0].ask_to_stop("UserInitiated", "wrong button")
        here.take(here.steps.end(here.ecs.tasks[0]))

        status = here.api.get(path)["status"]
        events = here.api.get(f"{PODS.removesuffix('/pods')}/events")["items"]
        assert (status["phase"], status["reason"]) == ("Failed", "UserInitiated")
        assert status["message"] == "the task was stopped by StopTask, not from here: wrong button"
        assert [each["message"] for each in events if each["reason"] == "UserInitiated"] == [status["message"]]
