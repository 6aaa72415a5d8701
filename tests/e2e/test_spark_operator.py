"""Kubeflow's Spark operator, unmodified, outside the cluster: applications complete, and leave nothing when deleted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.functional.local_server import LocalServer, chalice_local
from tests.waiting import until
from tools import clients

pytestmark = [pytest.mark.clients, pytest.mark.spark_operator, pytest.mark.spark, pytest.mark.slow]

JOB_SECONDS = 240.0
END_SECONDS = 30
GONE_SECONDS = 60.0  # SIGTERM ends a driver in a few seconds; the job itself would take minutes
OPTIONS = (
    "--namespaces=default", "--leader-election=true", "--leader-election-lock-name=operator",
    "--leader-election-lock-namespace=default", "--health-probe-bind-address=0", "--enable-metrics=false",
    "--metrics-bind-address=0",
)  # fmt: skip


class Operator:
    """A server with TLS and a token, and the operator beside it."""

    def __init__(self, server: LocalServer, spark_home: Path) -> None:
        self._server, self._home = server, spark_home
        self.kubectl("apply", "--server-side", "-f", str(clients.folder() / "spark-operator" / "crds"))
        self.process = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        """Start the operator; spark-submit, which it runs, finds the server by what a pod's variables would say."""
        env = {
            **os.environ,
            "KUBECONFIG": str(self._server.kubeconfig),
            "KUBERNETES_SERVICE_HOST": "127.0.0.1",
            "KUBERNETES_SERVICE_PORT": str(self._server.port),
            "SPARK_HOME": str(self._home),
            "JAVA_HOME": (self._home / "JAVA_HOME").read_text().strip(),
        }
        program = clients.folder() / "spark-operator" / "spark-operator"
        with (self._server.state / "operator.log").open("ab") as log:
            return subprocess.Popen(
                [program, "controller", "start", *OPTIONS], env=env, stdout=log, stderr=log, start_new_session=True
            )

    def kubectl(self, *arguments: str, text: str = "") -> str:
        """Run kubectl; return what it prints."""
        command = [str(clients.folder() / "kubectl-1.36" / "kubectl"), "--kubeconfig", str(self._server.kubeconfig)]
        done = subprocess.run(
            [*command, *arguments], input=text, capture_output=True, text=True, timeout=JOB_SECONDS, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def apply(self, name: str, *arguments: str) -> None:
        """Make an application of SparkPi, as the operator's examples have it."""
        role = {"cores": 1, "memory": "512m", "coreRequest": "500m"}
        spec = {
            "type": "Scala",
            "mode": "cluster",
            "image": f"sparkanywhere/spark:{self._home.name}",
            "imagePullPolicy": "IfNotPresent",
            "mainClass": "org.apache.spark.examples.SparkPi",
            "mainApplicationFile": "local:///opt/spark/examples/jars/spark-examples.jar",
            "arguments": list(arguments),
            "sparkVersion": self._home.name,
            "restartPolicy": {"type": "Never"},
            "driver": {**role, "serviceAccount": "default"},
            "executor": {**role, "instances": 2},
        }
        kind = {"apiVersion": "sparkoperator.k8s.io/v1beta2", "kind": "SparkApplication", "metadata": {"name": name}}
        self.kubectl("apply", "-f", "-", text=json.dumps({**kind, "spec": spec}))

    def status(self, name: str) -> Any:  # as the operator writes it
        """Return an application's status."""
        return json.loads(self.kubectl("get", "sparkapplication", name, "-o", "json")).get("status") or {}

    def submits(self) -> bool:
        """Return whether it runs a spark-submit."""
        return bool(psutil.Process(self.process.pid).children(recursive=True))

    def end(self) -> None:
        """End the operator as a rollout does."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(END_SECONDS)


@pytest.fixture(scope="module")
def operator(spark: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """Yield an operator at work."""
    state = tmp_path_factory.mktemp("state")
    with chalice_local(state, "--provider", "process", "--port", "0", "--tls", "--token", "operators") as server:
        server.wait_until_ready()
        made = Operator(server, spark("4.3.0"))
        try:
            yield made
        finally:
            made.kubectl("delete", "sparkapplications,pods", "--all", "--grace-period=1")
            made.end()
            server.end()


def test_an_application_completes_and_its_executors_end(operator: Operator) -> None:
    operator.apply("pi", "20")

    def has_ended() -> bool:
        return operator.status("pi").get("applicationState", {}).get("state") in ("COMPLETED", "FAILED")

    until(has_ended, "the application to end", seconds=JOB_SECONDS)
    status = operator.status("pi")
    assert status["applicationState"]["state"] == "COMPLETED", status
    # an executor that its driver deletes before it has stopped by itself ends by SIGTERM: FAILED, as on a cluster
    assert len(status["executorState"]) == 2
    assert set(status["executorState"].values()) <= {"COMPLETED", "FAILED"}


def test_an_application_that_is_deleted_while_it_is_submitted_leaves_nothing(operator: Operator) -> None:
    operator.apply("late", "100000")

    until(operator.submits, "spark-submit to run", seconds=JOB_SECONDS)
    operator.kubectl("delete", "sparkapplication", "late")
    until(lambda: not operator.submits(), "spark-submit to end", seconds=JOB_SECONDS)

    until(
        lambda: "late" not in operator.kubectl("get", "pods", "-o", "name"), "no pod to be left", seconds=GONE_SECONDS
    )


def test_another_operator_leads_as_soon_as_the_first_has_ended(operator: Operator) -> None:
    operator.end()
    operator.process = operator.start()

    operator.apply("again", "2")

    until(lambda: bool(operator.status("again").get("applicationState")), "the new leader to act", seconds=JOB_SECONDS)
