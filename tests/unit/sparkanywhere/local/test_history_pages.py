"""Pages of ended applications: what a history server's pod answers, and what is told meanwhile."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sparkanywhere.local.history_pages import READING, SERVERS, STARTING, HistoryPages
from sparkanywhere.local.pod_pages import PodPages
from sparkanywhere.webserver.messages import Answer, Request, RequestHead

PODS = "/api/v1/namespaces/default/pods"


def pod(name: str, *, created: str = "2026-01-01T00:00:00Z", phase: str = "Running", **metadata: str) -> Any:
    """Return a history server's pod."""
    metadata = {"name": name, "creationTimestamp": created, **metadata}
    return {"metadata": metadata, "status": {"phase": phase}}


def opened(pods: list[Any], code: int) -> tuple[Answer, list[str]]:
    """Open a page where these pods are and their history server answers `code`; return what was asked, too."""
    asked: list[str] = []

    def app(request: Request) -> Answer:
        asked.append(f"{request.head.method} {request.head.target}")
        if request.head.target == f"{PODS}?{SERVERS}":
            return Answer(status=200, body=json.dumps({"items": pods}).encode())
        return Answer(status=code)

    histories = HistoryPages(app, PodPages(app), lambda *_: {})
    head = RequestHead("POST", "/", 1, {"host": "127.0.0.1:8001", "authorization": "Bearer x"})
    return histories.open(Request(head, b"", ("127.0.0.1", 1)), "default", "spark-1"), asked


def test_the_youngest_that_runs_is_asked_for_the_application() -> None:
    gone = pod("gone", created="2026-03-01T00:00:00Z", phase="Failed")
    going = pod("going", created="2026-03-01T00:00:00Z", deletionTimestamp="2026-03-01T00:00:00Z")

    answer, asked = opened([pod("old"), gone, pod("young", created="2026-02-01T00:00:00Z"), going], 200)

    assert answer.status == 200
    assert json.loads(answer.body)["url"].startswith("http://pod-")
    assert asked[1] == f"HEAD {PODS}/young:18080/proxy/api/v1/applications/spark-1"


@pytest.mark.parametrize(("code", "waits"), [(503, STARTING), (404, READING)])
def test_what_it_waits_for_is_told(code: int, waits: str) -> None:
    answer, _ = opened([pod("one")], code)

    assert (answer.status, json.loads(answer.body)) == (202, {"waits": waits})


def test_who_may_not_see_it_is_refused() -> None:
    assert opened([pod("one")], 403)[0].status == 403
