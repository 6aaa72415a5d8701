"""OpenAPI: /openapi/v2 and /openapi/v3 of the kinds we serve, from the published schema."""

from __future__ import annotations

from collections.abc import Iterable

from chalice.app import Response

from chalicelib.apimachinery.status import unknown_path
from chalicelib.endpoints.request_info import RequestInfo
from chalicelib.registry.strategy import Strategy


class OpenApi:
    """Answers what kubectl needs for apply, explain and validation."""

    def __init__(self, strategies: Iterable[Strategy]) -> None:
        self._strategies = list(strategies)

    def answer(self, info: RequestInfo) -> Response:
        """Return the document that a request asks for."""
        raise unknown_path()
