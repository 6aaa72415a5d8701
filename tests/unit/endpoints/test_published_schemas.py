"""What we answer fits the JSON schemas that are published of Kubernetes; a package ships them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from chalicelib.apimachinery.types import JSON
from tests.api_client import ApiClient, control_plane

VERSION = "1.36"
CORE, APPS = "/api/v1/namespaces/default", "/apis/apps/v1/namespaces/default"
CONTAINERS = {"containers": [{"name": "c", "image": "i"}]}
TEMPLATE = {"metadata": {"labels": {"app": "x"}}, "spec": CONTAINERS}
SET: JSON = {"selector": {"matchLabels": {"app": "x"}}, "template": TEMPLATE}
CLAIM = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
OBJECTS: tuple[tuple[str, JSON], ...] = (
    (f"{CORE}/pods", {"spec": CONTAINERS}),
    (f"{CORE}/configmaps", {"data": {"a": "b"}}),
    (f"{CORE}/secrets", {"stringData": {"a": "b"}}),
    (f"{CORE}/services", {"spec": {"clusterIP": "None", "selector": {"app": "x"}, "ports": [{"port": 80}]}}),
    (f"{CORE}/serviceaccounts", {}),
    (f"{CORE}/persistentvolumeclaims", {"spec": CLAIM}),
    (f"{CORE}/resourcequotas", {"spec": {"hard": {"pods": "10"}}}),
    (f"{CORE}/limitranges", {"spec": {"limits": [{"type": "Container", "max": {"cpu": "1"}}]}}),
    (f"{CORE}/podtemplates", {"template": TEMPLATE}),
    ("/api/v1/namespaces", {}),
    (f"{APPS}/statefulsets", {"spec": SET}),
    (f"{APPS}/deployments", {"spec": SET}),
    (f"{APPS}/replicasets", {"spec": SET}),
    (
        "/apis/batch/v1/namespaces/default/jobs",
        {"spec": {"template": {"spec": {**CONTAINERS, "restartPolicy": "Never"}}}},
    ),
    ("/apis/coordination.k8s.io/v1/namespaces/default/leases", {"spec": {"holderIdentity": "me"}}),
    ("/apis/networking.k8s.io/v1/namespaces/default/networkpolicies", {"spec": {"podSelector": {}}}),
    ("/apis/policy/v1/namespaces/default/poddisruptionbudgets", {"spec": {"minAvailable": 1}}),
    ("/apis/scheduling.k8s.io/v1/priorityclasses", {"value": 7}),
    ("/apis/storage.k8s.io/v1/storageclasses", {"provisioner": "example.com/disk"}),
    (
        "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles",
        {"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]},
    ),
)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiClient]:
    """Return a client of a fresh API."""
    folder: Path = tmp_path_factory.mktemp("plane")
    plane = control_plane(folder)
    yield ApiClient(plane)
    plane.close()


def _check(obj: Any) -> None:  # Any: JSON
    kubernetes_validate.validate(obj, VERSION, strict=True)


@pytest.mark.parametrize(("url", "body"), OBJECTS, ids=[url.rpartition("/")[2] for url, _ in OBJECTS])
def test_objects_fit_their_published_schema(api: ApiClient, url: str, body: JSON) -> None:
    made = api.create(url, {**body, "metadata": {"name": "a"}})
    found = api.get(f"{url}/a")
    listed = api.get(url)

    _check(made)
    _check(found)
    kind = {"kind": made["kind"], "apiVersion": made["apiVersion"]}
    for item in listed["items"]:
        _check({**kind, **item})


def test_the_check_finds_what_does_not_fit() -> None:
    with pytest.raises(kubernetes_validate.ValidationError):
        _check({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": 1}})
