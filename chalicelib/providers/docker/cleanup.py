"""Leave nothing of a control plane in the engine."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import docker
import docker.errors

from chalicelib.providers.docker import labels
from chalicelib.providers.docker.engine import Client, reachable

TRIES, PAUSE_SECONDS = 25, 0.2  # for a start that was under way: it ends, and only then lets the network go


@dataclass(frozen=True, slots=True)
class Removed:
    """How much was removed."""

    containers: int
    networks: int
    volumes: int


def down(client: Client, control_plane_id: str) -> Removed:
    """Remove all containers, networks and volumes of one control plane, and nothing else. Repeatable.

    Raises ProviderUnavailable if the engine does not answer, docker.errors.APIError if it refuses.
    """
    wanted = {"label": [f"{labels.CONTROL_PLANE}={control_plane_id}"]}
    containers: set[str] = set()
    networks: set[str] = set()
    with reachable():
        for attempt in range(1, TRIES + 1):
            found = [item["Id"] for item in client.containers(all=True, filters=wanted)]
            for container_id in found:
                _unless_gone(client.remove_container, container_id, v=True, force=True)
            containers |= set(found)
            try:
                for item in client.networks(filters=wanted):
                    networks.add(item["Id"])
                    _unless_gone(client.remove_network, item["Id"])
                break
            except docker.errors.APIError:
                if attempt == TRIES:
                    raise
                time.sleep(PAUSE_SECONDS)
        volumes = [item["Name"] for item in client.volumes(filters=wanted)["Volumes"] or []]
        for name in volumes:
            _unless_gone(client.remove_volume, name, force=True)
    return Removed(containers=len(containers), networks=len(networks), volumes=len(volumes))


def _unless_gone(remove: Callable[..., object], name: str, **options: bool) -> None:
    try:
        remove(name, **options)
    except docker.errors.NotFound:
        return  # by somebody else, meanwhile
    except docker.errors.APIError as error:
        if error.status_code != 409:  # its removal is under way already
            raise
