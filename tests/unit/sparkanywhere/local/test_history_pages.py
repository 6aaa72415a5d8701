"""Pages of ended applications: what a history server's pod answers, and what is told meanwhile."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from chalicelib.apimachinery.rules.status import StatusError
from sparkanywhere.local.history_pages import MOST_STARTS, READING, REVIEWS, SERVERS, STARTING, HistoryPages
from sparkanywhere.local.pod_pages import PodPages
from sparkanywhere.webserver.messages import Answer, Request, RequestHead
from tests.waiting import until

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
        return Answer(status=code, body=b'{"metadata": {"uid": "u"}}')

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


class Starts:
    """A control plane without a history server; `script` is run in place of the command that starts one."""

    def __init__(self, folder: Path, script: str, *, is_allowed: bool = True) -> None:
        self.folder = folder
        self.is_allowed = is_allowed
        self.asked: list[str] = []
        self.histories = HistoryPages(
            self._app, PodPages(self._app), lambda *_: {}, command=(sys.executable, "-c", script.format(folder=folder))
        )

    def _app(self, request: Request) -> Answer:
        target = request.head.target
        self.asked.append(f"{request.head.method} {target}")
        if target == REVIEWS:
            return Answer(status=201, body=json.dumps({"status": {"allowed": self.is_allowed}}).encode())
        if "gone" in target and SERVERS not in target:
            return Answer(status=404)
        return Answer(status=200, body=b'{"items": []}')

    def open(self, namespace: str = "default", *, token: str = "x") -> int:
        """Return the code of an answer."""
        head = RequestHead("POST", "/", 1, {"host": "127.0.0.1:8001", "authorization": f"Bearer {token}"})
        try:
            return self.histories.open(Request(head, b"", ("127.0.0.1", 1)), namespace, "spark-1").status
        except StatusError as error:
            self.said = error.message
            return error.code

    def runs(self) -> int:
        """Return how many were started."""
        return len(list(self.folder.glob("run-*")))


RUN = "import os, pathlib; pathlib.Path('{folder}', f'run-{{os.getpid()}}').touch(); "
FAIL = RUN + "raise SystemExit('no room')"
WAIT = RUN + "import time\nwhile not os.path.exists('{folder}/end'): time.sleep(0.01)"


@pytest.fixture
def kubeconfigs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return where folders with kubeconfigs are made."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    return tmp_path / "tmp"


def test_nothing_stays_of_a_start_that_nobody_asks_after(tmp_path: Path, kubeconfigs: Path) -> None:
    starts = Starts(tmp_path, RUN)

    assert starts.open() == 202

    until(lambda: starts.runs() == 1, "the start")
    until(lambda: not list(kubeconfigs.iterdir()), "the folder with the kubeconfig to be gone")
    assert f"POST {REVIEWS}" in starts.asked


def test_a_failure_is_told_to_whom_it_happened(tmp_path: Path, kubeconfigs: Path) -> None:
    starts = Starts(tmp_path, FAIL)
    starts.open()
    until(lambda: starts.runs() == 1 and not list(kubeconfigs.iterdir()), "the failure")

    assert starts.open(token="admin") == 202
    until(lambda: starts.open() == 503, "the failure to be told")
    assert starts.said == "no room"


@pytest.mark.parametrize(("namespace", "is_allowed", "code"), [("default", False, 403), ("gone", True, 404)])
def test_who_could_not_start_one_starts_no_process(tmp_path: Path, namespace: str, is_allowed: bool, code: int) -> None:
    starts = Starts(tmp_path, RUN, is_allowed=is_allowed)

    assert starts.open(namespace) == code
    assert starts.histories.count == 0


def test_few_are_started_at_once(tmp_path: Path, kubeconfigs: Path) -> None:
    starts = Starts(tmp_path, WAIT)

    codes = [starts.open(f"team-{number}") for number in (*range(MOST_STARTS), 0, MOST_STARTS)]

    assert codes == [*[202] * (MOST_STARTS + 1), 503]
    (tmp_path / "end").touch()
    until(lambda: not list(kubeconfigs.iterdir()) and starts.histories.count == 0, "the starts to end")
