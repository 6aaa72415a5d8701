"""The checks of a deployment: whole, broken in one place after the other, and looked at by somebody with few rights."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import NoCredentialsError

from sparkanywhere.aws.checkup import examine
from sparkanywhere.aws.finding import Finding
from sparkanywhere.aws.role_check import calls_of
from sparkanywhere.aws.site import find_site
from sparkanywhere.client.kube_client import Access, ApiError, ApiUnreachable, KubeClient
from tests.aws_box.account import ACCOUNT, FUNCTION, REGION, URL, Answer, FakeAccount, Refused, Request
from tests.aws_box.role import of_terraform

IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/spark:4.0.1"
INDEX = '{"manifests": [{"platform": {"os": "linux", "architecture": "amd64"}}]}'
# What the role may do beside: make its own log group, and what only a variable of Terraform's brings.
NOT_ASKED = {"sqs:SendMessage", "xray:PutTraceSegments", "xray:PutTelemetryRecords"}  # Lambda and X-Ray make these

Break = Callable[[FakeAccount], Any]


class Plane(KubeClient):
    """A control plane that answers, or fails as it is told."""

    def __init__(self, *, ready: Exception | None = None, nodes: Exception | None = None) -> None:
        super().__init__(Access(URL))
        self._ready, self._nodes = ready, nodes

    def text(self, path: str, **query: str) -> str:
        del path, query
        if self._ready:
            raise self._ready
        return "ok"

    def get(self, path: str, **query: str) -> dict[str, Any]:
        del path, query
        if self._nodes:
            raise self._nodes
        return {"kind": "NodeList", "items": []}


def findings(account: FakeAccount, plane: KubeClient | None = None, *, url: str = URL) -> dict[str, Finding]:
    account.repositories.setdefault("spark:4.0.1", INDEX)
    access = Access(url, "hush")
    found = list(examine(account.clients(), access, images=[IMAGE], function="", client=lambda _: plane or Plane()))
    assert len({each.what for each in found}) == len(found)
    return {each.what: each for each in found}


def refuse(code: str, message: str = "no") -> Callable[[Request], Answer]:
    def answer(_: Request) -> Answer:
        raise Refused(code, message)

    return answer


def changed(**settings: str) -> Break:
    return lambda account: account.settings.update(settings)


def answering(operation: str, answer: Callable[[Request], Answer]) -> Break:
    return lambda account: account.answers.update({operation: answer})


def no_credentials(_: Request) -> Answer:
    raise NoCredentialsError


OTHER = f"arn:aws:ecs:eu-west-1:{ACCOUNT}:cluster/sparkanywhere-prod"
FAULTS: list[tuple[str, str, Break]] = [
    ("identity", "failure", answering("GetCallerIdentity", refuse("ExpiredToken"))),
    (
        "identity",
        "failure",
        answering("GetCallerIdentity", lambda _: {"Account": "210987654321", "Arn": f"arn:aws:iam::{ACCOUNT}:root"}),
    ),
    ("clock", "failure", lambda account: setattr(account, "clock_off", timedelta(minutes=-6))),
    ("clock", "warning", lambda account: setattr(account, "clock_off", timedelta(minutes=2))),
    ("region", "failure", changed(REGION="eu-west-1")),
    ("region", "warning", lambda account: setattr(account, "profile_region", "eu-west-1")),
    ("table", "failure", answering("DescribeTable", refuse("ResourceNotFoundException"))),
    ("table", "failure", answering("DescribeTable", lambda _: {"Table": {"TableStatus": "DELETING"}})),
    ("key", "failure", lambda account: setattr(account, "key_state", "PendingDeletion")),
    ("key", "failure", lambda account: setattr(account, "key_state", "Disabled")),
    ("key", "failure", lambda account: setattr(account, "key_state", "")),
    ("bucket", "failure", lambda account: account.buckets.clear()),
    ("dead letters", "failure", lambda account: account.queues.clear()),
    ("deployment", "failure", lambda account: account.functions.remove(FUNCTION)),
    ("deployment", "failure", lambda account: account.functions.remove(f"{FUNCTION}-launch")),
    ("deployment", "failure", lambda account: account.functions.remove(f"{FUNCTION}-stream")),
    ("role", "failure", lambda account: account.gone_roles.add("sparkanywhere-prod-control-plane")),
    ("role", "failure", lambda account: account.gone_roles.add("sparkanywhere-prod-execution")),
    ("role", "failure", lambda account: account.gone_roles.add("sparkanywhere-prod-task")),
    ("cluster", "failure", answering("DescribeClusters", lambda _: {"clusters": [{"status": "INACTIVE"}]})),
    ("cluster", "failure", answering("DescribeClusters", lambda _: {"clusters": []})),
    ("network", "failure", lambda account: account.subnets.pop("subnet-0a")),
    ("network", "failure", lambda account: account.subnets.update({"subnet-0a": 0, "subnet-0b": 0})),
    ("network", "warning", lambda account: account.subnets.update({"subnet-0a": 3})),
    ("network", "failure", answering("DescribeSecurityGroups", refuse("InvalidGroup.NotFound", "there is none"))),
    ("token source", "failure", answering("GetParameter", refuse("ParameterNotFound"))),
    ("token source", "failure", lambda account: setattr(account, "token", " ")),
    ("role", "failure", lambda account: account.refused_actions.add("ecs:RunTask")),
    ("logs", "failure", lambda account: account.log_groups.pop("/sparkanywhere-prod/tasks")),
    ("logs", "warning", lambda account: account.log_groups.update({f"/aws/lambda/{FUNCTION}": 0})),
    ("logs", "warning", lambda account: account.log_groups.pop(f"/aws/lambda/{FUNCTION}")),
    ("rule task_events", "failure", lambda account: account.rules.pop("task_events")),
    ("rule task_events", "failure", lambda account: account.functions.remove(f"{FUNCTION}-task_events")),
    ("rule resync", "failure", lambda account: account.rules.update(resync="DISABLED")),
    (
        "rule task_events",
        "failure",
        answering("DescribeRule", lambda request: {"Name": request["Name"], "State": "ENABLED", "EventPattern": "{}"}),
    ),
    ("schedule", "failure", lambda account: setattr(account, "ran_ago", timedelta(minutes=9))),
    ("schedule", "failure", lambda account: setattr(account, "ran_ago", timedelta(minutes=20))),
    ("schedule", "failure", lambda account: setattr(account, "errors", 1.0)),
    ("schedule", "warning", lambda account: setattr(account, "errors", 0.5)),
    ("alarms", "failure", lambda account: account.alarms.update({f"{FUNCTION}-resync-throttles": "ALARM"})),
    ("alarms", "warning", lambda account: account.alarms.clear()),
    ("quota L-3032A538", "warning", lambda account: account.quotas.pop("L-3032A538")),  # the default: 6
    ("quota L-36FBB829", "failure", lambda account: account.quotas.update({"L-36FBB829": 0})),
    ("quota L-B99A9384", "warning", lambda account: account.quotas.update({"L-B99A9384": 10})),
    (
        f"image {IMAGE}",
        "failure",
        lambda account: (
            account.repositories.update({"spark:4.0.1": INDEX})
            or account.answers.update({"BatchGetImage": lambda _: {"images": []}})
        ),
    ),
    (f"image {IMAGE}", "failure", answering("BatchGetImage", refuse("RepositoryNotFoundException"))),
]


def test_of_a_whole_deployment_every_check_is_good() -> None:
    found = findings(FakeAccount())

    assert {each.state for each in found.values()} == {"ok"}, found
    assert not any(each.advice for each in found.values())


@pytest.mark.parametrize(("what", "state", "breaks"), FAULTS)
def test_a_fault_turns_its_own_line_and_no_other(what: str, state: str, breaks: Break) -> None:
    account = FakeAccount()
    breaks(account)

    found = findings(account)

    assert {each.what: each.state for each in found.values() if each.state != "ok"} == {what: state}
    assert found[what].advice


@pytest.mark.parametrize(
    ("what", "plane"),
    [
        ("API", Plane(ready=ApiUnreachable("nobody answers"))),
        ("API", Plane(ready=ApiError(500, "store"))),
        ("token", Plane(nodes=ApiError(401, "Unauthorized"))),
        ("token", Plane(nodes=ApiError(403, 'nodes is forbidden: User "system:anonymous" cannot list'))),
    ],
)
def test_an_api_that_does_not_answer_or_does_not_know_us_is_a_failure(what: str, plane: Plane) -> None:
    found = findings(FakeAccount(), plane)

    assert {each.what for each in found.values() if each.state != "ok"} == {what}
    assert found[what].state == "failure"


def test_a_user_who_may_not_list_nodes_has_a_good_token() -> None:
    assert findings(FakeAccount(), Plane(nodes=ApiError(403, "nodes is forbidden: User me")))["token"].state == "ok"


@pytest.mark.parametrize(
    ("operation", "what"),
    [
        ("GetServiceQuota", "quota L-3032A538"),
        ("DescribeTable", "table"),
        ("DescribeClusters", "cluster"),
        ("DescribeSubnets", "network"),
        ("GetParameter", "token source"),
        ("DescribeKey", "key"),
        ("HeadBucket", "bucket"),
        ("GetQueueUrl", "dead letters"),
        ("GetRole", "role"),
        ("SimulatePrincipalPolicy", "role"),
        ("DescribeLogGroups", "logs"),
        ("ListRuleNamesByTarget", "rules"),
        ("GetMetricData", "schedule"),
        ("DescribeAlarms", "alarms"),
        ("BatchGetImage", f"image {IMAGE}"),
        ("GetFunctionConfiguration", "deployment"),
    ],
)
def test_who_may_not_look_is_told_so_and_nothing_has_failed(operation: str, what: str) -> None:
    account = FakeAccount()
    account.denied.add(operation)

    found = findings(account)

    assert (found[what].state, operation in found[what].text) == ("unknown", True)
    assert all(each.is_good for each in found.values())


@pytest.mark.parametrize("code", ["ThrottlingException", "TooManyRequestsException"])
def test_a_throttled_call_says_nothing_of_the_deployment(code: str) -> None:
    account = FakeAccount()
    account.answers["DescribeLogGroups"] = refuse(code)

    found = findings(account)

    assert {each.what: each.state for each in found.values() if each.state != "ok"} == {"logs": "unknown"}


def test_what_aws_refuses_for_another_reason_is_a_failure_in_its_own_words() -> None:
    account = FakeAccount()
    account.answers["DescribeLogGroups"] = refuse("InvalidParameterException", "no such prefix")

    found = findings(account)

    assert (found["logs"].state, "no such prefix" in found["logs"].text) == ("failure", True)


def test_a_web_page_in_place_of_an_answer_is_a_short_line() -> None:
    account = FakeAccount()
    page = "<!DOCTYPE html>\n<html><head><title>500 Oh no</title></head><body>" + "<p>no</p>" * 99 + "</body></html>"
    account.answers["SimulatePrincipalPolicy"] = refuse("500", page)

    found = findings(account)["role"]

    assert "<" not in found.text
    assert found.text.endswith("calling the SimulatePrincipalPolicy operation: a web page (500 Oh no)")


def test_alarms_of_a_deployment_whose_name_begins_alike_are_not_counted() -> None:
    account = FakeAccount()
    account.alarms[f"{FUNCTION}-x-schedule-late"] = "ALARM"

    assert findings(account)["alarms"] == Finding("alarms", "ok", "1, none rings")


def test_a_check_that_breaks_says_so_and_stops_no_other() -> None:
    account = FakeAccount()
    account.answers["DescribeClusters"] = lambda _: {"clusters": [{}]}

    found = findings(account)

    assert {each.what: each.state for each in found.values() if each.state != "ok"} == {"cluster": "unknown"}


def test_without_credentials_the_identity_has_failed_and_the_rest_is_unknown() -> None:
    account = FakeAccount()
    operations = ("GetCallerIdentity", "GetResources")
    account.answers.update(dict.fromkeys(operations, no_credentials))

    found = findings(account)

    states = {name: found[name].state for name in ("identity", "deployment", "API")}
    assert states == {"identity": "failure", "deployment": "unknown", "API": "ok"}


def test_an_api_of_another_account_or_region_is_named_as_what_was_not_found() -> None:
    found = findings(FakeAccount(), url=URL.replace("a1b2c3d4e5", "zzzzzzzzzz"))

    assert found["deployment"].state == "failure"
    assert "--function" in found["deployment"].text


def test_a_context_without_a_token_is_one_fault_and_all_else_is_looked_at() -> None:
    access = Access(URL)

    found = {
        each.what: each
        for each in examine(
            FakeAccount().clients(),
            access,
            images=[],
            function="",
            why_no_token="the plugin has failed: it is gone",
            client=lambda _: Plane(),
        )
    }

    assert {each.what: each.text for each in found.values() if each.state != "ok"} == {
        "token": "the plugin has failed: it is gone"
    }
    assert set(found) - {"token"} == set(findings(FakeAccount())) - {"token", f"image {IMAGE}"}


def test_a_function_that_is_not_there_may_be_in_another_region_and_a_strangers_is_none() -> None:
    account = FakeAccount()
    account.functions.clear()
    found = findings(account)["deployment"]
    assert found.state == "failure"
    assert f"There is no function {FUNCTION} in {REGION}. If it is in another region, export AWS_DEFAULT" in found.text

    account = FakeAccount()
    account.settings.pop("DEPLOYMENT")
    assert "is none of a deployment of Sparkanywhere" in findings(account)["deployment"].text


def test_a_date_without_a_zone_is_utc() -> None:
    account = FakeAccount()
    account.zone = "-0000"

    assert findings(account)["clock"].state == "ok"


def test_a_domain_of_ones_own_leads_to_the_deployment_too() -> None:
    assert findings(FakeAccount(), url="https://spark.example.com")["deployment"].state == "ok"


def test_every_right_of_the_role_is_one_that_the_doctor_asks_for() -> None:
    account = FakeAccount()
    asked = {action for each in calls_of(find_site(account.clients(), URL)) for action in each.actions}

    assert asked == of_terraform() - NOT_ASKED


def test_nothing_is_changed() -> None:
    account = FakeAccount()

    findings(account)

    reads = ("Get", "Describe", "List", "BatchGet", "Simulate", "Head")
    assert all(name.startswith(reads) for name, _ in account.calls)
