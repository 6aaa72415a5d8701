"""An HTTP answer as botocore would have read it from the network."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders


class _Raw:
    """What AWSResponse reads its body from."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self) -> Iterator[bytes]:
        """Yield the body."""
        yield self._body


def json_answer(url: str, status: int, body: dict[str, Any]) -> AWSResponse:
    """Return an answer of DynamoDB's content type."""
    headers = HTTPHeaders()
    headers["Content-Type"] = "application/x-amz-json-1.0"
    return AWSResponse(url, status, headers, _Raw(json.dumps(body).encode()))
