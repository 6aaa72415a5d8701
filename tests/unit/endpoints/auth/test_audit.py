"""The audit line of each write, and the compression of long answers."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.endpoints.auth.audit import audit_line
from chalicelib.endpoints.http.request_info import RequestInfo, User
from tests.api_client import ApiClient, control_plane

CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
SECRET = "c2VjcmV0LXZhbHVl"


@pytest.fixture
def api(tmp_path: Path) -> Iterator[ApiClient]:
    """Return a client of a local API, which streams."""
    plane = control_plane(tmp_path, watch="streamed", token="admin-token")
    yield ApiClient(plane, "admin-token")
    plane.close()


def _lines(tmp_path: Path) -> list[str]:
    return [
        line.partition("audit ")[2] for line in (tmp_path / "default" / "audit.log").read_text().splitlines()
    ]


def test_each_write_leaves_a_line_whatever_came_of_it(api: ApiClient, tmp_path: Path) -> None:
    api.create("/api/v1/namespaces/default/secrets", {"metadata": {"name": "s"}, "data": {"k": SECRET}})
    api.request("DELETE", f"{CONFIGMAPS}/none")
    api.request("POST", CONFIGMAPS, {"metadata": {"name": "a"}}, headers={"Impersonate-User": "jane"})
    api.request("GET", CONFIGMAPS)

    assert _lines(tmp_path) == [
        "verb=create resource=secrets namespace=default user=sparkanywhere-admin code=201",
        "verb=delete resource=configmaps namespace=default name=none user=sparkanywhere-admin code=404",
        "verb=create resource=configmaps namespace=default user=sparkanywhere-admin as=jane code=403",
    ]
    assert SECRET not in (tmp_path / "default" / "audit.log").read_text()
    assert "admin-token" not in (tmp_path / "default" / "audit.log").read_text()


def test_no_name_can_make_a_line_of_its_own() -> None:
    info = RequestInfo(verb="delete", path="/x", method="DELETE", resource="pods", name="a\naudit user=root")

    line = audit_line(info, User("jane"), 404)

    assert "\n" not in line
    assert 'name="a\\naudit user=root"' in line


@pytest.mark.parametrize(
    ("accepts", "is_packed"), [("gzip, deflate", True), ("gzip;q=0", False), ("br", False)]
)
def test_long_answers_are_packed_for_who_takes_that(api: ApiClient, accepts: str, is_packed: bool) -> None:
    api.create(CONFIGMAPS, {"metadata": {"name": "big"}, "data": {"k": "x" * 200_000}})
    request = api.request("GET", CONFIGMAPS, headers={"Accept-Encoding": accepts})

    assert (request.headers.get("content-encoding") == "gzip") == is_packed
    raw = request.raw if is_packed else json.dumps(request.body).encode()
    assert json.loads(gzip.decompress(raw) if is_packed else raw)["items"][0]["metadata"]["name"] == "big"


def test_short_answers_are_not_packed(api: ApiClient) -> None:
    assert (
        "content-encoding" not in api.request("GET", CONFIGMAPS, headers={"Accept-Encoding": "gzip"}).headers
    )
