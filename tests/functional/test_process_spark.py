"""The process provider keeps the contract of Spark's image, with each Spark for real."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.config import Settings
from chalicelib.providers.base import ADDRESS, Container, File, LogOptions, Mount, Task, Volume
from chalicelib.providers.process.provider import ProcessProvider
from chalicelib.providers.supervised.leftovers import remove_all
from sparkanywhere.spark.spark_distribution import ensure
from tests.contract.provider_backends import state_of
from tests.waiting import until

JOB_SECONDS = 120.0  # two busy processors shared with others; alone it takes some 8

pytestmark = [pytest.mark.spark, pytest.mark.slow, pytest.mark.timeout(600)]

PROPERTIES = """
spark.master=local[2]
spark.driver.memory=512m
spark.files=local\\:///opt/spark/RELEASE
"""


@pytest.fixture(params=["4.3.0", "3.5.9"])
def image(request: pytest.FixtureRequest) -> str:
    """Return an image name whose Spark is installed."""
    version: str = request.param
    ensure(version, cache=Settings.from_env(os.environ).cache_dir(), environ=os.environ)
    return f"apache/spark:{version}"


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[ProcessProvider]:
    """Return a provider of the installed Sparks; what it started is removed afterwards."""
    sparks = Settings.from_env(os.environ).cache_dir() / "spark"
    one = ProcessProvider(tmp_path, sparks, environ=os.environ)
    yield one
    remove_all(one)
    one.close()


def run(provider: ProcessProvider, container: Container, *volumes: Volume) -> tuple[int | None, str, str]:
    """Run a task of one container to its end; return its exit code, its output and its address."""
    task = Task(uid="some-uid", group="default", name="pod", containers=(container,), volumes=volumes)
    handle = provider.run(task).handle
    until(lambda: state_of(provider, handle).phase == "stopped", "the task ends", seconds=JOB_SECONDS)
    state = state_of(provider, handle)
    output = b"".join(provider.logs(handle, container.name, LogOptions())).decode()
    return state.containers[0].exit_code, output, state.address


def test_a_driver_runs_a_job_as_its_pod_asks(provider: ProcessProvider, image: str) -> None:
    driver = Container(
        "spark-kubernetes-driver",
        image,
        args=(
            "driver",
            *("--conf", f"spark.driver.host={ADDRESS}"),
            *("--properties-file", "/opt/spark/conf/spark.properties"),
            *("--class", "org.apache.spark.deploy.PythonRunner"),
            *("local:///opt/spark/examples/src/main/python/pi.py", "2"),
        ),
        env=(
            ("SPARK_DRIVER_BIND_ADDRESS", ADDRESS),
            ("SPARK_LOCAL_DIRS", "/var/data/spark-1"),
            ("SPARK_CONF_DIR", "/opt/spark/conf"),
        ),
        mounts=(Mount("local", "/var/data/spark-1"), Mount("conf", "/opt/spark/conf")),
    )
    properties = File("spark.properties", PROPERTIES.encode())

    code, output, address = run(
        provider, driver, Volume("local", "scratch"), Volume("conf", "files", files=(properties,))
    )

    assert "Pi is roughly 3.1" in output
    assert "local:///opt/spark/RELEASE" in output  # the file that the mounted settings name
    assert f"{address}:" in output  # of the block manager: bound to the task's own address
    assert code == 0
