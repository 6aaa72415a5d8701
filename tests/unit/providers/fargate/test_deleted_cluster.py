"""When the cluster is deleted its tasks are gone; when the setting that names it is wrong, nothing is known of them."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from chalicelib.providers.base import ProviderUnavailable, TaskNotFound
from chalicelib.providers.fargate.provider import FargateProvider
from tests.unit.providers.fargate.fake_api import SITE

TASK = "arn:aws:ecs:eu-west-1:123456789012:task/{}/0123456789abcdef"


def provider_without_cluster(operation: str) -> FargateProvider:
    """Return a provider whose one call finds no cluster."""
    make: Any = boto3.client
    client = make("ecs", region_name="eu-west-1", aws_access_key_id="testing", aws_secret_access_key="testing")
    stubber = Stubber(client)
    stubber.add_client_error(operation, "ClusterNotFoundException", "Cluster not found.", 400)
    stubber.activate()
    return FargateProvider(SITE, payloads=lambda _task: "https://api", client=lambda _service, _region: client)


def test_the_deleted_clusters_own_tasks_are_known_no_more() -> None:
    assert provider_without_cluster("describe_tasks").describe([TASK.format("jobs")]) == []
    with pytest.raises(TaskNotFound):
        provider_without_cluster("stop_task").stop(TASK.format("jobs"), grace_seconds=1)


def test_of_another_clusters_tasks_nothing_is_concluded() -> None:
    with pytest.raises(ProviderUnavailable, match="Cluster not found"):
        provider_without_cluster("describe_tasks").describe([TASK.format("jobs"), TASK.format("others")])
    with pytest.raises(ProviderUnavailable, match="Cluster not found"):
        provider_without_cluster("stop_task").stop(TASK.format("others"), grace_seconds=1)
