"""Fixtures of the tests with real Spark."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chalicelib.config import Settings
from sparkanywhere.spark.spark_distribution import ensure
from tests.aws_box.box import AwsBox
from tests.aws_box.client import PODS
from tests.aws_box.event_bus import Trouble
from tests.aws_box.package import Package
from tests.e2e.spark_cluster import SparkCluster, spark_cluster
from tests.waiting import until

GONE_SECONDS = 180.0  # for tasks to end and pods to go


@pytest.fixture(scope="session")
def spark() -> Callable[[str], Path]:
    """Return what gives the SPARK_HOME of a version, downloading it the first time."""

    def home_of(version: str) -> Path:
        return ensure(version, cache=Settings.from_env().cache_dir(), environ=os.environ)

    return home_of


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[SparkCluster]:
    """Yield a control plane on the process provider."""
    with spark_cluster(tmp_path) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def aws(package: Package, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsBox]:
    """Yield the AWS in a box that the tests of a module share."""
    made = AwsBox(package, tmp_path_factory.mktemp("aws"))
    yield made
    made.close()


@pytest.fixture
def box(aws: AwsBox) -> Iterator[AwsBox]:
    """Yield that AWS, and hold after each test that no task is left, and no pod that says it runs."""
    yield aws
    aws.end_programs()
    aws.events.trouble = Trouble()
    aws.ecs.faults.clear()
    aws.fargate.dooms.clear()
    aws.client.call("DELETE", PODS)
    aws.wait_until_quiet()
    until(lambda: not aws.client.get(PODS)["items"], "deleted pods to go", seconds=GONE_SECONDS)
