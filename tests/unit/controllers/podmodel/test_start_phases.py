"""Where the time of a pod's start went."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.controllers.podmodel.record import with_state, without_task
from chalicelib.controllers.podmodel.start_phases import start_seconds, start_text, told_start
from chalicelib.providers.base import ContainerState, TaskState
from chalicelib.resources.pods.marks import START

ASKED = datetime(2026, 11, 30, 8, 0, 0, 250_000, tzinfo=UTC)
ADVICE = {"pull": "take a smaller image", "start": "wait"}


def after(seconds: float) -> datetime:
    return ASKED + timedelta(seconds=seconds)


def task(*, created: float | None = 0.0, started: float | None = None, restarts: int = 0, **times: float) -> TaskState:
    return TaskState(
        uid="u",
        handle="h",
        phase="pending" if started is None else "running",
        containers=(ContainerState("main", "waiting" if started is None else "running", restarts=restarts),),
        created_at=None if created is None else after(created),
        started_at=None if started is None else after(started),
        times=tuple((name, after(moment)) for name, moment in times.items()),
    )


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        pytest.param(
            task(pull_started=12.0, pull_stopped=26.0, started=46.5),
            {"placement": 12.0, "pull": 14.0, "start": 20.5},
            id="a remote task: a place first",
        ),
        pytest.param(
            task(created=3.0, pull_started=0.0, pull_stopped=2.5, started=3.75),
            {"pull": 2.5, "start": 1.25},
            id="containers, made after the pull",
        ),
        pytest.param(task(started=0.125), {"start": 0.125}, id="processes: nothing to pull"),
        pytest.param(task(started=0.01), {}, id="no time is no phase"),
        pytest.param(task(pull_started=12.0), {"placement": 12.0}, id="under way"),
        pytest.param(task(created=None, started=3.0), {}, id="a provider that tells nothing"),
        pytest.param(task(created=5.0, started=3.0), {}, id="clocks that differ"),
    ],
)
def test_a_phase_is_what_two_known_moments_leave_between_them(state: TaskState, expected: dict[str, float]) -> None:
    assert start_seconds(state) == expected


def test_advice_is_on_the_longest_phase_if_that_is_slow() -> None:
    slow = task(pull_started=0.1, pull_stopped=9.0, started=10.0)
    quick = task(pull_started=0.1, pull_stopped=3.0, started=3.5)

    assert json.loads(start_text(slow, ADVICE))["faster"] == "take a smaller image"
    assert "faster" not in json.loads(start_text(quick, ADVICE))


@pytest.mark.parametrize("state", [task(), task(started=900.0, restarts=1)], ids=["not yet", "runs anew"])
def test_nothing_is_said_of_a_start_that_nobody_has_seen(state: TaskState) -> None:
    assert start_text(state, ADVICE) == ""


def pod(**annotations: str) -> dict[str, Any]:
    return {
        "metadata": {"name": "p", "namespace": "default", "uid": "u", "annotations": annotations},
        "spec": {"containers": [{"name": "main", "image": "i"}]},
        "status": {"phase": "Pending"},
    }


def test_what_is_said_once_stays_and_goes_with_its_task() -> None:
    first = with_state(pod(), task(pull_started=1.0, pull_stopped=2.0, started=3.0), node_name="n", now=after(3))
    assert first is not None
    later = TaskState("u", "h", "running", task(started=90.0).containers, "10.0.0.1", version=2, started_at=after(90))
    second = with_state(first, later, node_name="n", now=after(91))

    assert second is not None
    assert told_start(second) == ({"placement": 1.0, "pull": 1.0, "start": 1.0}, after(3))
    failed = TaskState("u", "h", "stopped", version=3, passing="Capacity", message="none is left")
    set_back = without_task(second, failed, now=after(92))
    assert set_back is not None
    assert START not in set_back["metadata"]["annotations"]


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"pull": {}}', '{"pull": "x", "runningAt": 3}'])
def test_what_is_no_annotation_of_ours_tells_nothing(text: str) -> None:
    assert told_start(pod(**{START: text})) == ({}, None)
