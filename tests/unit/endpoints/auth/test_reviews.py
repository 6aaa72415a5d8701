"""Reviews: what may not be asked, in a real server's words; and events and jobs that other groups refuse."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.runtime.tokens import ISSUER
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


@pytest.fixture
def secured(tmp_path: Path) -> Iterator[ApiClient]:
    """Return the administrator's client of an API that asks for tokens."""
    plane = control_plane(tmp_path, token="s3cret")
    yield ApiClient(plane, "s3cret")
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


def _token(api: ApiClient, audience: str = "") -> str:
    """Return a new token of the account `default`, for an audience other than this API if one is given."""
    spec = {"audiences": [audience]} if audience else {}
    url = "/api/v1/namespaces/default/serviceaccounts/default/token"
    return str(api.create(url, {"spec": spec})["status"]["token"])


def _reviewed(api: ApiClient, token: str, *audiences: str) -> JSON:
    status: JSON = api.create(TOKENS, {"spec": {"token": token, "audiences": list(audiences)}})["status"]
    return status


def test_the_administrators_own_token_is_his(secured: ApiClient) -> None:
    status = _reviewed(secured, secured.token)

    assert (status["authenticated"], status["user"]["username"]) == (True, "sparkanywhere-admin")
    assert status["audiences"] == [ISSUER]


@pytest.mark.parametrize("asked", [[], [ISSUER], ["vault", ISSUER]])
def test_a_service_accounts_token_is_for_the_api(secured: ApiClient, asked: list[str]) -> None:
    status = _reviewed(secured, _token(secured), *asked)

    assert (status["authenticated"], status["audiences"]) == (True, [ISSUER])
    user = status["user"]
    assert user["username"] == "system:serviceaccount:default:default"
    assert user["extra"]["authentication.kubernetes.io/credential-id"][0].startswith("JTI=")


def test_a_token_for_another_audience_is_reviewed_for_that_one(secured: ApiClient) -> None:
    status = _reviewed(secured, _token(secured, "vault"), "other", "vault")

    assert (status["authenticated"], status["audiences"]) == (True, ["vault"])


@pytest.mark.parametrize(
    ("audience", "asked", "why"),
    [
        ("", ["vault"], f'token audiences ["{ISSUER}"] is invalid for the target audiences ["vault"]'),
        ("vault", [], f'token audiences ["vault"] is invalid for the target audiences ["{ISSUER}"]'),
        ("vault", ["a", "b"], 'token audiences ["vault"] is invalid for the target audiences ["a" "b"]'),
    ],
)
def test_a_token_for_a_foreign_audience_stands_for_nobody(
    secured: ApiClient, audience: str, asked: list[str], why: str
) -> None:
    status = _reviewed(secured, _token(secured, audience), *asked)

    assert status == {"user": {}, "error": f"[invalid bearer token, {why}]"}


@pytest.mark.parametrize("token", ["wrong", "a.b.c"])
def test_a_token_of_no_kind_stands_for_nobody(secured: ApiClient, token: str) -> None:
    assert _reviewed(secured, token) == {"user": {}, "error": "invalid bearer token"}


def test_the_administrators_token_is_for_no_foreign_audience(secured: ApiClient) -> None:
    assert _reviewed(secured, secured.token, "vault") == {"user": {}, "error": "invalid bearer token"}


def test_a_token_of_an_account_that_is_gone_has_been_invalidated(secured: ApiClient) -> None:
    token = _token(secured)
    secured.request("DELETE", "/api/v1/namespaces/default/serviceaccounts/default")

    why = "service account token has been invalidated"
    assert _reviewed(secured, token) == {"user": {}, "error": f"[invalid bearer token, {why}]"}


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
