"""The scale subresource through the whole API."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.apimachinery.types import JSON
from tests.api_client import ApiClient, control_plane

URL = "/apis/apps/v1/namespaces/default/statefulsets"
MERGE, JSON_PATCH = "application/merge-patch+json", "application/json-patch+json"


@pytest.fixture
def api(tmp_path: Path) -> Iterator[ApiClient]:
    """Return a client of an API with one StatefulSet."""
    plane = control_plane(tmp_path)
    client = ApiClient(plane)
    template = {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"replicas": 2, "selector": {"matchLabels": {"app": "x"}}, "template": template}
    client.create(URL, {"metadata": {"name": "s"}, "spec": spec})
    yield client
    plane.close()


def _replicas(api: ApiClient) -> int:
    return int(api.get(f"{URL}/s")["spec"]["replicas"])


def test_a_scale_says_how_many_there_shall_be_and_are(api: ApiClient) -> None:
    scale = api.get(f"{URL}/s/scale")

    assert (scale["kind"], scale["apiVersion"]) == ("Scale", "autoscaling/v1")
    assert scale["spec"] == {"replicas": 2}
    assert scale["status"] == {"replicas": 0, "selector": "app=x"}


def test_a_scale_that_is_put_changes_the_set(api: ApiClient) -> None:
    scale = api.get(f"{URL}/s/scale")

    answer = api.request("PUT", f"{URL}/s/scale", {**scale, "spec": {"replicas": 5}})

    assert (answer.status, answer.body["spec"]) == (200, {"replicas": 5})
    assert _replicas(api) == 5


@pytest.mark.parametrize(
    ("kind", "patch"),
    [(MERGE, {"spec": {"replicas": 0}}), (JSON_PATCH, [{"op": "replace", "path": "/spec/replicas", "value": 0}])],
)
def test_a_patched_scale_changes_the_set(api: ApiClient, kind: str, patch: JSON) -> None:
    answer = api.request("PATCH", f"{URL}/s/scale", patch, content_type=kind)

    assert (answer.status, answer.body["spec"]) == (200, {})
    assert _replicas(api) == 0


def test_a_stale_scale_is_refused(api: ApiClient) -> None:
    scale = api.get(f"{URL}/s/scale")
    api.request("PATCH", f"{URL}/s", {"metadata": {"labels": {"a": "b"}}}, content_type=MERGE)

    answer = api.request("PUT", f"{URL}/s/scale", {**scale, "spec": {"replicas": 5}})

    assert (answer.status, answer.reason) == (409, "Conflict")
    assert _replicas(api) == 2


@pytest.mark.parametrize("replicas", [-1, "3", None, 1.5])
def test_a_number_that_is_none_is_refused(api: ApiClient, replicas: object) -> None:
    answer = api.request("PATCH", f"{URL}/s/scale", {"spec": {"replicas": replicas}}, content_type=MERGE)

    assert answer.status in (200, 422)
    assert _replicas(api) == (0 if replicas is None else 2)


def test_kinds_without_replicas_have_no_scale(api: ApiClient) -> None:
    assert api.request("GET", "/api/v1/namespaces/default/configmaps/a/scale").status == 404
