"""The path of the API whose answers are streamed, which Chalice does not know: in its definition, and who may call it.

API Gateway Developer Guide, "Set up a Lambda proxy integration with payload response streaming" and
"x-amazon-apigateway-integration object", 2026.
"""

from __future__ import annotations

import copy
from typing import Any

from chalice import package
from chalice.app import Chalice
from chalice.deploy import deployer
from chalice.deploy.planner import StringFormat
from chalice.deploy.swagger import CFNSwaggerGenerator, TemplatedSwaggerGenerator
from chalice.package import TemplatePostProcessor

from chalicelib.endpoints.http.requests import STREAM_PATH

FUNCTION = "stream"  # its name in app.py
PATH = f"/{STREAM_PATH}/{{proxy+}}"
SECONDS = 900  # the longest that API Gateway streams an answer
LAMBDA_PATH = "lambda:path/2021-11-15/functions/{}/response-streaming-invocations"  # InvokeWithResponseStream


def path_definition(uri: Any) -> dict[str, Any]:  # Any: text, or what Chalice or CloudFormation makes a text of
    """Return what a definition of the API says of the path: only reads last."""
    return {
        "get": {
            "parameters": [{"name": "proxy", "in": "path", "required": True, "type": "string"}],
            "responses": {},
            "x-amazon-apigateway-integration": {
                "type": "aws_proxy",
                "httpMethod": "POST",
                "uri": uri,
                "responseTransferMode": "STREAM",
                "timeoutInMillis": SECONDS * 1000,
            },
        }
    }


class StreamingDefinition(TemplatedSwaggerGenerator):
    """Defines the API for `chalice deploy`."""

    def _add_route_paths(self, api: dict[str, Any], app: Chalice) -> None:
        super()._add_route_paths(api, app)
        function = f"{FUNCTION}_lambda_arn"  # known by then: Chalice deploys the functions before the API
        uri = "arn:{partition}:apigateway:{region_name}:" + LAMBDA_PATH.format(f"{{{function}}}")
        api["paths"][PATH] = path_definition(StringFormat(uri, ["partition", "region_name", function]))


class StreamingTemplateDefinition(CFNSwaggerGenerator):
    """Defines the API for `chalice package`."""

    def _add_route_paths(self, api: dict[str, Any], app: Chalice) -> None:
        super()._add_route_paths(api, app)
        function = f"${{{FUNCTION.title()}.Arn}}"
        uri = "arn:${AWS::Partition}:apigateway:${AWS::Region}:" + LAMBDA_PATH.format(function)
        api["paths"][PATH] = path_definition({"Fn::Sub": uri})


class StreamingPermission(TemplatePostProcessor):
    """Lets the API of a template of `chalice package` call the function."""

    def process(self, template: dict[str, Any], *_place: object) -> None:
        """Add to the template's resources."""
        permission = copy.deepcopy(template["Resources"]["APIHandlerInvokePermission"])
        permission["Properties"]["FunctionName"] = {"Ref": FUNCTION.title()}
        template["Resources"]["StreamInvokePermission"] = permission


def define_streams() -> None:
    """Have Chalice define APIs so; it finds these by name. May be repeated."""
    deployer.TemplatedSwaggerGenerator = StreamingDefinition  # type: ignore[attr-defined]
    package.CFNSwaggerGenerator = StreamingTemplateDefinition  # type: ignore[attr-defined]
