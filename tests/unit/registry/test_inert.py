"""Kinds that are only stored: whoever writes one is told, and a list shows what it holds."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from chalicelib.apimachinery.types import JSON
from chalicelib.resources.inert import INERT, InertStrategy
from tests.api_client import ApiClient, control_plane
from tests.unit.registry.bodies import made

NOW = datetime(2026, 7, 1, tzinfo=UTC)
BACKEND = {"service": {"name": "web", "port": {"number": 80}}}
CPU = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}
PODS = {"type": "Pods", "pods": {"metric": {"name": "x"}, "target": {"type": "AverageValue", "averageValue": "5"}}}
TARGET = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
HOOK = {
    "name": "a.b.c",
    "clientConfig": {"service": {"name": "s", "namespace": "n"}},
    "rules": [{"resources": ["pods"]}],
}

ROWS: tuple[tuple[str, JSON, list[object]], ...] = (
    ("Ingress", {}, ["<none>", "*", "", "80"]),
    (
        "Ingress",
        {"spec": {"ingressClassName": "c", "tls": [{}], "rules": [{"host": f"h{n}"} for n in range(5)]}},
        ["c", "h0,h1,h2 + 2 more...", "", "80, 443"],
    ),
    ("IngressClass", {"spec": {"controller": "x/y"}}, ["x/y", "<none>"]),
    (
        "IngressClass",
        {"spec": {"controller": "x/y", "parameters": {"apiGroup": "g", "kind": "K", "name": "n"}}},
        ["x/y", "K.g/n"],
    ),
    (
        "HorizontalPodAutoscaler",
        {"spec": {"scaleTargetRef": TARGET, "maxReplicas": 3}},
        ["Deployment/web", "cpu: <unknown>/80%", "1", 3, 0],
    ),
    (
        "HorizontalPodAutoscaler",
        {"spec": {"scaleTargetRef": TARGET, "maxReplicas": 3, "minReplicas": 2, "metrics": [CPU, PODS]}},
        ["Deployment/web", "cpu: <unknown>/50%, <unknown>/5", "2", 3, 0],
    ),
    ("MutatingWebhookConfiguration", {"webhooks": [HOOK, HOOK]}, [2]),
    ("ValidatingWebhookConfiguration", {}, [0]),
)


@pytest.mark.parametrize(("kind", "body", "cells"), ROWS)
def test_what_a_list_shows(kind: str, body: JSON, cells: list[object]) -> None:
    strategy, obj = made(kind, body)

    assert list(strategy.cells(obj, NOW))[1:-1] == cells


def test_a_webhook_gets_the_documented_defaults() -> None:
    _, obj = made("MutatingWebhookConfiguration", {"webhooks": [HOOK]})

    hook = obj["webhooks"][0]
    assert (hook["failurePolicy"], hook["matchPolicy"], hook["reinvocationPolicy"]) == ("Fail", "Equivalent", "Never")
    assert (hook["timeoutSeconds"], hook["rules"][0]["scope"], hook["namespaceSelector"]) == (10, "*", {})
    assert hook["clientConfig"]["service"]["port"] == 443


@pytest.mark.parametrize("kind", INERT, ids=lambda each: each.kind)
def test_a_write_is_answered_with_a_warning(tmp_path: Path, kind: InertStrategy) -> None:
    plane = control_plane(tmp_path)
    place = "/namespaces/default" if kind.namespaced else ""
    url = f"/apis/{kind.api_version}{place}/{kind.resource}"

    answer = ApiClient(plane).request("POST", url, {"metadata": {"name": "a"}})
    plane.close()

    assert answer.status == 201, answer.body
    assert f"{kind.kind} is stored and has no effect here" in answer.headers["warning"]


AUTOSCALERS = "/apis/autoscaling/{}/namespaces/default/horizontalpodautoscalers"


def test_both_versions_of_an_autoscaler_are_one_object(tmp_path: Path) -> None:
    plane = control_plane(tmp_path)
    api = ApiClient(plane)
    old, new = (AUTOSCALERS.format(version) for version in ("v1", "v2"))
    spec = {"scaleTargetRef": TARGET, "maxReplicas": 3}

    api.create(old, {"metadata": {"name": "a"}, "spec": {**spec, "targetCPUUtilizationPercentage": 50}})
    api.create(new, {"metadata": {"name": "b"}, "spec": {**spec, "metrics": [PODS, CPU], "behavior": {"scaleUp": {}}}})
    seen = api.get(f"{old}/b")
    api.request("PUT", f"{old}/b", seen)

    assert api.get(f"{new}/a")["spec"]["metrics"] == [CPU]
    assert seen["spec"]["targetCPUUtilizationPercentage"] == 50
    written = api.get(f"{new}/b")
    assert sorted(written["spec"]["metrics"], key=str) == sorted([PODS, CPU], key=str)
    assert (written["spec"]["behavior"], written["metadata"].get("annotations")) == ({"scaleUp": {}}, None)
    groups = {each["name"]: each for each in api.get("/apis")["groups"]}
    assert groups["autoscaling"]["preferredVersion"]["version"] == "v2"
    plane.close()
