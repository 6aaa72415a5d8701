"""Leave nothing of a control plane in the engine."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import docker
import docker.errors

from chalicelib.providers.base import ProviderUnavailable
from chalicelib.providers.docker import labels
from chalicelib.providers.docker.engine import Client, Raw, reachable, words

PATIENCE_SECONDS = 60.0  # a busy engine took 10 s to let go of the network of a container that it had removed
PAUSE_SECONDS = 0.05  # between two looks, at first; the pause grows with the number of looks


@dataclass(frozen=True, slots=True)
class Removed:
    """How much was removed."""

    containers: int
    networks: int
    volumes: int


@dataclass
class _Sweep:
    """What there was of each kind, by id or name, and what the engine would not let go in the last look."""

    containers: set[str] = field(default_factory=set)
    networks: set[str] = field(default_factory=set)
    volumes: set[str] = field(default_factory=set)
    left: list[str] = field(default_factory=list)

    @contextlib.contextmanager
    def removing(self, what: str) -> Iterator[None]:
        """Note what the block could not remove, and why; what is gone already is removed."""
        try:
            yield
        except docker.errors.NotFound:
            return
        except docker.errors.APIError as error:
            self.left.append(f"{what} ({words(error)})")


def down(client: Client, control_plane_id: str, *, patience_seconds: float = PATIENCE_SECONDS) -> Removed:
    """Remove all containers, networks and volumes of one control plane, and nothing else. Repeatable.

    What the engine will not let go at once is tried again, since it may be busy, and since a container may have been
    made meanwhile. Raises ProviderUnavailable if the engine does not answer, and, naming what is left, after
    `patience_seconds`.
    """
    wanted = {"label": [f"{labels.CONTROL_PLANE}={control_plane_id}"]}
    sweep = _Sweep()
    deadline = time.monotonic() + patience_seconds
    pause = PAUSE_SECONDS
    while True:
        try:
            with reachable():
                found = _look(client, wanted, sweep)
        except docker.errors.APIError as error:
            raise ProviderUnavailable("CleanUpFailed", f"The Docker engine says: {words(error)}") from error
        if not found:
            return Removed(len(sweep.containers), len(sweep.networks), len(sweep.volumes))
        if time.monotonic() >= deadline:
            left = "; ".join(sweep.left) or "containers that others go on making"
            raise ProviderUnavailable("CleanUpFailed", f"The Docker engine does not let go of {left}")
        time.sleep(pause)
        pause = min(2 * pause, 1.0)


def _look(client: Client, wanted: dict[str, list[str]], sweep: _Sweep) -> bool:
    """Remove what is there now; return whether there was anything."""
    sweep.left.clear()
    containers: list[Raw] = client.containers(all=True, filters=wanted)
    for item in containers:
        sweep.containers.add(item["Id"])
        with sweep.removing(f"container {item['Names'][0].lstrip('/') if item['Names'] else item['Id'][:12]}"):
            if item["State"] == "created":
                # waits for a start that is under way: engine 20.10 never frees the network of a container that
                # was removed while it started
                client.inspect_container(item["Id"])
            client.remove_container(item["Id"], v=True, force=True)
    networks: list[Raw] = client.networks(filters=wanted)
    for item in networks:
        sweep.networks.add(item["Id"])
        with sweep.removing(f"network {item['Name']}"):
            _remove_network(client, item["Id"])
    volumes: list[Raw] = client.volumes(filters=wanted)["Volumes"] or []
    for item in volumes:
        sweep.volumes.add(item["Name"])
        with sweep.removing(f"volume {item['Name']}"):
            client.remove_volume(item["Name"], force=True)
    return bool(containers or networks or volumes)


def _remove_network(client: Client, network: str) -> None:
    """Remove a network, with the endpoints of containers that are gone or on their way out."""
    for endpoint in (client.inspect_network(network).get("Containers") or {}).values():
        with contextlib.suppress(docker.errors.APIError):  # removing the network tells whether it mattered
            client.disconnect_container_from_network(endpoint["Name"], network, force=True)
    client.remove_network(network)
