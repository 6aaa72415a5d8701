"""Terraform's outputs become a stage's environment, and nothing else of the configuration changes."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.config import Settings, read_settings
from chalicelib.providers.fargate.declaration import FargateSettings
from sparkanywhere.cli.stage_config import (
    CONCURRENCY,
    DETAILS,
    ENDPOINT_TYPE,
    ROLE,
    SETTINGS,
    STREAM_VARIABLES,
    VPC_ENDPOINT,
    XRAY,
    OutputMissing,
    configured,
    environment,
)

OUTPUTS: dict[str, Any] = {
    **{name: {"value": f"the-{name}"} for name in [*SETTINGS.values(), ROLE]},
    "assign_public_ip": {"value": True},
    XRAY: {"value": True},
    ENDPOINT_TYPE: {"value": "REGIONAL"},
    VPC_ENDPOINT: {"value": ""},
    CONCURRENCY: {"value": {"resync": 2}},
    **{output: {"value": f"the-{output}"} for output in DETAILS.values()},
    "execute_command": {"value": True},
    "subnet_zones": {"value": {"us-east-1b": "subnet-b", "us-east-1a": "subnet-a"}},
}


def test_the_environment_is_what_settings_read() -> None:
    settings = Settings.from_env(environment(OUTPUTS, {}))
    fargate = read_settings(FargateSettings, environment(OUTPUTS, {}))

    assert (settings.provider, settings.storage, settings.watch) == ("fargate", "dynamodb", "redirected")
    assert fargate.cluster == "the-ecs_cluster_name"
    assert fargate.subnets == "us-east-1a=subnet-a,us-east-1b=subnet-b"
    assert fargate.assign_public_ip is True
    assert fargate.execute_command is True


def test_the_rest_of_a_configuration_stays() -> None:
    config = {"app_name": "x", "stages": {"prod": {"a": 1, "environment_variables": {"B": "2"}}, "dev": {}}}

    made = configured(config, "prod", OUTPUTS)

    prod = made["stages"]["prod"]
    assert (made["app_name"], prod["a"], made["stages"]["dev"]) == ("x", 1, {})
    assert prod["environment_variables"]["B"] == "2"
    assert (prod["manage_iam_role"], prod["iam_role_arn"]) == (False, f"the-{ROLE}")
    assert prod["xray"] is True
    assert prod["tags"] == {"sparkanywhere:deployment": "the-deployment"}


@pytest.mark.parametrize(
    ("name", "before", "made"),
    [
        ("WATCH", "buffered", "buffered"),
        ("WATCH", "", "redirected"),
        (
            "TOKEN_FROM",
            "arn:aws:secretsmanager:us-east-1:1:secret:own",
            "arn:aws:secretsmanager:us-east-1:1:secret:own",
        ),
        (
            "TOKEN_FROM",
            "arn:aws:ssm:us-east-1:1:parameter/own/admin-token",
            "arn:aws:ssm:us-east-1:1:parameter/own/admin-token",
        ),
        ("TOKEN_FROM", "arn:aws:ssm:us-east-1:1:parameter/the-deployment/admin-token", "the-admin_token_arn"),
        ("TOKEN_FROM", "", "the-admin_token_arn"),
        ("PROVIDER", "process", "fargate"),
        ("CLUSTER", "another", "the-ecs_cluster_name"),
    ],
)
def test_what_a_user_has_set_lasts_unless_it_is_terraforms(name: str, before: str, made: str) -> None:
    variables = {f"SPARKANYWHERE_{name}": before} if before else {}
    config: dict[str, Any] = {"stages": {"prod": {"environment_variables": variables}}}

    for _ in range(2):
        config = configured(config, "prod", OUTPUTS)

    assert config["stages"]["prod"]["environment_variables"][f"SPARKANYWHERE_{name}"] == made


def test_terraforms_token_goes_with_its_parameter() -> None:
    arn = "arn:aws:ssm:us-east-1:1:parameter/the-deployment/admin-token"
    config = configured({}, "prod", {**OUTPUTS, "admin_token_arn": {"value": arn}})

    again = configured(config, "prod", {**OUTPUTS, "admin_token_arn": {"value": ""}})

    assert again["stages"]["prod"]["environment_variables"]["SPARKANYWHERE_TOKEN_FROM"] == ""


def test_a_private_api_is_reached_by_the_vpcs_endpoint_and_a_public_one_by_none() -> None:
    private = {**OUTPUTS, ENDPOINT_TYPE: {"value": "PRIVATE"}, VPC_ENDPOINT: {"value": "vpce-1"}}

    once = configured({}, "prod", private)
    again = configured(once, "prod", OUTPUTS)

    prod = once["stages"]["prod"]
    assert (prod["api_gateway_endpoint_type"], prod["api_gateway_endpoint_vpce"]) == ("PRIVATE", "vpce-1")
    assert again["stages"]["prod"]["api_gateway_endpoint_type"] == "REGIONAL"
    assert "api_gateway_endpoint_vpce" not in again["stages"]["prod"]


def test_concurrency_is_reserved_and_given_back_and_other_settings_of_a_function_stay() -> None:
    before = {"stages": {"prod": {"lambda_functions": {"resync": {"lambda_timeout": 50}, "task_events": {"x": 1}}}}}

    once = configured(before, "prod", OUTPUTS)
    again = configured(once, "prod", {**OUTPUTS, CONCURRENCY: {"value": {}}})

    assert once["stages"]["prod"]["lambda_functions"]["resync"] == {"lambda_timeout": 50, "reserved_concurrency": 2}
    stream = {"stream": {"environment_variables": STREAM_VARIABLES}}
    assert again["stages"]["prod"]["lambda_functions"] == before["stages"]["prod"]["lambda_functions"] | stream


def test_a_missing_output_is_named() -> None:
    with pytest.raises(OutputMissing, match="ecs_cluster_name"):
        environment({name: value for name, value in OUTPUTS.items() if name != "ecs_cluster_name"}, {})
