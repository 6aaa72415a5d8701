"""Warning headers: one per sentence, whoever adds them."""

from __future__ import annotations

import pytest
from chalice.app import Response

from chalicelib.endpoints.http.responses import MOST_WARNINGS, warning_value, with_warnings
from chalicelib.registry.options import WriteOptions
from tests.api_client import ApiClient
from tests.memory_storage import MemoryStorage
from tests.unit.controllers.world import World


def test_warnings_of_two_sources_are_all_sent() -> None:
    response = with_warnings(Response(body=""), ["a"])

    with_warnings(response, ['b "c"'])

    assert response.headers["Warning"] == ['299 - "a"', '299 - "b \\"c\\""']


def test_no_warning_is_no_header() -> None:
    assert "Warning" not in with_warnings(Response(body=""), []).headers


@pytest.mark.parametrize("launches", [True, False])
def test_a_network_policy_is_said_not_to_be_enforced(launches: bool) -> None:
    w = World(MemoryStorage(), launches=launches)
    registry = w.registries[("networking.k8s.io", "networkpolicies")]
    policy = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "deny"},
        "spec": {"podSelector": {}},
    }

    warnings = registry.create("ns", policy, WriteOptions()).warnings

    said = "spec: stored and not enforced by provider fake: pods are reached as without it"
    assert warnings == ([said] if launches else [])


MISSPELT = {"metadata": {"name": "a", "annotations": {"sparkanywhere.io/aplication": "x"}}}
APPLIED = {"apiVersion": "v1", "kind": "ConfigMap", **MISSPELT}


@pytest.mark.parametrize(
    ("method", "content_type", "query"),
    [
        ("PATCH", "application/merge-patch+json", {}),
        ("PATCH", "application/strategic-merge-patch+json", {"dryRun": "All"}),
        ("PATCH", "application/apply-patch+yaml", {"fieldManager": "kubectl"}),
        ("PUT", "application/json", {}),
    ],
)
def test_a_misspelt_annotation_of_ours_is_told_whichever_write_brings_it(
    method: str, content_type: str, query: dict[str, str]
) -> None:
    api = ApiClient(World(MemoryStorage()).plane)
    api.create("/api/v1/namespaces/ns/configmaps", {"metadata": {"name": "a"}})

    answers = [
        api.request(method, "/api/v1/namespaces/ns/configmaps/a", APPLIED, content_type=content_type, query=query)
        for _ in range(2)
    ]

    said = "means nothing on configmaps: did you mean sparkanywhere.io/application?"
    assert [answer.status for answer in answers] == [200, 200]
    for answer in answers:
        assert answer.headers["warning"] == f'299 - "metadata.annotations[sparkanywhere.io/aplication]: {said}"'


def test_a_write_of_a_status_says_nothing_of_annotations() -> None:
    api = ApiClient(World(MemoryStorage()).plane)
    api.create("/api/v1/namespaces/ns/pods", {**MISSPELT, "spec": {"containers": [{"name": "c", "image": "i"}]}})

    answer = api.request(
        "PATCH",
        "/api/v1/namespaces/ns/pods/a/status",
        {"status": {"message": "m"}},
        content_type="application/merge-patch+json",
    )

    assert (answer.status, answer.headers.get("warning")) == (200, None)


@pytest.mark.parametrize(
    ("texts", "count", "longest"),
    [
        ([f"{number}" for number in range(100, 250)], MOST_WARNINGS, 3),
        (["a" * 4096], 1, 4096),
        (["a" * 4097], 1, 256),
        ([f"{number:0300}" for number in range(12)], 12, 300),
        ([str(number) + "a" * 300 for number in range(100, 250)], 16, 256),
    ],
)
def test_warnings_are_cut_as_clients_can_read_them(texts: list[str], count: int, longest: int) -> None:
    values = with_warnings(Response(body=""), texts).headers["Warning"]
    values = [values] if isinstance(values, str) else values

    assert len(values) == count
    assert max(len(each) for each in values) == longest + len(warning_value(""))
