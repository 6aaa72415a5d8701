"""Custom resources through the whole API: served from their definition, and gone with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib.apimachinery.types import JSON
from tests.api_client import ApiClient, control_plane
from tests.waiting import until

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
APPS = "/apis/example.com/v1/namespaces/default/apps"
MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"


def _definition(**version: Any) -> JSON:  # Any: fields of a version
    schema: JSON = {
        "type": "object",
        "properties": {
            "spec": {
                "type": "object",
                "properties": {
                    "n": {"type": "integer", "minimum": 1},
                    "colour": {"type": "string", "default": "red"},
                    "replicas": {"type": "integer"},
                },
            },
            "status": {"type": "object", "properties": {"replicas": {"type": "integer"}}},
        },
    }
    made = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}, **version}
    names = {"plural": "apps", "kind": "App", "shortNames": ["ap"]}
    spec = {"group": "example.com", "scope": "Namespaced", "names": names, "versions": [made]}
    return {"metadata": {"name": "apps.example.com"}, "spec": spec}


@pytest.fixture
def api(tmp_path: Path) -> Iterator[ApiClient]:
    """Return a client of a fresh API."""
    plane = control_plane(tmp_path)
    yield ApiClient(plane)
    plane.close()


def _establish(api: ApiClient, definition: JSON) -> None:
    api.create(DEFINITIONS, definition)
    url = f"{DEFINITIONS}/{definition['metadata']['name']}"
    until(lambda: bool(api.get(url)["status"]["conditions"]), "the definition to be established")


def test_a_resource_is_served_once_its_definition_is_established(api: ApiClient) -> None:
    assert api.request("GET", APPS).status == 404

    _establish(api, _definition())
    made = api.create(APPS, {"metadata": {"name": "a"}, "spec": {"n": 2}})

    assert made["kind"] == "App"
    assert made["apiVersion"] == "example.com/v1"
    assert made["spec"] == {"n": 2, "colour": "red"}
    assert [item["kind"] for item in api.get(APPS)["items"]] == ["App"]
    rows = api.get("/apis/example.com/v1")["resources"]
    assert [(row["name"], row["kind"], row.get("shortNames")) for row in rows] == [("apps", "App", ["ap"])]
    assert "com.example.v1.App" in api.get("/openapi/v3/apis/example.com/v1")["components"]["schemas"]
    assert "example.com" in [group["name"] for group in api.get("/apis")["groups"]]


def test_unknown_fields_warn_or_are_refused_when_strict(api: ApiClient) -> None:
    _establish(api, _definition())
    body = {"metadata": {"name": "a", "zz": 1}, "spec": {"n": 2, "zz": 1}}

    strict = api.request("POST", f"{APPS}?fieldValidation=Strict", body)
    warned = api.request("POST", APPS, body)

    assert (strict.status, strict.reason) == (400, "BadRequest")
    assert 'unknown field "metadata.zz", unknown field "spec.zz"' in strict.body["message"]
    assert warned.headers["warning"].count('299 - "') == 2
    assert warned.body["spec"] == {"n": 2, "colour": "red"}


def test_what_the_schema_forbids_is_422_however_it_comes(api: ApiClient) -> None:
    _establish(api, _definition())
    api.create(APPS, {"metadata": {"name": "a"}, "spec": {"n": 2}})

    created = api.request("POST", APPS, {"metadata": {"name": "b"}, "spec": {"n": 0}})
    patched = api.request("PATCH", f"{APPS}/a", {"spec": {"n": 0}}, content_type=MERGE)

    for answer in (created, patched):
        assert (answer.status, answer.reason) == (422, "Invalid")
        assert "should be greater than or equal to 1" in answer.body["message"]


def test_apply_owns_fields_one_by_one(api: ApiClient) -> None:
    _establish(api, _definition())
    config = {"apiVersion": "example.com/v1", "kind": "App", "metadata": {"name": "a"}, "spec": {"n": 2}}
    other = {**config, "spec": {"n": 3}}

    first = api.request("PATCH", f"{APPS}/a?fieldManager=one", config, content_type=APPLY)
    clash = api.request("PATCH", f"{APPS}/a?fieldManager=two", other, content_type=APPLY)
    forced = api.request("PATCH", f"{APPS}/a?fieldManager=two&force=true", other, content_type=APPLY)

    assert first.status == 201
    assert clash.status == 409
    assert clash.body["details"]["causes"][0]["field"] == ".spec.n"
    assert forced.body["spec"]["n"] == 3


def test_a_status_subresource_keeps_status_apart_and_generation_counts_the_rest(api: ApiClient) -> None:
    _establish(api, _definition(subresources={"status": {}}))
    made = api.create(APPS, {"metadata": {"name": "a"}, "spec": {"n": 2}, "status": {"replicas": 9}})

    changed = api.request(
        "PATCH", f"{APPS}/a/status", {"status": {"replicas": 4}, "spec": {"n": 9}}, content_type=MERGE
    )

    assert "status" not in made
    assert changed.body["status"] == {"replicas": 4}
    assert changed.body["spec"]["n"] == 2
    assert changed.body["metadata"]["generation"] == 1
    assert api.request("PATCH", f"{APPS}/a", {"spec": {"n": 3}}, content_type=MERGE).body["metadata"]["generation"] == 2


def test_printer_columns_make_the_table(api: ApiClient) -> None:
    column = {"name": "N", "type": "integer", "jsonPath": ".spec.n"}
    _establish(api, _definition(additionalPrinterColumns=[column]))
    api.create(APPS, {"metadata": {"name": "a"}, "spec": {"n": 2}})

    table = api.request("GET", APPS, headers={"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}).body

    assert [each["name"] for each in table["columnDefinitions"]] == ["Name", "N"]
    assert table["rows"][0]["cells"] == ["a", 2]


def test_a_deleted_definition_takes_its_objects_along(api: ApiClient) -> None:
    _establish(api, _definition())
    api.create(APPS, {"metadata": {"name": "a"}, "spec": {"n": 2}})

    deleted = api.request("DELETE", f"{DEFINITIONS}/apps.example.com")

    assert deleted.body["metadata"]["finalizers"] == ["customresourcecleanup.apiextensions.k8s.io"]
    until(lambda: api.request("GET", f"{DEFINITIONS}/apps.example.com").status == 404, "the definition to go")
    assert api.request("GET", APPS).status == 404
    _establish(api, _definition())
    assert api.get(APPS)["items"] == []


def test_a_namespace_takes_its_custom_resources_along(api: ApiClient) -> None:
    _establish(api, _definition())
    api.create("/api/v1/namespaces", {"metadata": {"name": "n1"}})
    api.create(APPS.replace("default", "n1"), {"metadata": {"name": "a"}, "spec": {"n": 2}})

    api.request("DELETE", "/api/v1/namespaces/n1")

    until(lambda: api.request("GET", "/api/v1/namespaces/n1").status == 404, "the namespace to go")
    assert api.get("/apis/example.com/v1/apps")["items"] == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"metadata": {"name": "other.example.com"}}, "metadata.name"),
        ({"spec": {"scope": "Galaxy"}}, "spec.scope"),
        ({"spec": {"group": ""}}, "spec.group"),
        (
            {"spec": {"versions": [{"name": "v1", "served": True, "storage": True}]}},
            "spec.versions[0].schema.openAPIV3Schema",
        ),
        ({"spec": {"names": {"plural": "apps"}}}, "spec.names.kind"),
    ],
)
def test_a_definition_that_cannot_work_is_refused(api: ApiClient, change: JSON, field: str) -> None:
    definition = _definition()
    for part, fields in change.items():
        definition[part] = {**definition[part], **fields}

    answer = api.request("POST", DEFINITIONS, definition)

    assert (answer.status, answer.reason) == (422, "Invalid")
    assert field in [cause["field"] for cause in answer.body["details"]["causes"]]
