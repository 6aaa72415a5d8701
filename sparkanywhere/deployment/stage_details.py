"""What Chalice cannot say of a stage, set after each of its deployments: dead letters, throttling, tags, streams.

Chalice tags functions alone, writes the rules' targets anew without a queue, and leaves the API to the account's
limits. References: EventBridge API Reference, PutTargets; Lambda API Reference, PutFunctionEventInvokeConfig; API
Gateway API Reference, UpdateStage and "patch operations"; 2026.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.session import Session
from chalice.awsclient import TypedAWSClient
from chalice.config import Config

from sparkanywhere.deployment.record import Values
from sparkanywhere.deployment.streaming import FUNCTION

KEY = "sparkanywhere"  # in a stage of .chalice/config.json; Chalice passes over what it does not know


@dataclass(frozen=True, slots=True)
class StageDetails:
    """What Terraform says of a stage that Chalice has no words for."""

    dead_letters: str  # ARN of a queue
    requests_a_second: float
    burst: int

    def set(self, session: Session, config: Config, values: Values) -> None:
        """Set them on what is deployed. May be repeated. Raises botocore's ClientError."""
        tags = config.tags
        clients: dict[str, Any] = {  # their methods are made at run time
            name: session.create_client(name) for name in ("apigateway", "events", "lambda")
        }
        for each in values["resources"]:
            if each["resource_type"] == "lambda_function":
                self._keep_failed(clients["lambda"], each["lambda_arn"])
            elif "rule_name" in each:
                self._keep_undelivered(clients["events"], each["rule_name"], tags)
            elif each["resource_type"] == "rest_api":
                self._throttle(clients["apigateway"], each["rest_api_id"], config.api_gateway_stage, tags)
                account = self.dead_letters.split(":")[4]
                streaming = f"{config.app_name}-{config.chalice_stage}-{FUNCTION}"
                TypedAWSClient(session).add_permission_for_apigateway(
                    streaming, clients["apigateway"].meta.region_name, account, each["rest_api_id"]
                )

    def _keep_failed(self, client: Any, function: str) -> None:
        queue = {"OnFailure": {"Destination": self.dead_letters}}
        client.put_function_event_invoke_config(FunctionName=function, DestinationConfig=queue)

    def _keep_undelivered(self, client: Any, rule: str, tags: Mapping[str, str]) -> None:
        targets = client.list_targets_by_rule(Rule=rule)["Targets"]
        kept = [{**each, "DeadLetterConfig": {"Arn": self.dead_letters}} for each in targets]
        client.put_targets(Rule=rule, Targets=kept)
        arn = client.describe_rule(Name=rule)["Arn"]
        client.tag_resource(ResourceARN=arn, Tags=[{"Key": key, "Value": value} for key, value in tags.items()])

    def _throttle(self, client: Any, api: str, stage: str, tags: Mapping[str, str]) -> None:
        limits = {"rateLimit": self.requests_a_second, "burstLimit": self.burst}
        client.update_stage(
            restApiId=api,
            stageName=stage,
            patchOperations=[
                {"op": "replace", "path": f"/*/*/throttling/{name}", "value": str(limit)}
                for name, limit in limits.items()
            ],
        )
        partition = self.dead_letters.split(":")[1]
        arn = f"arn:{partition}:apigateway:{client.meta.region_name}::/restapis/{api}"
        for each in (arn, f"{arn}/stages/{stage}"):
            client.tag_resource(resourceArn=each, tags=dict(tags))


def details_of(stage: Mapping[str, Any]) -> StageDetails | None:
    """Return what a stage of the configuration has of them, None where `make config` has written none."""
    return StageDetails(**stage[KEY]) if KEY in stage else None
