"""A control plane on the provider `azure`, before a box whose container groups are containers of the Docker engine."""

from __future__ import annotations

import signal
import socket
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chalicelib.apimachinery.types import JSON
from chalicelib.config import Settings
from chalicelib.providers.docker import labels
from chalicelib.providers.docker.cleanup import down
from chalicelib.providers.docker.provider import DockerProvider
from sparkanywhere.local.local_server import LocalServer, ServerOptions
from sparkanywhere.local.providers import engine
from tests.azure_box.box import LOCATION, RESOURCE_GROUP, SUBNET, SUBSCRIPTION, AzureBox
from tests.e2e.spark_cluster import JOBS, SMALL, TASK_ANNOTATION, SparkCluster, without_own_settings
from tests.waiting import until

EVERYWHERE = "0.0.0.0"


@dataclass(frozen=True, slots=True)
class OpenServer(ServerOptions):
    """A server that other machines reach, over TLS."""

    def words(self, port: int) -> list[str]:
        """Return the arguments of `sparkanywhere serve`."""
        return [*ServerOptions.words(self, port), "--host", EVERYWHERE, "--tls"]


class AzureCluster(SparkCluster):
    """A SparkCluster whose pods are container groups."""

    def __init__(self, server: LocalServer, box: AzureBox, engine: Any) -> None:  # Any: a docker.APIClient
        super().__init__(server)
        self.box, self.engine = box, engine

    def conf_of(self, home: Path) -> list[str]:
        """Return our image, of which the box has the tests' programs hold."""
        return [f"spark.kubernetes.container.image=sparkanywhere/spark:{home.name}", *SMALL]

    def kill(self, pod: JSON) -> None:
        """Kill the Spark container of a running pod by SIGKILL."""
        group = self.box.groups[pod["metadata"]["annotations"][TASK_ANNOTATION]]
        name = f"spark-kubernetes-{pod['metadata']['labels']['spark-role']}"
        wanted = [f"{labels.UID}={group.uid}", f"{labels.CONTAINER}={name}"]
        (found,) = self.engine.containers(filters={"label": wanted})
        self.engine.kill(found["Id"], signal.SIGKILL)


@contextmanager
def azure_cluster(state: Path) -> Iterator[AzureCluster]:
    """Yield a running control plane; at the end delete its pods and see that no group is left."""
    name = f"azure-{uuid.uuid4().hex[:8]}"
    with closing(engine(Settings.from_env())) as client:
        containers = DockerProvider(name, host_paths=(str(JOBS),))
        box = AzureBox(containers)
        box.behaviour.in_images = (str(JOBS),)
        (host,) = containers.listen_addresses
        port = _free_port()
        settings = {
            **box.credentials(),
            "SPARKANYWHERE_AZURE_ENDPOINT": box.url,
            "SPARKANYWHERE_AZURE_SUBSCRIPTION": SUBSCRIPTION,
            "SPARKANYWHERE_AZURE_RESOURCE_GROUP": RESOURCE_GROUP,
            "SPARKANYWHERE_AZURE_LOCATION": LOCATION,
            "SPARKANYWHERE_AZURE_SUBNET": SUBNET,
            "SPARKANYWHERE_POD_URL": f"https://{host}:{port}",
        }
        options = OpenServer(state, "e2e", provider="azure", port=port, settings=settings)
        server = LocalServer(options, without_own_settings())
        try:
            server.start()
            cluster = AzureCluster(server, box, client)
            yield cluster
            cluster.clear()
            until(lambda: not box.groups, "all groups to be gone")
        finally:
            server.stop()
            box.close()
            containers.close()
            down(client, name)


def _free_port() -> int:
    with closing(socket.create_server((EVERYWHERE, 0))) as found:
        return int(found.getsockname()[1])
