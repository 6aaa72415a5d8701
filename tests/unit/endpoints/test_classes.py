"""PriorityClasses and StorageClasses: what pods and claims get from them, through the whole API."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib.apimachinery.types import JSON
from tests.api_client import ApiClient, control_plane

PODS, CLAIMS = "/api/v1/namespaces/default/pods", "/api/v1/namespaces/default/persistentvolumeclaims"
PRIORITIES = "/apis/scheduling.k8s.io/v1/priorityclasses"
STORAGE = "/apis/storage.k8s.io/v1/storageclasses"


@pytest.fixture
def api(tmp_path: Path) -> Iterator[ApiClient]:
    """Return a client of a fresh API."""
    plane = control_plane(tmp_path)
    yield ApiClient(plane)
    plane.close()


def _class(api: ApiClient, name: str, value: int, **fields: Any) -> None:  # Any: fields of a PriorityClass
    api.create(PRIORITIES, {"metadata": {"name": name}, "value": value, **fields})


def _pod(name: str = "a", **spec: Any) -> JSON:  # Any: fields of a pod's spec
    return {"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "i"}], **spec}}


def _priority(pod: JSON) -> tuple[object, ...]:
    return tuple(pod["spec"].get(key) for key in ("priorityClassName", "priority", "preemptionPolicy"))


def _refusal(api: ApiClient, url: str, body: JSON, *, method: str = "POST") -> str:
    answer = api.request(method, url, body)
    assert (answer.status, answer.reason) == (403, "Forbidden"), answer.body
    return str(answer.body["message"])


def test_a_pod_gets_the_priority_of_its_class(api: ApiClient) -> None:
    _class(api, "low", -5, preemptionPolicy="Never")

    pod = api.create(PODS, _pod(priorityClassName="low"))

    assert _priority(pod) == ("low", -5, "Never")


def test_a_pod_without_a_class_gets_the_default_one(api: ApiClient) -> None:
    before = api.create(PODS, _pod("before"))
    _class(api, "usual", 7, globalDefault=True)

    after = api.create(PODS, _pod("after"))

    assert _priority(before) == (None, 0, "PreemptLowerPriority")
    assert _priority(after) == ("usual", 7, "PreemptLowerPriority")


def test_the_systems_classes_are_there_and_stay(api: ApiClient) -> None:
    name = "system-node-critical"

    pod = api.create(PODS, _pod(priorityClassName=name))
    refusal = _refusal(api, f"{PRIORITIES}/{name}", {}, method="DELETE")

    assert pod["spec"]["priority"] == 2_000_001_000
    assert refusal == (
        f'priorityclasses.scheduling.k8s.io "{name}" is forbidden:'
        " this is a system priority class and cannot be deleted"
    )


@pytest.mark.parametrize("name", ["nope", "N/o", "x" * 2000])
def test_a_pod_of_an_unknown_class_is_refused(api: ApiClient, name: str) -> None:
    refusal = _refusal(api, PODS, _pod(priorityClassName=name))

    assert refusal == f'pods "a" is forbidden: no PriorityClass with name {name} was found'


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"priority": 3}, "the integer value of priority (3)"),
        ({"preemptionPolicy": "Never"}, "the string value of PreemptionPolicy (Never)"),
    ],
)
def test_a_pod_may_not_say_its_own_priority(api: ApiClient, spec: JSON, why: str) -> None:
    assert why in _refusal(api, PODS, _pod(**spec))


def test_of_several_default_classes_pods_get_the_lowest(api: ApiClient) -> None:
    for name, value in (("high", 9), ("low", 3)):
        _class(api, name, value, globalDefault=True)

    assert _priority(api.create(PODS, _pod())) == ("low", 3, "PreemptLowerPriority")


def test_a_claim_gets_the_default_storage_class(api: ApiClient) -> None:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    marked = {"storageclass.kubernetes.io/is-default-class": "true"}
    before = api.create(CLAIMS, {"metadata": {"name": "before"}, "spec": spec})
    api.create(STORAGE, {"metadata": {"name": "usual", "annotations": marked}, "provisioner": "p"})

    after = api.create(CLAIMS, {"metadata": {"name": "after"}, "spec": spec})
    none = api.create(CLAIMS, {"metadata": {"name": "none"}, "spec": {**spec, "storageClassName": ""}})

    assert "storageClassName" not in before["spec"]
    assert after["spec"]["storageClassName"] == "usual"
    assert none["spec"]["storageClassName"] == ""
