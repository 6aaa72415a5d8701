"""Drivers write event logs to a claim where it lasts, and nowhere else."""

from __future__ import annotations

from unittest.mock import Mock

import pytest

from chalicelib.apimachinery.types import JSON
from sparkanywhere.client.kube_client import ApiError, KubeClient
from sparkanywhere.jobs import event_log
from sparkanywhere.jobs.spec import JobSpec
from sparkanywhere.jobs.submission import submit
from tests.unit.sparkanywhere.jobs.kube_in_process import InProcessClient

CLAIMS = "/api/v1/namespaces/default/persistentvolumeclaims"
ENABLED = "spark.eventLog.enabled=true"


def spec(**changed: object) -> JobSpec:
    return JobSpec(**{"application": "local:///job.py", **changed})  # type: ignore[arg-type]  # each as its field


def submitted(kube: InProcessClient, job: JobSpec, suffix: str = "0a") -> JSON:
    found: JSON = kube.get(submit(kube, job, suffix=suffix, sleep=lambda _seconds: None).path)
    return found


@pytest.mark.parametrize("provider", ["process", "docker"])
def test_a_driver_writes_its_event_log_to_a_claim(kube: InProcessClient, provider: str) -> None:
    kube.add_node(provider)

    drivers = [submitted(kube, spec(), suffix) for suffix in ("0a", "0b")]

    assert [each["metadata"]["name"] for each in kube.get(CLAIMS)["items"]] == [event_log.CLAIM]
    for driver in drivers:
        container = driver["spec"]["containers"][0]
        args = container["args"]
        assert args.index(ENABLED) > args.index("--properties-file")
        assert args.index(f"spark.eventLog.dir={event_log.DIRECTORY}") < args.index("--class")
        assert {"name": event_log.VOLUME, "mountPath": event_log.PATH} in container["volumeMounts"]
        (volume,) = [each for each in driver["spec"]["volumes"] if each["name"] == event_log.VOLUME]
        assert volume["persistentVolumeClaim"]["claimName"] == event_log.CLAIM


@pytest.mark.parametrize(
    "job", [spec(event_log=False), spec(conf={"spark.eventLog.dir": "s3a://b/x"})], ids=["switched off", "elsewhere"]
)
def test_what_the_job_says_of_event_logs_stands(kube: InProcessClient, job: JobSpec) -> None:
    kube.add_node("process")

    driver = submitted(kube, job)

    assert ENABLED not in driver["spec"]["containers"][0]["args"]
    assert kube.get(CLAIMS)["items"] == []


@pytest.mark.parametrize("provider", ["fargate", ""])
def test_no_claim_is_made_where_it_would_not_last(kube: InProcessClient, provider: str) -> None:
    if provider:
        kube.add_node(provider)

    driver = submitted(kube, spec())

    assert ENABLED not in driver["spec"]["containers"][0]["args"]
    assert kube.get(CLAIMS)["items"] == []


def test_a_driver_that_a_job_makes_anew_writes_it_as_well(kube: InProcessClient) -> None:
    kube.add_node("process")

    template = submitted(kube, spec(max_attempts=2))["spec"]["template"]

    assert ENABLED in template["spec"]["containers"][0]["args"]
    assert event_log.VOLUME in [each["name"] for each in template["spec"]["volumes"]]


@pytest.mark.parametrize(("node", "has"), [("process", True), ("docker-arm64", True), ("fargate", False), ("", False)])
def test_who_may_not_list_nodes_is_told_by_the_pods(node: str, has: bool) -> None:
    def get(path: str) -> JSON:
        if path == "/api/v1/nodes":
            raise ApiError(403, "nodes is forbidden")
        assert path == "/api/v1/namespaces/team/pods"
        return {"items": [{"spec": {"nodeName": node}}]}

    client = Mock(spec=KubeClient)
    client.get.side_effect = get

    assert event_log.has_claim(client, "team") is has
