"""Requests of the web server through Chalice's own local gateway: the same handlers run as on Lambda.

The dict that Chalice hands back may carry two keys more than on Lambda:

- `x-stream`: an iterator of bytes. Each piece is sent at once; an empty one sends nothing and asks whether
  the client is still there. Its close() is called when the answer ends, however it ends.
- `x-upgrade`: a PodStream, for which the connection is taken over (streaming.upgrade).
"""

from __future__ import annotations

import base64
import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

from chalice.local import LocalGateway, LocalGatewayException

from chalicelib.apimachinery.rules.status import StatusError, too_large, unknown_path
from chalicelib.endpoints.auth.audit import CLIENT_ADDRESS
from chalicelib.endpoints.http.requests import PROXIED
from chalicelib.endpoints.http.responses import STREAM_KEY
from chalicelib.endpoints.verbs.pod_streams import UPGRADE_KEY
from sparkanywhere.local.history_pages import HistoryPages, Kubeconfig
from sparkanywhere.local.pod_pages import SANDBOX, PodPages
from sparkanywhere.local.wrong_tokens import WrongTokens
from sparkanywhere.streaming.upgrade import takeover
from sparkanywhere.webserver.messages import Answer, Request, RequestHead
from sparkanywhere.webserver.origin import GUEST

# What the app itself allows in a body, and what a real API server says of a larger one.
APP_BODY_BYTES = 3 * 1024 * 1024

ProxyResponse = dict[str, Any]  # Any: as Lambda answers API Gateway, and two keys more

_REASONS = {
    400: "BadRequest",
    403: "Forbidden",
    408: "Timeout",
    413: "RequestEntityTooLarge",
    429: "TooManyRequests",
    431: "BadRequest",
    500: "InternalError",
    501: "BadRequest",
    503: "ServiceUnavailable",
    505: "BadRequest",
}


# Python runs one thread at a time, and 64 concurrent reads pass that right around at every step into SQLite. Taking
# turns gave 3,400 reads a second instead of 2,000, and 55 ms at p99 instead of 210. A read that gets no turn within
# this time runs without one: nobody has to wait for somebody else's slow read.
TURN_SECONDS = 0.05
UNAUTHORIZED = 401
PROXIED_TARGET = re.compile(r"(/api/v1/namespaces/[^/?]+/(?:pods|services)/[^/?]+/proxy)([/?].*)?")
# Of a local server alone: POST asks where a browser finds a pod's page, and an ended run's.
POD_PAGE = "/sparkanywhere/v1/namespaces/{namespace}/pods/{name}:{port}/page"
HISTORY_PAGE = "/sparkanywhere/v1/namespaces/{namespace}/history/{application}"
_PAGES = re.compile("|".join(re.sub(r"\{\w+\}", "([A-Za-z0-9._-]+)", each) for each in (POD_PAGE, HISTORY_PAGE)))
RETRY_SECONDS = 1  # after which a client that found no room may try again


class Gateway:
    """The web server's handler: request -> Lambda event -> the app -> answer. One for all threads.

    The answer to a wrong token comes late, the later the more of them its address has sent: trying tokens out is slow,
    and whoever has the right one is not kept waiting, whatever else comes from where he is.
    """

    def __init__(
        self, local_gateway: LocalGateway, *, kubeconfig: Kubeconfig, pause: Callable[[float], object] = time.sleep
    ) -> None:
        self._local_gateway = local_gateway
        self._turn = threading.Lock()
        self._wrong_tokens = WrongTokens()
        self._pause = pause
        self._pages = PodPages(self._app)
        self._histories = HistoryPages(self._app, self._pages, kubeconfig)

    def __call__(self, request: Request) -> Answer:
        """Return the app's answer. A path deeper than any route is a 404 Status."""
        CLIENT_ADDRESS.set(request.client[0])
        answer = self._ask(request)
        if answer.status == UNAUTHORIZED:
            self._pause(self._wrong_tokens.count(request.client[0]))
        return answer

    def _ask(self, request: Request) -> Answer:
        head = request.head
        try:
            if GUEST.fullmatch(head.headers.get("host", "")):
                return self._pages.answer(request)
            if head.method == "POST" and (page := _PAGES.fullmatch(head.target)):
                namespace, name, port, ended_in, application = page.groups()
                if application:
                    return self._histories.open(request, ended_in, application)
                return self._pages.open(request, f"/api/v1/namespaces/{namespace}/pods/{name}:{port}/proxy")
            answer = self._app(request)
        except StatusError as error:
            return status_answer(error)
        is_proxied = any(map(PROXIED_TARGET.fullmatch, (head.target, unquote(head.target))))
        return replace(answer, headers=(*answer.headers, SANDBOX)) if is_proxied else answer

    def _app(self, request: Request) -> Answer:
        """Return the app's own answer. Raises StatusError for an unknown protocol."""
        target, proxied = request.head.target, ""
        if match := PROXIED_TARGET.fullmatch(target):
            target, proxied = match[1], match[2] or ""
        PROXIED.set(proxied)
        has_turn = not proxied and is_quick_read(request.head) and self._turn.acquire(timeout=TURN_SECONDS)
        try:
            response = self._local_gateway.handle_request(
                method=request.head.method, path=target, headers=dict(request.head.headers), body=request.body or None
            )
            return to_answer(response, request.head)
        except LocalGatewayException:
            return status_answer(unknown_path())
        finally:
            if has_turn:
                self._turn.release()


def is_quick_read(head: RequestHead) -> bool:
    """Return whether the request only reads, and does not wait for anything to happen."""
    query = head.target.partition("?")[2]
    return head.method in ("GET", "HEAD") and "watch=" not in query and "follow=" not in query


def to_answer(response: ProxyResponse, head: RequestHead) -> Answer:
    """Return a Lambda proxy response as the web server's answer. Raises StatusError for an unknown protocol."""
    if UPGRADE_KEY in response:
        return Answer(status=101, takeover=takeover(response[UPGRADE_KEY], head))
    headers = [(name, str(value)) for name, value in (response.get("headers") or {}).items()]
    for name, values in (response.get("multiValueHeaders") or {}).items():
        headers.extend((name, str(value)) for value in values)
    body = response.get("body") or b""
    if response.get("isBase64Encoded"):
        body = base64.b64decode(body)
    return Answer(
        status=int(response["statusCode"]),
        headers=tuple(headers),
        body=body if isinstance(body, bytes) else str(body).encode(),
        stream=response.get(STREAM_KEY),
    )


def refuse(code: int, message: str) -> Answer:
    """Return the answer to a request that never reaches the app: a Status, as a real API server words it."""
    if code == 413:
        return status_answer(too_large(APP_BODY_BYTES))
    again = RETRY_SECONDS if code in (429, 503) else None
    return status_answer(StatusError(code, _REASONS.get(code, "InternalError"), message, retry_after_seconds=again))


def status_answer(error: StatusError) -> Answer:
    """Return a Status as an answer."""
    headers = [("Content-Type", "application/json")]
    if error.retry_after_seconds is not None:
        headers.append(("Retry-After", str(error.retry_after_seconds)))
    return Answer(status=error.code, headers=tuple(headers), body=json.dumps(error.to_dict()).encode())
