"""The routes of pod records: read and deleted by who may, never written, and out of reach of a driver."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chalicelib.controllers.runtime.tokens import TokenClaims
from tests.api_client import ApiClient, Json, control_plane

PODS = "/api/v1/namespaces/default/pods"
GROUP = "/apis/sparkanywhere.io/v1alpha1"
RECORDS = f"{GROUP}/namespaces/default/podrecords"
RBAC = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings"


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiClient]:
    plane = control_plane(tmp_path_factory.mktemp("plane"), token="admin-token", user_requests_per_second=0)
    client = ApiClient(plane, "admin-token")
    for account, role in (("reader", "view"), ("writer", "edit")):
        client.create("/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": account}})
        subject = {"kind": "ServiceAccount", "name": account, "namespace": "default"}
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}
        client.create(RBAC, {"metadata": {"name": account}, "roleRef": reference, "subjects": [subject]})
    yield client
    plane.close()


@pytest.fixture
def record(api: ApiClient) -> Json:
    """Return the record of a driver that was deleted."""
    labels = {"spark-role": "driver", "spark-app-selector": "spark-1"}
    spec = {"containers": [{"name": "c", "image": "i"}]}
    made = api.create(PODS, {"metadata": {"generateName": "driver-", "labels": labels}, "spec": spec})
    assert api.request("DELETE", f"{PODS}/{made['metadata']['name']}").status == 200
    found = [each for each in api.get(RECORDS)["items"] if each["pod"]["metadata"]["uid"] == made["metadata"]["uid"]]
    return found[0]


def token_of(api: ApiClient, account: str, pod: str = "", pod_uid: str = "") -> str:
    """Return a token of a service account, of one in a pod where its name and uid are given."""
    uid = api.get(f"/api/v1/namespaces/default/serviceaccounts/{account}")["metadata"]["uid"]
    return api.plane.base.issuer.issue(TokenClaims("default", account, uid, pod, pod_uid), seconds=600).token


def test_records_are_discovered(api: ApiClient) -> None:
    found = {each["name"]: each for each in api.get(GROUP)["resources"]}

    assert found["podrecords"]["verbs"] == ["delete", "deletecollection", "get", "list", "watch"]
    assert found["podrecords/log"]["verbs"] == ["get"]


def test_a_record_is_found_by_the_pods_labels(api: ApiClient, record: Json) -> None:
    by_label = api.request("GET", RECORDS, query={"labelSelector": "spark-app-selector=spark-1"}).json()["items"]

    assert record["metadata"]["name"] in [each["metadata"]["name"] for each in by_label]
    assert record["state"] == "Killed"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_nobody_writes_a_record(api: ApiClient, record: Json, method: str) -> None:
    path = RECORDS if method == "POST" else f"{RECORDS}/{record['metadata']['name']}"
    content_type = "application/merge-patch+json" if method == "PATCH" else "application/json"

    assert api.request(method, path, record, content_type=content_type).status == 405


def test_a_viewer_reads_and_an_editor_deletes(api: ApiClient, record: Json) -> None:
    path = f"{RECORDS}/{record['metadata']['name']}"
    viewer, editor = token_of(api, "reader"), token_of(api, "writer")

    assert api.request("GET", path, token=viewer).status == 200
    assert api.request("GET", f"{path}/log", token=viewer).status in (204, 404)  # it never ran
    assert api.request("DELETE", path, token=viewer).status == 403
    assert api.request("DELETE", path, token=editor).status == 200
    assert api.request("GET", path, token=viewer).status == 404


def test_a_drivers_own_rights_do_not_reach_records(api: ApiClient, record: Json) -> None:
    labels = {"spark-role": "driver", "spark-app-selector": "spark-2"}
    driver = api.create(PODS, {"metadata": {"name": "d", "labels": labels}, "spec": record["pod"]["spec"]})
    token = token_of(api, "default", "d", driver["metadata"]["uid"])

    assert api.request("GET", f"{PODS}/d", token=token).status == 200
    assert api.request("GET", RECORDS, token=token).status == 403
    assert api.request("GET", f"{RECORDS}/{record['metadata']['name']}/log", token=token).status == 403
