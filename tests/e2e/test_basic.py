"""SparkPi by stock, unmodified Spark in cluster mode on each provider that is there: the Spark of `make test`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.aws_box.box import AwsBox
from tests.aws_box.spark_job import submit
from tests.e2e.docker_cluster import docker_cluster, image_for
from tests.e2e.spark_cluster import spark_cluster
from tests.e2e.spark_scenarios import NEWEST, OLDEST, PI, Spark, run_pi

pytestmark = [pytest.mark.spark]

VERSIONS = (NEWEST, pytest.param(OLDEST, marks=pytest.mark.slow))


@pytest.mark.parametrize("version", VERSIONS)
def test_basic_on_processes(version: str, spark: Spark, tmp_path: Path) -> None:
    with spark_cluster(tmp_path) as cluster:
        run_pi(cluster, spark(version))


@pytest.mark.docker
@pytest.mark.image
@pytest.mark.parametrize("version", VERSIONS)
def test_basic_on_docker(version: str, spark: Spark, tmp_path: Path) -> None:
    image_for(version)
    with docker_cluster(tmp_path) as cluster:
        run_pi(cluster, spark(version))


@pytest.mark.docker
@pytest.mark.image
@pytest.mark.kubectl
@pytest.mark.timeout(900)
@pytest.mark.parametrize("version", ["4.3.0"])
def test_basic_on_aws_in_a_box(version: str, box: AwsBox, tmp_path: Path) -> None:
    image_for(version)

    job = submit(box, tmp_path, version=version)

    assert job.end() == "Succeeded"
    assert PI in job.log()
