"""Terraform's outputs into a Chalice stage: `make config STAGE=prod` after `terraform apply`.

Reads the outputs of the folder terraform/, or those in a file, and rewrites .chalice/config.json: the stage's
environment, its role, its kind of endpoint, its tag, whether it is traced, its functions' reserved concurrency, what
stage_details sets after a deployment, and nothing else. May be repeated.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

import click

from chalicelib import plane
from sparkanywhere.cli.terminal import echo
from sparkanywhere.deployment.archive import TASK_ROOT
from sparkanywhere.deployment.stage_details import KEY
from sparkanywhere.deployment.streaming import FUNCTION
from sparkanywhere.deployment.terraform import Terraform, TerraformFailed

# Setting (SPARKANYWHERE_...) by output; lists and flags are written as config.py reads them.
SETTINGS = {
    "REGION": "region",
    "DEPLOYMENT": "deployment",
    "CLUSTER": "ecs_cluster_name",
    "CLUSTER_ARN": "ecs_cluster_arn",
    "SUBNETS": "subnet_zones",
    "SECURITY_GROUP": "security_group",
    "SECURITY_GROUPS": "security_groups",
    "ASSIGN_PUBLIC_IP": "assign_public_ip",
    "EXECUTE_COMMAND": "execute_command",
    "EXECUTION_ROLE": "execution_role_arn",
    "TASK_ROLE": "task_role_arn",
    "LOG_GROUP": "log_group",
    "TABLE": "table",
    "BUCKET": "bucket",
    "TOKEN_FROM": "admin_token_arn",
    "JOB_BUCKETS": "job_buckets",
}
ROLE, XRAY = "control_plane_role_arn", "xray"
ENDPOINT_TYPE, VPC_ENDPOINT = "api_endpoint_type", "api_vpc_endpoint"
DEPLOYMENT_TAG = "sparkanywhere:deployment"  # as on all that Terraform makes; the budget goes by it
CONCURRENCY = "reserved_concurrency"
DETAILS = {  # of stage_details by output
    "dead_letters": "dead_letter_queue_arn",
    "requests_a_second": "api_requests_a_second",
    "burst": "api_burst",
}
FIXED = {"PROVIDER": "fargate", "STORAGE": "dynamodb"}
WATCH, TOKEN_FROM = "SPARKANYWHERE_WATCH", "SPARKANYWHERE_TOKEN_FROM"  # may be somebody's own
# Of the function that streams: Lambda starts it by this.
RUNTIME = "/".join((TASK_ROOT, *plane.__name__.split("."), "stream_runtime.sh"))
STREAM_VARIABLES = {"AWS_LAMBDA_EXEC_WRAPPER": RUNTIME}


class OutputMissing(Exception):
    """Terraform gave no such output: it was not applied, or by another version."""


def environment(outputs: dict[str, Any], before: Mapping[str, str]) -> dict[str, str]:
    """Return a stage's environment variables for Terraform's outputs and what it had before. Raises OutputMissing.

    How watches are answered stays, and where the administrator's token is, unless that is Terraform's own parameter.
    """
    values = {name: _text(_value(outputs, output)) for name, output in SETTINGS.items()}
    made = {f"SPARKANYWHERE_{name}": value for name, value in {**FIXED, **values}.items()}
    token_from, parameter = before.get(TOKEN_FROM, ""), f":parameter/{values['DEPLOYMENT']}/admin-token"
    own = {TOKEN_FROM: token_from} if token_from and not token_from.endswith(parameter) else {}
    return {WATCH: "redirected", **before, **made, **own}


def _value(outputs: dict[str, Any], name: str) -> Any:  # Any: whatever an output holds
    if name not in outputs:
        raise OutputMissing(
            f"Terraform has no output {name}: run `terraform init` and `terraform apply` in terraform/ first."
        )
    return outputs[name]["value"]


def _text(value: Any) -> str:  # Any: whatever an output holds
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, dict):
        return ",".join(f"{key}={each}" for key, each in sorted(value.items()))
    return str(value)


def configured(config: dict[str, Any], stage: str, outputs: dict[str, Any]) -> dict[str, Any]:
    """Return Chalice's configuration with the stage filled in; what it had otherwise stays. Raises OutputMissing."""
    made = outputs.get("stage", {}).get("value", stage)
    if made != stage:
        raise OutputMissing(f"Terraform has made stage {made} here, not {stage}: --stage {made}.")
    stages = dict(config.get("stages") or {})
    before = dict(stages.get(stage) or {})
    variables = environment(outputs, before.get("environment_variables") or {})
    stages[stage] = {
        **{key: value for key, value in before.items() if key != "api_gateway_endpoint_vpce"},
        "environment_variables": variables,
        "manage_iam_role": False,
        "iam_role_arn": _value(outputs, ROLE),
        "tags": {**(before.get("tags") or {}), DEPLOYMENT_TAG: _value(outputs, SETTINGS["DEPLOYMENT"])},
        "xray": _value(outputs, XRAY) is True,
        "api_gateway_endpoint_type": str(_value(outputs, ENDPOINT_TYPE)),
        "lambda_functions": _functions(before.get("lambda_functions", {}), _value(outputs, CONCURRENCY)),
        KEY: {name: _value(outputs, output) for name, output in DETAILS.items()},
    }
    if endpoint := str(_value(outputs, VPC_ENDPOINT)):
        stages[stage]["api_gateway_endpoint_vpce"] = endpoint
    return {**config, "stages": stages}


def _functions(functions: dict[str, Any], numbers: dict[str, int]) -> dict[str, Any]:
    kept = {
        function: {key: value for key, value in settings.items() if key != CONCURRENCY}
        for function, settings in functions.items()
    }
    kept[FUNCTION] = {**kept.get(FUNCTION, {}), "environment_variables": STREAM_VARIABLES}
    return {
        **kept,
        **{function: {**kept.get(function, {}), CONCURRENCY: number} for function, number in numbers.items()},
    }


@click.command(help="Write Terraform's outputs into a stage of .chalice/config.json.")
@click.option("--stage", default="prod", show_default=True, help="The Chalice stage.")
@click.option("--config", default=".chalice/config.json", show_default=True, type=click.Path(path_type=Path))
@click.option(
    "--terraform", default="terraform", show_default=True, type=click.Path(path_type=Path), help="Its folder."
)
@click.argument("outputs", type=click.File(), required=False)
def main(stage: str, config: Path, terraform: Path, outputs: TextIO | None) -> None:
    """Rewrite the configuration file."""
    try:
        document = json.load(outputs) if outputs else Terraform(terraform).outputs()
        made = configured(json.loads(config.read_text()), stage, document)
        config.write_text(json.dumps(made, indent=2) + "\n")
    except (OutputMissing, TerraformFailed, ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error
    where = made["stages"][stage]["environment_variables"]["SPARKANYWHERE_REGION"]
    echo(f"{config}: stage {stage} is ready; chalice deploy --stage {stage} puts it up in {where}")


if __name__ == "__main__":
    main()
