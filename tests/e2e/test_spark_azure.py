"""Real Spark, stock and unmodified, in container groups of a stand-in for Azure."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sparkanywhere.local.kubeconfig import CONTEXT
from tests.azure_box.box import Faults
from tests.contexts import context_of
from tests.docker_images import ensure_busybox
from tests.e2e.azure_cluster import AzureCluster, azure_cluster
from tests.e2e.docker_cluster import image_for
from tests.e2e.spark_cluster import JOB_SECONDS, exit_code, without_own_settings
from tests.e2e.spark_scenarios import NEWEST, Spark, run_pi
from tests.waiting import until

pytestmark = [pytest.mark.docker, pytest.mark.image, pytest.mark.spark, pytest.mark.slow]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AzureCluster]:
    """Yield the control plane that the tests of this module share."""
    image_for(NEWEST)
    with azure_cluster(tmp_path_factory.mktemp("azure")) as cluster:
        yield cluster


@pytest.fixture
def cluster(shared: AzureCluster) -> Iterator[AzureCluster]:
    """Yield that control plane without pods."""
    yield shared
    shared.clear()


def test_cluster_mode_while_calls_of_azure_go_wrong(spark: Spark, cluster: AzureCluster) -> None:
    cluster.box.faults = faults = Faults(rate=0.15, seed=1)

    run_pi(cluster, spark(NEWEST))

    cluster.box.faults = Faults()
    ports = re.findall(r"Registering block manager \S+:(\d+) with", cluster.log(cluster.driver()))
    assert ports == ["7079"] * 3, "of the driver and two executors: those that their pods declare"
    assert len(faults.seen) > 2, "too few calls went wrong"


def test_executors_come_and_go_and_are_killed_as_is_the_control_plane(spark: Spark, cluster: AzureCluster) -> None:
    conf = [
        "spark.dynamicAllocation.enabled=true",
        "spark.dynamicAllocation.shuffleTracking.enabled=true",
        "spark.dynamicAllocation.minExecutors=1",
        "spark.dynamicAllocation.maxExecutors=2",
        "spark.dynamicAllocation.executorIdleTimeout=3s",
    ]
    cluster.start(spark(NEWEST), *cluster.program("sleepers.py", "3", "6", "1"), conf=conf)
    until(lambda: len(cluster.running("executor")) == 2, "two executors", seconds=JOB_SECONDS)
    cluster.executors_register(2)

    cluster.kill(cluster.running("executor")[0])

    cluster.driver_says("exited with exit code 137")
    cluster.driver_says("Registered executor", 3)
    cluster.server.kill()
    cluster.server.start()

    driver = cluster.driver_ends()
    assert exit_code(driver) == 0
    assert "round 2: 12 tasks came back" in cluster.log(driver)


def test_the_trial_says_of_each_step_that_it_went_well_or_is_not_here(cluster: AzureCluster, tmp_path: Path) -> None:
    image = ensure_busybox(cluster.engine)
    steps = {**dict.fromkeys(("apply", "wrong-token", "pod-amd64", "pod-contents"), "ok"), "client-token": "not here"}
    only = [word for name in steps for word in ("--only", name)]
    records = ("--output", "json", "--to", str(tmp_path / "records"))

    tried = subprocess.run(
        [sys.executable, "-m", "sparkanywhere", "smoke", "--yes", "--on", CONTEXT, "--image", image, *records, *only],
        env={**without_own_settings(), **context_of(cluster.server.kubeconfig)},
        capture_output=True,
        text=True,
        timeout=JOB_SECONDS,
        check=False,
    )

    assert tried.returncode == 0, tried.stdout + tried.stderr
    found = {each["step"]: each["state"] for each in json.loads(tried.stdout)}
    assert found == {**steps, "nothing-left": "ok"}
    assert cluster.box.groups == {}
