"""The containers and volumes of one control plane in an engine: find, inspect, signal, remove. Thread-safe."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable
from typing import Any

import docker
import docker.errors

from chalicelib.providers.base import ProviderUnavailable
from chalicelib.providers.docker import labels
from chalicelib.providers.docker.engine import Client, Raw, reachable, unless_gone, words
from chalicelib.providers.docker.snapshots import ContainerSnapshot, snapshot
from chalicelib.providers.extensions import ContainerUsage


class Containers:
    """Engine calls about what is ours. All raise ProviderUnavailable if the engine does not answer."""

    def __init__(self, client: Client, control_plane_id: str) -> None:
        self.client = client
        self.control_plane_id = control_plane_id

    def summaries(self, **more: str) -> list[Raw]:
        """Return the engine's summaries of our containers, in any state, that have these labels too."""
        with reachable():
            found: list[Raw] = self.client.containers(all=True, filters={"label": self._labels(more)})
        return found

    def of_task(self, uid: str) -> list[str]:
        """Return the ids of all containers made for a task, its record and loader too."""
        return [str(item["Id"]) for item in self.summaries(**{labels.UID: uid})]

    def _labels(self, more: dict[str, str]) -> list[str]:
        wanted = labels.of_control_plane(self.control_plane_id) | more
        return [f"{key}={value}" for key, value in wanted.items()]

    def inspect(self, container_id: str) -> ContainerSnapshot:
        """Return what the engine says of a container. Raises docker.errors.NotFound."""
        with reachable():
            raw: Raw = self.client.inspect_container(container_id)
        return snapshot(raw)

    def usages(self, containers: Iterable[ContainerSnapshot]) -> list[ContainerUsage]:
        """Return what containers that run use; files that the kernel may drop count as free.

        Docker Engine API 1.41, ContainerStats.
        """
        found = []
        for each in containers:
            with unless_gone():
                stats: Raw = self.client.stats(each.id, stream=False, one_shot=True)
                memory = stats.get("memory_stats") or {}
                if "usage" not in memory:
                    continue  # it does not run
                held = int(memory["usage"]) - int((memory.get("stats") or {}).get("inactive_file", 0))
                cpu_seconds = stats["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9
                found.append(ContainerUsage(each.name, cpu_seconds, max(held, 0)))
        return found

    def kill(self, container_id: str, signal: str) -> bool:
        """Send a signal and return whether it arrived; a container that does not run (any more) is no error."""
        with unless_gone():
            self.client.kill(container_id, signal)
            return True
        return False

    def remove(self, container_id: str, *, volumes: bool = True) -> None:
        """Kill and remove a container and the volumes that are its own; repeatable."""
        with unless_gone():
            self.client.remove_container(container_id, v=volumes, force=True)

    def remove_task(self, uid: str) -> None:
        """Kill and remove all containers of a task and its volumes; repeatable."""
        try:
            for container_id in self.of_task(uid):
                self.remove(container_id)
            self.remove_volumes(uid)
        except docker.errors.APIError as error:
            raise ProviderUnavailable("RemovalFailed", words(error)) from error

    def remove_volumes(self, uid: str) -> None:
        """Remove the volumes of one task; its containers are gone. Repeatable."""
        wanted = labels.of_control_plane(self.control_plane_id) | {labels.UID: uid}
        with reachable():
            listed = self.client.volumes(filters={"label": [f"{labels.UID}={uid}"]})
            for volume in listed["Volumes"] or []:
                if wanted.items() <= (volume.get("Labels") or {}).items():  # of two labels Podman wants one
                    self.client.remove_volume(volume["Name"], force=True)

    def keep_volumes(self, wanted: Callable[[], Collection[str]]) -> None:
        """Remove the volumes that outlive tasks but whose sources nobody wants, asked after the look.

        One that a container mounts stays.
        """
        with reachable():
            listed = self.client.volumes(filters={"label": self._labels({})})["Volumes"] or []
        kept = set(wanted())
        for item in listed:
            source = str((item.get("Labels") or {}).get(labels.VOLUME))
            outlasting = labels.volume_name(self.control_plane_id, owner="named", volume=source)
            if item["Name"] == outlasting and source not in kept:
                with unless_gone():
                    self.client.remove_volume(outlasting)

    def _is_filled(self, item: ContainerSnapshot) -> bool:
        """Return whether the last entry of what was to be copied into a container is there."""
        mark = item.labels.get(labels.LAST_COPY)
        if not mark or item.status != "created":
            return True
        path, mode = json.loads(mark)
        try:
            with reachable():
                stream, stat = self.client.get_archive(item.id, path)
                stream.close()
        except docker.errors.NotFound:
            return False
        return bool(int(stat["mode"]) & 0o777 == mode & 0o777)

    def is_complete(self, snapshots: list[ContainerSnapshot]) -> bool:
        """Return whether all containers of a task were made and filled, or have run."""
        if any(item.has_started for item in snapshots):
            return True
        return len(snapshots) == snapshots[0].count and all(self._is_filled(item) for item in snapshots)

    def last_line(self, container_id: str) -> str:
        """Return the last line of a container's output, empty if it cannot be had."""
        try:
            with reachable():
                said: Any = self.client.logs(container_id, tail=1)
        except docker.errors.APIError as error:
            return words(error)
        return bytes(said).decode(errors="replace").strip()
