"""Applications that have ended: put together of pods and of the records of those that are gone."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.apimachinery.types import JSON
from chalicelib.resources.pods.podrecords import record_of
from sparkanywhere.client.kube_client import Access, KubeClient
from sparkanywhere.jobs import application_names
from sparkanywhere.jobs.application_names import NoSuchApplication, find_application, shown_names
from sparkanywhere.jobs.applications import Application, group

CREATED = datetime(2026, 11, 23, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)
LATER = CREATED + 100 * HOUR


def text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def pod(name: str, role: str, *, app: str = "spark-a1", phase: str = "Running", code: int | None = None) -> JSON:
    """Return a pod that started with its creation; with an exit code one that ended an hour later."""
    started = {"startedAt": text(CREATED)}
    ended = {"terminated": {**started, "finishedAt": text(CREATED + HOUR), "exitCode": code}}
    state = {"running": started} if code is None else ended
    labels = {"spark-app-selector": app, "spark-role": role, "spark-app-name": "etl", "spark-exec-id": name[-1]}
    metadata = {"name": name, "namespace": "ns", "uid": f"{app}-{name}", "labels": labels}
    return {
        "metadata": {**metadata, "creationTimestamp": text(CREATED)},
        "spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": "1", "memory": "1Gi"}}}]},
        "status": {"phase": phase, "containerStatuses": [{"name": "c", "state": state}]},
    }


def record(gone: JSON, *, deleted: bool = False) -> JSON:
    """Return the record of a pod that was removed two hours after its creation; `deleted` before its end."""
    marks = {"deletionTimestamp": text(CREATED + HOUR), "deletionGracePeriodSeconds": 30 if deleted else 0}
    return record_of({**gone, "metadata": {**gone["metadata"], **marks}}, [], CREATED + 2 * HOUR)


def one(pods: list[JSON], records: list[JSON]) -> Application:
    (found,) = group(pods, records)
    return found


@pytest.mark.parametrize(
    ("driver", "state"),
    [
        (record(pod("d", "driver", phase="Succeeded", code=0)), "Succeeded"),
        (record(pod("d", "driver", phase="Failed", code=3)), "Failed"),
        (record(pod("d", "driver", phase="Failed", code=143), deleted=True), "Killed"),
        (record(pod("d", "driver", phase="Running"), deleted=True), "Killed"),
    ],
)
def test_an_application_whose_pods_are_gone_has_ended(driver: JSON, state: str) -> None:
    found = one([], [driver, record(pod("e1", "executor", phase="Failed", code=143), deleted=True)])

    assert (found.state, found.is_gone, found.shown_executors, found.running_executors) == (state, True, 1, 0)
    assert found.ended_at is not None


def test_what_an_application_took_does_not_grow_after_its_end() -> None:
    found = one([], [record(pod("d", "driver", phase="Failed", code=3))])

    assert found.seconds(LATER) == found.seconds(LATER + HOUR) == 3600.0


def test_a_driver_that_was_deleted_by_force_ended_when_it_was_removed() -> None:
    found = one([], [record(pod("d", "driver"), deleted=True)])

    assert found.ended_at == CREATED + 2 * HOUR
    assert found.usage(LATER) == found.usage(LATER + HOUR)


def test_the_cost_is_the_same_before_and_after_the_pods_go() -> None:
    driver = pod("d", "driver", phase="Succeeded", code=0)
    executors = [pod(f"e{number}", "executor", phase="Failed", code=143) for number in (1, 2)]
    told = {"pods": 1, "vcpuSeconds": 3600.0, "gibSeconds": 3600.0, "usd": 0.0, "usdOnFargate": 0.1}
    annotations = {"sparkanywhere.io/used-by-gone-pods": json.dumps(told)}
    knowing = {**driver, "metadata": {**driver["metadata"], "annotations": annotations}}

    stored = one([driver, *executors], [])
    partly = one([knowing, executors[0]], [record(executors[1])])
    gone = one([], [record(each) for each in (knowing, *executors)])

    assert [each.usage(LATER).vcpu_seconds for each in (stored, partly, gone)] == [3 * 3600.0] * 3


def test_a_pod_that_goes_between_two_lists_counts_once() -> None:
    executor = pod("e1", "executor", phase="Failed", code=143)

    found = one([pod("d", "driver"), executor], [record(executor)])

    assert [each["metadata"]["name"] for each in found.executors] == ["e1"]


def test_executors_of_a_driver_elsewhere_have_ended_with_the_last() -> None:
    executors = [pod("e1", "executor"), pod("e2", "executor", phase="Succeeded", code=0)]

    assert one([executors[0]], [record(executors[1])]).state == "Running"
    assert one([], [record(each, deleted=True) for each in executors]).state == "Ended"


def test_the_log_of_a_pod_that_is_gone_is_its_records() -> None:
    driver, executor = pod("d", "driver"), pod("e1", "executor", phase="Failed", code=143)
    found = one([driver], [record(executor)])

    assert found.log_path("ns", driver) == "/api/v1/namespaces/ns/pods/d/log"
    path = f"/apis/sparkanywhere.io/v1alpha1/namespaces/ns/podrecords/{record(executor)['metadata']['name']}/log"
    assert found.log_path("ns", executor) == path


def test_runs_of_one_name_are_told_apart_by_their_ids() -> None:
    older = [record(pod("d", "driver", app=f"spark-00000{number}", phase="Failed", code=1)) for number in (1, 2)]
    newest = pod("d", "driver", app="spark-000003")
    newest["metadata"]["creationTimestamp"] = text(CREATED + HOUR)

    names = shown_names(group([newest], older))

    assert names == {"spark-000003": "etl", "spark-000001": "etl#000001", "spark-000002": "etl#000002"}


@pytest.mark.parametrize(("count", "told"), [(0, "none"), (1, "etl"), (5, r"etl(, etl#\w+){4}"), (7, r".* and 2 more")])
def test_a_list_that_is_cut_says_so(monkeypatch: pytest.MonkeyPatch, count: int, told: str) -> None:
    found = group([pod(f"d{number}", "driver", app=f"spark-00000{number}") for number in range(count)], [])
    monkeypatch.setattr(application_names, "list_applications", lambda *_: found)

    with pytest.raises(NoSuchApplication, match=f"there are: {told}[.]$"):
        find_application(KubeClient(Access("http://127.0.0.1:1")), "ns", "x")
