"""Steps about numbers: a hundred pods at once, the schedule's time, conflicts of the store, and the bill."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from chalicelib.apimachinery.accessors import annotations_of, phase_of
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.cluster.quotas import quotas_of
from chalicelib.resources.pods.marks import TASK_ANNOTATION
from sparkanywhere.aws.plane_checks import SCHEDULE, last_runs
from sparkanywhere.aws.smoke.ground import Ground, expect
from sparkanywhere.aws.smoke.outcome import NotHere
from sparkanywhere.aws.smoke.step import step

PODS, CORES_OF_A_POD, CREATORS = 100, 0.25, 10
START_SECONDS = 300.0
DESCRIBED = 100  # tasks in one DescribeTasks
BACK = timedelta(hours=1)


@step("hundred", usd=0.12, minutes=5)
def hundred(ground: Ground) -> str:
    """Try 100 pods at once: the rate, and how late events come."""
    nodes = ground.call("GET", "/api/v1/nodes").json().get("items") or []
    quota = next((quotas_of(node).get("on-demand") for node in nodes), None)
    if quota and quota.vcpus < PODS * CORES_OF_A_POD:
        raise NotHere(
            f"it takes {PODS * CORES_OF_A_POD:g} vCPUs at once, and the quota is {quota.vcpus:g}: {quota.more}"
        )
    began = time.monotonic()
    _create_all(ground)
    created = time.monotonic() - began
    seen: dict[str, float] = {}  # when a pod was first seen to run, by name
    last: list[JSON] = []
    while len(seen) < PODS and time.monotonic() - began < START_SECONDS:
        last = _pods(ground)
        for pod in last:
            if phase_of(pod) == "Running":
                seen.setdefault(pod["metadata"]["name"], time.time())
        ground.pause()
    expect(len(seen) == PODS, f"{len(seen)} of {PODS} pods run after {START_SECONDS:.0f} s")
    took = time.monotonic() - began
    delays = _delays(ground, last, seen)
    ground.recorder.add("rate", pods=PODS, created_seconds=created, running_seconds=took, event_delays_seconds=delays)
    median = (
        f", events {delays[len(delays) // 2]:.1f} s late as a rule and {delays[-1]:.1f} s at most" if delays else ""
    )
    return f"{PODS} pods made in {created:.0f} s and running after {took:.0f} s{median}"


def _create_all(ground: Ground) -> None:
    numbers = list(range(PODS))

    def create() -> None:
        while numbers:
            try:
                number = numbers.pop()
            except IndexError:  # another thread was quicker
                return
            ground.start(f"many-{number:03}", "sleep 600")

    threads = [threading.Thread(target=create, daemon=True) for _ in range(CREATORS)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()


def _pods(ground: Ground) -> list[JSON]:
    items: list[JSON] = ground.call("GET", ground.path("pods"), is_recorded=False).json().get("items") or []
    return [each for each in items if each["metadata"]["name"].startswith("many-")]


def _delays(ground: Ground, pods: list[JSON], seen: Mapping[str, float]) -> list[float]:
    """Return how many seconds after ECS a pod said that it runs, in order; nothing where ECS cannot be asked."""
    names = {annotations_of(pod).get(TASK_ANNOTATION, ""): pod["metadata"]["name"] for pod in pods}
    arns = [each for each in names if each]
    found = []
    try:
        for start in range(0, len(arns), DESCRIBED):
            some = arns[start : start + DESCRIBED]
            answer = ground.aws("ecs", "describe_tasks", cluster=ground.site.setting("CLUSTER"), tasks=some)
            started = {each["taskArn"]: each["startedAt"] for each in answer["tasks"] if each.get("startedAt")}
            found += [seen[names[arn]] - at.timestamp() for arn, at in started.items() if names[arn] in seen]
    except NotHere:
        return []
    return sorted(found)


@step("schedule", usd=0.01, minutes=0.2)
def schedule(ground: Ground) -> str:
    """Try how long the schedule takes, and how often transactions conflict."""
    site, now = ground.site, datetime.now(UTC)
    ground.aws("cloudwatch", "list_metrics", Namespace="AWS/Lambda", MetricName="Duration")  # NotHere where we may not
    runs, failed, took = last_runs(f"{site.function}-{SCHEDULE}", ground.clients, now=now, back=BACK)
    expect(bool(runs), "CloudWatch knows of no run within the last hour")
    expect(not any(failed.values()), f"{sum(failed.values()):g} of its runs failed within the last hour")
    conflicts, writes = (_sum(ground, name, now) for name in ("TransactionConflict", "SuccessfulRequestLatency"))
    rate = f", {conflicts:g} conflicts to {writes:g} transactions" if writes else ""
    return f"{len(runs)} minutes with a run, the longest {max(took.values()) / 1000:.1f} s{rate}"


def _sum(ground: Ground, metric: str, now: datetime) -> float:
    dimensions = [{"Name": "TableName", "Value": ground.site.setting("TABLE")}]
    statistic = "Sum"
    if metric == "SuccessfulRequestLatency":
        dimensions, statistic = [*dimensions, {"Name": "Operation", "Value": "TransactWriteItems"}], "SampleCount"
    points: list[dict[str, Any]] = ground.aws(
        "cloudwatch",
        "get_metric_statistics",
        Namespace="AWS/DynamoDB",
        MetricName=metric,
        Dimensions=dimensions,
        StartTime=now - BACK,
        EndTime=now,
        Period=int(BACK.total_seconds()),
        Statistics=[statistic],
    )["Datapoints"]
    return sum(float(each[statistic]) for each in points)


@step("cost", usd=0.01, minutes=0.2)
def cost(ground: Ground) -> str:
    """Try what AWS billed yesterday, by the deployment's tag."""
    today = datetime.now(UTC).date()
    period = {"Start": f"{today - timedelta(days=1)}", "End": f"{today}"}
    tag = {"Key": "sparkanywhere:deployment", "Values": [ground.site.setting("DEPLOYMENT")]}
    answer = ground.aws(
        "ce",
        "get_cost_and_usage",
        TimePeriod=period,
        Granularity="DAILY",
        Metrics=["UnblendedCost"],
        Filter={"Tags": tag},
        GroupBy=[{"Type": "DIMENSION", "Key": "SERVICE"}],
    )
    groups = answer["ResultsByTime"][0]["Groups"] if answer["ResultsByTime"] else []
    costs = {each["Keys"][0]: float(each["Metrics"]["UnblendedCost"]["Amount"]) for each in groups}
    if not costs:
        return "nothing is billed by the tag for yesterday: activate the tag, and run --only cost tomorrow"
    text = ", ".join(f"{service} ${usd:.4f}" for service, usd in sorted(costs.items(), key=lambda each: -each[1]))
    return f"yesterday ${sum(costs.values()):.4f}: {text}"


STEPS = (hundred, schedule, cost)
