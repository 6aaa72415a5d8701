"""A store that cannot be reached is a 503 that says when to come again, wherever a request meets it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.api_client import ApiClient, control_plane

PODS = "/api/v1/namespaces/default/pods"


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/apis"), ("GET", PODS), ("POST", PODS), ("GET", "/apis/example.com/v1/widgets")]
)
def test_a_request_that_meets_a_dead_store_may_be_repeated(tmp_path: Path, method: str, path: str) -> None:
    plane = control_plane(tmp_path)
    client = ApiClient(plane)
    plane.base.storage.close()

    pod = {"metadata": {"name": "a"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    answer = client.request(method, path, pod if method == "POST" else None)

    plane.close()
    assert answer.status == 503, answer.body
    assert answer.headers["retry-after"] == "1"
