"""A control plane on the Docker provider, and what the tests with real Spark do to its containers."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from chalicelib.apimachinery.types import JSON
from chalicelib.config import Settings
from chalicelib.providers.docker import labels
from sparkanywhere.client.kube_client import KubeClient
from sparkanywhere.local.docker_engine import engine
from sparkanywhere.local.leftovers import remove_leftovers
from sparkanywhere.local.local_server import LocalServer, ServerOptions
from sparkanywhere.spark.image import ensure_image
from sparkanywhere.spark.progress import silent
from tests.e2e.spark_cluster import JOB_SECONDS, JOBS, NAMESPACE, SparkCluster
from tests.waiting import until

JOBS_INSIDE = "/jobs"  # where containers see the tests' programs
RUNNER = "org.apache.spark.deploy.PythonRunner"
LOOK_SECONDS = (
    0.25  # between two looks: each asks the API, the engine or a whole log, beside Spark's own work
)
Client = Any  # a docker.APIClient, whose stubs know half of it


def patiently(condition: Callable[[], bool], what: str) -> None:
    """Wait for something that Spark brings about, without keeping the machine busy."""
    deadline = time.monotonic() + JOB_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited {JOB_SECONDS:g} s for: {what}"
        time.sleep(LOOK_SECONDS)


class DockerCluster(SparkCluster):
    """A SparkCluster whose pods are containers. Tests share it, each by the name of its own application."""

    def __init__(self, server: LocalServer, engine: Client) -> None:
        super().__init__(server)
        self.engine = engine

    def start(
        self,
        home: Path,
        *program: str,
        name: str = "job",
        mode: str = "cluster",
        conf: Sequence[str] = (),
        **environ: str,
    ) -> subprocess.Popen[str]:
        """Start a spark-submit with our image and the tests' programs mounted; return it."""
        own = [f"spark.kubernetes.container.image=sparkanywhere/spark:{home.name}"]
        for role in ("driver", "executor"):
            volume = f"spark.kubernetes.{role}.volumes.hostPath.jobs"
            own += [f"{volume}.options.path={JOBS}", f"{volume}.mount.path={JOBS_INSIDE}"]
            own += [f"{volume}.mount.readOnly=true"]
        return super().start(home, *program, name=name, mode=mode, conf=[*own, *conf], **environ)

    def of_app(self, app: str, role: str = "") -> list[JSON]:
        """Return the pods of an application, by the name it was submitted under, which only its driver has."""
        pods = self.pods()
        drivers = [pod for pod in pods if pod["metadata"]["labels"].get("spark-app-name") == app]
        ids = {pod["metadata"]["labels"].get("spark-app-selector") for pod in drivers}
        ours = [pod for pod in pods if pod["metadata"]["labels"].get("spark-app-selector") in ids]
        return [pod for pod in ours if role in ("", pod["metadata"]["labels"].get("spark-role"))]

    def running_of(self, app: str, role: str) -> list[JSON]:
        """Return those that run."""
        return [pod for pod in self.of_app(app, role) if pod["status"].get("phase") == "Running"]

    def driver_of(self, app: str) -> JSON:
        """Return the one driver of an application."""
        (driver,) = self.of_app(app, "driver")
        return driver

    def end_of(self, app: str) -> JSON:
        """Wait until an application's driver has ended; return its pod."""
        over = ("Succeeded", "Failed")
        patiently(
            lambda: bool(self.of_app(app, "driver")) and self.driver_of(app)["status"].get("phase") in over,
            f"the driver of {app} to end",
        )
        return self.driver_of(app)

    def container_of(self, pod: JSON, name: str) -> str:
        """Return the id of a container of a pod."""
        wanted = [f"{labels.UID}={pod['metadata']['uid']}", f"{labels.CONTAINER}={name}"]
        (found,) = self.engine.containers(all=True, filters={"label": wanted})
        return str(found["Id"])


@contextmanager
def docker_cluster(state: Path) -> Iterator[DockerCluster]:
    """Yield a running control plane; at the end delete its pods and see that the engine has nothing of it."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SPARKANYWHERE_")}
    if "SPARKANYWHERE_CACHE" in os.environ:
        environ["SPARKANYWHERE_CACHE"] = os.environ["SPARKANYWHERE_CACHE"]
    options = ServerOptions(state, "e2e", provider="docker", settings={"SPARKANYWHERE_HOST_PATHS": str(JOBS)})
    server = LocalServer(options, environ)
    with closing(engine(Settings.from_env())) as client:
        try:
            server.start()
            cluster = DockerCluster(server, client)
            yield cluster
            KubeClient(server.access).delete(f"{NAMESPACE}/pods", gracePeriodSeconds="1")
            patiently(lambda: not cluster.pods(), "all pods to be gone")
            control_plane = (server.folder / "control-plane-id").read_text().strip()
            mine = {"label": f"{labels.CONTROL_PLANE}={control_plane}"}
            until(lambda: not client.containers(all=True, filters=mine), "all containers to be gone")
        finally:
            server.stop()
            remove_leftovers(server.folder, Settings.from_env())


def image_for(version: str) -> None:
    """Have the image of a version of Spark in the engine."""
    settings = Settings.from_env()
    with closing(engine(settings)) as client:
        ensure_image(client, version, cache=settings.cache_dir(), environ=os.environ, progress=silent)
