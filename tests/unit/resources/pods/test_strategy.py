"""Pods: grace, updates, warnings, fields to select by."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.apimachinery.types import JSON
from tests.unit.registry.bodies import made, pod, strategy, update_causes

ONLY_THESE = "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`"

GRACE = [
    ({}, {}, None, 0),
    ({}, {}, 5, 0),
    ({"nodeName": "n"}, {}, None, 30),
    ({"nodeName": "n"}, {}, 5, 5),
    ({"nodeName": "n"}, {}, 0, 0),
    ({"nodeName": "n"}, {}, -5, 1),
    ({"nodeName": "n", "terminationGracePeriodSeconds": 7}, {}, None, 7),
    ({"nodeName": "n"}, {"phase": "Succeeded"}, 5, 0),
    ({"nodeName": "n"}, {"phase": "Failed"}, None, 0),
    ({"nodeName": "n"}, {"phase": "Running"}, None, 30),
]


@pytest.mark.parametrize(("spec", "status", "requested", "seconds"), GRACE)
def test_grace_is_what_is_asked_for_unless_nothing_runs(
    spec: JSON, status: JSON, requested: int | None, seconds: int
) -> None:
    assert strategy("Pod").grace_seconds({"spec": spec, "status": status}, requested) == seconds


ALLOWED: list[dict[str, Any]] = [  # Any: fields of a pod spec
    {},
    {"container": {"image": "busybox:1.37"}},
    {"activeDeadlineSeconds": 5},
    {"tolerations": [{"key": "k", "operator": "Exists"}]},
]


@pytest.mark.parametrize("change", ALLOWED)
def test_an_update_may_change_images_deadline_and_add_tolerations(change: dict[str, Any]) -> None:
    assert update_causes("Pod", pod(), pod(**change)) == []


FORBIDDEN: list[dict[str, Any]] = [  # Any: fields of a pod spec
    {"container": {"name": "other"}},
    {"container": {"args": ["x"]}},
    {"container": {"image": "busybox"}},  # its pull policy changes too
    {"restartPolicy": "Never"},
    {"nodeName": "n"},
    {"terminationGracePeriodSeconds": 5},
    {"volumes": [{"name": "v", "emptyDir": {}}]},
]


@pytest.mark.parametrize("change", FORBIDDEN)
def test_an_update_may_change_nothing_else(change: dict[str, Any]) -> None:
    causes = update_causes("Pod", pod(), pod(**change))

    assert len(causes) == 1
    assert causes[0].startswith(ONLY_THESE)


def test_containers_are_neither_added_nor_taken_away() -> None:
    two = {"spec": {"containers": [{"name": name, "image": "i:1"} for name in "ab"]}}
    one = {"spec": {"containers": two["spec"]["containers"][:1]}}

    assert update_causes("Pod", one, two) == [
        "spec.containers: Forbidden: pod updates may not add or remove containers"
    ]


def test_a_deadline_only_comes_nearer() -> None:
    near, far = pod(activeDeadlineSeconds=5), pod(activeDeadlineSeconds=9)

    assert update_causes("Pod", far, near) == []
    assert update_causes("Pod", near, far) == [
        "spec.activeDeadlineSeconds: Invalid value: 9: must be less than or equal to previous value of 5"
    ]


def test_an_update_leaves_status_alone() -> None:
    each, old = made("Pod", pod())
    new = {**pod(), "metadata": dict(old["metadata"]), "status": {"phase": "Running"}}

    each.default(new)
    each.prepare_for_update(new, old)

    assert new["status"] == {"phase": "Pending", "qosClass": "BestEffort"}


def test_a_pod_can_be_selected_by_node_and_phase() -> None:
    obj = {"metadata": {"name": "a", "namespace": "n"}, "spec": {"nodeName": "x"}, "status": {"phase": "Running"}}

    fields = strategy("Pod").selectable_fields(obj)

    assert fields == {
        "metadata.name": "a",
        "metadata.namespace": "n",
        "spec.nodeName": "x",
        "spec.restartPolicy": "",
        "spec.schedulerName": "",
        "spec.serviceAccountName": "",
        "spec.hostNetwork": "false",
        "status.phase": "Running",
        "status.podIP": "",
        "status.nominatedNodeName": "",
    }


WARNINGS: list[tuple[dict[str, Any], str]] = [  # Any: fields of a pod spec
    (
        {"container": {"env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]}},
        'spec.containers[0].env[1]: hides previous definition of "A", which may be dropped when using apply',
    ),
    (
        {"container": {"resources": {"requests": {"memory": "100m"}}}},
        'spec.containers[0].resources.requests[memory]: fractional byte value "100m" is invalid, must be an integer',
    ),
]


@pytest.mark.parametrize(("change", "warning"), WARNINGS)
def test_what_is_doubtful_is_warned_about(change: dict[str, Any], warning: str) -> None:
    each, obj = made("Pod", pod(**change))

    assert list(each.warnings(obj)) == [warning]


def test_a_plain_pod_warns_about_nothing() -> None:
    each, obj = made("Pod", pod())

    assert list(each.warnings(obj)) == []
