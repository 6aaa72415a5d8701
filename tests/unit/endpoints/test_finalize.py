"""PUT namespaces/NAME/finalize sets spec.finalizers alone: how a namespace that hangs is freed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api_client import ApiClient, control_plane

NAMESPACES = "/api/v1/namespaces"


@pytest.fixture
def api(tmp_path: Path) -> Iterator[ApiClient]:
    """Return a client of a fresh API with a namespace that somebody else's finalizer holds."""
    plane = control_plane(tmp_path)
    client = ApiClient(plane)
    client.create(NAMESPACES, {"metadata": {"name": "a"}})
    held = {"metadata": {"name": "a"}, "spec": {"finalizers": ["example.com/held", "kubernetes"]}}
    assert client.request("PUT", f"{NAMESPACES}/a/finalize", held).status == 200
    yield client
    plane.close()


def test_only_the_finalizers_are_taken(api: ApiClient) -> None:
    sent = {"metadata": {"name": "a", "labels": {"x": "y"}}, "spec": {"finalizers": ["kubernetes"]}}

    answer = api.request("PUT", f"{NAMESPACES}/a/finalize", sent)

    assert answer.status == 200, answer.body
    assert answer.body["spec"] == {"finalizers": ["kubernetes"]}
    assert "x" not in answer.body["metadata"]["labels"]


def test_a_deleting_namespace_goes_with_its_last_finalizer(api: ApiClient) -> None:
    api.request("DELETE", f"{NAMESPACES}/a")
    assert api.get(f"{NAMESPACES}/a")["status"]["phase"] == "Terminating"

    answer = api.request("PUT", f"{NAMESPACES}/a/finalize", {"metadata": {"name": "a"}, "spec": {}})

    assert answer.status == 200, answer.body
    assert api.request("GET", f"{NAMESPACES}/a").status == 404


def test_finalize_has_no_other_verb(api: ApiClient) -> None:
    assert api.request("GET", f"{NAMESPACES}/a/finalize").status == 405
