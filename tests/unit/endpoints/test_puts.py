"""PUT of what is missing, and PUT without a resourceVersion: kinds differ."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.apimachinery.types import JSON
from tests.api_client import ApiClient, control_plane

CORE, RBAC = "/api/v1/namespaces/default", "/apis/rbac.authorization.k8s.io/v1"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
BUDGETS = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"


@pytest.fixture
def api(tmp_path: Path) -> Iterator[ApiClient]:
    """Return a client of a fresh API, where `worker` may update leases and no more."""
    tokens = tmp_path / "tokens.csv"
    tokens.write_text("secret,worker,worker-uid\n")
    plane = control_plane(tmp_path, token="admin", token_file=str(tokens))
    made = ApiClient(plane, "admin")
    rule = {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["update"]}
    made.create(f"{RBAC}/clusterroles", {"metadata": {"name": "renew"}, "rules": [rule]})
    made.create(
        f"{RBAC}/clusterrolebindings",
        {
            "metadata": {"name": "renew"},
            "roleRef": {"kind": "ClusterRole", "name": "renew"},
            "subjects": [{"kind": "User", "name": "worker"}],
        },
    )
    yield made
    plane.close()


def _body(**fields: object) -> JSON:
    return {"metadata": {"name": "a"}, **fields}


@pytest.mark.parametrize(
    ("url", "body"),
    [
        (LEASES, _body()),
        (f"{CORE}/services", _body(spec={"ports": [{"port": 1}]})),
        (f"{CORE}/limitranges", _body(spec={"limits": []})),
        (f"{CORE}/endpoints", _body()),
        (f"{RBAC}/clusterroles", _body(rules=[])),
    ],
)
def test_a_put_of_what_is_missing_creates_it(api: ApiClient, url: str, body: JSON) -> None:
    first = api.request("PUT", f"{url}/a", body)
    version = first.body["metadata"]["resourceVersion"]
    again = {**body, "metadata": {"name": "a", "resourceVersion": version, "labels": {"x": "y"}}}

    assert first.status == 201
    assert api.request("PUT", f"{url}/a", again).status == 200


@pytest.mark.parametrize(
    ("url", "body"),
    [
        (f"{CORE}/configmaps", _body()),
        (f"{CORE}/pods", _body(spec={"containers": [{"name": "c", "image": "i"}]})),
        (BUDGETS, _body()),
    ],
)
def test_a_put_of_what_is_missing_is_404_for_most_kinds(api: ApiClient, url: str, body: JSON) -> None:
    assert api.request("PUT", f"{url}/a", body).status == 404


def test_a_dry_run_creates_nothing_by_put(api: ApiClient) -> None:
    assert api.request("PUT", f"{LEASES}/a?dryRun=All", _body()).status == 201
    assert api.request("GET", f"{LEASES}/a").status == 404


def test_a_put_that_names_another_object_by_uid_creates_nothing(api: ApiClient) -> None:
    answer = api.request("PUT", f"{LEASES}/a", {"metadata": {"name": "a", "uid": "some"}})

    assert (answer.status, answer.reason) == (409, "Conflict")


def test_who_may_only_update_creates_nothing_by_put(api: ApiClient) -> None:
    refused = api.request("PUT", f"{LEASES}/a", _body(), token="secret")
    lease = api.create(LEASES, _body())
    renewed = api.request("PUT", f"{LEASES}/a", {**lease, "spec": {"holderIdentity": "b"}}, token="secret")

    assert refused.status == 403
    assert 'User "worker" cannot create resource "leases"' in refused.body["message"]
    assert renewed.status == 200


@pytest.mark.parametrize(
    ("url", "kind"), [(LEASES, "leases.coordination.k8s.io"), (BUDGETS, "poddisruptionbudgets.policy")]
)
def test_some_kinds_are_not_updated_without_a_version(api: ApiClient, url: str, kind: str) -> None:
    api.create(url, _body())

    answer = api.request("PUT", f"{url}/a", _body())

    assert (answer.status, answer.reason) == (422, "Invalid")
    assert answer.body["message"] == (
        f'{kind} "a" is invalid: metadata.resourceVersion: Invalid value: 0: must be specified for an update'
    )


def test_a_missing_namespace_comes_before_what_is_wrong_with_the_object(api: ApiClient) -> None:
    answer = api.request("POST", "/api/v1/namespaces/nope/pods", _body(spec={}))

    assert answer.status == 404
    assert answer.body["message"] == 'namespaces "nope" not found'
