"""What the API answers to bad input: always a Status of the right code, and nothing has changed. On each store."""

from __future__ import annotations

from typing import Any, NamedTuple
from uuid import uuid4

import pytest

from tests.api_client import CONFIGMAPS, PODS, Answer, ApiClient, Json, configmap, pod

MIB = 1024 * 1024
JSON_PATCH = {"content-type": "application/json-patch+json"}
MERGE_PATCH = {"content-type": "application/merge-patch+json"}
APPLY_PATCH = {"content-type": "application/apply-patch+yaml"}


class Bad(NamedTuple):
    """A request that must be refused: what is wrong with it, its parts, and the code and reason expected."""

    why: str
    method: str
    path: str
    code: int
    reason: str
    body: object = None
    query: dict[str, str] | None = None
    headers: dict[str, str] | None = None


def without(name: str) -> Json:
    """Return a pod that lacks one part of its metadata."""
    made = pod("a")
    del made["metadata"][name]
    return made


def spec(**fields: object) -> Json:
    """Return a pod with these fields in its spec."""
    made = pod("a")
    made["spec"] |= fields
    return made


BAD_BODIES = [
    Bad("no JSON", "POST", PODS, 400, "BadRequest", b'{"kind": '),
    Bad("no UTF-8", "POST", PODS, 400, "BadRequest", b'{"kind": "\xff\xfe"}'),
    Bad("empty", "POST", PODS, 400, "BadRequest", b""),
    Bad("a list", "POST", PODS, 400, "BadRequest", []),
    Bad("a number", "POST", PODS, 400, "BadRequest", 7),
    Bad("null", "POST", PODS, 422, "Invalid", b"null"),
    Bad("deeply nested", "POST", PODS, 400, "BadRequest", b"[" * 100_000),
    Bad("another kind", "POST", PODS, 400, "BadRequest", configmap("a")),
    Bad("unknown kind", "POST", PODS, 400, "BadRequest", {**pod("a"), "kind": "Unicorn"}),
    Bad("unknown version", "POST", PODS, 400, "BadRequest", {**pod("a"), "apiVersion": "v7"}),
    Bad("metadata is text", "POST", PODS, 400, "BadRequest", {**pod("a"), "metadata": "a"}),
    Bad("name is a number", "POST", PODS, 400, "BadRequest", pod(7)),
    Bad("labels are a list", "POST", PODS, 400, "BadRequest", pod("a", labels=["x"])),
    Bad("a label is a number", "POST", PODS, 400, "BadRequest", pod("a", labels={"x": 1})),
    Bad("containers are an object", "POST", PODS, 400, "BadRequest", spec(containers={"name": "x"})),
    Bad("a container is text", "POST", PODS, 400, "BadRequest", spec(containers=["x"])),
    Bad("grace is text", "POST", PODS, 400, "BadRequest", spec(terminationGracePeriodSeconds="30")),
    Bad("data is a number", "POST", CONFIGMAPS, 400, "BadRequest", {**configmap("a"), "data": {"k": 1}}),
    Bad("over the limit", "POST", PODS, 413, "RequestEntityTooLarge", b" " * (3 * MIB + 1)),
    Bad("text", "POST", PODS, 415, "UnsupportedMediaType", b"x", headers={"content-type": "text/plain"}),
    Bad("unknown field, strict", "POST", PODS, 400, "BadRequest", spec(nope=1), {"fieldValidation": "Strict"}),
]
BAD_OBJECTS = [
    Bad("no name", "POST", PODS, 422, "Invalid", without("name")),
    Bad("name in capitals", "POST", PODS, 422, "Invalid", pod("Big")),
    Bad("name with a slash", "POST", PODS, 422, "Invalid", pod("a/b")),
    Bad("name over 253", "POST", PODS, 422, "Invalid", pod("a" * 254)),
    Bad("label over 63", "POST", PODS, 422, "Invalid", pod("a", labels={"x": "y" * 64})),
    Bad("label with a space", "POST", PODS, 422, "Invalid", pod("a", labels={"x": "a b"})),
    Bad("label key", "POST", PODS, 422, "Invalid", pod("a", labels={"-x": "y"})),
    Bad("annotation key", "POST", PODS, 422, "Invalid", pod("a", annotations={"a b": "y"})),
    Bad("no containers", "POST", PODS, 422, "Invalid", spec(containers=[])),
    Bad("bad owner", "POST", PODS, 422, "Invalid", pod("a", ownerReferences=[{"name": "o"}])),
    Bad("other namespace", "POST", PODS, 400, "BadRequest", pod("a", namespace="other")),
    Bad("no such namespace", "POST", PODS.replace("default", "nowhere"), 404, "NotFound", pod("a")),
    Bad("dryRun of some", "POST", PODS, 422, "Invalid", pod("a"), {"dryRun": "Some"}),
]
BAD_PATHS = [
    Bad("no such resource", "GET", PODS.replace("pods", "unicorns"), 404, "NotFound"),
    Bad("no such version", "GET", "/api/v7/pods", 404, "NotFound"),
    Bad("wrong method", "PUT", PODS, 405, "MethodNotAllowed", pod("a")),
    Bad("post on a name", "POST", f"{PODS}/a", 405, "MethodNotAllowed", pod("a")),
    Bad("get of the absent", "GET", f"{PODS}/nobody", 404, "NotFound"),
    Bad("put of the absent", "PUT", f"{PODS}/nobody", 404, "NotFound", pod("nobody")),
    Bad("patch of the absent", "PATCH", f"{PODS}/nobody", 404, "NotFound", {}, headers=MERGE_PATCH),
    Bad("delete of the absent", "DELETE", f"{PODS}/nobody", 404, "NotFound"),
    Bad("log of the absent", "GET", f"{PODS}/nobody/log", 404, "NotFound"),
]
BAD_QUERIES = [
    Bad("labelSelector", "GET", PODS, 400, "BadRequest", query={"labelSelector": "a in (b"}),
    Bad("label value", "GET", PODS, 400, "BadRequest", query={"labelSelector": "a=b=c"}),
    Bad("fieldSelector", "GET", PODS, 400, "BadRequest", query={"fieldSelector": "spec.nope=1"}),
    Bad("fieldSelector's form", "GET", PODS, 400, "BadRequest", query={"fieldSelector": "nope"}),
    Bad("limit", "GET", PODS, 400, "BadRequest", query={"limit": "many"}),
    Bad("timeout", "GET", PODS, 400, "BadRequest", query={"watch": "1", "timeoutSeconds": "x"}),
    Bad("resourceVersion", "GET", PODS, 400, "BadRequest", query={"resourceVersion": "new"}),
    Bad("selector to delete by", "DELETE", PODS, 400, "BadRequest", query={"labelSelector": "!!"}),
    Bad("continue is no token", "GET", PODS, 400, "BadRequest", query={"limit": "1", "continue": "%%"}),
    Bad("continue of nonsense", "GET", PODS, 400, "BadRequest", query={"limit": "1", "continue": "e30"}),
    Bad("list of the future", "GET", PODS, 504, "Timeout", query={"resourceVersion": "99999999"}),
    Bad("propagation", "DELETE", f"{PODS}/a", 422, "Invalid", query={"propagationPolicy": "Sideways"}),
]


def status_of(reply: Answer) -> Json:
    """Return the Status that a refusal is. Raises AssertionError for anything else."""
    assert reply.headers["content-type"] == "application/json"
    status = reply.json()
    assert (status["kind"], status["apiVersion"], status["status"]) == ("Status", "v1", "Failure")
    assert status["code"] == reply.status
    assert status["message"]
    return status


def fresh(prefix: str = "pod") -> str:
    """Return a name that no other test has."""
    return f"{prefix}-{uuid4()}"


def created(api: ApiClient, **metadata: object) -> Json:
    """Create a pod; return it."""
    reply = api.request("POST", PODS, pod(fresh(), **metadata))
    assert reply.status == 201, reply.raw
    return reply.json()


@pytest.mark.parametrize(
    "bad", [*BAD_BODIES, *BAD_OBJECTS, *BAD_PATHS, *BAD_QUERIES], ids=lambda bad: bad.why.replace(" ", "-")
)
def test_bad_input_is_a_status_and_changes_nothing(api: ApiClient, bad: Bad) -> None:
    before = api.revision

    reply = api.request(bad.method, bad.path, bad.body, query=bad.query, headers=bad.headers)

    assert (reply.status, status_of(reply)["reason"]) == (bad.code, bad.reason), reply.raw
    assert api.revision == before


@pytest.mark.parametrize(
    ("body", "headers", "code"),
    [
        (b"{", MERGE_PATCH, 400),
        (b"[]", MERGE_PATCH, 400),
        ([{"op": "fly"}], JSON_PATCH, 422),
        ([{"op": "remove", "path": "/spec/absent"}], JSON_PATCH, 422),
        ([{"op": "test", "path": "/metadata/name", "value": "no"}], JSON_PATCH, 422),
        ({"metadata": {"labels": {"x": 1}}}, MERGE_PATCH, 422),
        ({"metadata": {"labels": {"x": "a b"}}}, MERGE_PATCH, 422),
        ({"metadata": {"resourceVersion": "1"}}, MERGE_PATCH, 409),
        ({"metadata": {"name": "other"}}, MERGE_PATCH, 400),
        ({"metadata": {"uid": "other"}}, MERGE_PATCH, 422),
        ({"spec": {"containers": []}}, MERGE_PATCH, 422),
        ({"spec": None}, MERGE_PATCH, 422),
        (b"{}", {"content-type": "application/nonsense"}, 415),
        (b"a: [", APPLY_PATCH, 400),
        ({}, APPLY_PATCH, 422),  # no field manager is named
    ],
    ids=str,
)
def test_a_bad_patch_is_a_status_and_changes_nothing(
    api: ApiClient, body: object, headers: dict[str, str], code: int
) -> None:
    made = created(api)
    before = api.revision

    reply = api.request("PATCH", f"{PODS}/{made['metadata']['name']}", body, headers=headers)

    status_of(reply)
    assert reply.status == code, reply.raw
    assert api.revision == before


@pytest.mark.parametrize("path", ["/", "/nowhere", "/apis/example.com/v1/things", "/api/v1/a/b/c/d/e/f/g/h/i/j"])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_write_to_an_unknown_path_changes_nothing(api: ApiClient, method: str, path: str) -> None:
    before = api.revision

    reply = api.request(method, path, pod("a"))

    assert reply.status in (404, 405)
    assert api.revision == before


@pytest.mark.parametrize("name", ["pods", "pods/a"])
def test_a_version_that_is_no_number_gets_what_a_real_server_says(api: ApiClient, name: str) -> None:
    query = {"resourceVersion": "x", **({"watch": "true"} if name == "pods" else {})}

    reply = api.request("GET", f"/api/v1/namespaces/default/{name}", query=query)

    # Recorded from kube-apiserver v1.36.2: the one 500 that a client can ask for.
    assert (reply.status, "reason" in status_of(reply)) == (500, False)
    assert 'Invalid value: "x"' in reply.json()["message"]


def test_a_duplicate_create_is_refused(api: ApiClient) -> None:
    name = created(api)["metadata"]["name"]
    before = api.revision

    reply = api.request("POST", PODS, pod(name))

    assert (reply.status, status_of(reply)["reason"]) == (409, "AlreadyExists")
    assert api.revision == before


def test_a_stale_update_is_refused(api: ApiClient) -> None:
    made = created(api)
    path = f"{PODS}/{made['metadata']['name']}"
    label: Json = {"metadata": {"labels": {"new": "yes"}}}
    assert api.request("PATCH", path, label, headers=MERGE_PATCH).status == 200
    before = api.revision

    reply = api.request("PUT", path, made)

    assert (reply.status, status_of(reply)["reason"]) == (409, "Conflict")
    assert api.revision == before
    assert api.request("GET", path).json()["metadata"]["labels"] == {"new": "yes"}


def test_a_delete_with_another_uid_is_refused(api: ApiClient) -> None:
    path = f"{PODS}/{created(api)['metadata']['name']}"
    before = api.revision

    reply = api.request("DELETE", path, {"preconditions": {"uid": "other"}})

    assert (reply.status, status_of(reply)["reason"]) == (409, "Conflict")
    assert api.revision == before
    assert api.request("GET", path).status == 200


def dry_runs(existing: str) -> list[tuple[str, str, object, dict[str, str]]]:
    """Return a request of each verb that writes."""
    label: dict[str, Any] = {"metadata": {"labels": {"dry": "yes"}}}
    applied = {**configmap("dry-applied"), "data": {"a": "b"}}
    return [
        ("POST", PODS, pod(fresh("dry")), {}),
        ("PUT", f"{PODS}/{existing}", pod(existing, labels={"dry": "yes"}), {}),
        ("PATCH", f"{PODS}/{existing}", label, MERGE_PATCH),
        ("PATCH", f"{CONFIGMAPS}/dry-applied", applied, APPLY_PATCH),
        ("DELETE", f"{PODS}/{existing}", None, {}),
    ]


def test_a_dry_run_answers_as_if_and_changes_nothing(api: ApiClient) -> None:
    existing = created(api)["metadata"]["name"]
    before = api.revision

    for method, path, body, headers in dry_runs(existing):
        query = {"dryRun": "All", "fieldManager": "tests"}
        reply = api.request(method, path, body, query=query, headers=headers)

        assert reply.status in (200, 201), reply.raw
        assert api.revision == before, method
    assert "labels" not in api.request("GET", f"{PODS}/{existing}").json()["metadata"]


def page_of_two(api: ApiClient) -> tuple[str, str]:
    """Return a namespace that holds two ConfigMaps, and the token for the second."""
    namespace = fresh("pages")
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    assert api.request("POST", "/api/v1/namespaces", body).status == 201
    path = CONFIGMAPS.replace("default", namespace)
    for name in ("one", "two"):
        assert api.request("POST", path, configmap(name)).status == 201
    first = api.request("GET", path, query={"limit": "1"}).json()
    return path, first["metadata"]["continue"]


def test_a_token_of_one_list_is_refused_by_another(api: ApiClient) -> None:
    _, token = page_of_two(api)

    reply = api.request("GET", PODS, query={"limit": "1", "continue": token})

    assert (reply.status, status_of(reply)["reason"]) == (400, "BadRequest")


def test_a_list_by_a_label_comes_in_pages_that_go_on(api: ApiClient) -> None:
    path, names = "/api/v1/namespaces/labelled/configmaps", ["a", "b", "c", "d"]
    api.request("POST", "/api/v1/namespaces", {"metadata": {"name": "labelled"}})
    for name in [*names, "other"]:
        made = configmap(name)
        api.request(
            "POST", path, {**made, "metadata": {"name": name, "labels": {"app": "x" if name in names else "y"}}}
        )

    query = {"labelSelector": "app=x", "limit": "2"}
    first = api.request("GET", path, query=query).json()
    api.request("DELETE", f"{path}/d")
    rest = api.request("GET", path, query={**query, "continue": first["metadata"]["continue"]}).json()

    assert [item["metadata"]["name"] for item in first["items"] + rest["items"]] == names
    assert rest["metadata"].get("continue", "") == ""
    assert api.request("GET", path, query={**query, "limit": "3"}).json()["metadata"].get("continue", "") == ""


def test_an_expired_token_is_410_and_offers_one_that_goes_on(api: ApiClient) -> None:
    path, token = page_of_two(api)
    api.request("POST", path, configmap("three"))
    api.plane.base.storage.expire_events(-1)

    reply = api.request("GET", path, query={"limit": "1", "continue": token})

    status = status_of(reply)
    assert (reply.status, status["reason"]) == (410, "Expired")
    inconsistent = {"limit": "9", "continue": status["metadata"]["continue"]}
    rest = api.request("GET", path, query=inconsistent).json()["items"]
    assert "two" in [item["metadata"]["name"] for item in rest]
