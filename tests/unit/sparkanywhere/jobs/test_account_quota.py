"""What a job's pods take of the account's quotas: refused where nothing could run, said where some would wait."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.cluster.quotas import QUOTAS
from sparkanywhere.client.kube_client import Access, KubeClient
from sparkanywhere.jobs.capacity import check_capacity
from sparkanywhere.jobs.spec import JobSpec, SpecError

FELL_BACK = "spark.kubernetes.executor.annotation.sparkanywhere.io/fallback"
SELECTED = "spark.kubernetes.executor.node.selector."
DRIVER_SELECTED = "spark.kubernetes.driver.node.selector."
SMALL = {"on-demand": 6, "spot": 8}


class Plane(KubeClient):
    """A control plane whose node tells these quotas."""

    def __init__(self, quotas: Mapping[str, float]) -> None:
        super().__init__(Access("http://127.0.0.1:9"))
        told = {name: {"vcpus": vcpus, "more": f"ask for {name}"} for name, vcpus in quotas.items()}
        self._node: JSON = {
            "metadata": {
                "labels": {"sparkanywhere.io/provider": "fargate"},
                "annotations": {QUOTAS: json.dumps(told)} if told else {},
            },
            "status": {"allocatable": {"cpu": "100000", "memory": "1000000Gi"}},
        }

    def get(self, path: str, **query: str) -> JSON:
        del path, query
        return {"items": [self._node, self._node]}


def said_of(quotas: Mapping[str, float], **wanted: Any) -> list[str]:  # Any: fields of a JobSpec
    said: list[str] = []
    spec = JobSpec(application="local:///a.jar", main_class="C", **wanted)
    check_capacity(Plane(quotas), spec, say=said.append)
    return said


@pytest.mark.parametrize(
    ("quotas", "wanted"),
    [
        (SMALL, {"executors": 5}),
        ({}, {"executors": 5000}),
        (SMALL, {"executors": 8, "spot": True}),
        ({"on-demand": 6}, {"executors": 5000, "spot": True}),
        (SMALL, {"executors": 5000, "dynamic_allocation": True}),
        (SMALL, {"executors": 50, "dynamic_allocation": True, "conf": {"spark.dynamicAllocation.minExecutors": "5"}}),
        (SMALL, {"executors": 50, "spot": True, "conf": {FELL_BACK: "fargate-spot,fargate"}}),
        (SMALL, {"executors": 50, "conf": {f"{SELECTED}sparkanywhere.io/capacity-provider": "gpus"}}),
        (SMALL, {"executors": 20, "conf": {"spark.kubernetes.executor.request.cores": "250m"}}),
        (
            SMALL,
            {
                "driver_cores": 16,
                "executors": 6,
                "conf": {f"{DRIVER_SELECTED}sparkanywhere.io/capacity-provider": "big"},
            },
        ),
    ],
)
def test_of_a_job_that_fits_nothing_is_said(quotas: Mapping[str, float], wanted: dict[str, Any]) -> None:
    assert said_of(quotas, **wanted) == []


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        ({"executors": 6}, "The driver and 6 executors take 7 on-demand vCPUs, and the account may have 6 at once"),
        ({"executors": 10, "executor_cores": 2, "executor_memory": "6g"}, "2 will run, and the others wait for room."),
        ({"executors": 9, "spot": True}, "9 executors take 9 spot vCPUs, and the account may have 8 at once"),
        ({"executors": 2, "executor_cores": 16, "spot": True}, "0 will run"),
        ({"executors": 5, "executor_memory": "12g"}, "take 11 on-demand vCPUs"),  # memory makes a task of 2 vCPU
        (
            {"executors": 50, "dynamic_allocation": True, "conf": {"spark.dynamicAllocation.minExecutors": "6"}},
            "The driver and 6 executors take 7",
        ),
    ],
)
def test_of_executors_that_would_wait_it_is_said_and_how_to_get_more(wanted: dict[str, Any], sentence: str) -> None:
    said = said_of(SMALL, **wanted)

    assert len(said) == 1
    assert sentence in said[0]
    assert "(for more: ask for " in said[0]


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        ({"driver_cores": 8}, "This job can never run: its driver takes 8 on-demand vCPUs, and the account may have 6"),
        ({"executor_cores": 8, "executors": 1}, "This job can never run: its driver and 1 executors take 9"),
        ({"driver_cores": 16, "spot": True}, "its driver takes 16"),
    ],
)
def test_a_job_of_which_nothing_could_run_is_refused(wanted: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SpecError, match=sentence):
        said_of(SMALL, **wanted)
