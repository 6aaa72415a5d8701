"""The table finds the row of every request, and says why there is none."""

from __future__ import annotations

import pytest

from chalicelib.endpoints.http.requests import MAX_DEPTH, ROUTES, Match, Router, chalice_paths, split_path

CASES = [
    ("GET", "/api/v1/pods", "list", {"version": "v1", "resource": "pods"}),
    (
        "GET",
        "/api/v1/namespaces/a/pods/b/log",
        "get",
        {"version": "v1", "namespace": "a", "resource": "pods", "name": "b", "subresource": "log"},
    ),
    ("GET", "/api/v1/namespaces/a", "get", {"version": "v1", "resource": "namespaces", "name": "a"}),
    (
        "PUT",
        "/api/v1/namespaces/a/status",
        "update",
        {"version": "v1", "resource": "namespaces", "name": "a", "subresource": "status"},
    ),
    (
        "PATCH",
        "/apis/networking.k8s.io/v1/namespaces/a/networkpolicies/b",
        "patch",
        {"group": "networking.k8s.io", "version": "v1", "namespace": "a", "resource": "networkpolicies", "name": "b"},
    ),
    ("DELETE", "/api/v1/namespaces/a/pods", "deletecollection", {"resource": "pods", "namespace": "a"}),
    ("GET", "/openapi/v3/apis/apps/v1", "openapi-v3-group", {"group": "apps", "version": "v1"}),
    ("GET", "/version", "version", {}),
    ("GET", "/", "paths", {}),
]


@pytest.mark.parametrize(("method", "path", "verb", "values"), CASES)
def test_a_path_finds_its_row(method: str, path: str, verb: str, values: dict[str, str]) -> None:
    found = Router().find(method, split_path(path))

    assert isinstance(found, Match)
    assert found.route.verb == verb
    assert values.items() <= found.values.items()


@pytest.mark.parametrize(
    ("method", "path", "why"),
    [
        ("POST", "/api/v1/namespaces/a/pods/b", "method"),
        ("HEAD", "/api/v1/namespaces/a/pods/b", "method"),
        ("GET", "/nope", "path"),
        ("GET", "/api/v1/namespaces/a/pods/b/log/c", "path"),
    ],
)
def test_a_request_without_a_row_says_what_is_wrong(method: str, path: str, why: str) -> None:
    assert Router().find(method, split_path(path)) == why


def test_every_row_is_found_by_its_own_path() -> None:
    router = Router()

    for route in ROUTES:
        found = router.find(route.method, split_path(route.path))
        assert isinstance(found, Match)
        assert found.route.verb == route.verb, route


def test_chalice_lets_every_depth_through() -> None:
    paths = chalice_paths()

    assert len(paths) == MAX_DEPTH + 1
    assert max(route.path.count("/") for route in ROUTES) < MAX_DEPTH


def test_a_path_is_decoded_before_it_is_split() -> None:
    assert split_path("/api/v1/a%2Fb/%3A") == ["api", "v1", "a", "b", ":"]
