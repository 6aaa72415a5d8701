"""Numbers of seconds that reach beyond the calendar are taken, as a real server takes them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api_client import ApiClient, control_plane

PODS = "/api/v1/namespaces/default/pods"
MOST = 2**63 - 1


@pytest.fixture
def api(tmp_path: Path) -> Iterator[ApiClient]:
    """Return a client of a fresh API with a pod that runs elsewhere."""
    plane = control_plane(tmp_path)
    client = ApiClient(plane)
    spec = {"nodeName": "elsewhere", "containers": [{"name": "c", "image": "i"}]}
    client.create(PODS, {"metadata": {"name": "a"}, "spec": spec})
    yield client
    plane.close()


def test_a_grace_period_of_ages_marks_the_pod(api: ApiClient) -> None:
    answer = api.request("DELETE", f"{PODS}/a", {"gracePeriodSeconds": MOST})

    assert answer.status == 200, answer.body
    assert answer.body["metadata"]["deletionTimestamp"] == "9999-12-31T23:59:59Z"


@pytest.mark.parametrize("query", [f"sinceSeconds={MOST}", "sinceTime=0001-01-01T00:00:00Z"])
def test_a_log_since_ever_is_asked_for_like_any_other(api: ApiClient, query: str) -> None:
    answer = api.request("GET", f"{PODS}/a/log?{query}")

    assert answer.body["message"] == 'container "c" in pod "a" is waiting to start: ContainerCreating'
