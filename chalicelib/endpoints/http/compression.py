"""Compression of long answers for clients that take gzip, as kubectl, client-go and fabric8 do.

A local server packs them here; on AWS API Gateway does, except what Lambda itself could not answer unpacked.

Compare k8s.io/apiserver/pkg/endpoints/handlers/responsewriters (v1.36): 128 KB is where it begins to pay.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping
from typing import Any

from chalice.app import Response

from chalicelib.endpoints.http.negotiation import parse_accept
from chalicelib.endpoints.http.responses import Headers, StreamResponse

MIN_BYTES = 128 * 1024
LEVEL = 1  # the fastest: lists of objects shrink to a tenth with it already


def compressed(response: Response, headers: Mapping[str, str]) -> Response:
    """Return the answer in gzip if it is long and the client takes that, else as it is."""
    body = response.body
    if isinstance(response, StreamResponse | PackedResponse) or not isinstance(body, str):
        return response
    if len(body) < MIN_BYTES:
        return response
    if not _takes_gzip(headers.get("accept-encoding", "")):
        return response
    packed = gzip.compress(body.encode(), LEVEL, mtime=0)
    content_type = str(response.headers.get("Content-Type", "application/json"))
    made = StreamResponse(iter([packed]), content_type=content_type, status_code=response.status_code)
    made.headers.update(response.headers)
    made.headers |= {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    return made


class PackedResponse(Response):
    """An answer of bytes, in the base64 that API Gateway's proxy takes them in."""

    def to_dict(self, binary_types: Any = None) -> dict[str, Any]:
        """Return Chalice's response dict, marked as base64."""
        as_dict: dict[str, Any] = super().to_dict(binary_types)
        return {**as_dict, "isBase64Encoded": True}


def bytes_response(data: bytes, content_type: str, headers: Mapping[str, str]) -> Response:
    """Return an answer of bytes, in gzip if the client takes that."""
    made: Headers = {"Content-Type": content_type}
    if _takes_gzip(headers.get("accept-encoding", "")):
        data = gzip.compress(data, LEVEL, mtime=0)
        made |= {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    return PackedResponse(base64.b64encode(data).decode(), headers=made, status_code=200)


def fitted(response: Response, headers: Mapping[str, str], *, max_bytes: int) -> tuple[Response, int]:
    """Return the answer, packed if only so Lambda can give it, and how many bytes Lambda is to send for it.

    More than `max_bytes` where it does not fit even so.
    """
    size = len(response.body)
    if size <= max_bytes:
        size = len(json.dumps(response.body))  # text is sent within JSON, which makes it longer
    if size <= max_bytes or not _takes_gzip(headers.get("accept-encoding", "")):
        return response, size
    body = base64.b64encode(gzip.compress(response.body.encode(), LEVEL, mtime=0)).decode()
    packed = PackedResponse(
        body,
        headers={**response.headers, "Content-Encoding": "gzip", "Vary": "Accept-Encoding"},
        status_code=response.status_code,
    )
    return packed, len(body)


def _takes_gzip(header: str) -> bool:
    for name, params in parse_accept(header):
        if name in ("gzip", "*"):
            try:
                return float(params.get("q", "1")) > 0
            except ValueError:
                return False
    return False
