"""The control plane as it is deployed: the packaged functions, their table and their API."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sparkanywhere.cli.stage_config import FIXED, STREAM_VARIABLES
from sparkanywhere.local.certificates import CertificateFiles, ensure_certificates, server_context
from tests.aws_box.dynamodb_server import DynamoDBServer
from tests.aws_box.event_pattern import matches
from tests.aws_box.execution_environment import runtime_folder
from tests.aws_box.fake_ecs import CLUSTER
from tests.aws_box.fake_quotas import FakeQuotas
from tests.aws_box.gateway import Gateway
from tests.aws_box.lambda_api import LambdaApi
from tests.aws_box.lambda_function import CONCURRENCY, Account, LambdaFunction
from tests.aws_box.package import CLUSTER_ARN, Package
from tests.aws_box.wire import LOOPBACK

TOKEN = "administrator-of-the-box"
BUCKET = "sparkanywhere-prod-123456789012-us-east-1"
API_FUNCTION = "sparkanywhere-prod"  # as Chalice names it; the others' names begin with it
NOWHERE = "http://127.0.0.1:9"  # the port `discard`, where nobody listens


class Deployment:
    """Five functions of one archive, a table, and a REST API; what Terraform gives comes as settings."""

    def __init__(
        self,
        package: Package,
        folder: Path,
        *,
        ecs_url: str = NOWHERE,
        logs_url: str = NOWHERE,
        sts_url: str = NOWHERE,
        s3_url: str = NOWHERE,
        host: str = LOOPBACK,
        settings: Mapping[str, str] | None = None,
        concurrency: int = CONCURRENCY,
    ) -> None:
        self.dynamodb = DynamoDBServer()
        self.quotas = FakeQuotas()
        self.lambda_api = LambdaApi()
        self.log = folder / "lambda.log"
        self.account = Account(concurrency)
        self._event_pattern = package.event_pattern
        runtime = runtime_folder(folder / "runtime")
        environ = {
            **_lambda_environ(),
            "AWS_ENDPOINT_URL_DYNAMODB": self.dynamodb.url,
            "AWS_ENDPOINT_URL_ECS": ecs_url,
            "AWS_ENDPOINT_URL_LAMBDA": self.lambda_api.url,
            "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS": logs_url,
            "AWS_ENDPOINT_URL_SERVICE_QUOTAS": self.quotas.url,
            "AWS_ENDPOINT_URL_STS": sts_url,
            "AWS_ENDPOINT_URL_S3": s3_url,
            **{f"SPARKANYWHERE_{name}": value for name, value in {**stage(), **(settings or {})}.items()},
        }

        def function(handler: str) -> LambdaFunction:
            variables = STREAM_VARIABLES if handler == "app.stream" else {}
            suffix = "" if handler == "app.app" else f"-{handler.rpartition('.')[2]}"
            return LambdaFunction(
                handler,
                task_root=package.task_root,
                runtime=runtime,
                environ={**environ, **variables, "AWS_LAMBDA_FUNCTION_NAME": API_FUNCTION + suffix},
                log=self.log,
                account=self.account,
                timeout_seconds=package.timeout_seconds(handler),
            )

        self.api = function("app.app")
        self.task_events = function("app.task_events")
        self.resync = function("app.resync")
        self.launch = function("app.launch")
        self.stream = function("app.stream")
        for name in ("task_events", "resync", "launch"):
            self.lambda_api.functions[f"{API_FUNCTION}-{name}"] = getattr(self, name)
        certificates = CertificateFiles(folder / "tls")
        ensure_certificates(certificates, frozenset({host}), datetime.now(UTC))
        self.ca_file = certificates.ca
        tls = server_context(certificates)
        self.gateway = Gateway(package.api_definition, self.api.invoke, stream=self.stream.stream, host=host, tls=tls)

    @property
    def url(self) -> str:
        """Return the URL of the Kubernetes API."""
        return self.gateway.url

    @property
    def functions(self) -> tuple[LambdaFunction, ...]:
        """Return all functions."""
        return (self.api, self.task_events, self.resync, self.launch, self.stream)

    def set(self, **settings: str) -> None:
        """Deploy again with further settings."""
        changes = {f"SPARKANYWHERE_{name}": value for name, value in settings.items()}
        for each in self.functions:
            each.restart(**changes)

    def tell(self, event: Mapping[str, Any]) -> None:
        """Bring an event of ECS to its function, if the rule takes it. Raises FunctionError."""
        if matches(self._event_pattern, event):
            self.task_events.invoke_queued(event)

    def run_schedule(self) -> None:
        """Invoke what EventBridge's schedule invokes every minute."""
        self.resync.invoke_queued(scheduled_event())

    def close(self) -> None:
        """Take everything down."""
        self.gateway.close()
        self.lambda_api.close()
        for each in self.functions:
            each.close()
        self.dynamodb.close()
        self.quotas.close()


def scheduled_event() -> dict[str, Any]:
    """Return an event as EventBridge's schedules send it."""
    return {
        "version": "0",
        "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "123456789012",
        "time": "2026-01-08T16:53:06Z",
        "region": "us-east-1",
        "resources": ["arn:aws:events:us-east-1:123456789012:rule/sparkanywhere-prod-resync"],
        "detail": {},
    }


def _lambda_environ() -> dict[str, str]:
    return {
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "box",
        "AWS_SECRET_ACCESS_KEY": "box",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
    }


def stage() -> dict[str, str]:
    """Return what `make config` writes into the stage, with names of the box."""
    return {
        **FIXED,
        "WATCH": "redirected",
        "REGION": "us-east-1",
        "DEPLOYMENT": "sparkanywhere-prod",
        "CLUSTER": CLUSTER,
        "CLUSTER_ARN": CLUSTER_ARN,
        "SUBNETS": "us-east-1a=subnet-0a,us-east-1b=subnet-0b",
        "SECURITY_GROUP": "sg-0a",
        "ASSIGN_PUBLIC_IP": "1",
        "EXECUTION_ROLE": "arn:aws:iam::123456789012:role/sparkanywhere-prod-execution",
        "TASK_ROLE": "arn:aws:iam::123456789012:role/sparkanywhere-prod/tasks/sparkanywhere-prod-task",
        "LOG_GROUP": "/sparkanywhere-prod/tasks",
        "TABLE": "sparkanywhere-prod-objects",
        "BUCKET": BUCKET,
        "TOKEN": TOKEN,
    }
