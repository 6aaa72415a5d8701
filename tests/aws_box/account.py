"""An account of AWS for whoever looks at it: boto3's real clients, whose calls end here.

Each request is checked and each answer held against botocore's own model of the service, so that neither can have a
field that AWS does not know. What IAM allows is what Terraform's policy says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import cache
from types import SimpleNamespace
from typing import Any

import boto3
from botocore.exceptions import EndpointConnectionError
from botocore.validate import ParamValidator

from sparkanywhere.aws.clients import Clients
from tests.aws_box.deployment import stage
from tests.aws_box.role import statements_of_terraform

ACCOUNT, REGION = "123456789012", "us-east-1"
FUNCTION = "sparkanywhere-prod"
FUNCTIONS = (FUNCTION, *(f"{FUNCTION}-{each}" for each in ("launch", "resync", "stream", "task_events")))
OF_OTHERS = f"{FUNCTION}-of-others"
LAMBDA = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/sparkanywhere-prod-control-plane"
API = "a1b2c3d4e5"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/0a1b2c3d"
URL = f"https://{API}.execute-api.{REGION}.amazonaws.com/api"
QUOTAS = {"L-3032A538": 4000.0, "L-36FBB829": 4000.0, "L-B99A9384": 1000.0}

Answer = dict[str, Any]
Request = Mapping[str, Any]


class Refused(Exception):
    """AWS answers with an error: `code`, and what it says."""

    def __init__(self, code: str, message: str = "no") -> None:
        super().__init__(message)
        self.code = code


@dataclass(slots=True)
class FakeAccount:
    """What there is in the account; a test breaks it by changing a field, or an operation in `answers`."""

    settings: dict[str, str] = field(
        default_factory=lambda: {
            **stage(),
            "TOKEN_FROM": f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/sparkanywhere-prod/admin-token",
        }
    )
    functions: list[str] = field(default_factory=lambda: list(FUNCTIONS))
    quotas: dict[str, float] = field(default_factory=lambda: dict(QUOTAS))
    log_groups: dict[str, int] = field(
        default_factory=lambda: {"/sparkanywhere-prod/tasks": 14, **{f"/aws/lambda/{each}": 14 for each in FUNCTIONS}}
    )
    rules: dict[str, str] = field(default_factory=lambda: {"resync": "ENABLED", "task_events": "ENABLED"})
    alarms: dict[str, str] = field(default_factory=lambda: {f"{FUNCTION}-schedule-late": "OK"})
    subnets: dict[str, int] = field(default_factory=lambda: {"subnet-0a": 4000, "subnet-0b": 4000})
    key_state: str = "Enabled"  # "" for a key that is gone
    buckets: set[str] = field(default_factory=lambda: {stage()["BUCKET"]})
    queues: set[str] = field(default_factory=lambda: {f"{FUNCTION}-dead-letters"})
    gone_roles: set[str] = field(default_factory=set)
    ran_ago: timedelta = timedelta(minutes=1)
    errors: float = 0.0
    clock_off: timedelta = timedelta()
    zone: str = "GMT"  # of the Date of its answers
    token: str = "hush"
    repositories: dict[str, str] = field(default_factory=dict)  # manifest by repository:tag
    pull_through: dict[str, str] = field(default_factory=dict)  # upstream registry by prefix
    refused_actions: set[str] = field(default_factory=set)
    answers: dict[str, Callable[[Request], Answer]] = field(default_factory=dict)  # in place of ours
    denied: set[str] = field(default_factory=set)  # operations that the caller may not use
    profile_region: str = REGION
    calls: list[tuple[str, Request]] = field(default_factory=list)
    elsewhere: frozenset[str] = frozenset()  # services that answer for themselves, by AWS_ENDPOINT_URL_...

    def clients(self, region: str = REGION) -> Clients:
        """Return clients whose calls end here, until those of another account are asked for."""
        _answering[:] = [self]
        return _clients(region, self.profile_region, self.elsewhere)

    def answer(self, model: Any, request: Request) -> tuple[Any, Answer] | None:  # Any: botocore's
        """Return HTTP's part of the answer to a call and what botocore has read from it; None for what is elsewhere.

        Raises botocore's EndpointConnectionError for what nobody answers here.
        """
        name = model.name
        self.calls.append((name, request))
        if model.service_model.service_name in self.elsewhere:
            return None
        if name not in self.answers and not hasattr(self, f"_{name}"):
            raise EndpointConnectionError(endpoint_url=f"https://{model.service_model.endpoint_prefix}.example.com")
        date = format_datetime(datetime.now(UTC) + self.clock_off, usegmt=True).replace("GMT", self.zone)
        about = {"ResponseMetadata": {"HTTPHeaders": {"date": date}}}
        try:
            if name in self.denied:
                raise Refused("AccessDeniedException", f"not authorized to perform {name}")
            answer = (self.answers.get(name) or getattr(self, f"_{name}"))(request)
        except Refused as error:
            return SimpleNamespace(status_code=400), {**about, "Error": {"Code": error.code, "Message": str(error)}}
        report = ParamValidator().validate(answer, model.output_shape)
        assert not report.has_errors(), f"{name}: {report.generate_report()}"
        return SimpleNamespace(status_code=200), {**answer, **about}

    def _GetCallerIdentity(self, _: Request) -> Answer:
        return {"Account": ACCOUNT, "Arn": f"arn:aws:iam::{ACCOUNT}:user/me", "UserId": "AIDAEXAMPLE"}

    def _GetResources(self, request: Request) -> Answer:
        if request["restApiId"] != API:
            raise Refused("NotFoundException")
        uri = f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{LAMBDA}:{FUNCTION}/invocations"
        method = {"httpMethod": "GET", "methodIntegration": {"type": "AWS_PROXY", "uri": uri}}
        return {"items": [{"id": "r0", "path": "/", "resourceMethods": {"GET": method}}]}

    def _GetBasePathMappings(self, request: Request) -> Answer:
        if request["domainName"] != "spark.example.com":
            raise Refused("NotFoundException")
        return {"items": [{"basePath": "(none)", "restApiId": API, "stage": "api"}]}

    def _GetFunctionConfiguration(self, request: Request) -> Answer:
        name, is_ours = request["FunctionName"], request["FunctionName"] in self.functions
        if not is_ours and name != OF_OTHERS:
            raise Refused("ResourceNotFoundException")
        variables = {f"SPARKANYWHERE_{key}": text for key, text in self.settings.items()} if is_ours else {}
        return {
            "FunctionName": name,
            "FunctionArn": f"{LAMBDA}:{name}",
            "Role": ROLE,
            "Environment": {"Variables": variables},
        }

    def _ListFunctions(self, _: Request) -> Answer:
        own = [{"FunctionName": each, "Role": ROLE} for each in self.functions]
        return {"Functions": [*own, {"FunctionName": OF_OTHERS, "Role": f"{ROLE}-of-others"}]}

    def _DescribeTable(self, request: Request) -> Answer:
        key = {"Status": "ENABLED", "SSEType": "KMS", "KMSMasterKeyArn": KEY}
        return {"Table": {"TableName": request["TableName"], "TableStatus": "ACTIVE", "SSEDescription": key}}

    def _DescribeKey(self, request: Request) -> Answer:
        if request["KeyId"] != KEY or not self.key_state:
            raise Refused("NotFoundException")
        return {"KeyMetadata": {"KeyId": KEY.rpartition("/")[2], "KeyState": self.key_state}}

    def _HeadBucket(self, request: Request) -> Answer:
        if request["Bucket"] not in self.buckets:
            raise Refused("404")
        return {}

    def _GetQueueUrl(self, request: Request) -> Answer:
        if request["QueueName"] not in self.queues:
            raise Refused("AWS.SimpleQueueService.NonExistentQueue")
        return {"QueueUrl": f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{request['QueueName']}"}

    def _GetRole(self, request: Request) -> Answer:
        if request["RoleName"] in self.gone_roles:
            raise Refused("NoSuchEntity")
        name = request["RoleName"]
        role = {"Path": "/", "RoleName": name, "RoleId": "AROAEXAMPLEEXAMPLE", "Arn": name.rjust(20, "/")}
        return {"Role": {**role, "CreateDate": datetime.now(UTC)}}

    def _DescribeClusters(self, request: Request) -> Answer:
        if request["clusters"] != [self.settings["CLUSTER_ARN"]]:
            return {"clusters": [], "failures": [{"arn": request["clusters"][0], "reason": "MISSING"}]}
        return {"clusters": [{"clusterName": "sparkanywhere-prod", "status": "ACTIVE", "runningTasksCount": 3}]}

    def _DescribeSubnets(self, request: Request) -> Answer:
        for each in request["SubnetIds"]:
            if each not in self.subnets:
                raise Refused("InvalidSubnetID.NotFound", f"The subnet ID '{each}' does not exist")
        return {
            "Subnets": [
                {"SubnetId": each, "AvailableIpAddressCount": self.subnets[each]} for each in request["SubnetIds"]
            ]
        }

    def _DescribeSecurityGroups(self, request: Request) -> Answer:
        return {"SecurityGroups": [{"GroupId": each} for each in request["GroupIds"]]}

    def _GetServiceQuota(self, request: Request) -> Answer:
        if request["QuotaCode"] not in self.quotas:
            raise Refused("NoSuchResourceException")
        return {"Quota": {"QuotaCode": request["QuotaCode"], "Value": self.quotas[request["QuotaCode"]]}}

    def _GetAWSDefaultServiceQuota(self, request: Request) -> Answer:
        return {"Quota": {"QuotaCode": request["QuotaCode"], "Value": 6.0}}

    def _GetParameter(self, request: Request) -> Answer:
        if request["Name"] != self.settings["TOKEN_FROM"]:
            raise Refused("ParameterNotFound")
        return {"Parameter": {"Name": request["Name"], "Value": self.token}}

    def _DescribeLogGroups(self, request: Request) -> Answer:
        found = [each for each in self.log_groups if each.startswith(request["logGroupNamePrefix"])]
        kept = {each: {"retentionInDays": self.log_groups[each]} if self.log_groups[each] else {} for each in found}
        return {"logGroups": [{"logGroupName": each, **kept[each]} for each in found]}

    def _ListRuleNamesByTarget(self, request: Request) -> Answer:
        function = request["TargetArn"].rpartition(":")[2].removeprefix(f"{FUNCTION}-")
        return {"RuleNames": [f"{FUNCTION}-{function}-rule"] if function in self.rules else []}

    def _DescribeRule(self, request: Request) -> Answer:
        function = request["Name"].removeprefix(f"{FUNCTION}-").removesuffix("-rule")
        pattern = {"EventPattern": f'{{"clusterArn": ["{self.settings["CLUSTER_ARN"]}"]}}'}
        return {
            "Name": request["Name"],
            "State": self.rules[function],
            **(pattern if function == "task_events" else {}),
        }

    def _GetMetricData(self, request: Request) -> Answer:
        minute = datetime.now(UTC) - self.ran_ago
        values = {"invocations": 1.0, "errors": self.errors, "duration": 4200.0}
        queries = [each["Id"] for each in request["MetricDataQueries"]]
        is_in = request["StartTime"] <= minute <= request["EndTime"]
        return {
            "MetricDataResults": [
                {"Id": each, "Timestamps": [minute] if is_in else [], "Values": [values[each]] if is_in else []}
                for each in queries
            ]
        }

    def _DescribeAlarms(self, request: Request) -> Answer:
        found = {name: state for name, state in self.alarms.items() if name.startswith(request["AlarmNamePrefix"])}
        return {"MetricAlarms": [{"AlarmName": name, "StateValue": state} for name, state in found.items()]}

    def _BatchGetImage(self, request: Request) -> Answer:
        names = [f"{request['repositoryName']}:{each['imageTag']}" for each in request["imageIds"]]
        return {"images": [{"imageManifest": self.repositories[each]} for each in names if each in self.repositories]}

    def _DescribePullThroughCacheRules(self, request: Request) -> Answer:
        [prefix] = request["ecrRepositoryPrefixes"]
        if prefix not in self.pull_through:
            raise Refused("PullThroughCacheRuleNotFoundException")
        return {"pullThroughCacheRules": [{"upstreamRegistryUrl": self.pull_through[prefix]}]}

    def _SimulatePrincipalPolicy(self, request: Request) -> Answer:
        context = {each["ContextKeyName"]: each["ContextKeyValues"][0] for each in request["ContextEntries"]}
        results = []
        for action in request["ActionNames"]:
            is_allowed = action not in self.refused_actions and all(
                any(each.allows(action, resource, context) for each in statements_of_terraform().values())
                for resource in request["ResourceArns"]
            )
            decision = "allowed" if is_allowed else "implicitDeny"
            results.append({"EvalActionName": action, "EvalDecision": decision})
        return {"EvaluationResults": results}


_answering: list[FakeAccount] = []  # the account whose clients were asked for last


@cache  # making the clients of 13 services takes half a second
def _clients(region: str, profile_region: str, _elsewhere: frozenset[str]) -> Clients:
    session = boto3.Session("AKIAEXAMPLE", "secret", region_name=profile_region)
    events: Any = session.events  # its stubs know no handler that answers
    events.register("before-parameter-build", _keep_parameters)
    events.register("before-call", lambda model, context, **_: _answering[0].answer(model, context["our_parameters"]))
    return Clients(region, session)


def _keep_parameters(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:  # Any: botocore's
    context["our_parameters"] = dict(params)
