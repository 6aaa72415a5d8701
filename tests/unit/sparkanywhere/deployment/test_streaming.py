"""The API's definition says of the path that streams what API Gateway's own model knows."""

from __future__ import annotations

from typing import Any

import botocore.session

from chalicelib.plane.host import LAMBDA
from sparkanywhere.deployment.streaming import SECONDS, path_definition


def test_the_integration_has_the_fields_of_api_gateways_model() -> None:
    model: Any = botocore.session.get_session().get_service_model("apigateway").shape_for("Integration")
    integration = path_definition("arn")["get"]["x-amazon-apigateway-integration"]

    assert set(integration) <= set(model.members)
    assert integration["responseTransferMode"] in model.members["responseTransferMode"].enum
    assert integration["type"].upper() in model.members["type"].enum


def test_a_stream_ends_before_the_gateway_ends_it() -> None:
    assert LAMBDA.stream_seconds is not None
    assert LAMBDA.stream_seconds < SECONDS <= 15 * 60
