"""A control plane on the Docker provider, and what the tests with real Spark do to its containers."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from chalicelib.apimachinery.types import JSON
from chalicelib.config import Settings
from chalicelib.providers.docker import labels
from sparkanywhere.local.local_server import LocalServer, ServerOptions
from sparkanywhere.local.providers import engine, remove_leftovers
from sparkanywhere.spark.image import ensure_image
from sparkanywhere.spark.progress import silent
from tests.e2e.spark_cluster import JOBS, SMALL, SparkCluster, without_own_settings
from tests.locks import locked
from tests.waiting import until

Client = Any  # a docker.APIClient, whose stubs know half of it


class DockerCluster(SparkCluster):
    """A SparkCluster whose pods are containers."""

    jobs = "/jobs"

    def __init__(self, server: LocalServer, engine: Client) -> None:
        super().__init__(server)
        self.engine = engine

    def conf_of(self, home: Path) -> list[str]:
        """Return our image, and the tests' programs mounted."""
        conf = [f"spark.kubernetes.container.image=sparkanywhere/spark:{home.name}", *SMALL]
        for role in ("driver", "executor"):
            volume = f"spark.kubernetes.{role}.volumes.hostPath.jobs"
            conf += [f"{volume}.options.path={JOBS}", f"{volume}.mount.path={self.jobs}"]
            conf += [f"{volume}.mount.readOnly=true"]
        return conf

    def conf_of_driver_here(self) -> list[str]:
        """Return the settings that make a driver on this machine reachable for its executors."""
        return [f"spark.driver.bindAddress={self.host()}", f"spark.driver.host={self.host()}"]

    def host(self) -> str:
        """Return the address at which containers reach this machine."""
        (gateway,) = {config["Gateway"] for config in self.network()["IPAM"]["Config"]}
        return str(gateway)

    def network(self) -> JSON:
        """Return what the engine says of the pods' network."""
        control_plane = (self.server.folder / "control-plane-id").read_text().strip()
        (found,) = self.engine.networks(names=[f"sparkanywhere-{control_plane}"])
        network: JSON = self.engine.inspect_network(found["Id"])
        return network

    def kill(self, pod: JSON) -> None:
        """Kill the Spark container of a running pod by SIGKILL."""
        name = f"spark-kubernetes-{pod['metadata']['labels']['spark-role']}"
        self.engine.kill(self.container_of(pod, name), signal.SIGKILL)

    def container_of(self, pod: JSON, name: str) -> str:
        """Return the id of a container of a pod."""
        wanted = [f"{labels.UID}={pod['metadata']['uid']}", f"{labels.CONTAINER}={name}"]
        (found,) = self.engine.containers(all=True, filters={"label": wanted})
        return str(found["Id"])


@contextmanager
def docker_cluster(state: Path, *more_paths: Path) -> Iterator[DockerCluster]:
    """Yield a running control plane; at the end delete its pods and see that the engine has nothing of it.

    Its pods may mount the tests' programs, and `more_paths`.
    """
    settings = {"SPARKANYWHERE_HOST_PATHS": ":".join(str(each) for each in (JOBS, *more_paths))}
    options = ServerOptions(state, "e2e", provider="docker", settings=settings)
    server = LocalServer(options, without_own_settings())
    with closing(engine(Settings.from_env())) as client:
        try:
            server.start()
            cluster = DockerCluster(server, client)
            yield cluster
            cluster.clear()
            control_plane = (server.folder / "control-plane-id").read_text().strip()
            mine = f"{labels.CONTROL_PLANE}={control_plane}"
            tasks = {"label": [mine, labels.UID]}
            until(lambda: not client.containers(all=True, filters=tasks), "all containers of pods to be gone")
        finally:
            server.stop()
            remove_leftovers(server.folder, Settings.from_env())
        assert client.containers(all=True, filters={"label": mine}) == []


def image_for(version: str) -> None:
    """Have the image of a version of Spark in the engine; one process at a time builds it."""
    settings = Settings.from_env()
    settings.cache_dir().mkdir(parents=True, exist_ok=True)
    with locked(settings.cache_dir()), closing(engine(settings)) as client:
        ensure_image(client, version, cache=settings.cache_dir(), environ=os.environ, progress=silent)
