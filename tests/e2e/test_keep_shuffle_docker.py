"""Shuffle data of executors in containers goes to a bucket when they are ended, and is read from there."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from tests.contexts import context_of
from tests.e2e.docker_cluster import DockerCluster, docker_cluster, image_for
from tests.e2e.spark_cluster import JOB_SECONDS, NAMESPACE
from tests.e2e.spark_scenarios import NEWEST
from tests.waiting import until
from tools.jar_servers import BUCKET, KEY, s3_proxy

pytestmark = [pytest.mark.docker, pytest.mark.image, pytest.mark.spark, pytest.mark.slow]

SEED, ROUNDS, MAPS = 20261130, 4, 4
KEYS = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": KEY, "AWS_DEFAULT_REGION": "us-east-1"}
PROGRAM = f"""
import time
from pyspark.sql import SparkSession

def counted(rows):
    computed.add(1)
    yield from rows

def slowly(rows):
    time.sleep(1)
    yield from rows

context = SparkSession.builder.getOrCreate().sparkContext
computed = context.accumulator(0)
pairs = context.range(10_000, numSlices={MAPS}).mapPartitions(counted).map(lambda n: (n % 97, n))
sums = pairs.reduceByKey(lambda a, b: a + b, 2)
for number in range({ROUNDS}):
    print("round", number, sums.mapPartitions(slowly).count(), flush=True)
print("map tasks", computed.value, flush=True)
"""


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[DockerCluster]:
    """Yield a control plane on a Docker engine."""
    image_for(NEWEST)
    with docker_cluster(tmp_path / "state") as found:
        yield found


@pytest.mark.timeout(600)
def test_what_an_executor_leaves_in_a_bucket_is_not_computed_anew(cluster: DockerCluster, tmp_path: Path) -> None:
    program, ends_in = tmp_path / "rounds.py", random.Random(SEED).randrange(ROUNDS - 2)
    program.write_text(PROGRAM)
    with s3_proxy(cluster.host(), tmp_path / "s3") as url:
        conf = {"spark.hadoop.fs.s3a.endpoint": url, "spark.hadoop.fs.s3a.path.style.access": "true"}
        line = [sys.executable, "-m", "sparkanywhere", "run", "--executors", "1", "--with", "s3"]
        line += ["--driver-memory", "512m", "--executor-memory", "512m", "--keep-shuffle", f"s3://{BUCKET}/shuffle"]
        line += [f"--conf={key}={text}" for key, text in conf.items()]
        s3 = boto3.client(
            "s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id=KEY, aws_secret_access_key=KEY
        )
        with subprocess.Popen(
            [*line, str(program)],
            env={**os.environ, **context_of(cluster.server.kubeconfig), **KEYS},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as job:

            def began() -> bool:
                assert job.poll() is None, job.communicate()[0]
                return bool(cluster.running("executor")) and f"round {ends_in} 97" in cluster.log(cluster.driver())

            def is_kept() -> bool:
                assert job.poll() is None, job.communicate()[0]
                return bool(s3.list_objects_v2(Bucket=BUCKET)["KeyCount"])

            until(began, "the round to end", seconds=JOB_SECONDS)
            (executor,) = cluster.running("executor")
            cluster.client.delete(f"{NAMESPACE}/pods/{executor['metadata']['name']}")
            until(is_kept, "shuffle data in the bucket", seconds=JOB_SECONDS)
            said = job.communicate(timeout=JOB_SECONDS)[0]

        assert job.returncode == 0, said
        assert f"round {ROUNDS - 1} 97" in said
        assert f"map tasks {MAPS}\n" in said
        left = s3.list_objects_v2(Bucket=BUCKET).get("Contents", ())
        assert [each["Key"] for each in left if each["Size"]] == []  # S3A leaves an empty object for the folder above
