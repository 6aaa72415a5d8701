"""What goes wrong on AWS, a row each: a pod with a true reason and an Event, or a 5xx Status that says when to retry.

The packaged functions run as on Lambda; ECS and DynamoDB are ours, so that each can fail in its own words. The words
are AWS's: Amazon ECS API Reference, "Common Errors" and RunTask; Developer Guide, "Stopped tasks error messages".
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import requests

from tests.aws_box.client import PODS, Client
from tests.aws_box.deployment import Deployment
from tests.aws_box.ecs_task import Document, EcsTask
from tests.aws_box.event_bus import EventBus
from tests.aws_box.fake_ecs import EcsError, FakeEcs
from tests.aws_box.package import Package
from tests.aws_box.role import of_terraform
from tests.contract.fake_dynamodb import Faults
from tests.waiting import until

pytestmark = [pytest.mark.slow]

HEAL_SECONDS = 120.0
FAULTS_AT_ONCE = 20  # botocore tries twice, and so does every schedule
TRANSACTION = {"dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"}
CLUSTER_USER = "User: arn:aws:sts::123456789012:assumed-role/control-plane/f is not authorized to perform: "


class DoomedEngine:
    """Lets tasks die in provisioning as long as `dooms` are there, a stop code and reason each; others run."""

    def __init__(self) -> None:
        self.dooms: list[tuple[str, str]] = []

    def start(self, task: EcsTask) -> None:
        """Run the task in a thread of its own."""
        doom = self.dooms.pop(0) if self.dooms else None
        threading.Thread(target=self._run, args=(task, doom), daemon=True).start()

    def _run(self, task: EcsTask, doom: tuple[str, str] | None) -> None:
        task.begin()
        if doom:
            task.ask_to_stop(*doom)
        else:
            task.attach("10.0.0.1")
            for each in task.containers:
                task.change_container(each["name"], announce=False, lastStatus="RUNNING")
            task.change("RUNNING")
            task.stop_asked.wait()
        code = {} if doom else {"exitCode": 143}
        for each in task.containers:
            task.change_container(each["name"], announce=False, lastStatus="STOPPED", **code)
        task.change("STOPPED")


class Cloud:
    """The deployment of a test module, with what can be made to fail."""

    def __init__(self, package: Package, folder: Path) -> None:
        self.engine = DoomedEngine()
        self._events: list[EventBus] = []
        self.ecs = FakeEcs(self.engine, lambda event: self._events[0].send(event))
        self.deployment = Deployment(package, folder, ecs_url=self.ecs.url)
        self._events.append(EventBus(lambda event: self.deployment.tell(event)))
        self.client = Client(self.deployment, folder)

    @property
    def faults(self) -> Faults:
        """Return what goes wrong in DynamoDB."""
        return self.deployment.dynamodb.fake.faults

    def fail(self, operation: str, code: str, message: str) -> None:
        """Let an operation of ECS fail until heal()."""

        def failed(_asked: Document, _go_on: Any) -> Document:
            raise EcsError(code, message)

        self.ecs.faults[operation] = [failed] * FAULTS_AT_ONCE

    def heal(self) -> None:
        """Let everything work again."""
        self.ecs.faults.clear()
        self.engine.dooms.clear()
        self.deployment.dynamodb.fake.faults = Faults()

    def living(self) -> list[EcsTask]:
        """Return the tasks that are not over."""
        return [task for task in self.ecs.tasks if not task.is_stopped]

    def events_of(self, name: str) -> dict[str, str]:
        """Return a pod's Events: message by reason."""
        selector = {"fieldSelector": f"involvedObject.uid={self.client.pod(name)['metadata']['uid']}"}
        found = self.client.call("GET", "/api/v1/namespaces/default/events", params=selector).json()["items"]
        return {each["reason"]: each["message"] for each in found}

    def close(self) -> None:
        """Take everything down."""
        self._events[0].close()
        self.deployment.close()
        self.ecs.close()


@pytest.fixture(scope="module")
def cloud(package: Package, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    made = Cloud(package, tmp_path_factory.mktemp("faults"))
    yield made
    made.close()


@pytest.fixture(autouse=True)
def quiet_end(cloud: Cloud) -> Iterator[None]:
    """Hold after each test that no task lives, no pod is left, and nobody was shown a stack trace."""
    yield
    if "RegisterTaskDefinition" in cloud.ecs.faults:
        cloud.deployment.set()  # a refusal stands for two seconds, and would be the next test's
    cloud.heal()
    cloud.client.call("DELETE", PODS)

    def all_gone() -> bool:
        cloud.deployment.run_schedule()
        return not cloud.living() and not cloud.client.get(PODS)["items"]

    until(all_gone, "tasks to end and pods to go", seconds=HEAL_SECONDS)


class Refused(NamedTuple):
    """A call of ECS that fails; the reason that the pod's condition shall give while it waits."""

    operation: str
    code: str
    message: str
    reason: str


PASSING = [
    Refused("RunTask", "ExpiredTokenException", "The security token is expired", "Credentials"),
    Refused("RunTask", "ServerException", "Service Unavailable. Please try again later.", "ServerError"),
    Refused("RunTask", "ThrottlingException", "Rate exceeded", "Throttled"),
    Refused("RegisterTaskDefinition", "ThrottlingException", "Rate exceeded", "Throttled"),
    Refused("RunTask", "LimitExceededException", "The limit on tasks is reached", "QuotaExceeded"),
    Refused(
        "RunTask",
        "ClientException",
        "You've reached the limit on the number of vCPUs you can run concurrently",
        "QuotaExceeded",
    ),
    Refused("RunTask", "InvalidParameterException", "subnet-0a does not have enough free addresses", "NoFreeAddresses"),
]


@pytest.mark.parametrize("refused", PASSING, ids=lambda each: f"{each.operation} {each.code}")
def test_a_pod_that_may_run_later_is_pending_and_says_why(cloud: Cloud, refused: Refused) -> None:
    if refused.operation == "RegisterTaskDefinition":
        cloud.ecs.forget_definitions()
        cloud.deployment.set()  # a process that has registered nothing yet
    cloud.fail(refused.operation, refused.code, refused.message)

    cloud.client.create_pod("later")
    until(lambda: _is_told(cloud, "later", "FailedScheduling"), "the Event", seconds=HEAL_SECONDS)

    status = cloud.client.pod("later")["status"]
    scheduled = next(each for each in status["conditions"] if each["type"] == "PodScheduled")
    assert status["phase"] == "Pending"
    assert (scheduled["status"], scheduled["reason"]) == ("False", refused.reason)
    assert refused.message in scheduled["message"]
    assert refused.message in cloud.events_of("later")["FailedScheduling"]
    assert not cloud.living()


def test_a_pod_that_waits_runs_once_what_was_missing_is_there(cloud: Cloud) -> None:
    cloud.fail("RunTask", "LimitExceededException", "The limit on tasks is reached")
    cloud.client.create_pod("patient")
    until(lambda: _is_told(cloud, "patient", "FailedScheduling"), "the Event", seconds=HEAL_SECONDS)
    assert cloud.client.phase("patient") == "Pending"

    cloud.heal()

    until(lambda: _healed(cloud, "patient"), "the pod to run", seconds=HEAL_SECONDS)
    assert len(cloud.living()) == 1


def _is_told(cloud: Cloud, name: str, reason: str) -> bool:
    """Return whether a pod has an Event for that reason, once its launch has been tried behind the answer."""
    cloud.deployment.run_schedule()  # for a launch function that went with the deployment before
    return reason in cloud.events_of(name)


def _healed(cloud: Cloud, name: str) -> bool:
    cloud.deployment.run_schedule()
    return cloud.client.phase(name) == "Running"


PASSING_DOOMS = [
    "CannotPullContainerError: pull image manifest: i/o timeout",
    "Unexpected EC2 error while attempting to Create Network Interface in subnet 'subnet-0a':"
    " InsufficientFreeAddressesInSubnet",
    "Timeout waiting for network interface provisioning to complete.",
    "Capacity is unavailable at this time. Please try again later",
]


@pytest.mark.parametrize("stopped_reason", PASSING_DOOMS, ids=["pull", "addresses", "network", "capacity"])
def test_a_task_that_dies_before_it_runs_of_what_passes_is_launched_again(cloud: Cloud, stopped_reason: str) -> None:
    cloud.engine.dooms = [("TaskFailedToStart", stopped_reason)]
    cloud.client.create_pod("doomed")
    until(
        lambda: stopped_reason in cloud.events_of("doomed").get("FailedScheduling", ""),
        "the Event that says why it waits",
        seconds=HEAL_SECONDS,
    )

    until(lambda: _healed(cloud, "doomed"), "the pod to run", seconds=HEAL_SECONDS)

    assert len(cloud.living()) == 1


DOOMS = [
    (
        "ResourceInitializationError: failed to validate logger args: The specified log group does not exist",
        "CreateContainerError",
    ),
    ("CannotPullContainerError: pull image manifest: manifest unknown", "ErrImagePull"),
]


def waiting(cloud: Cloud, name: str) -> dict[str, str]:
    """Return why the pod's first container waits, {} if it does not."""
    statuses = cloud.client.pod(name)["status"].get("containerStatuses") or [{}]
    found: dict[str, str] = statuses[0].get("state", {}).get("waiting") or {}
    return found


@pytest.mark.parametrize(("stopped_reason", "reason"), DOOMS, ids=[each[1] for each in DOOMS])
def test_a_task_that_dies_before_it_runs_leaves_its_pod_waiting_with_the_reason(
    cloud: Cloud, stopped_reason: str, reason: str
) -> None:
    cloud.engine.dooms = [("TaskFailedToStart", stopped_reason)]

    cloud.client.create_pod("doomed")

    until(lambda: waiting(cloud, "doomed").get("reason") == reason, "the reason", seconds=HEAL_SECONDS)
    assert stopped_reason in waiting(cloud, "doomed")["message"]
    until(lambda: "Failed" in cloud.events_of("doomed"), "the Event", seconds=HEAL_SECONDS)
    until(lambda: _healed(cloud, "doomed"), "the pod to run", seconds=HEAL_SECONDS)
    assert len(cloud.living()) == 1


@pytest.mark.parametrize(("stopped_reason", "reason"), [("Task failed to start", "TaskFailedToStart"), DOOMS[1]])
def test_a_driver_whose_task_dies_before_it_runs_fails_with_the_reason(
    cloud: Cloud, stopped_reason: str, reason: str
) -> None:
    cloud.engine.dooms = [("TaskFailedToStart", stopped_reason)]

    cloud.client.create_pod("doomed", metadata={"labels": {"spark-role": "driver"}})

    until(lambda: cloud.client.phase("doomed") == "Failed", "the pod to fail", seconds=HEAL_SECONDS)
    status = cloud.client.pod("doomed")["status"]
    assert status["reason"] == reason
    assert stopped_reason in status["message"]
    until(
        lambda: stopped_reason in cloud.events_of("doomed").get(reason, ""),
        "the Event, which follows the status",
        seconds=HEAL_SECONDS,
    )


LASTING = [
    ("RunTask", "InvalidParameterException", "The subnet ID 'subnet-0a' does not exist"),
    ("RunTask", "ClientException", "Fargate requires that 'cpu' be defined at the task level"),
    ("RunTask", "PlatformUnknownException", "The specified platform version does not exist"),
    ("RunTask", "AccessDeniedException", f"{CLUSTER_USER}ecs:RunTask"),
    ("RunTask", "AccessDeniedException", f"{CLUSTER_USER}iam:PassRole"),
    ("RegisterTaskDefinition", "AccessDeniedException", f"{CLUSTER_USER}ecs:RegisterTaskDefinition"),
    ("RunTask", "ClusterNotFoundException", "Cluster not found."),
]


@pytest.mark.parametrize(("operation", "code", "message"), LASTING)
def test_what_ecs_refuses_waits_with_its_words_and_is_asked_again(
    cloud: Cloud, operation: str, code: str, message: str
) -> None:
    if operation == "RegisterTaskDefinition":
        cloud.ecs.forget_definitions()
        cloud.deployment.set()  # a process that has registered nothing yet
    cloud.fail(operation, code, message)

    cloud.client.create_pod("refused")
    until(lambda: _is_told(cloud, "refused", "Failed"), "the Event", seconds=HEAL_SECONDS)

    status = cloud.client.pod("refused")["status"]
    assert (status["phase"], status["reason"]) == ("Pending", code.removesuffix("Exception"))
    assert message in status["message"]
    assert waiting(cloud, "refused")["reason"] == "CreateContainerError"
    assert message in cloud.events_of("refused")["Failed"]
    cloud.heal()
    until(lambda: _healed(cloud, "refused"), "the pod to run", seconds=HEAL_SECONDS)


def assert_may_be_repeated(answer: requests.Response) -> str:
    """Hold that the answer is a 503 Status that says when to come again; return its message."""
    assert answer.status_code == 503, answer.text
    assert answer.headers["Retry-After"] == "1"
    status = answer.json()
    assert (status["kind"], status["reason"]) == ("Status", "ServiceUnavailable")
    assert "Traceback" not in answer.text
    message: str = status["message"]
    return message


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("ProvisionedThroughputExceededException", "is throttled"),
        ("AccessDeniedException", "may not be used with these credentials"),
        ("ResourceNotFoundException", "does not exist here"),
        ("InternalServerError", "cannot be used"),
    ],
)
def test_a_table_that_refuses_is_a_status_that_says_so(cloud: Cloud, code: str, words: str) -> None:
    cloud.client.get(PODS)
    cloud.faults.refuse_all = code

    served = cloud.client.call("POST", PODS, json=pod("refused"))
    cloud.deployment.set()
    cold = cloud.client.call("POST", PODS, json=pod("refused"))  # to a process that can read nothing at all
    cloud.heal()

    assert words in assert_may_be_repeated(served)
    assert words in assert_may_be_repeated(cold)
    assert cloud.client.pod("refused") is None
    assert not cloud.living()


def pod(name: str) -> dict[str, Any]:
    container = {"name": "main", "image": "busybox", "command": ["true"]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"containers": [container]}}


def test_a_table_throttled_once_the_task_is_asked_for_leaves_one_pod_and_one_task(cloud: Cloud) -> None:
    def throttle(asked: Document, go_on: Any) -> Document:
        answer: Document = go_on(asked)
        cloud.faults.throttle_every = 1  # the pod is stored, its task's handle cannot be
        return answer

    cloud.ecs.faults["RunTask"] = [throttle]

    created = cloud.client.call("POST", PODS, json=pod("halfway"))
    cloud.heal()

    assert created.status_code == 201, created.text
    until(lambda: _healed(cloud, "halfway"), "the pod to be adopted", seconds=HEAL_SECONDS)
    assert len(cloud.living()) == 1


@pytest.mark.parametrize(
    ("setting", "value"), [("CLUSTER", ""), ("PROVIDER", "fargte"), ("POD_KEEP_HOURS", "a day"), ("IAM_USERS", "{")]
)
def test_a_stage_that_is_set_up_wrong_says_which_setting(cloud: Cloud, setting: str, value: str) -> None:
    before = cloud.deployment.api.environ.get(f"SPARKANYWHERE_{setting}", "")
    cloud.deployment.set(**{setting: value})

    answer = cloud.client.call("POST", PODS, json=pod("unset"))
    cloud.deployment.set(**{setting: before})

    assert f"SPARKANYWHERE_{setting}" in assert_may_be_repeated(answer)
    assert cloud.client.pod("unset") is None


def test_the_role_allows_every_call_that_a_pods_life_takes(cloud: Cloud) -> None:
    cloud.client.create_pod("allowed")
    until(lambda: _healed(cloud, "allowed"), "the pod to run", seconds=HEAL_SECONDS)
    cloud.client.call("DELETE", f"{PODS}/allowed")
    until(lambda: cloud.client.pod("allowed") is None, "the pod to go", seconds=HEAL_SECONDS)

    called = {f"ecs:{operation}" for operation in cloud.ecs.calls}
    called |= {f"dynamodb:{operation}" for operation in cloud.deployment.dynamodb.fake.requests}
    called |= {f"servicequotas:{operation}" for operation in cloud.deployment.quotas.calls}
    # What creates the table is the test; a transaction needs the actions that it is made of.
    called -= {"dynamodb:CreateTable", "dynamodb:DescribeTable", "dynamodb:UpdateTimeToLive"}
    called = {each for each in called if each != "dynamodb:TransactWriteItems"} | TRANSACTION

    assert called <= of_terraform()
