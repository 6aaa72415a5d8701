"""Whatever bytes come in, an answer goes out: never a 5xx, and within bounded time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from chalicelib.apimachinery.structural.pruning import fill_in, prune
from chalicelib.apimachinery.structural.types import type_of
from chalicelib.apimachinery.structural.validation import validate
from chalicelib.apimachinery.types import JSON
from chalicelib.resources.custom.customresourcedefinitions import schema_causes
from tests.api_client import ApiClient, control_plane

EXAMPLES = 150  # per decoder: some seconds in all; thousands were run while this was written
DEADLINE_MS = 5000  # far above what any took: against a decoder that never ends, on a loaded machine
PODS, CONFIGMAPS = "/api/v1/namespaces/default/pods", "/api/v1/namespaces/default/configmaps"
APPS = "/apis/example.com/v1/namespaces/default/apps"
# A recorded real server words these as 500: a resourceVersion that is none, or given to what is to be created, and an
# apply configuration that the schema does not fit.
KNOWN_500 = ("strconv.ParseUint", "resourceVersion should not be set", "failed to create typed patch object")

bounded = settings(
    max_examples=EXAMPLES, deadline=DEADLINE_MS, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
keys = st.sampled_from(
    ["metadata", "name", "labels", "spec", "containers", "data", "resources", "limits", "cpu", "status", "n", "$patch"]
) | st.text(max_size=8)
documents = st.recursive(
    leaves, lambda below: st.lists(below, max_size=4) | st.dictionaries(keys, below, max_size=5), max_leaves=20
)
json_bytes = st.binary(max_size=200) | documents.map(lambda value: json.dumps(value).encode())


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiClient]:
    """Return a client of an API with a ConfigMap and a custom resource in it."""
    folder: Path = tmp_path_factory.mktemp("plane")
    plane = control_plane(folder, user_requests_per_second=0, namespace_objects=0)
    made = ApiClient(plane)
    schema: JSON = {
        "type": "object",
        "properties": {"spec": {"type": "object", "properties": {"n": {"type": "integer"}}}},
    }
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": "apps", "kind": "App"}
    spec = {"group": "example.com", "scope": "Namespaced", "names": names, "versions": [version]}
    made.create(
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
        {"metadata": {"name": "apps.example.com"}, "spec": spec},
    )
    made.create(CONFIGMAPS, {"metadata": {"name": "a"}, "data": {"k": "v"}})
    yield made
    plane.close()


def _check(api: ApiClient, method: str, url: str, body: bytes | None, content_type: str = "") -> None:
    answer = api.request(method, url, body, content_type=content_type or "application/json")

    text = json.dumps(answer.body)
    is_known = answer.status == 500 and any(word in text for word in KNOWN_500)
    assert answer.status < 500 or is_known, (method, url, body, answer.body)
    assert "unexpected error" not in text, (method, url, body)


@bounded
@given(body=json_bytes, url=st.sampled_from([PODS, CONFIGMAPS, APPS, "/apis/apps/v1/namespaces/default/statefulsets"]))
def test_json_bodies(api: ApiClient, body: bytes, url: str) -> None:
    _check(api, "POST", url + "?dryRun=All", body)


@bounded
@given(body=st.binary(max_size=200) | st.text(alphabet=":-[]{}&*!|>'\"\n ab1,#?%@", max_size=60).map(str.encode))
def test_yaml_bodies(api: ApiClient, body: bytes) -> None:
    _check(api, "POST", CONFIGMAPS + "?dryRun=All", body, "application/yaml")


@bounded
@given(body=st.binary(max_size=300), has_magic=st.booleans())
def test_protobuf_bodies(api: ApiClient, body: bytes, has_magic: bool) -> None:
    whole = b"k8s\x00" + body if has_magic else body

    _check(api, "POST", CONFIGMAPS + "?dryRun=All", whole, "application/vnd.kubernetes.protobuf")


@bounded
@given(
    body=json_bytes,
    kind=st.sampled_from(["json-patch+json", "merge-patch+json", "strategic-merge-patch+json", "apply-patch+yaml"]),
)
def test_patches(api: ApiClient, body: bytes, kind: str) -> None:
    url = f"{CONFIGMAPS}/a?dryRun=All" + ("&fieldManager=m" if kind.startswith("apply") else "")

    _check(api, "PATCH", url, body, f"application/{kind}")


@bounded
@given(
    query=st.dictionaries(
        st.sampled_from(
            ["labelSelector", "fieldSelector", "limit", "continue", "resourceVersionMatch", "timeoutSeconds", "pretty"]
        ),
        st.text(max_size=30) | st.sampled_from(["a=b", "a in (b,c)", "!a", "metadata.name=a", "-1", "NotOlderThan"]),
        max_size=3,
    )
)
def test_selectors_and_continue_tokens(api: ApiClient, query: dict[str, str]) -> None:
    _check(api, "GET", f"{CONFIGMAPS}?{urlencode(query)}", None)


@bounded
@given(text=st.text(alphabet="0123456789.eEinumkKMGTPi+-", max_size=12))
def test_quantities(api: ApiClient, text: str) -> None:
    container = {"name": "c", "image": "i", "resources": {"limits": {"cpu": text}}}
    body = {"metadata": {"name": "q"}, "spec": {"containers": [container]}}

    _check(api, "POST", f"{PODS}?dryRun=All", json.dumps(body).encode())


@bounded
@given(token=st.text(min_size=1, max_size=60), version=st.text(max_size=6))
def test_tokens(api: ApiClient, token: str, version: str) -> None:
    for each in (token, f"k8s-aws-v1.{token}", f"{token}.{version}.{token}"):
        answer = api.request("GET", CONFIGMAPS, token=each)

        assert answer.status in (200, 401), each


@bounded
@given(
    parts=st.lists(st.text(max_size=10), max_size=9), method=st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE"])
)
def test_paths(api: ApiClient, parts: list[str], method: str) -> None:
    _check(api, method, "/" + "/".join(quote(part, safe="") for part in parts), b"{}")


SCHEMA_WORDS = (
    "type properties items additionalProperties required default enum pattern minimum maxItems anyOf not nullable"
    " format x-kubernetes-list-type x-kubernetes-preserve-unknown-fields"
)
schema_keys = st.sampled_from(SCHEMA_WORDS.split())
schemas = st.recursive(
    leaves | st.sampled_from(["object", "string", "integer", "array", "set", "^(a+)+$"]),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(schema_keys | st.text(max_size=3), below, max_size=4),
    max_leaves=20,
)


@bounded
@given(schema=schemas, version=documents)
def test_definitions_of_custom_resources(api: ApiClient, schema: object, version: object) -> None:
    url = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions?dryRun=All"
    names = {"plural": "things", "kind": "Thing"}
    made = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    for each in (made, version):
        spec = {"group": "example.org", "scope": "Namespaced", "names": names, "versions": [each]}
        body = {"metadata": {"name": "things.example.org"}, "spec": spec}

        _check(api, "POST", url, json.dumps(body).encode())


@bounded
@given(schema=schemas.filter(lambda each: isinstance(each, dict)), value=documents)
@example(schema={"anyOf": [None]}, value=None)
@example(schema={"type": "object", "enum": None}, value={})
@example(schema={"type": "string", "items": True}, value=[{}])
def test_objects_against_any_schema_that_is_accepted(schema: JSON, value: object) -> None:
    root = {"type": "object", "properties": {"spec": schema}}
    if list(schema_causes(root, "schema", is_root=True)):
        return
    obj = {"metadata": {"name": "a"}, "spec": value}

    prune(obj, root)
    fill_in(obj, root)
    validate(obj, root)
    type_of("example.org.v1.Thing", root)
