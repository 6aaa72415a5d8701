"""Reviews: what may not be asked, in a real server's words; and events and jobs that other groups refuse."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib.apimachinery.types import JSON
from tests.api_client import ApiClient, control_plane

AUTHORIZATION, AUTHENTICATION = "/apis/authorization.k8s.io/v1", "/apis/authentication.k8s.io/v1"
SELF, OTHERS = f"{AUTHORIZATION}/selfsubjectaccessreviews", f"{AUTHORIZATION}/subjectaccessreviews"
LOCAL = f"{AUTHORIZATION}/namespaces/default/localsubjectaccessreviews"
RULES, TOKENS = f"{AUTHORIZATION}/selfsubjectrulesreviews", f"{AUTHENTICATION}/tokenreviews"
JOBS = "/apis/batch/v1/namespaces/default/jobs"
PODS = {"verb": "get", "resource": "pods"}
PATH = {"verb": "get", "path": "/x"}


@pytest.fixture
def api(tmp_path: Path) -> Iterator[ApiClient]:
    """Return a client of a fresh API."""
    plane = control_plane(tmp_path)
    yield ApiClient(plane)
    plane.close()


def _refused(api: ApiClient, url: str, body: JSON) -> list[str]:
    answer = api.request("POST", url, body)
    assert answer.status == 422, answer.body
    return [cause["field"] for cause in answer.body["details"]["causes"]]


@pytest.mark.parametrize(
    ("url", "body", "fields"),
    [
        (SELF, {"spec": {}}, ["spec.resourceAttributes"]),
        (SELF, {"spec": {"resourceAttributes": PODS, "nonResourceAttributes": PATH}}, ["spec.nonResourceAttributes"]),
        (SELF, {"metadata": {"name": "x"}, "spec": {"resourceAttributes": PODS}}, ["metadata"]),
        (OTHERS, {"spec": {"resourceAttributes": PODS}}, ["spec.user"]),
        (OTHERS, {"spec": {}}, ["spec.resourceAttributes", "spec.user"]),
        (LOCAL, {"spec": {"user": "a", "resourceAttributes": PODS}}, ["spec.resourceAttributes.namespace"]),
        (LOCAL, {"spec": {"user": "a", "nonResourceAttributes": PATH}}, ["spec.nonResourceAttributes"]),
    ],
)
def test_a_review_that_asks_for_nothing_sensible_is_refused(
    api: ApiClient, url: str, body: JSON, fields: list[str]
) -> None:
    assert _refused(api, url, body) == fields


def test_a_review_in_a_namespace_is_answered(api: ApiClient) -> None:
    asked = {**PODS, "namespace": "default"}

    answer = api.create(LOCAL, {"spec": {"user": "bob", "resourceAttributes": asked}})

    assert answer["status"] == {"allowed": False}


@pytest.mark.parametrize(
    ("url", "why"),
    [(RULES, "no namespace on request"), (TOKENS, "token is required for TokenReview in authentication")],
)
def test_a_review_without_its_subject_is_a_bad_request(api: ApiClient, url: str, why: str) -> None:
    answer = api.request("POST", url, {"spec": {}})

    assert (answer.status, answer.body["message"]) == (400, why)


def test_a_suspended_job_may_be_sent_elsewhere_and_no_more(api: ApiClient) -> None:
    pod = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}
    api.create(JOBS, {"metadata": {"name": "j"}, "spec": {"suspend": True, "template": {"spec": pod}}})

    def patched(**spec: Any) -> int:  # Any: fields of a pod's spec
        body = {"spec": {"template": {"metadata": {"labels": {"l": "m"}}, "spec": spec}}}
        merge = "application/merge-patch+json"
        return api.request("PATCH", f"{JOBS}/j", body, content_type=merge).status

    assert patched(nodeSelector={"a": "b"}, tolerations=[{"operator": "Exists"}]) == 200
    assert patched(nodeSelector=None) == 200
    assert patched(restartPolicy="OnFailure") == 422
