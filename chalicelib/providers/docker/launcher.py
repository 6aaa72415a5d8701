"""Bring a task's containers into being, in the right order, so that a crash at any point can be mended.

Everything is created before anything is started. What is `created` and complete is started by whoever comes
next; what is incomplete has never run and is removed.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime

import docker
import docker.errors

from chalicelib.providers.base import ProviderUnavailable, Task, TaskRejected
from chalicelib.providers.docker import archives, container_spec, labels, mounts, record
from chalicelib.providers.docker.address import with_address
from chalicelib.providers.docker.boxes import Box, box
from chalicelib.providers.docker.container_spec import Surroundings
from chalicelib.providers.docker.engine import Client, Raw, reachable, words
from chalicelib.providers.docker.images import Images
from chalicelib.providers.docker.ledger import Ledger
from chalicelib.providers.docker.network import TaskNetwork
from chalicelib.providers.docker.task_state import NEVER_RAN, Wait, next_step

LOGGER = logging.getLogger(__name__)

STARTERS = 4  # a start costs 0.2 s of the engine's CPU: four threads reach its full rate on two cores
LOCKS = 64  # tasks that share one merely wait for each other
ADDRESS_WAIT_SECONDS = 3.0  # for the engine to take back the address of a container that just ended
ADDRESS_PAUSE_SECONDS = 0.05
RETRY_SECONDS = 5.0  # between two tries to create what the engine was not ready for
NAME_TAKEN = 409


class ImageMissing(Exception):
    """The engine has no such image."""

    def __init__(self, image: str) -> None:
        super().__init__(image)
        self.image = image


class Launcher:
    """Creates, starts and removes the containers of tasks. Thread-safe, one task at a time each."""

    def __init__(
        self,
        client: Client,
        *,
        ledger: Ledger,
        network: TaskNetwork,
        around: Callable[[], Surroundings],
        clock: Callable[[], datetime],
        first_pause_seconds: float,
        starters: int = STARTERS,
    ) -> None:
        self._client = client
        self._ledger = ledger
        self._network = network
        self._around = around
        self._locks = [threading.RLock() for _ in range(LOCKS)]
        self._closed = threading.Event()
        self._starters = ThreadPoolExecutor(max_workers=starters, thread_name_prefix="docker-start")
        self._images = Images(
            client,
            on_wait=ledger.wait,
            on_ready=self._image_ready,
            clock=clock,
            first_pause_seconds=first_pause_seconds,
        )

    def lock(self, uid: str) -> threading.RLock:
        """Return the lock under which a task's containers are created, started and removed."""
        return self._locks[hash(uid) % LOCKS]

    def launch(self, task: Task, *, pulled: frozenset[str] = frozenset()) -> None:
        """Create the task's containers and have them started; if an image is missing, have it fetched first.

        Repeatable. Raises TaskRejected and ProviderUnavailable; then nothing of the task is left.
        """
        with self.lock(task.uid):
            if self._ledger.boxes(task.uid):
                return
            missing = next(
                (item for item in task.containers if item.pull == "always" and item.image not in pulled), None
            )
            try:
                if missing is not None:
                    raise ImageMissing(missing.image)
                boxes = self._create(task)
            except ImageMissing as error:
                self._fetch(task, error.image)
                return
            self._ledger.update(boxes)
        self.advance_soon(task.uid)

    def _fetch(self, task: Task, image: str) -> None:
        """Write the task down in the engine and have the image pulled, if its policy allows."""
        with reachable():
            record.create(self._client, self._around().ground.control_plane_id, task)
        self._ledger.expect(task)
        never = {item.image for item in task.containers if item.pull == "never"}
        if image in never:
            message = f'Container image "{image}" is not present with pull policy of Never'
            self._ledger.wait(task.uid, image, Wait("ErrImageNeverPull", message))
            return
        self._ledger.wait(task.uid, image, Wait(message=f'Pulling image "{image}"'))
        self._images.want(task.uid, image, task.logins)

    def _image_ready(self, uid: str, image: str) -> None:
        self._ledger.pulled(uid, image)
        self._starters.submit(self._resume, uid, image)

    def _resume(self, uid: str, image: str) -> None:
        """Go on with a task that waited for an image."""
        entry = self._ledger.entry(uid)
        if entry is None or entry.task is None or entry.is_stopping or self._closed.is_set():
            return
        entry.pulled.add(image)
        try:
            self.launch(entry.task, pulled=frozenset(entry.pulled))
        except TaskRejected as error:
            self._ledger.fail(uid, Wait(error.reason, error.message))
        except ProviderUnavailable as error:
            LOGGER.warning("event=launch-failed task=%s reason=%s", uid, error.message)
            self._ledger.wait(uid, image, Wait(error.reason, error.message))
            again = threading.Timer(RETRY_SECONDS, self._resume, args=(uid, image))
            again.daemon = True
            again.start()

    def _create(self, task: Task) -> list[Box]:
        """Create all containers of the task; if one fails, none is left. Raises ImageMissing too."""
        around = self._around()
        address = around.gateway if task.host_network else self._network.take()
        made: list[str] = []
        try:
            with reachable():
                ready = with_address(task, address)
                if mounts.needs_loader(ready):
                    around = replace(around, ground=self._load(ready, around))
                specs = container_spec.specs(ready, address=address, around=around)
                for spec in specs:
                    made.append(self._create_one(spec))
                return [self.inspect(container_id) for container_id in made]
        except BaseException as error:
            self._undo(task, made, address)
            if isinstance(error, docker.errors.APIError):
                raise _translated(error) from error
            raise

    def _create_one(self, spec: container_spec.Spec) -> str:
        image = str(spec.config["Image"])
        for _ in range(2):  # the second time after removing what a run of ours that died left half-made
            try:
                made: str = self._client.create_container_from_config(spec.config, spec.name)["Id"]
                break
            except docker.errors.ImageNotFound as error:
                raise ImageMissing(image) from error
            except docker.errors.APIError as error:
                if error.status_code == 404 and "no such image" in words(error).lower():
                    raise ImageMissing(image) from error
                if error.status_code != NAME_TAKEN:
                    raise
                self._remove_leftover(spec)
        else:
            raise ProviderUnavailable("CreateContainerError", f"The name {spec.name} is taken in the engine.")
        if spec.archive:
            try:
                self._client.put_archive(made, "/", spec.archive)
            except BaseException:
                self.remove_container(made)
                raise
        return made

    def _remove_leftover(self, spec: container_spec.Spec) -> None:
        """Remove a container of ours that never ran and has the name; leave any other alone."""
        raw = self._client.inspect_container(spec.name)
        marks, wanted = raw["Config"].get("Labels") or {}, spec.config["Labels"]
        is_ours = all(marks.get(key) == wanted[key] for key in (labels.CONTROL_PLANE, labels.UID))
        if is_ours and raw["State"]["Status"] == "created":
            self.remove_container(raw["Id"])

    def _load(self, task: Task, around: Surroundings) -> mounts.Ground:
        """Make and fill the task's volumes through a loader; return the ground with their folders."""
        seen = mounts.loader_volumes(task, around.ground)
        marks = labels.of_task(around.ground.control_plane_id, task) | {labels.ROLE: "loader"}
        config = container_spec.loader_config(list(seen.values()), marks)
        name = labels.container_name(around.ground.control_plane_id, task, ".loader")
        loader = self._create_one(
            container_spec.Spec(
                name=name, config=config, archive=archives.archive(mounts.loader_entries(task))
            )
        )
        self.remove_container(loader, volumes=False)
        folders = {
            volume: str(self._client.inspect_volume(mount["Source"])["Mountpoint"])
            for volume, mount in seen.items()
        }
        return replace(around.ground, folders=folders)

    def _undo(self, task: Task, made: Sequence[str], address: str) -> None:
        try:
            for container_id in made:
                self.remove_container(container_id)
            self.remove_volumes(task.uid)
        except (docker.errors.APIError, ProviderUnavailable) as error:
            LOGGER.warning("event=undo-failed task=%s error=%s", task.uid, error)
        if not task.host_network:
            self._network.give_back(address)

    def remove_volumes(self, uid: str) -> None:
        """Remove the volumes of one task; its containers are gone. Repeatable."""
        own = labels.of_control_plane(self._around().ground.control_plane_id) | {labels.UID: uid}
        wanted = {"label": [f"{key}={value}" for key, value in own.items()]}
        with reachable():
            for volume in self._client.volumes(filters=wanted)["Volumes"] or []:
                self._client.remove_volume(volume["Name"], force=True)

    def inspect(self, container_id: str) -> Box:
        """Return what the engine says of a container; raises docker.errors.NotFound, ProviderUnavailable."""
        with reachable():
            raw: Raw = self._client.inspect_container(container_id)
        return box(raw)

    def remove_container(self, container_id: str, *, volumes: bool = True) -> None:
        """Kill and remove a container and the volumes that are its own; repeatable."""
        with reachable():
            try:
                self._client.remove_container(container_id, v=volumes, force=True)
            except docker.errors.NotFound:
                return
            except docker.errors.APIError as error:
                if error.status_code != NAME_TAKEN:  # 409: its removal is under way already
                    raise

    def advance_soon(self, uid: str) -> None:
        """Have the next step of a task taken by one of the starters."""
        if not self._closed.is_set():
            self._starters.submit(self._advance, uid)

    def _advance(self, uid: str) -> None:
        try:
            with self.lock(uid):
                step = next_step(self._ledger.boxes(uid))
                for container_id in step.kill:
                    self.kill(container_id, "SIGKILL")
                for container_id in step.start:
                    if self._ledger.may_start(uid, container_id):
                        self._start(uid, container_id)
        except ProviderUnavailable as error:
            self._ledger.may_start_again(uid)
            LOGGER.warning("event=advance-failed task=%s reason=%s", uid, error.message)  # the resync goes on
        except docker.errors.APIError as error:
            LOGGER.warning("event=advance-failed task=%s error=%s", uid, words(error))

    def _start(self, uid: str, container_id: str) -> None:
        """Start a container; if the engine cannot, note its words as the container's end."""
        waited = 0.0
        while True:
            try:
                with reachable():
                    self._client.start(container_id)
                return
            except docker.errors.NotFound:
                self._ledger.gone(container_id)
                return
            except docker.errors.APIError as error:
                is_address = "address already in use" in words(error).lower()
                if (
                    is_address
                    and waited < ADDRESS_WAIT_SECONDS
                    and not self._closed.wait(ADDRESS_PAUSE_SECONDS)
                ):
                    waited += ADDRESS_PAUSE_SECONDS
                    continue
                failed = replace(self.inspect(container_id), error=words(error), exit_code=NEVER_RAN)
                LOGGER.warning("event=start-failed task=%s error=%s", uid, words(error))
                self._ledger.update([failed])
                self.advance_soon(uid)
                return

    def kill(self, container_id: str, signal: str) -> None:
        """Send a signal; a container that does not run (any more) is no error."""
        with reachable():
            try:
                self._client.kill(container_id, signal)
            except docker.errors.NotFound:
                return
            except docker.errors.APIError as error:
                if error.status_code != NAME_TAKEN:  # 409: it is not running
                    raise

    def drop(self, uid: str) -> None:
        """Stop waiting for images of this task."""
        self._images.drop(uid)

    def is_complete(self, boxes: Sequence[Box]) -> bool:
        """Say whether all containers of a task were made and filled, or have run."""
        if any(item.has_started for item in boxes):
            return True
        return len(boxes) == boxes[0].count and all(self._is_filled(item) for item in boxes)

    def _is_filled(self, item: Box) -> bool:
        """Say whether the last entry of what was to be copied into a container is there."""
        mark = item.labels.get(labels.LAST_COPY)
        if not mark or item.status != "created":
            return True
        path, mode = json.loads(mark)
        try:
            with reachable():
                stream, stat = self._client.get_archive(item.id, path)
                stream.close()
        except docker.errors.NotFound:
            return False
        return bool(int(stat["mode"]) & 0o777 == mode & 0o777)

    def close(self) -> None:
        """Take no further step; those under way are finished."""
        self._closed.set()
        self._images.close()
        self._starters.shutdown(wait=False, cancel_futures=True)


def _translated(error: docker.errors.APIError) -> Exception:
    """Return the contract's error for one the engine gave on creating a container."""
    if error.status_code is not None and 400 <= error.status_code < 500:
        return TaskRejected("CreateContainerConfigError", words(error))
    return ProviderUnavailable("CreateContainerError", words(error))
