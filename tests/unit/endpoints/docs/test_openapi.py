"""The form in which /openapi/v2 is given: JSON, or the protobuf that old kubectl asks for."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.apimachinery.decoding.protobuf import wire_fields
from tests.api_client import ApiClient, control_plane

PROTOBUF = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
OLD_NAME = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"


@pytest.fixture
def api(tmp_path: Path) -> Iterator[ApiClient]:
    """Return a client of a fresh API."""
    plane = control_plane(tmp_path)
    yield ApiClient(plane)
    plane.close()


@pytest.mark.parametrize("accept", [PROTOBUF, OLD_NAME, f"{OLD_NAME},application/json;q=0.5"])
def test_a_client_that_asks_for_protobuf_gets_it(api: ApiClient, accept: str) -> None:
    plain = api.request("GET", "/openapi/v2", headers={"Accept": accept})
    packed = api.request("GET", "/openapi/v2", headers={"Accept": accept, "Accept-Encoding": "gzip"})

    data = plain.raw
    assert {answer.headers["content-type"] for answer in (plain, packed)} == {PROTOBUF}
    assert next(wire_fields(data)) == (1, 2, b"2.0")
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.raw) == data


@pytest.mark.parametrize("accept", ["", "application/json", f"application/json,{PROTOBUF};q=0.9", "*/*"])
def test_everybody_else_gets_json(api: ApiClient, accept: str) -> None:
    answer = api.request("GET", "/openapi/v2", headers={"Accept": accept})

    assert answer.headers["content-type"] == "application/json"
    assert answer.body["swagger"] == "2.0"


@pytest.mark.parametrize("path", ["/openapi/v2", "/openapi/v3/api/v1"])
def test_namespaced_kinds_have_a_path_for_all_namespaces(api: ApiClient, path: str) -> None:
    paths = api.request("GET", path).body["paths"]

    assert list(paths["/api/v1/pods"]) == ["get"]
    assert paths["/api/v1/pods"]["get"]["x-kubernetes-group-version-kind"]["kind"] == "Pod"
