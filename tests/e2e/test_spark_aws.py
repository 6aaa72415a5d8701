"""Real Spark on AWS in a box: stock spark-submit, the packaged control plane, and tasks on a Docker engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.aws_box.box import AwsBox
from tests.aws_box.client import PODS
from tests.aws_box.package import make_package
from tests.aws_box.spark_job import submit
from tests.functional.waiting import until

pytestmark = [
    pytest.mark.spark,
    pytest.mark.docker,
    pytest.mark.slow,
    pytest.mark.timeout(600),
]

GONE_SECONDS = 90.0  # for tasks to end and pods to go


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsBox]:
    folder = tmp_path_factory.mktemp("aws")
    made = AwsBox(make_package(folder / "package"), folder / "box")
    yield made
    made.close()


@pytest.fixture(autouse=True)
def quiet_end(box: AwsBox) -> Iterator[None]:
    """Hold after each test that no task is left, and no pod that says it runs."""
    yield
    box.client.call("DELETE", PODS)
    box.wait_until_quiet()
    until(lambda: not box.client.get(PODS)["items"], "deleted pods to go", seconds=GONE_SECONDS)


@pytest.mark.kubectl
@pytest.mark.parametrize("version", ["4.3.0", "3.5.9"])
def test_spark_pi_runs_to_its_end(box: AwsBox, tmp_path: Path, version: str) -> None:
    job = submit(box, tmp_path, version=version)

    assert job.end() == "Succeeded"
    assert "Pi is roughly 3.1" in job.log()
