"""Whether a pod may run on a node: cordon, taints, selectors, and what it asks for."""

from __future__ import annotations

import pytest

from chalicelib.apimachinery.rules.quantity import NANO
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel import scheduling
from tests.unit.controllers.builders import container, pod

LABELS = {"kubernetes.io/arch": "amd64", "kubernetes.io/os": "linux", "disk": "ssd", "size": "7"}
TAINT = {"key": "team", "value": "data", "effect": "NoSchedule"}


def node(**spec: object) -> JSON:
    amounts = {"cpu": "2", "memory": "8Gi", "pods": "10"}
    return {"metadata": {"name": "n", "labels": LABELS}, "spec": spec, "status": {"allocatable": amounts}}


@pytest.mark.parametrize(
    ("toleration", "tolerates"),
    [
        ({"key": "team", "operator": "Equal", "value": "data", "effect": "NoSchedule"}, True),
        ({"key": "team", "value": "data"}, True),
        ({"key": "team", "operator": "Exists"}, True),
        ({"operator": "Exists"}, True),
        ({"operator": "Exists", "effect": "NoExecute"}, False),
        ({"key": "team", "value": "web"}, False),
        ({"key": "other", "operator": "Exists"}, False),
        ({"key": "team"}, False),
        ({"key": "team", "operator": "Exists", "tolerationSeconds": 5}, True),
    ],
)
def test_a_taint_keeps_off_pods_that_do_not_tolerate_it(toleration: JSON, tolerates: bool) -> None:
    why = scheduling.why_kept_off(pod(tolerations=[toleration]), node(taints=[TAINT]))

    assert why == ("" if tolerates else "1 node(s) had untolerated taint(s)")


@pytest.mark.parametrize(
    ("effect", "why"),
    [("NoSchedule", scheduling.UNTOLERATED), ("NoExecute", scheduling.UNTOLERATED), ("PreferNoSchedule", "")],
)
def test_the_effect_of_a_taint_says_whether_it_keeps_pods_off(effect: str, why: str) -> None:
    assert scheduling.why_kept_off(pod(), node(taints=[{**TAINT, "effect": effect}])) == why


EVICTS = {**TAINT, "effect": "NoExecute"}


@pytest.mark.parametrize(
    ("taints", "tolerations", "seconds"),
    [
        ([], [], None),
        ([TAINT], [], None),
        ([EVICTS], [], 0),
        ([EVICTS], [{"operator": "Exists"}], None),
        ([EVICTS], [{"operator": "Exists", "tolerationSeconds": 60}], 60),
        ([EVICTS], [{"operator": "Exists", "tolerationSeconds": -1}], 0),
        ([EVICTS], [{"operator": "Exists"}, {"key": "team", "operator": "Exists", "tolerationSeconds": 5}], 5),
        ([EVICTS, {**EVICTS, "key": "other"}], [{"key": "team", "operator": "Exists"}], 0),
    ],
)
def test_how_long_a_pod_may_stay_on_a_tainted_node(
    taints: list[JSON], tolerations: list[JSON], seconds: int | None
) -> None:
    assert scheduling.tolerated_seconds(pod(tolerations=tolerations), node(taints=taints)) == seconds


def test_a_cordoned_node_takes_pods_that_tolerate_that_alone() -> None:
    cordoned = node(unschedulable=True)
    tolerant = pod(tolerations=[{"key": "node.kubernetes.io/unschedulable", "operator": "Exists"}])

    assert scheduling.why_kept_off(pod(), cordoned) == "1 node(s) were unschedulable"
    assert scheduling.why_kept_off(tolerant, cordoned) == ""


def required(*expressions: JSON) -> JSON:
    terms = [{"matchExpressions": [each]} for each in expressions]
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}


@pytest.mark.parametrize(
    ("spec", "selects"),
    [
        ({}, True),
        ({"nodeSelector": {"disk": "ssd"}}, True),
        ({"nodeSelector": {"disk": "hdd"}}, False),
        ({"nodeSelector": {"kubernetes.io/arch": "arm64"}}, False),
        ({"nodeSelector": {"cloud.example/pool": "spark"}}, True),
        ({"os": {"name": "windows"}}, False),
        ({"os": {"name": "linux"}}, True),
        ({"affinity": required({"key": "disk", "operator": "In", "values": ["ssd", "nvme"]})}, True),
        ({"affinity": required({"key": "disk", "operator": "In", "values": ["hdd"]})}, False),
        ({"affinity": required({"key": "disk", "operator": "NotIn", "values": ["ssd"]})}, False),
        ({"affinity": required({"key": "disk", "operator": "Exists"})}, True),
        ({"affinity": required({"key": "disk", "operator": "DoesNotExist"})}, False),
        ({"affinity": required({"key": "size", "operator": "Gt", "values": ["5"]})}, True),
        ({"affinity": required({"key": "size", "operator": "Lt", "values": ["5"]})}, False),
        ({"affinity": required({"key": "disk", "operator": "Gt", "values": ["5"]})}, False),
        ({"affinity": required({"key": "gpu", "operator": "In", "values": ["a100"]})}, True),
        (
            {
                "affinity": required(
                    {"key": "disk", "operator": "In", "values": ["hdd"]},
                    {"key": "disk", "operator": "In", "values": ["ssd"]},
                )
            },
            True,
        ),
    ],
)
def test_selectors_by_labels_that_the_node_carries_must_match(spec: JSON, selects: bool) -> None:
    assert scheduling.selects(pod(**spec), node()) is selects


def test_a_field_selects_the_node_by_its_name() -> None:
    def on(name: str) -> JSON:
        term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [name]}]}
        found = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
        return pod(affinity={"nodeAffinity": found})

    assert scheduling.selects(on("n"), node())
    assert not scheduling.selects(on("m"), node())


def test_processors_are_bounded_unless_they_are_shared() -> None:
    assert scheduling.bounds(node(), shares_cpu=True) == {"memory": 8 * 2**30 * NANO}
    assert scheduling.bounds(node(), shares_cpu=False) == {"cpu": 2 * NANO, "memory": 8 * 2**30 * NANO}


def test_a_pod_is_short_of_each_resource_that_is_not_left() -> None:
    limits = scheduling.bounds(node(), shares_cpu=False)
    asks = container(resources={"requests": {"cpu": "3", "memory": "9Gi"}})

    asked = scheduling.requests(pod(containers=[asks])["spec"], limits)

    assert scheduling.no_node(scheduling.short_of(asked, limits)) == (
        "0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient memory."
    )
    assert scheduling.short_of(limits, limits) == []


def test_pods_come_in_the_order_of_priority_then_age_then_number() -> None:
    def at(name: str, created: str, priority: int = 0) -> JSON:
        return pod(name, metadata={"creationTimestamp": created}, priority=priority)

    early, late = "2026-01-02T03:00:00Z", "2026-01-02T03:00:09Z"
    pods = [at("exec-10", early), at("late", late), at("urgent", late, 5), at("exec-2", early)]

    names = [each["metadata"]["name"] for each in sorted(pods, key=scheduling.turn)]

    assert names == ["urgent", "exec-2", "exec-10", "late"]
