"""`stream` of a pod's log, as a server with PodLogsQuerySplitStreams takes it (Kubernetes v1.32)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api_client import ApiClient, control_plane

POD = "/api/v1/namespaces/default/pods/a"


@pytest.fixture
def api(tmp_path: Path) -> Iterator[ApiClient]:
    """Return a client of a fresh API with a pod that has not begun."""
    plane = control_plane(tmp_path)
    client = ApiClient(plane)
    spec = {"nodeName": "elsewhere", "containers": [{"name": "c", "image": "i"}]}
    client.create("/api/v1/namespaces/default/pods", {"metadata": {"name": "a"}, "spec": spec})
    yield client
    plane.close()


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("stream=stdout", 'stream: Unsupported value: "stdout": supported values: "All", "Stderr", "Stdout"'),
        ("stream=Stderr&tailLines=1", "`tailLines` and specific `stream` are mutually exclusive for now"),
        ("stream=Stdout&tailLines=0", "`tailLines` and specific `stream` are mutually exclusive for now"),
    ],
)
def test_a_stream_that_cannot_be_had_is_refused(api: ApiClient, query: str, message: str) -> None:
    answer = api.request("GET", f"{POD}/log?{query}")

    assert answer.status == 422
    assert message in answer.body["message"]


@pytest.mark.parametrize("query", ["", "stream=All&tailLines=1", "stream=Stdout", "stream=Stderr&limitBytes=1"])
def test_a_stream_is_asked_for_like_any_other_log(api: ApiClient, query: str) -> None:
    answer = api.request("GET", f"{POD}/log?{query}")

    assert answer.body["message"] == 'container "c" in pod "a" is waiting to start: ContainerCreating'
