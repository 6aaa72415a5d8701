"""The pod by which `doctor` finds out whether a job would run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sparkanywhere.cli.smoke_job import SmokeFailed, smoke_pod, try_pod
from sparkanywhere.client.kube_client import Access, KubeClient

POD = "/api/v1/namespaces/default/pods/{}"
PULL = {"reason": "ErrImagePull", "message": "No image here: build it with `sparkanywhere image 4.3.0`."}


class Plane(KubeClient):
    """A control plane with a node of a provider, whose pods have the statuses that are given, one for each look."""

    def __init__(self, provider: str, *statuses: dict[str, Any], log: str = "") -> None:
        super().__init__(Access("http://127.0.0.1:9"))
        self._provider = provider
        self._statuses = list(statuses)
        self._log = log
        self.created: list[dict[str, Any]] = []
        self.deleted: list[str] = []

    def get(self, path: str, **query: str) -> dict[str, Any]:
        del query
        if path == "/api/v1/nodes":
            return {"items": [{"metadata": {"name": self._provider}}]}
        return {"metadata": {"name": path.rpartition("/")[2]}, "status": self._statuses.pop(0)}

    def create(self, path: str, obj: dict[str, Any], **_how: Any) -> dict[str, Any]:
        del path
        self.created.append(obj)
        return obj

    def text(self, path: str, **query: str) -> str:
        del path, query
        return self._log

    def delete(self, path: str, **query: str) -> dict[str, Any]:
        del query
        self.deleted.append(path)
        return {}


def waiting(state: dict[str, str]) -> dict[str, Any]:
    return {"phase": "Pending", "containerStatuses": [{"state": {"waiting": state}}]}


def test_a_pod_that_succeeds_is_told_with_what_it_ran_and_deleted() -> None:
    plane = Plane("process", waiting({"reason": "ContainerCreating"}), {"phase": "Running"}, {"phase": "Succeeded"})

    told = try_pod(plane, Path("/cache/spark/4.3.0"))

    assert told.startswith("a pod ran Spark 4.3.0 in ")
    assert plane.deleted == [POD.format(plane.created[0]["metadata"]["name"])]


def test_without_a_spark_it_says_that_none_was_tried() -> None:
    told = try_pod(Plane("process", {"phase": "Succeeded"}), None)

    assert told.endswith("; Spark was not tried, as none is here yet")


@pytest.mark.parametrize(
    ("status", "log", "why"),
    [
        ({"phase": "Failed"}, "one\nno Java here\n", "the pod ended as Failed: no Java here"),
        ({"phase": "Failed"}, "", "the pod ended as Failed"),
        (waiting(PULL), "", PULL["message"]),
        (waiting({"reason": "ImagePullBackOff"}), "", "ImagePullBackOff"),
    ],
)
def test_a_pod_that_does_not_do_it_is_told_in_a_sentence_and_deleted(
    status: dict[str, Any], log: str, why: str
) -> None:
    plane = Plane("docker", status, log=log)

    with pytest.raises(SmokeFailed) as failed:
        try_pod(plane, Path("/cache/spark/4.3.0"))

    assert str(failed.value) == why
    assert len(plane.deleted) == 1


def test_a_pod_that_never_starts_is_given_up() -> None:
    plane = Plane("process", {"phase": "Pending"})

    with pytest.raises(SmokeFailed, match="the pod is Pending after 0 s"):
        try_pod(plane, None, seconds=0)


def test_a_provider_that_runs_nothing_is_given_no_pod() -> None:
    plane = Plane("none")

    assert try_pod(plane, None) == "no pod was tried: provider none runs none"
    assert plane.created == []


@pytest.mark.parametrize(
    ("spark", "has_images", "image"),
    [("4.3.0", True, "sparkanywhere/spark:4.3.0"), ("4.3.0", False, "apache/spark:4.3.0"), ("", False, "busybox")],
)
def test_pod_runs_the_image_that_jobs_run(spark: str, has_images: bool, image: str) -> None:
    assert smoke_pod(spark, has_images=has_images)["spec"]["containers"][0]["image"] == image
