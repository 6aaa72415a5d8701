"""KubernetesApp: a Chalice whose own errors are Kubernetes Statuses too.

Chalice answers 405, 415 and 500 by itself as {"Code", "Message"}; Kubernetes clients want a Status.
"""

from __future__ import annotations

import json
from typing import Any

from chalice.app import APIGateway, Chalice, RestAPIEventHandler

from chalicelib.apimachinery.rules.status import (
    StatusError,
    bad_request,
    internal_error,
    method_not_allowed,
    unknown_path,
)

STATUSES: dict[int, StatusError] = {
    400: bad_request("the request could not be understood"),
    404: unknown_path(),
    405: method_not_allowed(),
    500: internal_error("the control plane met an unexpected error; see its log"),
}


# Bodies that API Gateway must not take for text, which would destroy them. For an answer in gzip it asks the first
# type of the request's Accept, and kubectl's are many: "Binary media types for REST APIs" in its Developer Guide.
BINARY_TYPES = ("*/*", "application/vnd.kubernetes.protobuf")


class KubernetesApp(Chalice):
    """A Chalice app that gives a Status where Chalice itself would give its own kind of error."""

    def __init__(self, app_name: str) -> None:
        super().__init__(app_name=app_name)
        self.api.binary_types = list(BINARY_TYPES)
        self._answers = APIGateway()  # Chalice would encode every answer of those types, text too

    def __call__(self, event: Any, context: Any) -> Any:
        """Handle a Lambda event (a REST proxy request); return the proxy response."""
        self.lambda_context = context
        handler = RestAPIEventHandler(self.routes, self._answers, self.log, self.debug)
        self.current_request = handler.create_request_object(event, context)
        response = handler(event, context)
        if not isinstance(response, dict) or not _is_chalice_error(response):
            return response
        status = STATUSES.get(response["statusCode"], STATUSES[500])
        headers = {**(response.get("headers") or {}), "Content-Type": "application/json"}
        return {**response, "headers": headers, "body": json.dumps(status.to_dict())}


def _is_chalice_error(response: dict[str, Any]) -> bool:
    body = response.get("body")
    return (
        response.get("statusCode", 200) >= 400
        and isinstance(body, str)
        and body.startswith('{"Code"')
        and '"Message"' in body
    )
