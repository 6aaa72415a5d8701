"""What an executor of Spark 4.3 takes of DynamoDB: its driver waits for each request, and a bill has each unit."""

from __future__ import annotations

from benchmarks import aws_writes

UNITS = 39.0  # for an executor to be asked for, to run, and to be gone without a trace


def test_the_life_of_an_executor_writes_so_many_units() -> None:
    life = aws_writes.measure(executors=2)

    units = [sum(part.writes.values()) / life.executors for part in (life.start, life.end, life.traces)]

    assert sum(units) == UNITS, units


def test_a_driver_waits_for_four_requests_until_its_executor_is_stored() -> None:
    # its token's pod and account; where the log ends, before it decides and before it writes; the pod
    expected = ["BatchGetItem", "Query", "Query", "TransactWriteItems"]

    assert aws_writes.requests_of_a_driver() == expected
