"""What the tests with real Spark do: submit with stock spark-submit, look at pods, kill processes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from chalicelib.apimachinery.types import JSON
from chalicelib.config import Settings
from chalicelib.providers.supervised.records import MARKER
from sparkanywhere.client.kube_client import ApiError, ApiUnreachable, KubeClient
from sparkanywhere.local.local_server import LocalServer, ServerOptions
from sparkanywhere.local.providers import remove_leftovers
from sparkanywhere.spark.spark_distribution import example_jar
from sparkanywhere.spark.spark_submit import IMAGE_HOME, SPARK_PI, environment
from tests.waiting import until

JOB_SECONDS = 240.0  # a job takes 15 to 60 s on two busy cores
JOBS = Path(__file__).resolve().parent / "jobs"
NAMESPACE = "/api/v1/namespaces/default"
TASK_ANNOTATION = "sparkanywhere.io/task"
SMALL = ("spark.driver.memory=512m", "spark.executor.memory=512m", "spark.kubernetes.memoryOverheadFactor=0.1")


class SparkCluster:
    """A control plane of its own whose pods are processes, and what a person does with it."""

    jobs = str(JOBS)  # where pods see the tests' programs

    def __init__(self, server: LocalServer) -> None:
        self.server = server
        self.client = KubeClient(server.access)
        self._jobs: list[subprocess.Popen[str]] = []

    def pods(self, role: str = "") -> list[JSON]:
        """Return the pods, or those of a role: driver, executor."""
        query = {"labelSelector": f"spark-role={role}"} if role else {}
        return list(self.client.get(f"{NAMESPACE}/pods", **query)["items"])

    def running(self, role: str) -> list[JSON]:
        """Return the pods of a role that run."""
        return [pod for pod in self.pods(role) if pod["status"].get("phase") == "Running"]

    def names(self, resource: str) -> set[str]:
        """Return the names of what there is of a resource of the core group."""
        return {item["metadata"]["name"] for item in self.client.get(f"{NAMESPACE}/{resource}")["items"]}

    def driver(self) -> JSON:
        """Return the one driver."""
        (driver,) = self.pods("driver")
        return driver

    def driver_ends(self) -> JSON:
        """Wait until the one driver has ended; return its pod."""
        until(lambda: is_over(self.driver()), "the driver to end", seconds=JOB_SECONDS)
        return self.driver()

    def log(self, pod: JSON, container: str = "") -> str:
        """Return what a pod has logged so far, or one container of it."""
        query = {"container": container} if container else {}
        return self.client.log("default", pod["metadata"]["name"], **query)

    def executors_register(self, count: int) -> None:
        """Wait until so many executors have registered with the one driver, which runs before that."""
        self.driver_says("Registered executor", count)
        until(lambda: len(self.running("executor")) == count, f"{count} executors to run")

    def driver_says(self, pattern: str, times: int = 1) -> None:
        """Wait until the one driver has logged a pattern so often. Raises AssertionError if it ends without."""

        def said() -> bool:
            driver = self.pods("driver")
            over = driver and is_over(driver[0])  # asked before its log: so what it has logged is whole
            log = self.log(driver[0]) if driver and driver[0]["status"].get("phase") != "Pending" else ""
            if len(re.findall(pattern, log)) >= times:
                return True
            assert not over, f"the driver has ended: {log}"
            return False

        until(said, f"the driver to say {pattern}", seconds=JOB_SECONDS)

    def conf_of(self, home: Path) -> list[str]:
        """Return the settings that each submission of a Spark needs."""
        return [f"spark.kubernetes.container.image=apache/spark:{home.name}", *SMALL]

    def conf_of_driver_here(self) -> list[str]:
        """Return the settings that make a driver outside the cluster reachable for its executors."""
        return []

    def program(self, name: str, *arguments: str) -> tuple[str, ...]:
        """Return one of the tests' programs, as spark-submit takes it."""
        return (f"local://{self.jobs}/{name}", *arguments)

    def sleepers(self, *, seconds: float, tasks: int) -> tuple[str, ...]:
        """Return the program that sleeps in its tasks."""
        return self.program("sleepers.py", str(seconds), str(tasks))

    def kill(self, pod: JSON) -> None:
        """Kill the JVM of a running pod by SIGKILL."""
        java_of(pod).send_signal(signal.SIGKILL)

    def clear(self) -> None:
        """Delete every pod and claim and end every spark-submit, also where a test has failed or ended the server.

        `run` leaves a claim for event logs, which would be another test's.
        """
        for job in self._jobs:
            job.kill()
            job.communicate()  # or it would be found open in a test that has nothing to do with it
        self._jobs.clear()
        if not answers(self):
            self.server.start()
        self.client.delete(f"{NAMESPACE}/pods", gracePeriodSeconds="1")
        until(lambda: not self.pods(), "all pods to be gone", seconds=JOB_SECONDS)
        self.client.delete(f"{NAMESPACE}/persistentvolumeclaims")
        until(lambda: not self.names("persistentvolumeclaims"), "all claims to be gone")

    def clear_services(self) -> None:
        """Delete every Service but the API's own."""
        for name in self.names("services") - {"kubernetes"}:
            self.client.delete(f"{NAMESPACE}/services/{name}")

    def submit(
        self,
        home: Path,
        *program: str,
        name: str = "job",
        mode: str = "cluster",
        conf: Sequence[str] = (),
        **environ: str,
    ) -> subprocess.CompletedProcess[str]:
        """Submit and wait for spark-submit to end; `program` is options, the main file and its arguments."""
        process = self.start(home, *program, name=name, mode=mode, conf=conf, **environ)
        output, _ = process.communicate(timeout=JOB_SECONDS)
        return subprocess.CompletedProcess(process.args, process.returncode, output)

    def start(
        self,
        home: Path,
        *program: str,
        name: str = "job",
        mode: str = "cluster",
        conf: Sequence[str] = (),
        **environ: str,
    ) -> subprocess.Popen[str]:
        """Start a spark-submit, with further variables, and return it; clear() ends it."""
        line = [str(home / "bin" / "spark-submit"), "--master", f"k8s://{self.server.access.url}"]
        line += ["--deploy-mode", mode, "--name", name]
        for entry in (*self.conf_of(home), *conf):
            line += ["--conf", entry]
        usual = environment(os.environ, spark_home=home, kubeconfig=self.server.kubeconfig)
        job = subprocess.Popen(
            [*line, *program],
            env={**usual, "SPARK_LOCAL_IP": "127.0.0.1", **environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._jobs.append(job)
        return job


@contextmanager
def spark_cluster(state: Path, **settings: str) -> Iterator[SparkCluster]:
    """Yield a running control plane; at the end delete its pods, stop it, and see that nothing is left."""
    server = LocalServer(ServerOptions(state, "e2e", settings=settings), without_own_settings())
    try:
        server.start()
        cluster = SparkCluster(server)
        yield cluster
        cluster.clear()
        until(lambda: not processes_below(server.folder), "every process of a pod to be gone")
    finally:
        server.stop()
        remove_leftovers(server.folder, Settings.from_env())


def without_own_settings() -> dict[str, str]:
    """Return the environment without the tester's settings, the cache of Sparks excepted."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("SPARKANYWHERE_") or name == "SPARKANYWHERE_CACHE"
    }


def spark_pi(home: Path, slices: int = 20) -> tuple[str, ...]:
    """Return the program SparkPi, as spark-submit takes it."""
    jar = example_jar(home, home.name).name
    return ("--class", SPARK_PI, f"local://{IMAGE_HOME}/examples/jars/{jar}", str(slices))


def is_over(pod: JSON) -> bool:
    """Return whether a pod has ended."""
    return pod["status"].get("phase") in ("Succeeded", "Failed")


def exit_code(pod: JSON) -> int | None:
    """Return the exit code of a pod's one container, None while it has none."""
    (container,) = pod["status"]["containerStatuses"]
    code: int | None = container["state"].get("terminated", {}).get("exitCode")
    return code


def java_of(pod: JSON) -> psutil.Process:
    """Return the JVM of a running pod."""
    handle = pod["metadata"]["annotations"][TASK_ANNOTATION]
    found = [process for process in psutil.process_iter() if _is_java_of(process, handle)]
    assert len(found) == 1, f"{len(found)} JVMs in {pod['metadata']['name']}"
    return found[0]


def _is_java_of(process: psutil.Process, handle: str) -> bool:
    try:
        return process.name() == "java" and process.environ().get(MARKER, "").startswith(f"{handle}/")
    except (psutil.Error, OSError):
        return False


def processes_below(folder: Path) -> list[int]:
    """Return the processes of pods that have a folder below `folder` mounted, or in a variable where none are."""
    found = []
    end_of_path = "/".join(folder.parts[-3:])  # a mount's source is told as a path within its file system
    for process in psutil.process_iter():
        try:
            environ = process.environ()
            mounts = Path(f"/proc/{process.pid}/mountinfo").read_text() if MARKER in environ else ""
        except (psutil.Error, OSError):
            continue
        if MARKER in environ and any(end_of_path in each for each in (mounts, *environ.values())):
            found.append(process.pid)
    return found


def answers(cluster: SparkCluster) -> bool:
    """Return whether the control plane answers."""
    try:
        cluster.pods()
    except (ApiError, ApiUnreachable):
        return False
    return True
