"""The event log of an application is found where its own settings say, in whichever S3 that is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import javaproperties
import pytest
from moto.server import ThreadedMotoServer

from sparkanywhere.client.access import Target
from sparkanywhere.client.kube_client import Access
from sparkanywhere.jobs.s3a_client import client_options
from sparkanywhere.sizing.report import report
from tests.api_client import ApiClient, control_plane
from tests.unit.sparkanywhere.jobs.kube_in_process import InProcessClient
from tests.unit.sparkanywhere.sizing.synthetic import written
from tests.unit.sparkanywhere.sizing.test_advice import TWICE, log

S3A = "spark.hadoop.fs.s3a."
TARGET = Target(Access("http://127.0.0.1:1"))


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Yield the URL of an S3 that boto3 does not know of, with the log of one run in it."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    client = boto3.client("s3", endpoint_url=url, region_name="us-east-1")
    client.create_bucket(Bucket="logs")
    client.put_object(Bucket="logs", Key="spark/spark-0a", Body=written(log(TWICE)))
    yield url
    server.stop()


@pytest.fixture
def kube(tmp_path: Path) -> Iterator[InProcessClient]:
    """Yield a client of a control plane of its own."""
    plane = control_plane(tmp_path)
    yield InProcessClient(ApiClient(plane))
    plane.close()


def driver(args: list[str]) -> Any:  # Any: a pod, as JSON
    """Return a driver's pod that mounts its settings."""
    volume = {"name": "spark-conf-volume-driver", "configMap": {"name": "job-conf-map"}}
    spec = {"containers": [{"name": "main", "args": args}], "volumes": [volume]}
    return {"metadata": {"name": "job-driver", "namespace": "default"}, "spec": spec}


@pytest.mark.parametrize("is_typed", [True, False])
def test_a_log_is_read_from_the_s3_that_the_job_names(kube: InProcessClient, s3: str, *, is_typed: bool) -> None:
    conf = {"spark.eventLog.dir": "s3a://logs/spark", f"{S3A}endpoint": s3, f"{S3A}path.style.access": "true"}
    data = {"spark.properties": javaproperties.dumps({} if is_typed else conf)}
    metadata = {"name": "job-conf-map", "namespace": "default"}
    kube.create("/api/v1/namespaces/default/configmaps", {"metadata": metadata, "data": data})
    args = [word for item in conf.items() for word in ("--conf", "=".join(item))] if is_typed else []

    found = report(kube, TARGET, driver(["driver", *args]), ids=["spark-0a"], most_bytes=10**7)

    assert found.advice.shape


def test_a_log_whose_settings_have_gone_is_read_by_those_that_are_known(kube: InProcessClient, s3: str) -> None:
    conf = {"spark.eventLog.dir": "s3a://logs/spark", f"{S3A}bucket.logs.endpoint": s3}

    found = report(kube, TARGET, driver([]), ids=["spark-0a"], conf=conf, most_bytes=10**7)

    assert found.advice.shape


@pytest.mark.parametrize(
    ("conf", "options"),
    [
        ({}, {}),
        ({"endpoint": "http://minio:9000"}, {"endpoint_url": "http://minio:9000"}),
        ({"endpoint": "minio:9000"}, {"endpoint_url": "https://minio:9000"}),
        ({"endpoint": "minio", "connection.ssl.enabled": "false"}, {"endpoint_url": "http://minio"}),
        ({"endpoint": "s3.eu-west-1.amazonaws.com", "endpoint.region": "eu-west-1"}, {"region_name": "eu-west-1"}),
        ({"endpoint": "http://a", "bucket.logs.endpoint": "http://b"}, {"endpoint_url": "http://b"}),
        ({"bucket.other.endpoint": "http://b"}, {}),
        (
            {"access.key": "a", "secret.key": "b", "session.token": "c"},
            {"aws_access_key_id": "a", "aws_secret_access_key": "b", "aws_session_token": "c"},
        ),
    ],
)
def test_settings_of_s3a_are_a_clients_options(conf: dict[str, str], options: dict[str, str]) -> None:
    assert client_options({f"{S3A}{key}": text for key, text in conf.items()}, "logs") == options
