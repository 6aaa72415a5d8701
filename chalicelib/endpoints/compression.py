"""Compression of long answers for clients that take gzip. API Gateway does this on AWS; a local server here.

Compare k8s.io/apiserver/pkg/endpoints/handlers/responsewriters (v1.36): 128 KB is where it begins to pay.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping

from chalice.app import Response

from chalicelib.endpoints.negotiation import parse_accept
from chalicelib.endpoints.responses import StreamResponse

MIN_BYTES = 128 * 1024
LEVEL = 1  # the fastest: lists of objects shrink to a tenth with it already


def compressed(response: Response, headers: Mapping[str, str]) -> Response:
    """Return the answer in gzip if it is long and the client takes that, else as it is."""
    body = response.body
    if isinstance(response, StreamResponse) or not isinstance(body, str) or len(body) < MIN_BYTES:
        return response
    if not _takes_gzip(headers.get("accept-encoding", "")):
        return response
    packed = gzip.compress(body.encode(), LEVEL, mtime=0)
    content_type = str(response.headers.get("Content-Type", "application/json"))
    made = StreamResponse(iter([packed]), content_type=content_type, status_code=response.status_code)
    made.headers.update(response.headers)
    made.headers |= {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    return made


def _takes_gzip(header: str) -> bool:
    for name, params in parse_accept(header):
        if name in ("gzip", "*"):
            try:
                return float(params.get("q", "1")) > 0
            except ValueError:
                return False
    return False
