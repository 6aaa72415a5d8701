"""What --auto-size tries next."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.controllers.causes.advice import more_memory, short_of_memory
from sparkanywhere.jobs.spec import JobSpec, SpecError
from sparkanywhere.sizing.memory_retry import Spent, with_more_memory
from tests.unit.sparkanywhere.sizing.synthetic import SIZES

HEAP, POD = True, False
NOTHING = Spent(0.0, 10.0)


def spec(**changed: Any) -> JobSpec:
    return JobSpec(**{"application": "local:///job.py", "auto_size": True, **changed})


def cause(role: str, *, heap: bool) -> str:
    return f"it ran out of memory: {more_memory(role, heap=heap)}"


@pytest.mark.parametrize("role", ["driver", "executor"])
@pytest.mark.parametrize("heap", [HEAP, POD])
def test_a_cause_tells_whose_memory_was_short(role: str, heap: bool) -> None:
    assert short_of_memory(cause(role, heap=heap)) == (role, heap)


@pytest.mark.parametrize(
    ("role", "heap", "is_sold", "option"),
    [
        ("driver", HEAP, False, "--driver-memory 2048m"),
        ("executor", HEAP, False, "--executor-memory 2048m"),
        ("driver", POD, False, "--conf spark.driver.memoryOverhead=818m"),
        ("executor", POD, False, "--conf spark.executor.memoryOverhead=818m"),
        ("executor", HEAP, True, "--executor-memory 2194m"),
        ("executor", POD, True, "--conf spark.executor.memoryOverhead=1024m"),
    ],
)
def test_what_was_short_is_doubled_and_fills_the_size_that_is_sold(
    role: str, heap: bool, is_sold: bool, option: str
) -> None:
    again = with_more_memory(spec(), cause(role, heap=heap), NOTHING, SIZES if is_sold else None)

    assert again is not None
    assert again[1] == option


def test_each_attempt_builds_on_the_one_before() -> None:
    job, options = spec(), []
    for _ in range(3):
        again = with_more_memory(job, cause("executor", heap=HEAP), NOTHING, None)
        assert again is not None
        job, option = again
        options.append(option)

    assert options == [f"--executor-memory {size}m" for size in (2048, 4096, 8192)]
    assert job.executor_memory == "8192m"


@pytest.mark.parametrize(
    ("job", "why", "spent", "is_sold"),
    [
        (spec(), "NameError: name 'x' is not defined", NOTHING, False),
        (spec(), "", NOTHING, False),
        (spec(time_limit=10), cause("driver", heap=HEAP), NOTHING, False),
        (spec(max_usd="0.5"), cause("driver", heap=HEAP), Spent(0.5, 1.0), False),
        (spec(driver_memory="100g"), cause("driver", heap=HEAP), NOTHING, True),
    ],
    ids=["another cause", "no cause", "time is up", "budget is spent", "nothing larger is sold"],
)
def test_a_job_is_not_tried_again(job: JobSpec, why: str, spent: Spent, is_sold: bool) -> None:
    assert with_more_memory(job, why, spent, SIZES if is_sold else None) is None


def test_what_was_spent_is_taken_off_the_limits() -> None:
    again = with_more_memory(spec(max_usd="2", time_limit=100), cause("driver", heap=HEAP), Spent(0.75, 30.5), None)

    assert again is not None
    assert (again[0].max_usd, again[0].time_limit) == ("1.25", 69)


def test_attempts_with_the_same_memory_and_with_more_exclude_each_other() -> None:
    with pytest.raises(SpecError, match="leave one of them out"):
        spec(max_attempts=2)
