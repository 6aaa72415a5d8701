"""Create a task's containers and fill their volumes: all of it, or nothing is left.

Everything is created before anything is started. What is complete is started by whoever comes next; what is
incomplete has never run and is removed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

import docker
import docker.errors

from chalicelib.providers.address import with_address
from chalicelib.providers.base import ProviderUnavailable, Task, TaskRejected
from chalicelib.providers.docker import archives, container_spec, labels, mounts
from chalicelib.providers.docker.container_spec import HostContext
from chalicelib.providers.docker.containers import Containers
from chalicelib.providers.docker.engine import CONFLICT, Raw, reachable, words
from chalicelib.providers.docker.network import TaskNetwork
from chalicelib.providers.docker.snapshots import ContainerSnapshot

LOG = logging.getLogger(__name__)

LOADER = ".loader"  # no container of a task can have this name


class ImageMissing(Exception):
    """The engine has no such image."""

    def __init__(self, image: str) -> None:
        super().__init__(image)
        self.image = image


class Creator:
    """Makes containers ready to be started. Thread-safe for different tasks."""

    def __init__(self, containers: Containers, network: TaskNetwork, host: Callable[[], HostContext]) -> None:
        self._containers = containers
        self._client = containers.client
        self._network = network
        self._host = host

    def create(self, task: Task) -> list[ContainerSnapshot]:
        """Create all containers of the task; if one fails, none is left.

        Raises ImageMissing, TaskRejected (the engine will not have it) and ProviderUnavailable.
        """
        host = self._host()
        address = host.gateway if task.host_network else self._network.take()
        made: list[str] = []
        try:
            with reachable():
                ready = with_address(task, address)
                if mounts.needs_loader(ready):
                    host = replace(host, context=self._load(ready, host))
                for spec in container_spec.specs(ready, address=address, host=host):
                    made.append(self._create_one(spec))
                return [self._containers.inspect(container_id) for container_id in made]
        except BaseException as error:
            try:
                for container_id in made:
                    self._containers.remove(container_id)
                self._containers.remove_volumes(task.uid)
            except (docker.errors.APIError, ProviderUnavailable) as failure:
                LOG.warning("event=undo-failed task=%s error=%s", task.uid, str(failure))
            if not task.host_network:
                self._network.give_back(address)
            if not isinstance(error, docker.errors.APIError):
                raise
            if "invalid reference format" in words(error).lower():
                raise TaskRejected("InvalidImageName", words(error)) from error
            if 400 <= (error.status_code or 0) < 500 and error.status_code != CONFLICT:
                raise TaskRejected("CreateContainerError", words(error)) from error
            raise ProviderUnavailable("CreateContainerError", words(error)) from error

    def _create_one(self, spec: container_spec.Spec) -> str:
        """Create and fill one container, in the place of what a run of ours that died left half-made."""
        try:
            made = self._create_named(spec)
        except docker.errors.APIError as error:
            if error.status_code != CONFLICT:
                raise
            raw = self._client.inspect_container(spec.name)
            marks, wanted = raw["Config"].get("Labels") or {}, spec.config["Labels"]
            is_ours = all(marks.get(key) == wanted[key] for key in (labels.CONTROL_PLANE, labels.UID))
            if is_ours and raw["State"]["Status"] == "created":
                self._containers.remove(raw["Id"])
            made = self._create_named(spec)
        if spec.archive:
            try:
                self._client.put_archive(made, "/", spec.archive)
            except BaseException:
                self._containers.remove(made)
                raise
        return made

    def _create_named(self, spec: container_spec.Spec) -> str:
        for mount in spec.config["HostConfig"]["Mounts"]:
            if mount["Type"] == "volume" and mount["Source"]:
                self._create_volume(mount)
        try:
            return str(self._client.create_container_from_config(spec.config, spec.name)["Id"])
        except docker.errors.APIError as error:
            if error.status_code == 404 and "no such image" in words(error).lower():
                raise ImageMissing(str(spec.config["Image"])) from error
            raise

    def _create_volume(self, mount: Raw) -> None:
        """Make a volume unless it is there: Podman makes those that a container names without labels and options."""
        wanted: Raw = mount["VolumeOptions"]
        driver: Raw = wanted.get("DriverConfig") or {}
        self._client.create_volume(
            mount["Source"], driver=driver.get("Name"), driver_opts=driver.get("Options"), labels=wanted["Labels"]
        )

    def _load(self, task: Task, host: HostContext) -> mounts.MountContext:
        """Make and fill the task's volumes through a loader; return the context with their folders."""
        seen = mounts.loader_volumes(task, host.context)
        marks = labels.of_task(host.context.control_plane_id, task) | {labels.ROLE: "loader"}
        spec = container_spec.Spec(
            name=labels.container_name(host.context.control_plane_id, task, LOADER),
            config=container_spec.loader_config(list(seen.values()), marks),
        )
        loader = self._create_one(spec)
        # volume by volume: what is unpacked above one, Podman puts beside it
        for volume, mount in seen.items():
            self._client.put_archive(loader, mount["Target"], archives.archive(mounts.loader_entries(task, volume)))
        self._containers.remove(loader, volumes=False)
        folders = {
            volume: str(self._client.inspect_volume(mount["Source"])["Mountpoint"]) for volume, mount in seen.items()
        }
        return replace(host.context, folders=folders)
