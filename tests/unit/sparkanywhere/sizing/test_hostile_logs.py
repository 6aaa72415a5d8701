"""A log that somebody forged is read without harm: whoever ran a job has written its log."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sparkanywhere.sizing import run_profile
from sparkanywhere.sizing.event_stream import Event, LogUnreadable
from sparkanywhere.sizing.run_profile import profile
from sparkanywhere.sizing.shape import MOST_TRIED, Sizer
from tests.unit.sparkanywhere.sizing.test_advice import TWICE, advice_of, changed, log

LOG = log(TWICE)
SETTINGS = [
    "spark.executor.memory",
    "spark.executor.memoryOverhead",
    "spark.executor.memoryOverheadFactor",
    "spark.driver.memory",
    "spark.driver.memoryOverhead",
    "spark.driver.cores",
    "spark.kubernetes.driver.request.cores",
    "spark.kubernetes.executor.request.cores",
    "spark.memory.fraction",
    "spark.task.cpus",
]
VALUES = [-1, 0, 10**3, 10**9, 2**53 - 1, 2**200, 1e308, float("nan"), float("inf"), "7", None, [], {}, True]


def hostile(value: object) -> Iterator[Event]:
    """Yield the events of a run with a value in place of each number, and of each part."""
    for each in LOG:
        yield {**each, **{key: value for key in each if key != "Event"}}
    for each in LOG:
        yield {key: dict.fromkeys(part, value) if isinstance(part, dict) else part for key, part in each.items()}


@pytest.mark.parametrize("value", VALUES, ids=str)
def test_numbers_of_a_hostile_log_do_no_harm(value: object) -> None:
    for found in ([*LOG, *hostile(value)], [*hostile(value), *LOG]):
        for is_free in (True, False):
            assert advice_of(profile(found), is_free=is_free).shape is None


@pytest.mark.parametrize("value", ["", "-1", "7", "1e308", "nan", "9" * 400, "9" * 5000, "9" * 400 + "p", "five", "0"])
@pytest.mark.parametrize("name", SETTINGS)
def test_settings_of_a_hostile_log_do_no_harm(name: str, value: str) -> None:
    for is_free in (True, False):
        advice = advice_of(profile(log(TWICE, {name: value})), is_free=is_free)

        assert advice.shape or advice.reason


@pytest.mark.parametrize("is_free", [True, False])
@pytest.mark.parametrize(
    ("executors", "cores", "said"),
    [
        (4, 10**9, "there were 4 of 1000000000 cores"),
        (4, 2**53 - 1, "cores"),
        (200, 1000, "there were 200 of 1000 cores"),
    ],
)
def test_executors_that_cannot_be_are_not_counted_out(executors: int, cores: int, said: str, *, is_free: bool) -> None:
    found = log(TWICE, executors=executors)
    large = changed(found, "ExecutorAdded", Executor_Info={"Total Cores": cores})

    advice = advice_of(profile(large), is_free=is_free)

    assert advice.reason.startswith("its executors cannot be understood: ")
    assert said in advice.reason


def test_an_executor_of_hundreds_of_cores_is_compared_with_some_others() -> None:
    run = profile(log(TWICE, executors=1, cores=700))

    assert 30 < len(Sizer(run, None).core_counts) <= MOST_TRIED
    assert Sizer(profile(LOG), None).core_counts == [4, 3, 2, 1]


@pytest.mark.parametrize(
    "event",
    [
        {"Event": "SparkListenerEnvironmentUpdate", "Spark Properties": {"a": "x" * 500, "b": [0] * 200}},
        {"Event": "SparkListenerStageCompleted", "Stage Info": {"Stage ID": 1, "Parent IDs": [0] * 1000}},
    ],
    ids=["properties", "parents"],
)
def test_a_log_keeps_no_more_than_is_needed_in_memory(event: Event, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_profile, "MOST_KEPT", 10_000)
    profile([*LOG, event])

    with pytest.raises(LogUnreadable, match="too large to measure"):
        profile([*LOG, *(event for _ in range(11))])


def test_names_and_parents_of_any_length_are_cut() -> None:
    parents = [-1, 0, 2**2000, "0"]
    run = profile(changed(LOG, "StageCompleted", Stage_Info={"Parent IDs": parents}))
    named = profile([*LOG, {"Event": "SparkListenerExecutorAdded", "Executor ID": "x" * 10**6}])

    assert {each.parents for each in run.stages.values()} == {(0,)}
    assert max(map(len, named.executors)) < 100
