"""Leave nothing of a control plane in the engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import docker
import docker.errors

from chalicelib.providers.docker import labels
from chalicelib.providers.docker.engine import Client, reachable


@dataclass(frozen=True, slots=True)
class Removed:
    """How much was removed."""

    containers: int
    networks: int
    volumes: int


def down(client: Client, control_plane_id: str) -> Removed:
    """Remove all containers, networks and volumes of one control plane, and nothing else. Repeatable.

    Raises ProviderUnavailable if the engine does not answer.
    """
    wanted = {"label": [f"{labels.CONTROL_PLANE}={control_plane_id}"]}
    with reachable():
        containers = [item["Id"] for item in client.containers(all=True, filters=wanted)]
        for container_id in containers:
            _unless_gone(client.remove_container, container_id, v=True, force=True)
        networks = [item["Id"] for item in client.networks(filters=wanted)]
        for network_id in networks:
            _unless_gone(client.remove_network, network_id)
        volumes = [item["Name"] for item in client.volumes(filters=wanted)["Volumes"] or []]
        for name in volumes:
            _unless_gone(client.remove_volume, name, force=True)
    return Removed(containers=len(containers), networks=len(networks), volumes=len(volumes))


def _unless_gone(remove: Callable[..., object], name: str, **options: bool) -> None:
    try:
        remove(name, **options)
    except docker.errors.NotFound:
        return  # by somebody else, meanwhile
