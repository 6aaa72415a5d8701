"""Programs that a stock Spark brings into the box: in cluster mode, or with a driver on this machine."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chalicelib.config import Settings
from sparkanywhere.spark import spark_submit
from sparkanywhere.spark.spark_distribution import ensure
from sparkanywhere.spark.spark_submit import Submission
from tests.aws_box.box import AwsBox
from tests.aws_box.client import PODS
from tests.aws_box.deployment import TOKEN
from tests.aws_box.ecs_task import EcsTask
from tests.waiting import until

JOB_SECONDS = 360.0  # two busy processors shared with others; alone it takes some 25
EXECUTOR, DRIVER = "spark-kubernetes-executor", "spark-kubernetes-driver"
PARKED = "-parked-"  # in the name of a pod whose task waits for an executor
SMALL_EXECUTORS = {"spark.executor.memory": "600m", "spark.kubernetes.executor.request.cores": "250m"}


@dataclass
class SparkJob:
    """A submission under way."""

    process: subprocess.Popen[str]
    box: AwsBox
    name: str
    first_task: int
    is_client: bool = False  # the driver is the process itself

    def driver(self) -> Any:  # Any: a pod, as JSON
        """Return the driver's pod, None before it is there."""
        named = [each for each in self._pods("driver") if _labels(each).get("spark-app-name") == self.name]
        return next(iter(named), None)

    def executors(self) -> list[Any]:
        """Return the executors' pods: they bear the name that the program has given itself."""
        if self.is_client:
            return self._pods("executor")  # jobs come one after the other
        driver = self.driver()
        application = _labels(driver)["spark-app-selector"] if driver else ""
        return [each for each in self._pods("executor") if _labels(each)["spark-app-selector"] == application]

    def executor_tasks(self) -> list[EcsTask]:
        """Return the executors' tasks since the job began, ended ones and those that started with the driver too."""
        since = self.box.ecs.tasks[self.first_task :]
        return [task for task in since if any(word in str(task.document["tags"]) for word in ("-exec-", PARKED))]

    def _pods(self, role: str) -> list[Any]:
        found: list[Any] = self.box.client.get(f"{PODS}?labelSelector=spark-role%3D{role}")["items"]
        return found

    def running_executors(self) -> list[Any]:
        """Return those of them that run."""
        return [each for each in self.executors() if each["status"]["phase"] == "Running"]

    def wait_for_executors(self, count: int) -> list[Any]:
        """Return that many executors once they run."""
        until(lambda: len(self.running_executors()) >= count, f"{count} executors to run", seconds=JOB_SECONDS)
        return self.running_executors()

    def output(self) -> str:
        """Wait for the end of the process; return what it said. It must have ended well."""
        output, _ = self.process.communicate(timeout=JOB_SECONDS)
        assert self.process.returncode == 0, output[-3000:]
        return output

    def end(self) -> str:
        """Wait for the end of spark-submit and of the driver; return the driver's phase."""
        self.output()
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
    home = _spark_home(version)
    name = f"pi-{os.urandom(3).hex()}"
    program = spark_submit.find_program("SparkPi", [str(parts)], spark_home=home)
    settings = {
        "spark.kubernetes.authenticate.submission.oauthToken": TOKEN,
        "spark.kubernetes.submission.waitAppCompletion": "true",
        "spark.driver.memory": "600m",
        "spark.kubernetes.driver.request.cores": "250m",
        **SMALL_EXECUTORS,
        **(conf or {}),
    }
    submission = Submission(program, _image(version), instances, settings)
    line = spark_submit.command(submission, home, master=box.url)
    line[line.index("--name") + 1] = name
    return SparkJob(_start(box, line, home, folder), box, name, len(box.ecs.tasks))


def run_here(
    box: AwsBox, folder: Path, *program: str, version: str = "4.3.0", conf: Mapping[str, str] | None = None
) -> SparkJob:
    """Start a program in client mode: what follows spark-submit's options, or spark-shell's for a first `-i`."""
    home = _spark_home(version)
    settings = {
        "spark.kubernetes.container.image": _image(version),
        "spark.kubernetes.authenticate.oauthToken": TOKEN,
        "spark.driver.host": box.fargate.host,
        "spark.driver.bindAddress": box.fargate.host,
        "spark.executor.instances": "2",
        "spark.ui.enabled": "false",
        **SMALL_EXECUTORS,
        **(conf or {}),
    }
    command = "spark-shell" if program[0] == "-i" else "spark-submit"
    line = [str(home / "bin" / command), "--master", f"k8s://{box.url}"]
    for key, value in settings.items():
        line += ["--conf", f"{key}={value}"]
    return SparkJob(_start(box, [*line, *program], home, folder), box, "", len(box.ecs.tasks), is_client=True)


def pi_here(version: str) -> tuple[str, ...]:
    """Return SparkPi as it is named on this machine."""
    jar = next((_spark_home(version) / "examples" / "jars").glob("*.jar"))
    return "--class", spark_submit.SPARK_PI, str(jar), "20"


def _spark_home(version: str) -> Path:
    return ensure(version, cache=Settings.from_env(os.environ).cache_dir(), environ=os.environ)


def _image(version: str) -> str:
    return f"sparkanywhere/spark:{version}"


def _start(box: AwsBox, line: list[str], home: Path, folder: Path) -> subprocess.Popen[str]:
    kubeconfig = folder / "none"
    kubeconfig.write_text("apiVersion: v1\nkind: Config\n")  # Spark 3.5 does not bear an empty one
    program = subprocess.Popen(
        line,
        env=spark_submit.environment(os.environ, spark_home=home, kubeconfig=kubeconfig),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    box.programs.append(program)
    return program
