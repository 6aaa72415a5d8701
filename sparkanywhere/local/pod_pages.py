"""Web pages of pods in a browser: a port of a pod on an origin of its own, for who may see it through the pod proxy.

What a job serves is a stranger's program to the browser. On the API's own origin it could read the token of our page
and send requests as its viewer (decision 0059). So `pod-HASH.localhost`, which browsers resolve to this machine, serves
one port of one pod and nothing else, to who brings the cookie of whoever has opened it. It does so at its root, since
scripts of Spark's UI take a path with "proxy" in it for YARN's.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from html import escape
from urllib.parse import urlsplit

from chalicelib.apimachinery.rules.status import StatusError
from chalicelib.apimachinery.types import JSON
from chalicelib.endpoints.http.requests import PROXIED_AT
from sparkanywhere.client.loopback import is_loopback
from sparkanywhere.webserver.messages import Answer, Request

TICKET = "/.sparkanywhere/open/"  # of a pod's host: what our page sends the browser to, once
COOKIE = "sparkanywhere-page"
TICKET_SECONDS = 60.0  # from the click to the browser's request
COOKIE_SECONDS = 12 * 3600.0  # a working day with a long job
SECRET_BYTES = 24
# What a page may do that a pod serves on the API's origin: its scripts run, as nobody.
SANDBOX = ("Content-Security-Policy", "sandbox allow-scripts allow-forms allow-popups")
ELSEWHERE = (
    "Pages of pods open in a browser on this server's own machine, at its loopback address."
    " From elsewhere `sparkanywhere ui` gets there."
)
STALE = "This page was opened too long ago, or before the server was started anew: open it again from the application."


@dataclass(frozen=True, slots=True)
class Opened:
    """A pod's page that somebody may see: `base` is its path in the API, `authorization` the viewer's header."""

    base: str
    authorization: str
    landing: str
    uid: str  # a later pod of the same name is another job's
    until: float = 0.0  # of the monotonic clock

    @property
    def host(self) -> str:
        """Return the name that this page, and no other, is served at."""
        return f"pod-{hashlib.sha256(f'{self.base} {self.uid}'.encode()).hexdigest()[:20]}.localhost"


class PodPages:
    """Opens pages of pods and serves them. `ask` hands a request to the app. One for all threads."""

    def __init__(self, ask: Callable[[Request], Answer], *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._ask = ask
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._opened: dict[str, Opened] = {}  # by secret: of a ticket or a cookie

    def open(self, request: Request, base: str, *, landing: str = "/") -> Answer:
        """Return where the browser finds the page `base` (.../pods/NAME:PORT/proxy), or the refusal of the pod's proxy.

        The URL is good once, for TICKET_SECONDS. Raises 501 for who is on another machine.
        """
        headers = request.head.headers
        here = urlsplit(f"//{headers.get('host', '')}")
        if not is_loopback(here.hostname or ""):
            raise StatusError(501, "NotImplemented", ELSEWHERE)
        answer = self._ask(asked(request, "GET", f"{base}/"))
        if answer.stream is None and answer.status >= 400:  # our own word, not the pod's
            return answer
        for _ in answer.stream or ():  # which ends the connection to the pod, once it was begun
            break
        opened = Opened(base, headers.get("authorization", ""), landing, self._uid(request, base))
        place = f"{opened.host}:{here.port}" if here.port else opened.host
        scheme = urlsplit(headers.get("origin", "")).scheme or "http"  # as our page was loaded
        return told({"url": f"{scheme}://{place}{TICKET}{self._keep(opened, TICKET_SECONDS)}"})

    def answer(self, request: Request) -> Answer:
        """Return what a pod's host answers: its page to who brings the cookie. Raises 403 for all others."""
        head = request.head
        if head.method == "GET" and head.path.startswith(TICKET):
            return self._enter(head.headers["host"], head.path.removeprefix(TICKET))
        if head.headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            raise StatusError(403, "Forbidden", "requests from web pages are not served")
        others, secret = _cookies(head.headers.get("cookie", ""))
        opened = self._find(secret, head.headers["host"])
        if opened is None:
            raise StatusError(403, "Forbidden", STALE)
        kept = {name: text for name, text in head.headers.items() if not name.startswith(("authoriz", "impersonate-"))}
        headers = {**kept, "cookie": others, "authorization": opened.authorization}
        sent = {name: text for name, text in headers.items() if text}
        if self._uid(replace(request, head=replace(head, headers=sent)), opened.base) != opened.uid:
            raise StatusError(403, "Forbidden", STALE)
        seen_at = PROXIED_AT.set("")
        try:
            return self._ask(replace(request, head=replace(head, target=opened.base + head.target, headers=sent)))
        finally:
            PROXIED_AT.reset(seen_at)

    def _enter(self, host: str, ticket: str) -> Answer:
        """Exchange a ticket for a cookie, by a page that leads on: only then is the browser on the pod's own site."""
        opened = self._find(ticket, host, once=True)
        if opened is None:
            raise StatusError(403, "Forbidden", STALE)
        page = (
            f'<!doctype html><title>Opening</title><meta http-equiv="refresh" content="0;url={escape(opened.landing)}">'
        )
        cookie = f"{COOKIE}={self._keep(opened, COOKIE_SECONDS)}; Path=/; HttpOnly; SameSite=Strict"
        headers = {
            "Content-Type": "text/html; charset=utf-8",
            "Set-Cookie": cookie,
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",
        }
        return Answer(status=200, headers=tuple(headers.items()), body=page.encode())

    def _uid(self, request: Request, base: str) -> str:
        """Return the uid of the pod behind a page. Raises 403 for who may not get it, and where it is gone."""
        answer = self._ask(asked(request, "GET", base.removesuffix("/proxy").rpartition(":")[0]))
        if answer.status != 200:
            raise StatusError(403, "Forbidden", STALE)
        return str(json.loads(answer.body)["metadata"]["uid"])

    def _keep(self, opened: Opened, seconds: float) -> str:
        secret, now = secrets.token_urlsafe(SECRET_BYTES), self._monotonic()
        with self._lock:
            self._opened = {key: each for key, each in self._opened.items() if each.until > now}
            self._opened[secret] = replace(opened, until=now + seconds)
        return secret

    def _find(self, secret: str, host: str, *, once: bool = False) -> Opened | None:
        with self._lock:
            found = self._opened.pop(secret, None) if once else self._opened.get(secret)
        is_good = found and found.until > self._monotonic() and found.host == host.partition(":")[0].lower()
        return found if is_good else None


def asked(request: Request, method: str, target: str, *, body: JSON | None = None) -> Request:
    """Return a request of whoever has sent `request`, with a body of JSON if there is one."""
    kept = ("host", "authorization")
    headers = {
        name: text for name, text in request.head.headers.items() if name in kept or name.startswith("impersonate-")
    }
    if body is not None:
        headers["content-type"] = "application/json"
    head = replace(request.head, method=method, target=target, headers=headers)
    return replace(request, head=head, body=b"" if body is None else json.dumps(body).encode())


def told(value: dict[str, str], *, status: int = 200) -> Answer:
    """Return an answer of JSON."""
    return Answer(status=status, headers=(("Content-Type", "application/json"),), body=json.dumps(value).encode())


def _cookies(header: str) -> tuple[str, str]:
    """Return the cookies without ours, and our cookie's value."""
    parts = [each.strip() for each in header.split(";")]
    ours = [each for each in parts if each.startswith(f"{COOKIE}=")]
    return "; ".join(each for each in parts if each and each not in ours), next(iter(ours), "").partition("=")[2]
