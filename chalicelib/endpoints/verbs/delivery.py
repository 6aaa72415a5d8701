"""How answers that last leave this process: streamed, buffered, or by the function that streams.

API Gateway buffers the answers of the API's function. kubectl's `get --watch`, `events --watch` and `logs --follow`
end with the first answer, so these clients are sent on to the function `stream`, whose answers the gateway passes on
as they come, for 15 minutes at most: API Gateway Developer Guide, "Stream the integration response for your proxy
integrations", 2026. Lambda does not learn that a client has left, and a stream costs until its end: so whoever asks
again by itself is not sent on. Except for kubectl: its `wait`, `rollout status` and `delete` give up at a time of their
own, but not before an answer has begun, and a buffer begins with its end. They get short streams.

Go's HTTP client follows a redirect with all of its headers (net/http, Client), and client-go adds its credentials to
each request (client-go v0.24 to v0.37, transport/round_trippers.go).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from urllib.parse import quote, urlencode

from chalice.app import Response

from chalicelib.endpoints.auth.limits import CountedWatch
from chalicelib.endpoints.auth.open_streams import OpenStreams
from chalicelib.endpoints.http.requests import STREAM_PATH, RequestInfo

# The gateway gives up after 29 s: 25 leave room for a cold start and a slow last read.
MAX_HOLD_SECONDS = 25.0
# Of a kubectl that asks again: 1.24 looks at `wait --timeout` only between two watches.
SHORT_STREAM_SECONDS = 5.0
# client-go's DefaultKubernetesUserAgent: program/version (os/arch) kubernetes/commit
GO_CLIENT = re.compile(r"\S+ \([^)]*\) kubernetes/")
KUBECTL_COMMAND = "kubectl-command"  # a header
# Of kubectl's commands, those that end with a watch's answer; the others ask again.
KUBECTL_ENDS = ("", "kubectl get", "kubectl events")


@dataclass(frozen=True, slots=True)
class Delivery:
    """What becomes of watches and followed logs: streams of `longest_seconds` at most, None for no limit, or buffers.

    Beyond what `open_streams` lets be open, a stream lasts as long as a buffer is held: nobody is refused.
    With `redirects` those who would end with a buffer are sent to the function that streams.
    """

    streams: bool
    longest_seconds: float | None = None
    redirects: bool = False
    open_streams: OpenStreams | None = None  # where a stream holds what others want

    def stream(self, info: RequestInfo, begin: Callable[[float | None], Iterator[bytes]]) -> Iterator[bytes]:
        """Return the pieces of a request's stream, which `begin` returns for the seconds that it may last."""
        if self.open_streams is None:
            return begin(self.longest_seconds)
        if info.verb == "watch" and info.headers.get(KUBECTL_COMMAND, "") not in KUBECTL_ENDS:
            return begin(SHORT_STREAM_SECONDS)
        name = self.open_streams.take(info.user.name)
        if name is None:
            return begin(MAX_HOLD_SECONDS)
        release = partial(self.open_streams.release, name)
        try:
            return CountedWatch(begin(self.longest_seconds), release)
        except BaseException:
            release()
            raise

    def redirect(self, info: RequestInfo) -> Response | None:
        """Return the redirect of a request that is to be streamed elsewhere, None if it is answered here.

        It is relative, so that it holds behind any domain and base path.
        """
        if not (self.redirects and GO_CLIENT.match(info.headers.get("user-agent", ""))):
            return None
        if info.verb == "watch" and info.first("timeoutSeconds") and not info.headers.get(KUBECTL_COMMAND):
            return None  # client-go's reflectors name a timeout and come back
        up = "../" * (info.path.count("/") - 1)
        location = f"{up}{STREAM_PATH}{quote(info.path)}?{urlencode(info.query, doseq=True)}"
        return Response(body="", status_code=307, headers={"Location": location})
