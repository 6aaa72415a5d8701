"""A SparkPi that a stock spark-submit brings into the box."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chalicelib.config import Settings
from sparkanywhere import spark_submit
from sparkanywhere.spark_distribution import ensure
from sparkanywhere.spark_submit import Submission
from tests.aws_box.box import AwsBox
from tests.aws_box.client import PODS
from tests.aws_box.deployment import TOKEN
from tests.aws_box.ecs_task import EcsTask
from tests.functional.waiting import until

JOB_SECONDS = 360.0  # two busy processors shared with others; alone it takes some 25
EXECUTOR = "spark-kubernetes-executor"


@dataclass
class SparkJob:
    """A submission under way."""

    process: subprocess.Popen[str]
    box: AwsBox
    name: str
    first_task: int

    def driver(self) -> Any:  # Any: a pod, as JSON
        """Return the driver's pod, None before it is there."""
        named = [each for each in self._pods("driver") if _labels(each).get("spark-app-name") == self.name]
        return next(iter(named), None)

    def executors(self) -> list[Any]:
        """Return the executors' pods: they bear the name that the program has given itself."""
        driver = self.driver()
        application = _labels(driver)["spark-app-selector"] if driver else ""
        return [each for each in self._pods("executor") if _labels(each)["spark-app-selector"] == application]

    def executor_tasks(self) -> list[EcsTask]:
        """Return the executors' tasks since the job began, ended ones too."""
        since = self.box.ecs.tasks[self.first_task :]
        return [task for task in since if "-exec-" in str(task.document["tags"])]

    def _pods(self, role: str) -> list[Any]:
        found: list[Any] = self.box.client.get(f"{PODS}?labelSelector=spark-role%3D{role}")["items"]
        return found

    def running_executors(self) -> list[Any]:
        """Return those of them that run."""
        return [each for each in self.executors() if each["status"]["phase"] == "Running"]

    def wait_for_executors(self, count: int) -> list[Any]:
        """Return that many executors once they run."""
        until(
            lambda: len(self.running_executors()) >= count,
            f"{count} executors to run",
            seconds=JOB_SECONDS,
        )
        return self.running_executors()

    def end(self) -> str:
        """Wait for the end of spark-submit and of the driver; return the driver's phase."""
        output, _ = self.process.communicate(timeout=JOB_SECONDS)
        assert self.process.returncode == 0, output[-3000:]
        until(lambda: self.phase() in ("Succeeded", "Failed"), "the driver to end", seconds=JOB_SECONDS)
        return self.phase()

    def phase(self) -> str:
        """Return the driver's phase."""
        driver = self.driver()
        return driver["status"]["phase"] if driver else ""

    def log(self) -> str:
        """Return the driver's log."""
        log: str = self.box.client.kubectl("logs", self.driver()["metadata"]["name"]).stdout
        return log


def _labels(pod: Any) -> dict[str, str]:  # Any: a pod, as JSON
    labels: dict[str, str] = pod["metadata"].get("labels") or {}
    return labels


def submit(
    box: AwsBox,
    folder: Path,
    *,
    version: str = "4.3.0",
    instances: int = 2,
    parts: int = 20,
    conf: Mapping[str, str] | None = None,
) -> SparkJob:
    """Start a stock spark-submit of SparkPi in cluster mode."""
    home = ensure(version, cache=Settings.from_env(os.environ).cache_dir(), environ=os.environ)
    name = f"pi-{os.urandom(3).hex()}"
    kubeconfig = folder / "none"
    kubeconfig.write_text("apiVersion: v1\nkind: Config\n")  # Spark 3.5 does not bear an empty one
    program = spark_submit.find_program("SparkPi", [str(parts)], spark_home=home)
    settings = {
        "spark.kubernetes.authenticate.submission.oauthToken": TOKEN,
        "spark.kubernetes.submission.waitAppCompletion": "true",
        "spark.driver.memory": "600m",
        "spark.executor.memory": "600m",
        "spark.kubernetes.executor.request.cores": "250m",
        "spark.kubernetes.driver.request.cores": "250m",
        **(conf or {}),
    }
    image = f"sparkanywhere/spark:{version}"
    submission = Submission(program, box.url, image, instances, tuple(settings.items()))
    line = spark_submit.command(submission, home)
    line[line.index("--name") + 1] = name
    first_task = len(box.ecs.tasks)
    process = subprocess.Popen(
        line,
        env=spark_submit.environment(os.environ, spark_home=home, kubeconfig=kubeconfig),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return SparkJob(process, box, name, first_task)
