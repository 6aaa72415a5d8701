"""What ended stays for a day, by the commands that a person types: after a scale-down, `kill`, crashes and `down`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.apimachinery.types import JSON
from sparkanywhere.client.kube_client import ApiError, KubeClient
from sparkanywhere.local.local_server import LocalServer, ServerOptions
from tests.contexts import context_of
from tests.waiting import until

SECONDS = 120.0
PODS = "/api/v1/namespaces/default/pods"
INSTANCE = "records"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LocalServer]:
    """Yield a local control plane that runs pods as processes."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SPARKANYWHERE_")}
    found = LocalServer(ServerOptions(tmp_path / "state", INSTANCE), environ)
    found.start()
    yield found
    found.stop()
    command(found, "down", "--instance", INSTANCE)


def command(server: LocalServer, *arguments: str) -> str:
    """Run a command at this server; return what it prints to stdout."""
    environ = {**os.environ, **context_of(server.kubeconfig), "SPARKANYWHERE_STATE": str(server.folder.parent)}
    line = [sys.executable, "-m", "sparkanywhere", *arguments]
    return subprocess.run(line, env=environ, stdout=subprocess.PIPE, text=True, timeout=SECONDS, check=True).stdout


def start(server: LocalServer, *, executors: int = 2) -> KubeClient:
    """Make pods as Spark would: a driver and executors that it owns, each of which says its name and waits."""
    client = KubeClient(server.access)
    driver = client.create(PODS, pod("etl-driver", "driver"))
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "etl-driver", "uid": driver["metadata"]["uid"]}
    for number in range(1, executors + 1):
        client.create(PODS, pod(f"etl-exec-{number}", "executor", owner, number))
    until(lambda: all(each["status"].get("phase") == "Running" for each in client.get(PODS)["items"]), "they run")
    names = [each["metadata"]["name"] for each in client.get(PODS)["items"]]
    until(lambda: all(f"{name} says" in client.log("default", name) for name in names), "they speak")
    return client


def pod(name: str, role: str, owner: JSON | None = None, number: int = 0) -> JSON:
    labels = {"spark-role": role, "spark-app-selector": "spark-0000c1", "spark-app-name": "etl"}
    metadata: JSON = {"name": name, "labels": {**labels, "spark-exec-id": str(number)} if number else labels}
    if owner:
        metadata["ownerReferences"] = [owner]
    script = f"echo {name} says; echo and complains >&2; exec sleep 600"
    container = {"name": "main", "image": "busybox", "command": ["sh", "-c", script]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 2, "containers": [container]},
    }


def only_row(server: LocalServer) -> JSON:
    (row,) = json.loads(command(server, "ps", "--output", "json"))
    assert isinstance(row, dict)
    return row


def test_a_killed_run_keeps_its_state_its_logs_and_its_cost(server: LocalServer) -> None:
    client = start(server)
    client.delete(f"{PODS}/etl-exec-1")
    until(lambda: len(client.get(PODS)["items"]) == 2, "the driver has scaled down")
    assert "etl-exec-1 says" in command(server, "logs", "etl", "--executor", "1")
    before = only_row(server)["usd_on_fargate"]

    said = command(server, "kill", "etl")

    assert said.startswith("etl ended; cost $")
    assert client.get(PODS)["items"] == []
    row = only_row(server)
    assert (row["name"], row["state"], row["executors"], row["exit_code"]) == ("etl", "Killed", 2, 143)
    assert command(server, "ps").splitlines()[-1].startswith("etl  ")
    assert row["usd_on_fargate"] >= before > 0
    described = command(server, "describe", "etl")
    assert [line.split()[1] for line in described.splitlines() if line.startswith("etl-")] == [
        "Killed",
        "Ended",
        "Ended",
    ]
    for name, options in (("etl-driver", ()), ("etl-exec-1", ("--executor", "1")), ("etl-exec-2", ("--executor", "2"))):
        assert sorted(command(server, "logs", "etl", *options).splitlines()) == ["and complains", f"{name} says"]
    assert command(server, "kill", "etl").startswith("etl had ended: Killed; cost $")


def test_records_outlive_a_killed_server(server: LocalServer) -> None:
    start(server, executors=1)
    (killed,) = json.loads(command(server, "kill", "etl", "-o", "json"))
    row = only_row(server)
    assert killed == row

    server.kill()
    server.start()

    assert only_row(server) == row
    assert "etl-exec-1 says" in command(server, "logs", "etl", "--executor", "1")


def test_down_keeps_the_logs_of_pods_that_it_ends(server: LocalServer) -> None:
    start(server, executors=1)
    server.stop()

    command(server, "down", "--instance", INSTANCE)
    server.start()

    assert KubeClient(server.access).get(PODS)["items"] == []
    assert command(server, "kill", "etl").startswith("etl had ended: Killed")
    assert "etl-driver says" in command(server, "logs", "etl")
    assert "etl-exec-1 says" in command(server, "logs", "etl", "--executor", "1")


def test_a_pod_that_left_a_record_is_gone_for_clients_of_kubernetes(server: LocalServer) -> None:
    client = start(server, executors=0)
    client.delete(f"{PODS}/etl-driver", gracePeriodSeconds="0")

    for path in (f"{PODS}/etl-driver", f"{PODS}/etl-driver/log"):
        with pytest.raises(ApiError) as raised:
            client.get(path)
        assert raised.value.code == 404
    records = "/apis/sparkanywhere.io/v1alpha1/namespaces/default/podrecords"
    (record,) = client.get(records, labelSelector="spark-role=driver")["items"]
    with pytest.raises(ApiError) as raised:
        client.create(records, record)
    assert raised.value.code == 405
