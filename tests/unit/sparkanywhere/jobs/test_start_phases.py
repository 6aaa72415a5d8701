"""The start of an application, by its driver's pod and what Spark says of itself."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.start_phases import SparkStart
from chalicelib.resources.pods.marks import PARKED, START
from sparkanywhere.jobs.spark_rest import SparkProgress, progress
from sparkanywhere.jobs.start_phases import start_advice, start_seconds, start_words

RUNS = datetime(2026, 11, 30, 8, 0, 0, 500_000, tzinfo=UTC)
TOLD = {"placement": 12.0, "pull": 14.0, "start": 20.0, "runningAt": "2026-11-30T08:00:00.500Z"}


def driver(told: JSON | None = None, *, node: str = "fargate") -> JSON:
    annotations = {} if told is None else {START: json.dumps(told)}
    return {"metadata": {"name": "d", "annotations": annotations}, "spec": {"nodeName": node}}


def spark(*registered: float, began: float | None = 3.25) -> SparkProgress:
    moments = tuple(RUNS + timedelta(seconds=each) for each in registered)
    began_at = None if began is None else RUNS + timedelta(seconds=began)
    return SparkProgress(len(moments), 0, 0, 0, 0, 0, began_at=began_at, registered_at=moments)


@pytest.mark.parametrize(
    ("pod", "said", "expected"),
    [
        (driver(TOLD), None, {"placement": 12.0, "pull": 14.0, "start": 20.0}),
        (
            driver(TOLD),
            spark(40.0, 50.25, 60.0),
            {"placement": 12.0, "pull": 14.0, "start": 20.0, "JVM": 3.25, "register": 47.0},
        ),
        (driver(TOLD), spark(40.0), {"placement": 12.0, "pull": 14.0, "start": 20.0, "JVM": 3.25}),
        (driver(TOLD), spark(40.0, 50.0, began=None), {"placement": 12.0, "pull": 14.0, "start": 20.0}),
        (driver(), spark(4.25, 5.25), {"register": 2.0}),
        (driver(), None, {}),
        ({}, None, {}),
    ],
    ids=["the pod alone", "all of it", "one is missing", "an old Spark", "an old control plane", "nothing", "no pod"],
)
def test_what_is_known_is_told_and_nothing_else(
    pod: JSON, said: SparkProgress | None, expected: dict[str, float]
) -> None:
    assert start_seconds(pod, said, executors=2) == pytest.approx(expected)


def test_what_the_submitter_measured_comes_first() -> None:
    assert list(start_seconds(driver(TOLD), spark(4.0), executors=1, submit=0.4)) == [
        "submit",
        "placement",
        "pull",
        "start",
        "JVM",
        "register",
    ]


@pytest.mark.parametrize(
    ("node", "seconds", "more", "expected"),
    [
        ("process", {"JVM": 6.0, "register": 5.5}, {}, ""),
        ("process", {"submit": 9.0, "JVM": 6.0}, {"submit": "fewer packages"}, "fewer packages"),
        ("process", {"submit": 9.0, "JVM": 6.0}, {}, ""),
        ("of-somebody-else", {"register": 9.0}, {}, ""),
        ("docker", {"pull": 70.0, "register": 9.0}, {}, "the engine did not have the image"),
        ("fargate-arm64", {"pull": 14.0, "start": 12.0}, {}, "SOCI"),
        ("fargate", {}, {}, ""),
    ],
)
def test_advice_is_that_of_the_provider_for_the_longest_phase(
    node: str, seconds: dict[str, float], more: dict[str, str], expected: str
) -> None:
    found = start_advice(driver(node=node), seconds, more, SparkStart())

    assert expected in found
    assert bool(expected) == bool(found)


def test_nobody_is_told_to_do_what_is_done() -> None:
    slow = {"register": 60.0}
    parked = driver(node="fargate")
    parked["metadata"]["annotations"][PARKED] = "2"

    assert "park" in start_advice(driver(node="fargate"), slow, {}, SparkStart())
    assert start_advice(parked, slow, {}, SparkStart()) == ""


def test_the_words_have_the_phases_and_the_advice() -> None:
    assert (
        start_words({"JVM": 3.25, "register": 47.0}, "sleep less") == "JVM 3.2 s, register 47.0 s; faster: sleep less"
    )
    assert start_words({"JVM": 1.0}, None) == "JVM 1.0 s"


def test_executors_register_when_spark_says_so() -> None:
    counts = dict.fromkeys(("activeTasks", "failedTasks", "completedTasks", "totalShuffleWrite"), 0)
    said = [
        {"id": "driver", "isActive": True, "addTime": "2026-11-30T08:00:03.000GMT", **counts},
        {"id": "1", "isActive": False, "addTime": "2026-11-30T08:00:05.750GMT", **counts},
        {"id": "2", "isActive": True, "addTime": "soon", **counts},
        {"id": "3", "isActive": True, **counts},
    ]

    assert progress([], [], said).registered_at == (datetime(2026, 11, 30, 8, 0, 5, 750_000, tzinfo=UTC),)
