"""Real Spark, stock and unmodified, as jobs of a real Slurm of two nodes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chalicelib.apimachinery.types import JSON
from chalicelib.config import Settings
from sparkanywhere.local.local_server import LocalServer, ServerOptions
from sparkanywhere.local.providers import remove_leftovers
from tests.e2e.spark_cluster import JOB_SECONDS, NAMESPACE, SparkCluster, exit_code, without_own_settings
from tests.e2e.spark_scenarios import NEWEST, ONE, TWO, Spark
from tests.waiting import until
from tools.slurm_lab import Lab

pytestmark = [pytest.mark.slurm, pytest.mark.spark, pytest.mark.slow]

SELECTOR = "spark.kubernetes.{}.node.selector.slurm.sparkanywhere.io/nodelist={}"


@contextmanager
def slurm_cluster(state: Path, lab: Lab) -> Iterator[SparkCluster]:
    """Yield a running control plane; at the end delete its pods, and see that Slurm has no job of it."""
    server = LocalServer(ServerOptions(state, "e2e", provider="slurm"), {**without_own_settings(), **lab.environ})
    try:
        server.start()
        cluster = SparkCluster(server)
        yield cluster
        cluster.clear()
        until(lambda: not lab.ask("squeue", "--noheader"), "every job to be gone")
    finally:
        server.stop()
        with pytest.MonkeyPatch.context() as environ:
            for name, text in lab.environ.items():
                environ.setenv(name, text)
            remove_leftovers(server.folder, Settings.from_env())


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, slurm_lab: Lab) -> Iterator[SparkCluster]:
    """Yield the control plane that the tests of this module share."""
    with slurm_cluster(tmp_path_factory.mktemp("slurm"), slurm_lab) as cluster:
        yield cluster


@pytest.fixture
def cluster(shared: SparkCluster) -> Iterator[SparkCluster]:
    """Yield that control plane without pods."""
    yield shared
    shared.clear()


def on(role: str, node: str) -> str:
    """Return the setting that has pods of a role run on a node."""
    return SELECTOR.format(role, node)


def application(cluster: SparkCluster, path: str) -> str:
    """Return the id of the application whose user interface answers behind a proxy of the API."""
    (found,) = json.loads(cluster.client.text(f"{NAMESPACE}/{path}/proxy/api/v1/applications"))
    return str(found["id"])


def test_two_drivers_of_one_node_each_have_ports_of_their_own(spark: Spark, cluster: SparkCluster) -> None:
    home = spark(NEWEST)
    conf = [*ONE, on("driver", "n1"), on("executor", "n2")]
    for name in ("one", "two"):
        cluster.start(home, *cluster.sleepers(seconds=4, tasks=4), name=name, conf=conf)
    until(lambda: len(cluster.running("executor")) == 2, "both to have an executor", seconds=JOB_SECONDS)

    drivers = cluster.running("driver")
    names = [driver["metadata"]["name"] for driver in drivers]
    interfaces = [application(cluster, f"pods/{name}:4040") for name in names]
    services = [application(cluster, f"services/{service_of(cluster, each)}:4040") for each in drivers]

    assert len({driver["status"]["podIP"] for driver in drivers}) == 1
    assert interfaces == services == [each["metadata"]["labels"]["spark-app-selector"] for each in drivers]
    until(lambda: all(exit_code(each) == 0 for each in cluster.pods("driver")), "both to end well", seconds=JOB_SECONDS)


def service_of(cluster: SparkCluster, driver: JSON) -> str:
    """Return the name of the Service that Spark made for a driver."""
    uid = driver["metadata"]["uid"]
    (found,) = [
        each["metadata"]["name"]
        for each in cluster.client.get(f"{NAMESPACE}/services")["items"]
        if any(owner["uid"] == uid for owner in each["metadata"].get("ownerReferences") or ())
    ]
    return str(found)


def test_dynamic_allocation_grows_and_shrinks(spark: Spark, cluster: SparkCluster) -> None:
    conf = [
        "spark.dynamicAllocation.enabled=true",
        "spark.dynamicAllocation.shuffleTracking.enabled=true",
        "spark.dynamicAllocation.maxExecutors=3",
        "spark.dynamicAllocation.executorIdleTimeout=2s",
    ]

    cluster.start(spark(NEWEST), *cluster.sleepers(seconds=3, tasks=8), conf=conf)
    until(lambda: len(cluster.running("executor")) == 3, "three executors", seconds=JOB_SECONDS)
    driver = cluster.driver_ends()

    assert exit_code(driver) == 0
    assert "8 tasks came back" in cluster.log(driver)


def test_a_job_outlives_the_node_of_its_executors(spark: Spark, cluster: SparkCluster, slurm_lab: Lab) -> None:
    conf = [*TWO, on("driver", "n1"), on("executor", "n2")]
    cluster.start(spark(NEWEST), *cluster.sleepers(seconds=2, tasks=8), conf=conf)
    cluster.executors_register(2)
    lost = [pod["metadata"]["name"] for pod in cluster.running("executor")]

    slurm_lab.kill_node("n2")
    slurm_lab.ask("scontrol", "update", "nodename=n2", "state=down", "reason=killed")  # else ten seconds and more later
    cluster.driver_says("NodeLost|Lost executor", 2)
    slurm_lab.start_node("n2")
    slurm_lab.ask("scontrol", "update", "nodename=n2", "state=resume")

    driver = cluster.driver_ends()
    assert exit_code(driver) == 0, cluster.log(driver)
    assert "8 tasks came back" in cluster.log(driver)
    assert not set(lost) & {pod["metadata"]["name"] for pod in cluster.running("executor")}


def test_an_executor_that_is_killed_while_slurmctld_is_down_is_replaced_once_it_is_up(
    spark: Spark, cluster: SparkCluster, slurm_lab: Lab
) -> None:
    cluster.start(spark(NEWEST), *cluster.sleepers(seconds=3, tasks=14), conf=TWO)
    cluster.executors_register(2)

    slurm_lab.stop_controller()
    cluster.kill(cluster.running("executor")[0])
    cluster.driver_says("exit code 137")
    slurm_lab.start_controller()

    driver = cluster.driver_ends()
    assert exit_code(driver) == 0, cluster.log(driver)
    assert "with ID 3" in cluster.log(driver), "no third executor came"
