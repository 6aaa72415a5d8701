"""What the provider `fargate` declares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chalicelib.extras import lacking
from chalicelib.providers.base import Provider, ProviderUnavailable, Task, TaskState
from chalicelib.providers.declaration import EventSource, ProviderContext, ProviderDeclaration, TaskPort
from chalicelib.providers.fargate.prices import SIZES, price_list

TO_HOST = "AWS-StartPortForwardingSessionToRemoteHost"  # pods listen at their address, not on their loopback


@dataclass(frozen=True, slots=True)
class FargateSettings:
    """The settings that this provider alone has; Terraform's outputs become them."""

    cluster: str = field(default="", metadata={"doc": "ECS cluster that tasks run in", "required": True})
    cluster_arn: str = field(default="", metadata={"doc": "its ARN; task events are filtered by it"})
    subnets: str = field(
        default="",
        metadata={"doc": "subnets of the tasks: zone=subnet pairs or subnets, separated by commas", "required": True},
    )
    security_group: str = field(default="", metadata={"doc": "security group of the tasks", "required": True})
    security_groups: str = field(
        default="",
        metadata={
            "doc": "namespaces whose tasks have a security group and a role of their own: namespace=group pairs,"
            " separated by commas; the role is called TASK_ROLE-NAMESPACE"
        },
    )
    assign_public_ip: bool = field(default=False, metadata={"doc": "whether tasks get a public address"})
    execute_command: bool = field(
        default=False, metadata={"doc": "whether tasks accept `aws ecs execute-command` and port forwarding"}
    )
    execution_role: str = field(
        default="", metadata={"doc": "ARN of the role that pulls images and writes logs", "required": True}
    )
    task_role: str = field(
        default="",
        metadata={"doc": "ARN of the role that Spark itself has, by which tasks prove who they are", "required": True},
    )
    log_group: str = field(default="", metadata={"doc": "CloudWatch log group of the tasks", "required": True})


def build(context: ProviderContext) -> Provider:
    """Return the provider. Raises ProviderUnavailable where boto3 is not installed."""
    if words := lacking("aws"):
        raise ProviderUnavailable("SdkMissing", words)
    from chalicelib.providers.fargate.provider import FargateProvider
    from chalicelib.providers.fargate.site import DeploymentConfig

    settings: FargateSettings = context.settings
    groups = [each.strip().partition("=") for each in settings.security_groups.split(",") if each.strip()]
    pairs = [each.strip().rpartition("=") for each in settings.subnets.split(",") if each.strip()]
    site = DeploymentConfig(
        name=context.deployment,
        cluster=settings.cluster,
        region=context.region,
        subnets=tuple((zone, subnet) for zone, _, subnet in pairs),
        security_group=settings.security_group,
        security_groups={namespace.strip(): group for namespace, _, group in groups},
        assign_public_ip=settings.assign_public_ip,
        execute_command=settings.execute_command,
        execution_role_arn=settings.execution_role,
        task_role_arn=settings.task_role,
        log_group=settings.log_group,
    )
    return FargateProvider(site, payloads=context.payloads)


def payload(task: Task) -> str:
    """Return what a task fetches when it starts."""
    from chalicelib.providers.fargate.payload import render

    return render(task)


def event_pattern(environ: Mapping[str, str]) -> dict[str, Any] | None:
    """Return the rule for what is news of our own cluster's tasks; None without a cluster.

    Each event is an invocation. ECS sends nine of an executor, of which three change its pod.
    EventBridge User Guide, "Comparison operators for use in event patterns".
    """
    from chalicelib.providers.fargate.payload import FETCHER

    arn = environ.get("SPARKANYWHERE_CLUSTER_ARN")
    if not arn:
        return None
    news: list[dict[str, Any]] = [
        # what StopTask is asked for is no news: we ask for it, and the end follows
        {"lastStatus": ["RUNNING"], "stopCode": [{"exists": False}, {"anything-but": ["UserInitiated"]}]},
        {"lastStatus": ["DEPROVISIONING", "STOPPED"]},  # containers have ended, some time before their task has
        # an init container runs, or has ended, in a task that is pending
        {
            "lastStatus": ["PENDING", "ACTIVATING"],
            "containers": {"name": [{"anything-but": [FETCHER]}], "lastStatus": ["RUNNING", "STOPPED"]},
        },
    ]
    detail = {"clusterArn": [arn], "$or": news}
    return {"source": ["aws.ecs"], "detail-type": ["ECS Task State Change"], "detail": detail}


def event_state(detail: dict[str, Any]) -> TaskState:
    """Return the state that an ECS task-state event tells."""
    from chalicelib.providers.fargate.states import task_state

    return task_state(detail)


def tunnel(end: TaskPort, local_port: int) -> Sequence[str]:
    """Return Session Manager's command for a port of a task that takes ECS Exec, whose agent it goes through.

    The target's form is that of `aws ecs execute-command` (aws-cli, customizations/ecs/executecommand.py).
    """
    _, _, _, region, _, resource = end.task.split(":", 5)
    _, cluster, task = resource.split("/")
    target = f"ecs:{cluster}_{task}_{end.container_id}"
    places = f"host={end.address},portNumber={end.port},localPortNumber={local_port}"
    session = ("ssm", "start-session", "--region", region, "--target", target)
    return ("aws", *session, "--document-name", TO_HOST, "--parameters", places)


DECLARATION = ProviderDeclaration(
    name="fargate",
    summary="tasks of AWS ECS on Fargate",
    build=build,
    settings=FargateSettings,
    network="remote",
    start_seconds=47.0,  # of the one that AWS's sample event tells of: docs/aws.md
    binds_late=True,
    keeps_ended=False,  # CloudWatch keeps logs, and ECS forgets a task by itself
    sizes=SIZES,
    price_list=price_list,
    not_honoured=(
        "GPUs",
        "further privileges",
        "hostPath volumes",
        "claims that outlive their pod",
        "names of Services",
        "imagePullSecrets",
        "exec, attach and port-forward",
    ),
    payload=payload,
    start_advice={
        "placement": "ECS finds each task a place and a network interface: a Spark Connect server waits for it once",
        "pull": "each task pulls its image: a smaller one is quicker, or a SOCI index (`sparkanywhere image --push`)",
        "register": "executors' tasks start with their driver where its annotation `sparkanywhere.io/park` is true",
    },
    log_delay_seconds=60.0,  # of CloudWatch: seconds as a rule
    events=EventSource(event_pattern, event_state),
    tunnel=tunnel,
    session_access="`aws ecs execute-command` on the task that the pod's annotation sparkanywhere.io/task names",
)
