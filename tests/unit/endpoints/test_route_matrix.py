"""Every route by every kind of caller: none is answered more than RBAC says, and none with an error of ours.

The cells come from the table of routes and the catalogue of kinds. What is expected of all of them comes from Rbac;
that Rbac is right about the callers, a table by hand says for some.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest

from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.runtime.tokens import POD_GROUP, TokenClaims, TokenIssuer
from chalicelib.endpoints.auth.callers import ADMIN, ANONYMOUS
from chalicelib.endpoints.auth.rbac import CONNECTING, Attributes, Rbac
from chalicelib.endpoints.auth.reviews import REVIEWS
from chalicelib.endpoints.http.requests import AUTHENTICATED, FETCH, ROUTES, SEND, STAGE, Route, User
from chalicelib.registry.parts import new_uid, utc_now
from chalicelib.resources.catalogue import ALL
from tests.api_client import ApiClient, control_plane
from tests.unit.endpoints.matrix_objects import MARK, RBAC, SPEC, aggregate, bind, binding, furnish

ADMIN_TOKEN, VIEWER, OTHER, IMPERSONATOR = "admin-token", "viewer-token", "other-token", "impersonator-token"
NAMESPACES = ("mine", "other")
# Kinds that stand for all in the subresources: the rest differs in name only.
WIDGET = ("example.org", "widgets", True, ("status",))


@dataclass(frozen=True)
class Cell:
    """One request, and what it asks of RBAC."""

    route: Route
    url: str
    asked: tuple[Attributes, ...]


@dataclass(frozen=True)
class Caller:
    """Who asks: the token and headers of the request, and the user that RBAC sees."""

    user: User
    token: str = ""
    headers: dict[str, str] = field(default_factory=dict)


def _kinds() -> Iterator[tuple[str, str, bool, tuple[str, ...]]]:
    """Yield group, resource, whether it is in namespaces, and subresources of every kind."""
    for kind in ALL:
        yield kind.group, kind.resource, kind.namespaced, tuple(kind.all_subresources)
    for review in REVIEWS:
        yield review.group, review.resource, review.is_namespaced, ()
    yield WIDGET


def _cells(route: Route) -> Iterator[Cell]:
    if "{resource}" in route.path:
        is_core = "{group}" not in route.path
        for group, resource, is_namespaced, subresources in _kinds():
            if is_core == (group == ""):
                for sub in subresources if "{subresource}" in route.path else ("",):
                    for namespace in NAMESPACES if "{namespace}" in route.path else ("",):
                        if is_namespaced or namespace in ("", "mine"):
                            yield from _resource_cells(route, group, f"{resource}/{sub}".rstrip("/"), namespace)
        return
    for namespace in NAMESPACES if "{namespace}" in route.path else ("",):
        values = {
            "{namespace}": namespace,
            "{name}": "no-such",
            "{uid}": "no-such",
            "{group}": "apps",
            "{version}": "v1",
        }
        url = route.path
        for name, value in values.items():
            url = url.replace(name, value)
        is_upload = route.verb in (STAGE, SEND)
        asked = Attributes("create", "", "pods", namespace) if is_upload else Attributes(route.method.lower(), path=url)
        yield Cell(route, url, (asked,))


def _resource_cells(route: Route, group: str, resource: str, namespace: str) -> Iterator[Cell]:
    kind, _, sub = resource.partition("/")
    name = ("marked" if route.method == "GET" else "no-such") if "{name}" in route.path else ""
    values = {"group": group, "version": "v1", "namespace": namespace, "resource": kind, "name": name}
    url = route.path.format(**values, subresource=sub)
    verb = route.verb
    asked = Attributes(verb, group, resource, name if kind == "namespaces" and name else namespace, name)
    needed = [asked] if resource not in CONNECTING or verb != "get" else [asked, replace(asked, verb="create")]
    yield Cell(route, url + ("" if route.method == "GET" else "?dryRun=All"), tuple(needed))
    if verb == "list":  # a watch that ends at once, for who may have it: by its selector
        yield Cell(route, f"{url}?watch=1&fieldSelector=no.such=field", (replace(asked, verb="watch"),))


CELLS = [cell for route in ROUTES for cell in _cells(route)]


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiClient]:
    """Return a client of an API with callers of all kinds, and something to see of many kinds."""
    folder: Path = tmp_path_factory.mktemp("plane")
    tokens = folder / "tokens.csv"
    tokens.write_text(f"{VIEWER},viewer,1\n{OTHER},other,2\n{IMPERSONATOR},impersonator,3\n")
    plane = control_plane(
        folder, token=ADMIN_TOKEN, token_file=str(tokens), user_requests_per_second=0, watch="streamed"
    )
    client = ApiClient(plane, ADMIN_TOKEN)
    for namespace in NAMESPACES:
        client.create("/api/v1/namespaces", {"metadata": {"name": namespace}})
        furnish(client, namespace)
    bind(client, "mine", "view", {"kind": "User", "name": "viewer"})
    bind(client, "other", "admin", {"kind": "User", "name": "other"})
    bind(client, "mine", "edit", {"kind": "ServiceAccount", "name": "worker", "namespace": "mine"})
    rule = {"apiGroups": [""], "resources": ["users"], "verbs": ["impersonate"], "resourceNames": ["viewer"]}
    client.create(f"{RBAC}/clusterroles", {"metadata": {"name": "impersonator"}, "rules": [rule]})
    client.create(f"{RBAC}/clusterrolebindings", binding("impersonator", {"kind": "User", "name": "impersonator"}))
    for kind in ("User", "Group"):  # a name like any other, which nobody here has
        star = binding("cluster-admin", {"kind": kind, "name": "*"})
        client.create(f"{RBAC}/clusterrolebindings", {**star, "metadata": {"name": f"star-{kind.lower()}"}})
    aggregate(client)
    yield client
    plane.close()


def _token(api: ApiClient, claims: TokenClaims, *, audience: str = "", ago: float = 0.0) -> str:
    issuer = api.plane.base.issuer
    if ago:
        issuer = TokenIssuer(api.plane.base.storage, clock=lambda: utc_now() - timedelta(seconds=ago), new_uid=new_uid)
    return issuer.issue(claims, seconds=3600, audiences=[audience] if audience else []).token


def _pods_claims(api: ApiClient, name: str, role: str) -> TokenClaims:
    body: JSON = {
        "metadata": {"generateName": f"{name}-", "labels": {"spark-role": role}},
        "spec": {**SPEC, "serviceAccountName": "spark"},
    }
    pod = api.create("/api/v1/namespaces/mine/pods", body)["metadata"]
    account = api.get("/api/v1/namespaces/mine/serviceaccounts/spark")["metadata"]["uid"]
    return TokenClaims("mine", "spark", account, pod["name"], pod["uid"])


def _account_user(name: str, pod_uid: str = "") -> User:
    groups = ("system:serviceaccounts", "system:serviceaccounts:mine", AUTHENTICATED)
    return User(f"system:serviceaccount:mine:{name}", groups + ((POD_GROUP + pod_uid,) if pod_uid else ()))


def _caller(api: ApiClient, kind: str) -> Caller:
    """Return a caller whom the API knows."""
    viewer = User("viewer", (AUTHENTICATED,))
    if kind in ("driver", "executor"):
        claims = _pods_claims(api, kind, kind)
        return Caller(_account_user("spark", claims.pod_uid), _token(api, claims))
    if kind == "service account":
        account = api.get("/api/v1/namespaces/mine/serviceaccounts/worker")["metadata"]["uid"]
        return Caller(_account_user("worker"), _token(api, TokenClaims("mine", "worker", account)))
    return {
        "none": Caller(ANONYMOUS),
        "other namespace": Caller(User("other", (AUTHENTICATED,)), OTHER),
        "viewer": Caller(viewer, VIEWER),
        "impersonator": Caller(viewer, IMPERSONATOR, {"Impersonate-User": "viewer"}),
        "impersonator by himself": Caller(User("impersonator", (AUTHENTICATED,)), IMPERSONATOR),
        "admin": Caller(ADMIN, ADMIN_TOKEN),
    }[kind]


def _ask(api: ApiClient, cell: Cell, caller: Caller) -> tuple[int, str]:
    how: dict[str, str] = {"content_type": "application/merge-patch+json"} if cell.route.method == "PATCH" else {}
    body: JSON | None = {} if cell.route.method in ("POST", "PUT", "PATCH") else None
    answer = api.request(cell.route.method, cell.url, body, token=caller.token, headers=caller.headers, **how)
    return answer.status, answer.raw.decode(errors="replace")


KNOWN = (
    "none",
    "service account",
    "driver",
    "executor",
    "other namespace",
    "viewer",
    "impersonator",
    "impersonator by himself",
    "admin",
)


@pytest.mark.parametrize("kind", KNOWN)
def test_no_route_answers_more_than_rbac_says(api: ApiClient, kind: str) -> None:
    caller = _caller(api, kind)
    rbac = Rbac(api.plane.base.storage)
    wrong = []
    for cell in CELLS:
        # The routes of payloads and files have tokens of their own, which nobody here has; `wait` needs none, and says
        # nothing of what no task has been started early for.
        has_own_tokens = cell.route.verb in ("payload", "wait", FETCH)
        grants = [None if has_own_tokens else rbac.grant(caller.user, asked) for asked in cell.asked]
        status, body = _ask(api, cell, caller)
        is_refused = status == 403 and '" cannot ' in body  # and not for what nobody may, as a system's PriorityClass
        if None in grants:
            is_right = (is_refused or (has_own_tokens and status in (401, 404))) and MARK not in body
        elif any(grants):  # for a pod's own objects, of which none is asked for here
            is_right = MARK not in body
        else:
            is_right = not is_refused
        if not is_right or status >= 500:
            wrong.append((cell.route.method, cell.url, status, grants))

    assert wrong == []


MINE, OTHERS = "/api/v1/namespaces/mine", "/api/v1/namespaces/other"
VIEWERS = {"viewer", "impersonator"}
BY_HAND: list[tuple[str, str, set[str]]] = [
    ("GET", "/version", set(KNOWN)),
    ("GET", "/api/v1", set(KNOWN) - {"none"}),
    ("GET", f"{MINE}/pods", {*VIEWERS, "service account", "driver", "admin"}),
    ("GET", f"{MINE}/pods/marked", {*VIEWERS, "service account", "admin"}),  # not the driver's own
    ("GET", f"{OTHERS}/pods", {"other namespace", "admin"}),
    ("GET", "/api/v1/pods", {"admin"}),
    ("POST", f"{MINE}/pods", {"service account", "driver", "admin"}),
    ("POST", f"{OTHERS}/pods", {"other namespace", "admin"}),
    ("GET", f"{MINE}/secrets/marked", {*VIEWERS, "service account", "admin"}),  # a viewer's by aggregation
    ("GET", f"{OTHERS}/secrets/marked", {"other namespace", "admin"}),
    ("POST", f"{MINE}/secrets", {"service account", "admin"}),
    ("GET", f"{RBAC}/namespaces/mine/rolebindings", {"admin"}),  # left out of the aggregation
    ("GET", f"{RBAC}/namespaces/other/rolebindings", {"other namespace", "admin"}),
    ("PATCH", f"{RBAC}/clusterroles/view", {"admin"}),
    ("POST", f"{RBAC}/clusterrolebindings", {"admin"}),
    ("GET", "/api/v1/nodes", {"admin"}),
    ("DELETE", "/api/v1/namespaces/no-such", {"admin"}),
]


@pytest.mark.parametrize("kind", KNOWN)
def test_each_caller_may_what_the_table_says(api: ApiClient, kind: str) -> None:
    caller = _caller(api, kind)

    wrong = []
    for method, path, allowed in BY_HAND:
        url = path if method == "GET" else f"{path}?dryRun=All"
        status, body = _ask(api, Cell(Route(method, path, ""), url, ()), caller)
        if (status == 403 and '" cannot ' in body) == (kind in allowed):
            wrong.append((method, path, status, body))

    assert wrong == []


@pytest.mark.parametrize("kind", ["bad", "expired", "of a foreign audience", "of a dead pod", "of a deleted account"])
def test_no_route_takes_a_token_that_is_not_good(api: ApiClient, kind: str) -> None:
    if kind == "bad":
        token = "nobody-knows-this"
    elif kind == "of a deleted account":
        token = _token(api, TokenClaims("mine", "worker", "uid-of-the-one-before"))
    else:
        claims = _pods_claims(api, "gone", "driver")
        ago = 7200.0 if kind == "expired" else 0.0
        token = _token(api, claims, audience="vault" if kind == "of a foreign audience" else "", ago=ago)
        if kind == "of a dead pod":
            api.request("DELETE", f"/api/v1/namespaces/mine/pods/{claims.pod_name}?gracePeriodSeconds=0")

    first_of_route = {cell.route: cell for cell in reversed(CELLS)}
    for cell in first_of_route.values():
        status, body = _ask(api, cell, Caller(ANONYMOUS, token))
        assert status == 401 or (cell.route.verb in ("payload", "wait") and status == 404), cell
        assert MARK not in body


def test_the_matrix_has_every_route_and_every_kind() -> None:
    assert {cell.route for cell in CELLS} == set(ROUTES)
    asked = {attributes.resource.partition("/")[0] for cell in CELLS for attributes in cell.asked}
    assert {kind.resource for kind in ALL} <= asked
