"""The list of its executors that a Spark driver gets where the whole one does not fit into an answer."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib.resources.pods.brief import brief
from tests.api_client import PODS, Answer, ApiClient, control_plane

DATA = Path(__file__).parents[3] / "data" / "spark"
DRIVER, KUBECTL = "fabric8-kubernetes-client/7.6.1", "kubectl/v1.37.1 (linux/amd64)"
EXECUTORS = "spark-app-selector=spark-1,spark-role=executor,spark-exec-inactive!=true"
COUNT = 10


def _executor(name: str = "executor-pvc-4.3.0") -> Any:  # Any: a pod, as JSON
    return json.loads((DATA / f"{name}.json").read_text())


@pytest.fixture
def api(tmp_path: Path) -> Iterator[ApiClient]:
    """Yield a client of an API whose answers have room for two whole executors, or for ten brief ones."""
    plane = control_plane(tmp_path, list_kib=21)
    api = ApiClient(plane)
    for number in range(COUNT):
        pod = copy.deepcopy(_executor())
        pod["metadata"] = {
            "name": f"exec-{number}",
            "labels": {**pod["metadata"]["labels"], "spark-app-selector": "spark-1", "spark-exec-id": f"{number}"},
        }
        for account in ("serviceAccount", "serviceAccountName"):
            pod["spec"].pop(account, None)
        api.create(PODS, pod)
    yield api
    plane.close()


def _list(api: ApiClient, agent: str, selector: str) -> Answer:
    headers = {"user-agent": agent, "accept-encoding": "identity"}
    return api.request("GET", PODS, query={"labelSelector": selector}, headers=headers)


def test_a_driver_gets_all_its_executors_briefly_and_is_told(api: ApiClient) -> None:
    answer = _list(api, DRIVER, EXECUTORS)

    assert answer.status == 200, answer.body
    items = answer.json()["items"]
    assert {each["metadata"]["labels"]["spark-exec-id"] for each in items} == {f"{n}" for n in range(COUNT)}
    assert {each["status"]["phase"] for each in items} == {"Pending"}
    assert [each for each in items if "env" in each["spec"]["containers"][0]] == []
    assert "what Spark's driver reads" in answer.headers["warning"]


@pytest.mark.parametrize(
    ("agent", "selector"),
    [
        (KUBECTL, EXECUTORS),
        (DRIVER, "spark-app-selector=spark-1"),
        (DRIVER, "spark-role=executor"),  # another program with Spark's client, an operator's
        (DRIVER, "spark-app-selector=spark-1,spark-role=executor"),
        (DRIVER, "spark-role=executor,spark-exec-inactive!=true"),
        (DRIVER, ""),
    ],
)
def test_nobody_else_gets_less_than_the_whole(api: ApiClient, agent: str, selector: str) -> None:
    assert _list(api, agent, selector).status == 413


def test_one_executor_is_whole(api: ApiClient) -> None:
    (item,) = _list(api, DRIVER, "spark-exec-id=1,spark-role=executor").json()["items"]

    assert item["spec"]["containers"][0]["env"]


def test_what_spark_reads_of_an_executor_is_kept() -> None:
    pod = _executor()
    pod["metadata"] |= {"creationTimestamp": "2026-01-01T00:00:00Z", "deletionTimestamp": "2026-01-02T00:00:00Z"}
    pod["status"] = {"phase": "Failed", "reason": "Evicted", "containerStatuses": [{"name": "c", "state": {}}]}
    before = copy.deepcopy(pod)

    found = brief({**pod, "metadata": {**pod["metadata"], "managedFields": [{}]}})

    assert (found["metadata"], found["status"]) == (before["metadata"], before["status"])
    claims = [volume for volume in before["spec"]["volumes"] if "persistentVolumeClaim" in volume]
    assert claims
    assert found["spec"]["volumes"] == claims
    (mine,), (theirs,) = found["spec"]["containers"], before["spec"]["containers"]
    assert mine == {key: theirs[key] for key in ("name", "image", "resources")}
    assert pod == before
