"""A job that no node can ever hold is refused before it is made, and names the option to lower."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any, cast

import pytest

from chalicelib.apimachinery.types import JSON
from sparkanywhere.client.kube_client import KubeClient
from sparkanywhere.jobs.capacity import check_shuffle, too_big
from sparkanywhere.jobs.spec import JobSpec, SpecError


def node(provider: str, cpu: str = "2", memory: str = "8Gi") -> JSON:
    labels = {"sparkanywhere.io/provider": provider} if provider else {}
    return {"metadata": {"labels": labels}, "status": {"allocatable": {"cpu": cpu, "memory": memory}}}


def spec(**wanted: Any) -> JobSpec:  # Any: fields of a JobSpec
    return JobSpec(application="local:///a.jar", main_class="C", **wanted)


@pytest.mark.parametrize(
    ("provider", "wanted", "sentence"),
    [
        ("docker", {"executor_memory": "8g"}, "--executor-memory 8g makes a pod of 9011 MiB"),
        ("fargate", {"driver_cores": 17}, "--driver-cores 17 is more than the 16"),
        ("process", {"driver_memory": "8g"}, "--driver-memory 8g"),
        ("fargate", {"executor_memory": "110g"}, "the largest that can be had here has 122880 MiB"),
        ("fargate", {"executor_cores": 17}, "more than the 16"),
        ("docker", {"conf": {"spark.executor.memoryOverhead": "9g"}}, "--executor-memory 1g"),
    ],
)
def test_what_is_too_big_names_its_option(provider: str, wanted: dict[str, Any], sentence: str) -> None:
    assert sentence in too_big(spec(**wanted), [node(provider)])


@pytest.mark.parametrize(
    ("provider", "wanted"),
    [
        ("docker", {"executor_memory": "7g", "executor_cores": 2}),
        ("process", {"executor_cores": 64}),
        ("fargate", {"executor_memory": "100g", "executor_cores": 16}),
        ("", {"executor_memory": "900g"}),
    ],
)
def test_what_fits_or_may_fit_is_not_refused(provider: str, wanted: dict[str, Any]) -> None:
    assert too_big(spec(**wanted), [node(provider)]) == ""


HUGE = {"driver_memory": "300g", "driver_cores": 48, "executor_memory": "300g", "executor_cores": 48}
SELECTOR = "node.selector.sparkanywhere.io/capacity-provider"
FALLBACK = "annotation.sparkanywhere.io/fallback"


@pytest.mark.parametrize(
    ("conf", "refused"),
    [
        ({}, "--driver-memory"),
        ({SELECTOR: "big"}, ""),
        ({f"executor.{SELECTOR}": "big"}, "--driver-memory"),
        ({f"driver.{SELECTOR}": "big"}, "--executor-memory"),
        ({f"driver.{SELECTOR}": "big", f"executor.{SELECTOR}": "bigger"}, ""),
        ({f"driver.{FALLBACK}": "big", f"executor.{FALLBACK}": "big, bigger"}, ""),
        ({SELECTOR: "big", f"executor.{FALLBACK}": "Fargate-Spot, fargate"}, "--executor-memory"),
        ({SELECTOR: "big", f"executor.{FALLBACK}": "big, fargate"}, "--executor-memory"),
    ],
)
def test_a_pod_on_instances_of_the_cluster_may_be_larger_than_what_nodes_tell(
    conf: dict[str, str], refused: str
) -> None:
    full = {f"spark.kubernetes.{key}": value for key, value in conf.items()}
    found = too_big(spec(**HUGE, conf=full), [node("fargate")])

    assert found.startswith(refused)
    assert bool(found) == bool(refused)


def test_without_nodes_nothing_is_known() -> None:
    assert too_big(spec(executor_memory="900g"), []) == ""


class Nodes:
    """A client that knows one node."""

    def __init__(self, provider: str) -> None:
        self._node = node(provider)

    def get(self, path: str) -> JSON:
        return {"items": [self._node] if path == "/api/v1/nodes" else []}


@pytest.mark.parametrize(
    ("provider", "place", "image", "refusal"),
    [
        *(("docker", "/shuffle", "", "name a bucket"), ("fargate", "file:///shuffle", "mine", "name a bucket")),
        *(("process", "/shuffle", "", ""), ("process", "s3://bucket/shuffle", "", ""), ("docker", "", "", "")),
        *(("docker", "s3://bucket/shuffle", "", ""), ("", "/shuffle", "", "")),
    ],
)
def test_shuffle_data_is_kept_where_executors_get_to(provider: str, place: str, image: str, refusal: str) -> None:
    job = spec(keep_shuffle=place, image=image, spark="4.3.0")

    with pytest.raises(SpecError, match=refusal) if refusal else nullcontext():
        check_shuffle(cast(KubeClient, Nodes(provider)), job)
