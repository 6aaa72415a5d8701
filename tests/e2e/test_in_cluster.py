"""Pods that find the API as Kubernetes documents it: spark-submit in a pod, a notebook, drivers of other tools."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import kubernetes
import pytest

from chalicelib.apimachinery.types import JSON
from sparkanywhere.spark.spark_submit import IMAGE_HOME
from tests.contexts import context_of
from tests.e2e.docker_cluster import docker_cluster, image_for
from tests.e2e.spark_cluster import (
    JOB_SECONDS,
    JOBS,
    NAMESPACE,
    SMALL,
    SparkCluster,
    exit_code,
    is_over,
    spark_cluster,
    spark_pi,
)
from tests.e2e.spark_scenarios import NEWEST, ONE, PI, Spark
from tests.waiting import until
from tools import clients

pytestmark = [pytest.mark.spark, pytest.mark.slow]

USUAL_URL = "https://kubernetes.default.svc"
RBAC = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings"
IMAGE = f"sparkanywhere/spark:{NEWEST}"
PACKAGES = Path(kubernetes.__file__).resolve().parents[1]  # of Python, for pods too
ON_DOCKER = (pytest.mark.docker, pytest.mark.image)


@pytest.fixture(scope="module", params=["process", pytest.param("docker", marks=ON_DOCKER)])
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkCluster]:
    """Yield a control plane with a service account `spark` that may edit, as Spark's documentation makes it."""
    state = tmp_path_factory.mktemp(request.param)
    if request.param == "docker":
        image_for(NEWEST)
    docker = docker_cluster(state, PACKAGES)
    with docker if request.param == "docker" else spark_cluster(state) as cluster:
        cluster.client.create(f"{NAMESPACE}/serviceaccounts", {"metadata": {"name": "spark"}})
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"}
        account = {"kind": "ServiceAccount", "name": "spark", "namespace": "default"}
        cluster.client.create(RBAC, {"metadata": {"name": "spark"}, "roleRef": role, "subjects": [account]})
        yield cluster


@pytest.fixture
def cluster(shared: SparkCluster) -> Iterator[SparkCluster]:
    """Yield that control plane without pods."""
    yield shared
    shared.clear()


def run_pod(cluster: SparkCluster, *command: str, **env: str) -> JSON:
    """Run a pod of the account `spark`, with its own name and address in variables; return it when it has ended."""
    fields = {"POD": "metadata.name", "POD_IP": "status.podIP"}
    variables: list[JSON] = [
        {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}} for name, path in fields.items()
    ]
    variables += [{"name": name, "value": value} for name, value in env.items()]
    paths = {"jobs": JOBS, "packages": PACKAGES}
    mounts = [{"name": name, "mountPath": f"/{name}"} for name in paths]
    main = {"name": "main", "image": IMAGE, "command": list(command), "env": variables, "volumeMounts": mounts}
    volumes = [{"name": name, "hostPath": {"path": str(path)}} for name, path in paths.items()]
    spec = {"restartPolicy": "Never", "serviceAccountName": "spark", "containers": [main], "volumes": volumes}
    cluster.client.create(f"{NAMESPACE}/pods", {"metadata": {"name": "notebook"}, "spec": spec})
    until(lambda: is_over(the_pod(cluster)), "the pod to end", seconds=JOB_SECONDS)
    return the_pod(cluster)


def the_pod(cluster: SparkCluster) -> JSON:
    return cluster.client.get(f"{NAMESPACE}/pods/notebook")


def submission(mode: str, *conf: str) -> list[str]:
    """Return the words of a spark-submit that runs in a pod."""
    words = [f"{IMAGE_HOME}/bin/spark-submit", "--master", f"k8s://{USUAL_URL}:443", "--deploy-mode", mode]
    own = (f"spark.kubernetes.container.image={IMAGE}", *SMALL, *ONE, *conf)
    return words + [word for each in own for word in ("--conf", each)]


CLIENT_MODE = (
    "spark.driver.host=$(POD_IP)",
    "spark.driver.bindAddress=$(POD_IP)",
    "spark.kubernetes.driver.pod.name=$(POD)",
)
PROGRAM = f"{IMAGE_HOME}/examples/src/main/python/pi.py"


def test_the_documented_default_of_the_drivers_master_may_be_set(spark: Spark, cluster: SparkCluster) -> None:
    home = spark(NEWEST)

    submitted = cluster.submit(home, *spark_pi(home), conf=[*ONE, f"spark.kubernetes.driver.master={USUAL_URL}"])

    driver = cluster.driver()
    assert exit_code(driver) == 0, submitted.stdout + cluster.log(driver)
    assert PI in cluster.log(driver)


def test_a_pod_submits_in_client_mode(spark: Spark, cluster: SparkCluster) -> None:
    spark(NEWEST)

    pod = run_pod(cluster, *submission("client", *CLIENT_MODE), PROGRAM, "4")

    assert exit_code(pod) == 0, cluster.log(pod)
    assert PI in cluster.log(pod)


def test_a_pod_submits_in_cluster_mode(spark: Spark, cluster: SparkCluster) -> None:
    spark(NEWEST)
    account = "spark.kubernetes.authenticate.driver.serviceAccountName=spark"

    pod = run_pod(cluster, *submission("cluster", account), f"local://{PROGRAM}", "4")

    assert exit_code(pod) == 0, cluster.log(pod)
    assert PI in cluster.log(cluster.driver())


def test_a_notebook_finds_the_api_and_runs_spark(spark: Spark, cluster: SparkCluster) -> None:
    (py4j,) = spark(NEWEST).glob("python/lib/py4j-*.zip")
    path = f"{IMAGE_HOME}/python:{IMAGE_HOME}/python/lib/{py4j.name}:/packages"
    conf = " ".join([f"spark.kubernetes.container.image={IMAGE}", *SMALL, *ONE, *CLIENT_MODE])

    pod = run_pod(cluster, "python3", "/jobs/notebook.py", PYTHONPATH=path, CONF=conf)

    said = cluster.log(pod)
    assert exit_code(pod) == 0, said
    assert "sees ['notebook']" in said
    assert "counted 1000" in said


@pytest.mark.clients
def test_spark_on_k8s_makes_a_driver_that_runs(spark: Spark, cluster: SparkCluster) -> None:
    spark(NEWEST)
    program = [str(clients.python("spark-on-k8s")), str(JOBS / "spark_on_k8s_app.py"), IMAGE]
    environ = {**os.environ, **context_of(cluster.server.kubeconfig)}
    environ.pop("PYTHONPATH", None)

    ran = subprocess.run(program, env=environ, capture_output=True, text=True, timeout=JOB_SECONDS, check=False)

    driver = cluster.driver()
    assert exit_code(driver) == 0, ran.stderr + cluster.log(driver)
    assert PI in cluster.log(driver)
    assert ran.returncode == 0, ran.stderr
