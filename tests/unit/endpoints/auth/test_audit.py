"""The audit lines of writes, refusals and connections, and the compression of long answers."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from chalicelib.apimachinery.rules.status import StatusError
from chalicelib.apimachinery.types import JSON
from chalicelib.endpoints.auth.audit import EARLY_LINES, OMITTED, AuditLog
from chalicelib.endpoints.http.requests import RequestInfo
from tests.api_client import ApiClient, control_plane
from tests.unit.controllers.builders import NOW

CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
SECRET = "c2VjcmV0LXZhbHVl"


@pytest.fixture
def api(tmp_path: Path) -> Iterator[ApiClient]:
    """Return a client of a local API, which streams."""
    plane = control_plane(tmp_path, watch="streamed", token="admin-token")
    yield ApiClient(plane, "admin-token")
    plane.close()


def _events(tmp_path: Path) -> list[JSON]:
    return [json.loads(line) for line in (tmp_path / "default" / "audit.log").read_text().splitlines()]


def _short(event: JSON) -> str:
    """Return a line's verb, object, user and code."""
    ref = event.get("objectRef") or {}
    what = "/".join(ref.get(key, "-") for key in ("resource", "namespace", "name"))
    who = event["user"].get("username", "-")
    if "impersonatedUser" in event:
        who += " as " + event["impersonatedUser"]["username"]
    return f"{event['verb']} {what} by {who}: {event['responseStatus']['code']}"


def test_each_write_leaves_a_line_whatever_came_of_it(api: ApiClient, tmp_path: Path) -> None:
    api.create("/api/v1/namespaces/default/secrets", {"metadata": {"name": "s"}, "data": {"k": SECRET}})
    api.request("DELETE", f"{CONFIGMAPS}/none")
    api.request("POST", CONFIGMAPS, {"metadata": {"name": "a"}}, headers={"Impersonate-User": "jane"})
    api.request("GET", CONFIGMAPS)

    assert [_short(each) for each in _events(tmp_path)] == [
        "create secrets/default/s by sparkanywhere-admin: 201",
        "delete configmaps/default/none by sparkanywhere-admin: 404",
        "create configmaps/default/- by sparkanywhere-admin as jane: 403",
    ]
    assert SECRET not in (tmp_path / "default" / "audit.log").read_text()
    assert "admin-token" not in (tmp_path / "default" / "audit.log").read_text()


def test_the_log_is_its_owners_alone(api: ApiClient, tmp_path: Path) -> None:
    api.request("DELETE", f"{CONFIGMAPS}/none")

    assert (tmp_path / "default" / "audit.log").stat().st_mode & 0o777 == 0o600


def test_a_line_that_cannot_be_written_is_told_of_in_the_log(
    api: ApiClient, tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "default" / "audit.log").mkdir()

    assert api.request("DELETE", f"{CONFIGMAPS}/none").status == 404

    assert [each.levelname for each in caplog.records if "audit line lost" in each.getMessage()] == ["ERROR"]
    assert capsys.readouterr().err == ""


def test_a_line_has_the_fields_of_an_audit_event(api: ApiClient, tmp_path: Path) -> None:
    headers = {"User-Agent": "kubectl/v1.37"}
    made = api.request("POST", f"{CONFIGMAPS}?dryRun=All", {"metadata": {"generateName": "x-"}}, headers=headers)

    (event,) = _events(tmp_path)
    for key in ("auditID", "requestReceivedTimestamp", "stageTimestamp"):
        assert event.pop(key)
    assert event == {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "Metadata",
        "stage": "ResponseComplete",
        "requestURI": f"{CONFIGMAPS}?dryRun=All",
        "verb": "create",
        "user": {"username": "sparkanywhere-admin", "groups": ["system:masters", "system:authenticated"]},
        "sourceIPs": ["127.0.0.1"],
        "userAgent": "kubectl/v1.37",
        "objectRef": {
            "resource": "configmaps",
            "namespace": "default",
            "name": made.body["metadata"]["name"],
            "apiVersion": "v1",
        },
        "responseStatus": {"metadata": {}, "code": 201},
    }


def test_who_is_not_let_in_leaves_a_line(api: ApiClient, tmp_path: Path) -> None:
    file = "/sparkanywhere/v1/namespaces/default/files/x"
    api.request("GET", CONFIGMAPS, token="wrong-token")
    api.request("GET", CONFIGMAPS, token="")
    api.request("GET", f"{file}?token=wrong-token&limit=5")

    found = _events(tmp_path)

    assert [(each["user"].get("username"), each["responseStatus"]["code"]) for each in found] == [
        (None, 401),
        ("system:anonymous", 403),
        (None, 401),
    ]
    assert found[1]["responseStatus"]["message"].startswith("configmaps is forbidden")
    assert found[2]["requestURI"] == f"{file}?token=***&limit=5"
    assert "wrong-token" not in (tmp_path / "default" / "audit.log").read_text()


@pytest.mark.parametrize(
    ("method", "url", "line"),
    [
        ("GET", "/api/v1/namespaces/default/pods/p/exec?command=ls", "get pods/default/p"),
        ("POST", "/api/v1/namespaces/default/pods/p/attach", "create pods/default/p"),
        ("POST", "/api/v1/namespaces/default/pods/p/portforward", "create pods/default/p"),
        ("POST", "/sparkanywhere/v1/namespaces/default/files", "post stagedfiles/default/-"),
        ("PUT", "/sparkanywhere/v1/namespaces/default/files/abc", "put stagedfiles/default/abc"),
        ("DELETE", CONFIGMAPS, "deletecollection configmaps/default/-"),
    ],
)
def test_connections_uploads_and_collections_leave_a_line(
    api: ApiClient, tmp_path: Path, method: str, url: str, line: str
) -> None:
    api.request(method, url)

    (event,) = _events(tmp_path)
    assert _short(event).startswith(line)
    assert event["requestURI"] == url


def test_reading_as_another_leaves_a_line(api: ApiClient, tmp_path: Path) -> None:
    asked = {"Impersonate-User": "jane", "Impersonate-Group": "devs"}

    api.request("GET", CONFIGMAPS, headers=asked)
    api.request("GET", CONFIGMAPS, token="", headers=asked)

    acting, refused = _events(tmp_path)
    assert acting["impersonatedUser"] == {"username": "jane", "groups": ["devs", "system:authenticated"]}
    assert acting["responseStatus"]["code"] == 403
    assert (refused["user"]["username"], refused["impersonatedUser"]["username"]) == ("system:anonymous", "jane")


def test_a_deletecollection_names_what_it_met(api: ApiClient, tmp_path: Path) -> None:
    for name in ("a", "b"):
        api.create(CONFIGMAPS, {"metadata": {"name": name, "labels": {"app": "x"}}})

    api.request("DELETE", f"{CONFIGMAPS}?labelSelector=app=x")

    assert _events(tmp_path)[-1]["annotations"] == {"sparkanywhere.io/names": "a,b"}


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"authorization": "Bearer admin-token"}, None),
        ({"authorization": "Bearer wrong"}, 401),
        ({"authorization": "Basic YTpi"}, 401),
        ({}, 401),
    ],
)
def test_a_stranger_is_told_before_a_long_body_and_leaves_a_line(
    api: ApiClient, tmp_path: Path, headers: dict[str, str], code: int | None
) -> None:
    refusal = api.plane.stranger("POST", CONFIGMAPS, headers, address="10.1.2.3")

    assert (refusal.code if refusal else None) == code
    log = tmp_path / "default" / "audit.log"
    events = _events(tmp_path) if log.exists() else []
    assert [(each["requestURI"], each["sourceIPs"], each["responseStatus"]["code"]) for each in events] == (
        [(CONFIGMAPS, ["10.1.2.3"], code)] if code else []
    )


def test_who_was_refused_at_the_door_leaves_a_line(api: ApiClient, tmp_path: Path) -> None:
    api.plane.forbidden("GET", CONFIGMAPS, {"user-agent": "curl"}, address="127.0.0.1", why="not user 1001")

    (event,) = _events(tmp_path)
    assert (event["requestURI"], event["verb"], event["user"], event["userAgent"]) == (CONFIGMAPS, "get", {}, "curl")
    assert event["sourceIPs"] == ["127.0.0.1"]
    assert event["responseStatus"]["code"] == 403
    assert event["responseStatus"]["message"] == "not user 1001"


def test_a_flood_at_the_door_leaves_few_lines_and_their_number() -> None:
    lines: list[str] = []
    moments = [NOW, NOW + timedelta(minutes=1)]
    log = AuditLog(lines.append, clock=lambda: moments[0], new_uid=lambda: "id")

    def refuse() -> None:
        attempt = log.begin("GET")
        attempt.error = StatusError(403, "Forbidden", "not you")
        log.end_early(attempt)

    for _ in range(EARLY_LINES + 7):
        refuse()
    assert len(lines) == EARLY_LINES
    del moments[0]
    refuse()
    refuse()

    noted = [json.loads(line).get("annotations") for line in lines]
    assert noted == [None] * EARLY_LINES + [{OMITTED: "7"}, None]


def test_no_name_can_make_a_line_of_its_own() -> None:
    lines: list[str] = []
    log = AuditLog(lines.append, clock=lambda: NOW, new_uid=lambda: "id")
    attempt = log.begin("DELETE")
    name = 'a\n{"kind":"Event"}\u2028'
    attempt.info = RequestInfo(verb="delete", path="/x", method="DELETE", resource="pods", name=name)

    log.end(attempt, 404)

    assert lines[0].isascii()
    assert lines[0].isprintable()
    assert json.loads(lines[0])["objectRef"]["name"] == name


@pytest.mark.parametrize(("accepts", "is_packed"), [("gzip, deflate", True), ("gzip;q=0", False), ("br", False)])
def test_long_answers_are_packed_for_who_takes_that(api: ApiClient, accepts: str, is_packed: bool) -> None:
    api.create(CONFIGMAPS, {"metadata": {"name": "big"}, "data": {"k": "x" * 200_000}})
    request = api.request("GET", CONFIGMAPS, headers={"Accept-Encoding": accepts})

    assert (request.headers.get("content-encoding") == "gzip") == is_packed
    raw = request.raw if is_packed else json.dumps(request.body).encode()
    assert json.loads(gzip.decompress(raw) if is_packed else raw)["items"][0]["metadata"]["name"] == "big"


def test_short_answers_are_not_packed(api: ApiClient) -> None:
    assert "content-encoding" not in api.request("GET", CONFIGMAPS, headers={"Accept-Encoding": "gzip"}).headers
