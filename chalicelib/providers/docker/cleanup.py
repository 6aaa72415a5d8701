"""Leave nothing of a control plane in the engine."""

from __future__ import annotations

import time
from dataclasses import dataclass

import docker
import docker.errors

from chalicelib.providers.base import ProviderUnavailable
from chalicelib.providers.docker import labels
from chalicelib.providers.docker.engine import Client, reachable, unless_gone, words

TRIES, PAUSE_SECONDS = 25, 0.05  # looks for containers that were made while others were removed


@dataclass(frozen=True, slots=True)
class Removed:
    """How much was removed."""

    containers: int
    networks: int
    volumes: int


def down(client: Client, control_plane_id: str) -> Removed:
    """Remove all containers, networks and volumes of one control plane, and nothing else. Repeatable.

    Raises ProviderUnavailable if the engine does not answer, or will not let something go.
    """
    wanted = {"label": [f"{labels.CONTROL_PLANE}={control_plane_id}"]}
    with reachable():
        try:
            containers = _remove_containers(client, wanted)
            networks = [item["Id"] for item in client.networks(filters=wanted)]
            for network in networks:
                with unless_gone():
                    client.remove_network(network)
            volumes = [item["Name"] for item in client.volumes(filters=wanted)["Volumes"] or []]
            for name in volumes:
                with unless_gone():
                    client.remove_volume(name, force=True)
        except docker.errors.APIError as error:
            raise ProviderUnavailable("CleanUpFailed", f"The Docker engine says: {words(error)}") from error
    return Removed(containers=containers, networks=len(networks), volumes=len(volumes))


def _remove_containers(client: Client, wanted: dict[str, list[str]]) -> int:
    """Remove them all; look again until there are none, since one may have been made meanwhile."""
    removed: set[str] = set()
    for _ in range(TRIES):
        found = client.containers(all=True, filters=wanted)
        if not found:
            break
        for item in found:
            if item["State"] == "created":
                # waits for a start that is under way: engine 20.10 never frees the network of a container that
                # was removed while it started
                with unless_gone():
                    client.inspect_container(item["Id"])
            with unless_gone():
                client.remove_container(item["Id"], v=True, force=True)
            removed.add(item["Id"])
        time.sleep(PAUSE_SECONDS)
    return len(removed)
