"""Who may do what, through the whole API: every route by every kind of caller, acting as others, and granting."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.runtime.tokens import TokenClaims
from chalicelib.endpoints.auth.reviews import REVIEWS
from chalicelib.endpoints.http.requests import ROUTES, Route
from tests.api_client import ApiClient, control_plane

ADMIN, VIEWER, STRANGER, MANAGER = "admin-token", "viewer-token", "stranger-token", "manager-token"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
ROLES, BINDINGS = f"{RBAC}/namespaces/mine/roles", f"{RBAC}/namespaces/mine/rolebindings"
PUBLIC = ("/version", "/healthz", "/livez", "/readyz")
READING = ("get", "list", "watch")


def _binding(role: str, user: str, kind: str = "ClusterRole") -> JSON:
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role}
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}
    return {"metadata": {"name": f"{user}-{role}"}, "roleRef": reference, "subjects": [subject]}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiClient]:
    """Return a client of an API with a viewer and a manager of namespace `mine`, and a driver in it."""
    folder: Path = tmp_path_factory.mktemp("plane")
    tokens = folder / "tokens.csv"
    tokens.write_text(f"{VIEWER},viewer,1\n{STRANGER},stranger,2\n{MANAGER},manager,3\n")
    plane = control_plane(folder, token=ADMIN, token_file=str(tokens), user_requests_per_second=0)
    client = ApiClient(plane, ADMIN)
    for name in ("mine", "other"):
        client.create("/api/v1/namespaces", {"metadata": {"name": name}})
    client.create(BINDINGS, _binding("view", "viewer"))
    client.create(BINDINGS, _binding("admin", "manager"))
    yield client
    plane.close()


@pytest.fixture(scope="module")
def driver(api: ApiClient) -> str:
    """Return the token of a Spark driver in namespace `mine`, bound to its pod."""
    spec = {"containers": [{"name": "c", "image": "i"}]}
    body = {"metadata": {"name": "driver", "labels": {"spark-role": "driver"}}, "spec": spec}
    pod = api.create("/api/v1/namespaces/mine/pods", body)
    account = {"metadata": {"name": "spark"}}
    made = api.create("/api/v1/namespaces/mine/serviceaccounts", account)
    claims = TokenClaims("mine", "spark", made["metadata"]["uid"], "driver", pod["metadata"]["uid"])
    return api.plane.base.issuer.issue(claims, seconds=3600).token


def _resource_routes() -> list[Route]:
    return [route for route in ROUTES if "{resource}" in route.path]


def _url(route: Route, *, namespace: str, resource: str = "pods") -> str:
    given = {"version": "v1", "group": "apps", "namespace": namespace, "resource": resource}
    given |= {"name": "no-such", "subresource": "status"}
    if "{group}" in route.path:
        given["resource"] = "statefulsets"
    return re.sub(r"\{(\w+)\}", lambda found: given[found[1]], route.path)


def _forbidden(api: ApiClient, route: Route, namespace: str, token: str) -> bool:
    answer = api.request(route.method, _url(route, namespace=namespace), token=token)
    assert answer.status != 401
    assert answer.status < 500
    return answer.status == 403


def test_no_route_lets_a_bad_token_in(api: ApiClient) -> None:
    for route in ROUTES:
        url = re.sub(r"\{\w+\}", "x", route.path)
        answer = api.request(route.method, url, token="nobody-knows-this")

        assert (answer.status, answer.reason) in [(401, "Unauthorized"), (404, "NotFound")], route
        assert answer.status == 401 or route.verb in ("payload", "wait"), route


def test_who_brings_no_token_sees_health_and_version_alone(api: ApiClient) -> None:
    for route in ROUTES:
        if route.verb in ("payload", "wait", "fetch-file"):  # these ask for tokens of their own
            continue
        url = re.sub(r"\{\w+\}", "x", route.path)
        anonymous = ApiClient(api.plane)

        answer = anonymous.request(route.method, url)

        is_public = route.method == "GET" and route.path in PUBLIC
        assert answer.status == (200 if is_public else 403), route


def test_the_administrator_is_never_forbidden(api: ApiClient) -> None:
    for route in _resource_routes():
        if route.method != "DELETE":
            assert not _forbidden(api, route, "other", ADMIN), route


def test_a_viewer_reads_his_namespace_and_writes_nowhere(api: ApiClient) -> None:
    for route in _resource_routes():
        may = "{namespace}" in route.path and route.verb in READING

        assert _forbidden(api, route, "mine", VIEWER) != may, route
        assert _forbidden(api, route, "other", VIEWER), route


def test_a_stranger_may_nothing(api: ApiClient) -> None:
    for route in _resource_routes():
        assert _forbidden(api, route, "mine", STRANGER), route


def test_a_driver_has_its_namespace_and_no_other(api: ApiClient, driver: str) -> None:
    pods = "/api/v1/namespaces/{}/pods"

    assert api.request("GET", pods.format("mine"), token=driver).status == 200
    assert api.request("GET", pods.format("other"), token=driver).status == 403
    assert api.request("GET", "/api/v1/pods", token=driver).status == 403
    assert api.request("GET", "/api/v1/namespaces/mine/secrets", token=driver).status == 403
    for route in _resource_routes():
        assert _forbidden(api, route, "other", driver), route


def test_a_driver_token_dies_with_its_pod(api: ApiClient) -> None:
    spec = {"containers": [{"name": "c", "image": "i"}]}
    pod = api.create("/api/v1/namespaces/mine/pods", {"metadata": {"name": "short"}, "spec": spec})
    made = api.create("/api/v1/namespaces/mine/serviceaccounts", {"metadata": {"name": "short"}})
    claims = TokenClaims("mine", "short", made["metadata"]["uid"], "short", pod["metadata"]["uid"])
    token = api.plane.base.issuer.issue(claims, seconds=3600).token
    assert api.request("GET", "/api", token=token).status == 200

    api.request("DELETE", "/api/v1/namespaces/mine/pods/short")

    assert api.request("GET", "/api", token=token).status == 401


@pytest.mark.parametrize("group", sorted({row.group for row in REVIEWS}))
def test_reviews_of_others_are_for_who_may(api: ApiClient, group: str) -> None:
    for review in REVIEWS:
        if review.group != group:
            continue
        place = "/namespaces/mine" if review.is_namespaced else ""
        answer = api.request("POST", f"/apis/{group}/v1{place}/{review.resource}", {}, token=STRANGER)

        assert (answer.status == 403) == (not review.resource.startswith("self")), review


# -- acting as others ----------------------------------------------------------------------------


def test_who_acts_as_another_has_the_rights_of_that_other(api: ApiClient) -> None:
    url = "/api/v1/namespaces/mine/pods"

    assert api.request("GET", url, headers={"Impersonate-User": "viewer"}).status == 200
    assert api.request("GET", url, headers={"Impersonate-User": "stranger"}).status == 403
    answer = api.request(
        "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {}, headers={"Impersonate-User": "viewer"}
    )
    assert answer.body["status"]["userInfo"]["username"] == "viewer"


@pytest.mark.parametrize(
    ("headers", "what"),
    [
        ({"Impersonate-User": "sparkanywhere-admin"}, 'users "sparkanywhere-admin"'),
        ({"Impersonate-User": "viewer", "Impersonate-Group": "system:masters"}, 'users "viewer"'),
        ({"Impersonate-User": "system:serviceaccount:other:spark"}, 'serviceaccounts "spark"'),
    ],
)
def test_who_may_not_act_as_another_is_forbidden(api: ApiClient, headers: dict[str, str], what: str) -> None:
    answer = api.request("GET", "/api/v1/namespaces/mine/pods", token=VIEWER, headers=headers)

    assert (answer.status, answer.reason) == (403, "Forbidden")
    assert f'{what} is forbidden: User "viewer" cannot impersonate resource' in answer.body["message"]


def test_acting_without_a_name_is_no_way_to_the_callers_rights(api: ApiClient) -> None:
    answer = api.request("GET", "/api/v1/namespaces/mine/pods", headers={"Impersonate-Group": "system:masters"})

    assert answer.status == 400


# -- granting ------------------------------------------------------------------------------------


def test_nobody_grants_by_a_role_what_he_does_not_hold(api: ApiClient) -> None:
    held = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}
    more = {"apiGroups": [""], "resources": ["nodes"], "verbs": ["delete"]}

    fine = api.request("POST", ROLES, {"metadata": {"name": "fine"}, "rules": [held]}, token=MANAGER)
    refused = api.request("POST", ROLES, {"metadata": {"name": "more"}, "rules": [held, more]}, token=MANAGER)
    changed = api.request("PUT", f"{ROLES}/fine", {"metadata": {"name": "fine"}, "rules": [more]}, token=MANAGER)

    assert fine.status == 201
    for answer in (refused, changed):
        assert (answer.status, answer.reason) == (403, "Forbidden")
        assert "is attempting to grant RBAC permissions not currently held:" in answer.body["message"]
        assert '{APIGroups:[""], Resources:["nodes"], Verbs:["delete"]}' in answer.body["message"]


def test_nobody_binds_a_role_that_has_more_than_he(api: ApiClient) -> None:
    fine = api.request("POST", BINDINGS, _binding("view", "friend"), token=MANAGER)
    refused = api.request("POST", BINDINGS, _binding("cluster-admin", "manager"), token=MANAGER)

    assert fine.status == 201
    assert (refused.status, refused.reason) == (403, "Forbidden")


def test_nobody_binds_a_role_that_is_not_there(api: ApiClient) -> None:
    answer = api.request("POST", BINDINGS, _binding("tomorrow", "manager"), token=MANAGER)

    assert (answer.status, answer.reason) == (404, "NotFound")


def test_only_who_has_everything_makes_a_role_of_whatever_others_label(api: ApiClient) -> None:
    api.create(
        f"{RBAC}/clusterroles",
        {
            "metadata": {"name": "role-maker"},
            "rules": [{"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["*"], "verbs": ["create"]}],
        },
    )
    api.create(f"{RBAC}/clusterrolebindings", _binding("role-maker", "stranger"))
    rule = {"clusterRoleSelectors": [{"matchLabels": {"grow": "yes"}}]}
    body = {"metadata": {"name": "growing"}, "aggregationRule": rule}

    refused = api.request("POST", f"{RBAC}/clusterroles", body, token=STRANGER)
    by_admin = api.request("POST", f"{RBAC}/clusterroles", body)

    assert (refused.status, refused.reason) == (403, "Forbidden")
    assert refused.body["message"].endswith("must have cluster-admin privileges to use the aggregationRule")
    assert by_admin.status == 201


def _allow(api: ApiClient, user: str, verbs: list[str], resources: list[str]) -> None:
    """Let a user have these verbs in namespace `other`, and nothing else there."""
    rules = [{"apiGroups": [""], "resources": resources, "verbs": verbs}]
    name = "-".join(verbs)
    at = f"{RBAC}/namespaces/other"
    api.create(f"{at}/roles", {"metadata": {"name": name}, "rules": rules})
    api.create(f"{at}/rolebindings", _binding(name, user, "Role"))


def test_an_apply_that_creates_needs_create(api: ApiClient) -> None:
    _allow(api, "viewer", ["get", "patch", "update"], ["configmaps", "pods/exec"])
    url = "/api/v1/namespaces/other/configmaps/applied?fieldManager=me"
    body = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: applied}\ndata: {a: b}"
    apply = "application/apply-patch+yaml"

    refused = api.request("PATCH", url, body, content_type=apply, token=VIEWER)
    missing = api.request("GET", url)
    by_admin = api.request("PATCH", url, body, content_type=apply)
    changed = api.request("PATCH", url, body.replace(b"b}", b"b, c: d}"), content_type=apply, token=VIEWER)

    assert (refused.status, refused.reason) == (403, "Forbidden")
    assert "cannot create resource" in refused.body["message"]
    assert missing.status == 404
    assert by_admin.status == 201
    assert changed.status in (200, 409)  # allowed; another manager's field may be in the way


@pytest.mark.parametrize("verb", ["exec", "attach", "portforward"])
def test_a_websocket_needs_create_beside_get(api: ApiClient, verb: str) -> None:
    url = f"/api/v1/namespaces/mine/pods/p/{verb}"
    api.request(
        "POST",
        f"{RBAC}/namespaces/mine/roles",
        {
            "metadata": {"name": f"see-{verb}"},
            "rules": [{"apiGroups": [""], "resources": [f"pods/{verb}"], "verbs": ["get"]}],
        },
    )
    api.create(f"{RBAC}/namespaces/mine/rolebindings", _binding(f"see-{verb}", "viewer", "Role"))

    answer = api.request("GET", url, token=VIEWER, headers={"Upgrade": "websocket"})

    assert answer.status == 403
    assert f'cannot create resource "pods/{verb}"' in answer.body["message"]
