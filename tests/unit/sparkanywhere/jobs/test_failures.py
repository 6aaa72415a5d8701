"""Why a job failed is what the control plane says of its driver, which may take a moment."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from chalicelib.apimachinery.types import JSON
from sparkanywhere.client.kube_client import Access, ApiError, KubeClient
from sparkanywhere.jobs.driver_job import has_failed
from sparkanywhere.jobs.failures import find_cause, reason
from sparkanywhere.jobs.spec import JobSpec

POD = "/api/v1/namespaces/ns/pods/driver"


class Plane(KubeClient):
    """A control plane that gives its answers for a path one after another, and the last for ever."""

    def __init__(self, answers: dict[str, list[JSON]] | None = None) -> None:
        super().__init__(Access("http://127.0.0.1:1"))
        self.answers = answers or {}
        self.asked: list[str] = []

    def get(self, path: str, **query: str) -> JSON:
        """Return the next answer."""
        assert query == {}
        self.asked.append(path)
        found = self.answers.get(path) or []
        if not found:
            raise ApiError(404, "gone")
        return found.pop(0) if len(found) > 1 else found[0]


def spec(**wanted: Any) -> JobSpec:  # Any: fields of a JobSpec
    return JobSpec(**{"application": "local:///a.jar", "main_class": "com.example.Main", **wanted})


def driver(message: str = "", *, phase: str = "Failed") -> JSON:
    ended = {"exitCode": 1, **({"message": message} if message else {})}
    metadata = {"name": "driver", "namespace": "ns", "labels": {"spark-role": "driver"}}
    return {"metadata": metadata, "status": {"phase": phase, "containerStatuses": [{"state": {"terminated": ended}}]}}


def cause(plane: Plane, pod: JSON) -> str:
    clock = itertools.count()
    return find_cause(plane, pod, sleep=lambda _: None, monotonic=lambda: float(next(clock)))


def test_a_driver_that_says_why_is_not_asked_again() -> None:
    plane = Plane()

    assert cause(plane, driver("ValueError: x at a.py:1")) == "ValueError: x at a.py:1"
    assert plane.asked == []


def test_a_driver_that_has_just_failed_is_asked_until_it_says_why() -> None:
    plane = Plane({POD: [driver(), driver(), driver("ValueError: x")]})

    assert cause(plane, driver()) == "ValueError: x"
    assert plane.asked == [POD] * 3


@pytest.mark.parametrize("answers", [{}, {POD: [driver()]}])
def test_a_driver_that_is_gone_or_never_says_why_is_given_up(answers: dict[str, list[JSON]]) -> None:
    assert cause(Plane(answers), driver()) == ""


def test_a_driver_that_was_interrupted_is_not_waited_for() -> None:
    plane = Plane()

    assert cause(plane, driver(phase="Running")) == ""
    assert plane.asked == []


def test_the_time_for_all_attempts_is_the_jobs() -> None:
    late = {"status": {"conditions": [{"type": "Failed", "status": "True", "reason": "DeadlineExceeded"}]}}
    wanted, pods = spec(time_limit=60, max_attempts=2), {"driver": driver("x")}

    assert "--time-limit 60" in reason(Plane({"/path": [late]}), wanted, "/path", pods)
    assert reason(Plane({"/path": [{}]}), wanted, "/path", pods) == "x"
    assert reason(Plane(), wanted, "/path", {}) == ""


@pytest.mark.parametrize(
    ("conditions", "failed"),
    [
        ([{"type": "Failed", "status": "True"}], True),
        ([{"type": "FailureTarget", "status": "True"}], False),
        ([{"type": "Complete", "status": "True"}], False),
        ([], False),
    ],
)
def test_a_job_has_failed_when_its_condition_says_so(conditions: list[JSON], failed: bool) -> None:
    assert has_failed({"status": {"conditions": conditions}}) is failed
