"""Staged files over HTTP: who may, in pieces, and fetched by a token in the URL."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.apimachinery.types import JSON
from sparkanywhere.jobs.job_files import STAGED_ANNOTATION
from tests.api_client import ApiClient, control_plane, pod

ADMIN, VIEWER, EDITOR = "admin-token", "viewer-token", "editor-token"
PODS = "/api/v1/namespaces/mine/pods"
FILES = "/sparkanywhere/v1/namespaces/mine/files"
CONTENT = b"\x00\xff" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
ASKED = {"sha256": SHA256, "size": len(CONTENT)}


def _binding(role: str, user: str) -> JSON:
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}
    return {"metadata": {"name": user}, "roleRef": reference, "subjects": [subject]}


@pytest.fixture
def api(tmp_path: Path) -> Iterator[ApiClient]:
    tokens = tmp_path / "tokens.csv"
    tokens.write_text(f"{VIEWER},viewer,1\n{EDITOR},editor,2\n")
    plane = control_plane(tmp_path / "plane", token=ADMIN, token_file=str(tokens))
    client = ApiClient(plane, ADMIN)
    client.create("/api/v1/namespaces", {"metadata": {"name": "mine"}})
    for role, user in (("view", "viewer"), ("edit", "editor")):
        client.create("/apis/rbac.authorization.k8s.io/v1/namespaces/mine/rolebindings", _binding(role, user))
    yield client
    plane.close()


def test_a_file_goes_in_by_pieces_and_out_by_the_url_that_was_told(api: ApiClient) -> None:
    told = api.request("POST", FILES, {**ASKED, "neededBy": "pods/driver"}, token=EDITOR).body["status"]
    assert (told["present"], told["upload"]) == (False, {"url": "", "headers": {}, "offset": 0})
    for offset in (0, 1500):
        piece = CONTENT[offset : offset + 1500]
        api.request("PUT", f"{FILES}/{SHA256}?offset={offset}", piece, token=EDITOR)

    assert api.request("POST", FILES, ASKED, token=EDITOR).body["status"]["present"]
    url = told["fetchURL"].removeprefix("http://127.0.0.1:1")
    too_early = api.request("GET", url, token="")
    api.create(f"{PODS}", pod("driver", annotations={STAGED_ANNOTATION: SHA256}))
    fetched = api.request("GET", url, token="")
    api.request("DELETE", f"{PODS}/driver?gracePeriodSeconds=0")
    too_late = api.request("GET", url, token="")

    assert (fetched.status, fetched.raw) == (200, CONTENT)
    assert (too_early.status, too_late.status) == (401, 401)


@pytest.mark.parametrize(("token", "code"), [(ADMIN, 200), (EDITOR, 200), (VIEWER, 403), ("", 403), ("x", 401)])
def test_who_may_create_pods_may_stage_files(api: ApiClient, token: str, code: int) -> None:
    assert api.request("POST", FILES, ASKED, token=token).status == code


def test_an_editor_stages_nothing_elsewhere(api: ApiClient) -> None:
    answer = api.request("POST", FILES.replace("mine", "default"), ASKED, token=EDITOR)

    assert (answer.status, answer.reason) == (403, "Forbidden")


@pytest.mark.parametrize("token", ["", "?token=x", "?token=" + ADMIN])
def test_nobody_fetches_without_its_token(api: ApiClient, token: str) -> None:
    assert api.request("GET", f"{FILES}/{SHA256}{token}").status == 401


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({}, "sha256 and size"),
        ([1], "sha256 and size"),
        ({"sha256": SHA256, "size": "7"}, "size a whole number"),
        ({"sha256": SHA256, "size": True}, "size a whole number"),
        ({"sha256": "a", "size": 1}, "64 hexadecimal digits"),
        (b"{", "sha256 and size"),
    ],
)
def test_a_bad_request_for_a_ticket_is_said_so(api: ApiClient, body: object, sentence: str) -> None:
    answer = api.request("POST", FILES, body)

    assert answer.status == 400
    assert sentence in answer.body["message"]


@pytest.mark.parametrize(
    ("url", "code", "sentence"),
    [
        ("s3://bucket/key", 403, "SPARKANYWHERE_JOB_BUCKETS names no bucket"),
        ("https://x/y", 400, "s3://bucket/key"),
        (7, 400, "s3://bucket/key"),
    ],
)
def test_no_object_is_signed_for_that_nobody_has_named(api: ApiClient, url: object, code: int, sentence: str) -> None:
    answer = api.request("POST", FILES, {"url": url}, token=EDITOR)

    assert answer.status == code
    assert sentence in answer.body["message"]


def test_a_wrong_checksum_and_a_wrong_offset_have_codes_of_their_own(api: ApiClient) -> None:
    api.request("POST", FILES, ASKED)

    assert api.request("PUT", f"{FILES}/{SHA256}?offset=7", CONTENT).status == 409
    assert api.request("PUT", f"{FILES}/{SHA256}?offset=x", CONTENT).status == 400
    assert api.request("PUT", f"{FILES}/{SHA256}?offset=0", CONTENT[::-1]).status == 422
    assert api.request("PUT", f"{FILES}/{SHA256}", b"x" * 3_200_000).status == 413
