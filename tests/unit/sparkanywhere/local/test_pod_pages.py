"""Pages of pods on origins of their own: who opens them, who sees them, and what a page can ask there."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

import pytest

from chalicelib.apimachinery.rules.status import StatusError
from sparkanywhere.local.pod_pages import COOKIE_SECONDS, TICKET, TICKET_SECONDS, PodPages
from sparkanywhere.webserver.messages import Answer, Request, RequestHead
from sparkanywhere.webserver.origin import GUEST, refusal

BASE = "/api/v1/namespaces/default/pods/job-driver:4040/proxy"
OTHER = BASE.replace("job", "other")
TOKEN = "Bearer of-the-viewer"
LINK = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}


class Site:
    """Pages before an app that answers `status` and keeps what it is asked."""

    def __init__(self, *, status: int = 200) -> None:
        self.status = status
        self.now = 0.0
        self.uid = "u"
        self.asked: list[RequestHead] = []
        self.pages = PodPages(self._app, monotonic=lambda: self.now)

    def _app(self, request: Request) -> Answer:
        if "/proxy" not in request.head.target:
            return Answer(status=200, body=json.dumps({"metadata": {"uid": self.uid}}).encode())
        self.asked.append(request.head)
        return Answer(status=self.status)

    def ticket(self, base: str = BASE, host: str = "127.0.0.1:8001", **headers: str) -> tuple[str, str]:
        """Open a page as its viewer; return the host and the path that the browser is sent to."""
        answer = self.pages.open(asked("POST", "/", host=host, authorization=TOKEN, **headers), base, landing="/jobs/")
        assert answer.status == 200
        parts = urlsplit(json.loads(answer.body)["url"])
        return parts.netloc, parts.path

    def visit(self, base: str = BASE) -> tuple[str, str]:
        """Open a page and follow the link to it; return its host and the cookie."""
        host, path = self.ticket(base)
        return host, cookie_of(self.pages.answer(asked("GET", path, host=host, **LINK)))

    def code(self, method: str, target: str, **headers: str) -> int:
        """Return the code of an answer or of a refusal."""
        try:
            return self.pages.answer(asked(method, target, **headers)).status
        except StatusError as error:
            return error.code


def asked(method: str, target: str, **headers: str) -> Request:
    """Return a request."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Request(RequestHead(method, target, 1, named), b"", ("127.0.0.1", 1))


def cookie_of(answer: Answer) -> str:
    """Return the cookie that an answer sets, as a browser sends it."""
    return dict(answer.headers)["Set-Cookie"].partition(";")[0]


def test_a_click_leads_to_the_page_with_the_viewers_rights() -> None:
    site = Site()

    host, path = site.ticket(origin="https://127.0.0.1:8001")
    entry = site.pages.answer(asked("GET", path, host=host, **LINK))
    answer = site.pages.answer(asked("GET", "/jobs/?a=1", host=host, cookie=f"x=1; {cookie_of(entry)}; y=2"))

    assert GUEST.fullmatch(host)
    assert "url=/jobs/" in entry.body.decode()
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(dict(entry.headers)["Set-Cookie"].split("; "))
    assert answer.status == 200
    assert [each.method for each in site.asked] == ["GET", "GET"]
    assert site.asked[-1].target == f"{BASE}/jobs/?a=1"
    assert site.asked[-1].headers == {"host": host, "cookie": "x=1; y=2", "authorization": TOKEN}


def test_no_two_ports_share_an_origin() -> None:
    site = Site()

    hosts = {site.ticket(base)[0] for base in (BASE, OTHER, BASE.replace("4040", "4041"), BASE.replace("default", "b"))}

    assert len(hosts) == 4
    assert site.ticket()[0] in hosts


def test_a_page_that_may_not_be_seen_is_not_opened() -> None:
    assert Site(status=403).pages.open(asked("POST", "/", host="localhost:1"), BASE).status == 403


@pytest.mark.parametrize("host", ["10.1.2.3:8001", "my-laptop:8001", "host.docker.internal", ""])
def test_a_browser_elsewhere_is_told_the_way(host: str) -> None:
    with pytest.raises(StatusError, match="sparkanywhere ui") as refused:
        Site().pages.open(asked("POST", "/", host=host), BASE)

    assert refused.value.code == 501


@pytest.mark.parametrize("target", ["/", "/jobs/?a=1", "/api/v1/namespaces/default/secrets", "/../../secrets", OTHER])
def test_whatever_its_host_is_asked_the_pod_is_asked(target: str) -> None:
    site = Site()
    host, cookie = site.visit()

    assert site.code("GET", target, host=host, cookie=cookie) == 200
    assert site.asked[-1].target == f"{BASE}{target}"


def test_what_a_page_says_of_itself_does_not_count() -> None:
    site = Site()
    host, cookie = site.visit()

    site.code("GET", "/", host=host, cookie=cookie, authorization="Bearer x", impersonate_user="admin")

    assert site.asked[-1].headers == {"host": host, "authorization": TOKEN}


@pytest.mark.parametrize("headers", [{}, {"cookie": "sparkanywhere-page=guess"}, {"authorization": TOKEN}])
def test_nobody_sees_it_without_the_cookie(headers: dict[str, str]) -> None:
    site = Site()
    host, _ = site.visit()

    assert site.code("GET", "/", host=host, **headers) == 403


def test_the_cookie_of_one_page_opens_no_other() -> None:
    site = Site()
    _, cookie = site.visit()
    host, path = site.ticket(OTHER)

    assert site.code("GET", "/", host=host, cookie=cookie) == 403
    assert site.code("GET", path, host=site.ticket()[0]) == 403


def test_a_ticket_is_good_once_and_not_for_long() -> None:
    site = Site()
    host, path = site.ticket()
    _, late = site.ticket()

    assert [site.code("GET", path, host=host) for _ in range(2)] == [200, 403]
    site.now = TICKET_SECONDS + 1
    assert site.code("GET", late, host=host) == 403


def test_a_cookie_is_good_for_a_day_of_work() -> None:
    site = Site()
    host, cookie = site.visit()

    site.now = COOKIE_SECONDS - 1
    assert site.code("GET", "/", host=host, cookie=cookie) == 200
    site.now = COOKIE_SECONDS + 1
    assert site.code("GET", "/", host=host, cookie=cookie) == 403


def test_other_sites_can_send_nothing_there_but_a_link_of_ours() -> None:
    site = Site()
    host, cookie = site.visit()

    assert refusal({"host": host, **LINK}) is None
    assert refusal({"host": "127.0.0.1:8001", **LINK}) is not None
    assert refusal({"host": host, **LINK, "sec-fetch-dest": "iframe"}) is not None
    assert refusal({"host": host, **LINK, "origin": "null"}) is not None
    assert site.code("GET", "/jobs/job/kill/?id=1", host=host, cookie=cookie, **LINK) == 403
    assert site.code("GET", f"{TICKET}guess", host=host, **LINK) == 403


def test_a_later_pod_of_that_name_has_an_origin_of_its_own() -> None:
    site = Site()
    host, cookie = site.visit()
    assert site.code("GET", "/", host=host, cookie=cookie) == 200

    site.uid = "another"

    assert site.code("GET", "/", host=host, cookie=cookie) == 403
    assert site.ticket()[0] != host
