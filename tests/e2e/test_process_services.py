"""Services of pods that are processes: names that follow what is stored, without a restart of a pod."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.apimachinery.types import JSON
from chalicelib.providers.supervised.isolation import obstacle
from tests.e2e.spark_cluster import JOBS, NAMESPACE, SparkCluster, spark_cluster
from tests.waiting import until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(obstacle()), reason="pods have no namespaces of their own here"),
]

PORT = 17001  # each pod has an address of its own


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkCluster]:
    """Yield the control plane that the tests of this module share."""
    with spark_cluster(tmp_path_factory.mktemp("services")) as cluster:
        yield cluster


@pytest.fixture
def cluster(shared: SparkCluster) -> Iterator[SparkCluster]:
    """Yield that control plane without pods and Services."""
    yield shared
    shared.clear()
    shared.clear_services()


def pod(cluster: SparkCluster, name: str, program: str, *words: str, **spec: Any) -> None:  # Any: of a pod's spec
    address = {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}
    main: JSON = {"name": "main", "image": "python:3", "env": [address]}
    main["command"] = [sys.executable, str(JOBS / program), *words]
    whole = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 0, "containers": [main]}
    metadata = {"name": name, "labels": {"app": "web" if program == "service_server.py" else "client"}}
    cluster.client.create(f"{NAMESPACE}/pods", {"metadata": metadata, "spec": whole | spec})


def service(cluster: SparkCluster, name: str, **spec: Any) -> None:
    whole = {"selector": {"app": "web"}, "ports": [{"port": PORT}]}
    cluster.client.create(f"{NAMESPACE}/services", {"metadata": {"name": name}, "spec": whole | spec})


def hears(cluster: SparkCluster, *wanted: str) -> None:
    """Wait until these are the last things that the client was told by each of its servers."""

    def last() -> dict[str, str]:
        return dict(line.split(" says ") for line in cluster.client.log("default", "client").splitlines())

    expected = dict(each.split(" says ") for each in wanted)
    until(lambda: expected.items() <= last().items(), f"the client to hear: {wanted}")


def test_names_follow_services_and_pods(cluster: SparkCluster) -> None:
    lengths = [f"web{rest}:{PORT}" for rest in ("", ".default", ".default.svc", ".default.svc.cluster.local")]
    own = f"sp-0.sp:{PORT}"
    pod(cluster, "client", "service_client.py", *lengths, own)
    hears(cluster, f"{lengths[0]} says gaierror", f"{own} says gaierror")
    pod(cluster, "sp-0", "service_server.py", str(PORT), "first", hostname="sp-0", subdomain="sp")

    service(cluster, "web")
    service(cluster, "sp", clusterIP="None")
    hears(cluster, *(f"{each} says first" for each in lengths), f"{own} says first")

    cluster.client.delete(f"{NAMESPACE}/pods/sp-0", gracePeriodSeconds="0")
    hears(cluster, f"{own} says gaierror")
    pod(cluster, "sp-1", "service_server.py", str(PORT), "second")
    hears(cluster, *(f"{each} says second" for each in lengths))

    cluster.client.delete(f"{NAMESPACE}/services/web")
    hears(cluster, *(f"{each} says gaierror" for each in lengths))


def test_names_follow_while_another_control_plane_takes_over(cluster: SparkCluster) -> None:
    pod(cluster, "client", "service_client.py", f"web:{PORT}", f"later:{PORT}")
    pod(cluster, "a", "service_server.py", str(PORT), "a")
    service(cluster, "web")
    hears(cluster, f"web:{PORT} says a")

    cluster.server.kill()
    cluster.server.start()
    service(cluster, "later")

    hears(cluster, f"web:{PORT} says a", f"later:{PORT} says a")
    lines = cluster.client.log("default", "client").splitlines()
    assert [line for line in lines if line.startswith("web")][-1:] == [f"web:{PORT} says a"]
