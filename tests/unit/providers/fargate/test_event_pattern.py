"""EventBridge brings what is news of our tasks, and no more: each event is an invocation."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.providers.fargate.declaration import event_pattern
from chalicelib.providers.fargate.payload import FETCHER
from tests.aws_box.event_pattern import matches
from tests.aws_box.package import CLUSTER_ARN


def containers(main: str, fetcher: str = "STOPPED") -> list[dict[str, str]]:
    return [{"name": FETCHER, "lastStatus": fetcher}, {"name": "main", "lastStatus": main}]


@pytest.mark.parametrize(
    ("detail", "is_news"),
    [
        ({"lastStatus": "PROVISIONING", "containers": containers("PENDING", "PENDING")}, False),
        ({"lastStatus": "PENDING", "containers": containers("PENDING", "PENDING")}, False),
        ({"lastStatus": "PENDING", "containers": containers("PENDING", "RUNNING")}, False),
        ({"lastStatus": "ACTIVATING", "containers": containers("PENDING")}, False),
        ({"lastStatus": "PENDING", "containers": containers("RUNNING")}, True),
        ({"lastStatus": "PENDING", "containers": containers("STOPPED")}, True),
        ({"lastStatus": "RUNNING", "containers": containers("RUNNING")}, True),
        ({"lastStatus": "RUNNING", "stopCode": "UserInitiated"}, False),
        ({"lastStatus": "RUNNING", "stopCode": "SpotInterruption"}, True),
        ({"lastStatus": "RUNNING", "stopCode": "EssentialContainerExited"}, True),
        ({"lastStatus": "DEACTIVATING", "stopCode": "UserInitiated"}, False),
        ({"lastStatus": "DEPROVISIONING", "stopCode": "UserInitiated"}, True),
        ({"lastStatus": "STOPPED", "stopCode": "TaskFailedToStart"}, True),
    ],
)
def test_what_changes_a_pod_is_news(detail: dict[str, Any], is_news: bool) -> None:
    pattern = event_pattern({"SPARKANYWHERE_CLUSTER_ARN": CLUSTER_ARN})
    event = {"source": "aws.ecs", "detail-type": "ECS Task State Change"}

    assert matches(pattern, {**event, "detail": {**detail, "clusterArn": CLUSTER_ARN}}) is is_news
    assert not matches(pattern, {**event, "detail": {**detail, "clusterArn": f"{CLUSTER_ARN}-of-others"}})
    assert not matches(pattern, {**event, "source": "aws.ec2", "detail": {**detail, "clusterArn": CLUSTER_ARN}})


def test_without_a_cluster_there_is_no_rule() -> None:
    assert event_pattern({}) is None
