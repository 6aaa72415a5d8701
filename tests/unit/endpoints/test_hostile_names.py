"""Names that would lead elsewhere as a path or a key: down every route, and as the name of every kind."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from chalicelib.controllers.runtime.tokens import TokenClaims
from chalicelib.endpoints.http.requests import ROUTES, Route
from tests.api_client import ApiClient, control_plane

SECRET = "the administrator's token"
ADMIN = "admin-token"
ORDINARY = {
    "version": "v1",
    "group": "apps",
    "namespace": "default",
    "resource": "pods",
    "name": "a",
    "subresource": "log",
    "uid": "u",
}
HOSTILE = (
    "..",
    ".",
    "../..",
    "../../secret.txt",
    "/etc/passwd",
    "a/../../../secret.txt",
    "a\0b",
    "%2e%2e",
    "%",
    "a" * 5000,
    "\N{GRINNING FACE}" * 200,
)
# RBAC takes any segment of a path for a name (k8s.io/apimachinery/pkg/api/validation/path); these lead nowhere.
ODD = ("a" * 300, "\udcff", "-", "a\nb")


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiClient]:
    """Return an API whose folder holds a file that no request may bring out."""
    state = tmp_path_factory.mktemp("plane")
    (state / "secret.txt").write_text(SECRET)
    plane = control_plane(state, token=ADMIN)
    yield ApiClient(plane, ADMIN)
    plane.close()


def _urls(route: Route, name: str) -> Iterator[str]:
    """Yield the route's path with `name` in each of its variables in turn; what climbs, encoded in three ways."""
    once = quote(name, safe="", errors="surrogateescape")
    ways = {once, quote(once, safe=""), once.replace(".", "%2E")} if ".." in name else {once}
    for variable in re.findall(r"{(\w+)}", route.path):
        for encoded in sorted(ways):
            yield route.path.format_map({**ORDINARY, variable: encoded})


@pytest.mark.parametrize("name", [*HOSTILE, *ODD], ids=lambda name: ascii(name[:20]))
def test_no_route_takes_a_name_for_a_path(api: ApiClient, name: str) -> None:
    for route in ROUTES:
        for url in _urls(route, name):
            answer = api.request(route.method, url, {} if route.method in ("POST", "PUT", "PATCH") else None)

            assert answer.status < 500, (route.method, url, answer.body)
            assert SECRET not in str(answer.body), (route.method, url)


@pytest.mark.parametrize("name", [*HOSTILE, *ODD, "..%2f.."], ids=lambda name: ascii(name[:20]))
def test_no_kind_takes_a_name_for_a_path(api: ApiClient, name: str) -> None:
    for registry in api.plane.stored.registries.values():
        strategy = registry.strategy
        if "create" not in strategy.verbs:
            continue
        base = f"/apis/{strategy.group}/{strategy.version}" if strategy.group else f"/api/{strategy.version}"
        scope = "/namespaces/default" if strategy.namespaced else ""
        body = {"metadata": {"name": name}}

        answer = api.request("POST", f"{base}{scope}/{strategy.resource}", body)

        is_taken = answer.status == 201 and strategy.group == "rbac.authorization.k8s.io" and name in ODD
        assert is_taken or 400 <= answer.status < 500, (strategy.resource, answer.body)


@pytest.mark.parametrize("name", [*HOSTILE, *ODD], ids=lambda name: ascii(name[:20]))
def test_a_name_in_a_pod_that_would_lead_out_of_it_is_refused(api: ApiClient, name: str) -> None:
    pods = "/api/v1/namespaces/default/pods"
    container = {"name": "main", "image": "i"}
    volume = {"name": "v", "emptyDir": {}}
    for spec in (
        {"containers": [{**container, "name": name}]},
        {"containers": [container], "volumes": [{**volume, "name": name}]},
    ):
        body = {"metadata": {"generateName": "p-"}, "spec": spec}

        assert 400 <= api.request("POST", pods, body).status < 500, spec


def test_an_encoded_slash_separates_as_any_other(api: ApiClient) -> None:
    answer = api.request("GET", "/api/v1/namespaces/default%2Fconfigmaps")

    assert answer.body["kind"] == "ConfigMapList"


AUDIENCE = "sparkanywhere-file/default/../../secret.txt"


def test_no_client_gets_a_token_for_an_audience_of_ours(api: ApiClient) -> None:
    api.request("POST", "/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "default"}})
    request = {"spec": {"audiences": ["vault", AUDIENCE]}}
    answer = api.request("POST", "/api/v1/namespaces/default/serviceaccounts/default/token", request)

    assert answer.status == 422
    assert "spec.audiences[1]" in answer.body["message"]

    source = {"serviceAccountToken": {"path": "t", "audience": AUDIENCE}}
    spec = {
        "containers": [{"name": "main", "image": "i"}],
        "volumes": [{"name": "v", "projected": {"sources": [source]}}],
    }
    answer = api.request("POST", "/api/v1/namespaces/default/pods", {"metadata": {"name": "p"}, "spec": spec})

    assert answer.status == 422
    assert "serviceAccountToken.audience" in answer.body["message"]


def test_a_service_account_token_opens_no_file_and_no_payload_whatever_its_audience(api: ApiClient) -> None:
    sha256 = "0" * 64
    for path, audience in (("..%2F..%2Fsecret.txt", AUDIENCE), (sha256, f"sparkanywhere-file/default/{sha256}")):
        issued = api.plane.base.issuer.issue(TokenClaims("default", "default"), seconds=600, audiences=[audience])
        url = f"/sparkanywhere/v1/namespaces/default/files/{path}?token={issued.token}"

        answer = api.request("GET", url, token="")

        assert answer.status in (401, 404)
        assert SECRET not in str(answer.body)
