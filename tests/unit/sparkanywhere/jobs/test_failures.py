"""Why a job failed is one sentence that names the option to change, where anything says so."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.apimachinery.types import JSON
from sparkanywhere.client.kube_client import Access, ApiError, KubeClient
from sparkanywhere.jobs.applications import has_failed
from sparkanywhere.jobs.failures import reason
from sparkanywhere.jobs.spec import JobSpec


class Plane(KubeClient):
    """A control plane that has one log and one object."""

    def __init__(self, log: str | None = None, obj: JSON | None = None) -> None:
        super().__init__(Access("http://127.0.0.1:1"))
        self._log, self._obj = log, obj

    def log(self, namespace: str, pod: str, **query: str) -> str:
        """Return the log of the container that fetches."""
        assert (namespace, pod, query) == ("ns", "driver", {"container": "fetch-files"})
        if self._log is None:
            raise ApiError(404, "gone")
        return self._log

    def get(self, path: str, **query: str) -> JSON:
        """Return the object."""
        assert (path, query) == ("/path", {})
        return self._obj or {}


def spec(**wanted: Any) -> JobSpec:  # Any: fields of a JobSpec
    return JobSpec(**{"application": "local:///a.jar", "main_class": "com.example.Main", **wanted})


def driver(**status: Any) -> dict[str, JSON]:  # Any: JSON
    ended = {"state": {"terminated": {"exitCode": 1}}}
    metadata = {"name": "driver", "namespace": "ns", "labels": {"spark-role": "driver"}}
    return {"driver": {"metadata": metadata, "status": {"phase": "Failed", "containerStatuses": [ended], **status}}}


def fetching(**terminated: Any) -> dict[str, JSON]:  # Any: JSON
    return driver(initContainerStatuses=[{"name": "fetch-files", "state": {"terminated": terminated}}])


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (
            "Error: Failed to load class com.example.Main.",
            "there is no class com.example.Main in local:///a.jar: see --class.",
        ),
        ("java.lang.ClassNotFoundException: org.x.Y", "the class org.x.Y was not found: bring its jar by --jars"),
        ("ModuleNotFoundError: No module named 'pandas'", "there is no Python module pandas: bring it by --py-files"),
        ("  :: unresolved dependency: a#b;1: not found", "a#b;1: was not found in any repository: see --packages"),
        ("26/11/23 00:40:00 INFO SparkContext: all is well", ""),
    ],
)
def test_the_log_says_what_was_missing(line: str, sentence: str) -> None:
    found = reason(Plane(), spec(), "/path", driver(), ["before", line, "after"])

    assert found.startswith(sentence)
    assert bool(found) == bool(sentence)


def test_what_could_not_be_fetched_is_said_in_the_words_of_its_container() -> None:
    log = "noise\nfetch-files: big.zip could not be fetched: 403; submit again\n"

    assert (
        reason(Plane(log), spec(), "/path", fetching(exitCode=1), [])
        == "big.zip could not be fetched: 403; submit again."
    )
    assert "not known any more" in reason(Plane(None), spec(), "/path", fetching(exitCode=1), [])
    assert reason(Plane(), spec(), "/path", fetching(exitCode=1, message="fetch-files: x."), []) == "x.."
    assert reason(Plane(), spec(), "/path", fetching(exitCode=0), []) == ""


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        ({"reason": "DeadlineExceeded"}, "it ran longer than --time-limit 60 allows."),
        (
            {"containerStatuses": [{"state": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}]},
            "raise --driver-memory (1g)",
        ),
        (
            {
                "containerStatuses": [{"state": {"terminated": {"exitCode": 128, "reason": "StartError"}}}],
                "message": "Pod was rejected: no command",
            },
            "could not be started: no command",
        ),
        ({"containerStatuses": [], "message": "Fargate has up to 16 vCPU"}, "could not be started: Fargate has up to"),
    ],
)
def test_the_pod_says_why_it_ended(status: JSON, sentence: str) -> None:
    assert sentence in reason(Plane(), spec(time_limit=60), "/path", driver(**status), [])


def test_the_time_for_all_attempts_is_the_jobs() -> None:
    late = {"status": {"conditions": [{"type": "Failed", "status": "True", "reason": "DeadlineExceeded"}]}}
    wanted = spec(time_limit=60, max_attempts=2)

    assert "--time-limit 60" in reason(Plane(obj=late), wanted, "/path", driver(), [])
    assert reason(Plane(obj={}), wanted, "/path", driver(), []) == ""


def test_without_a_driver_there_is_nothing_to_say() -> None:
    assert reason(Plane(), spec(), "/path", {}, []) == ""


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
