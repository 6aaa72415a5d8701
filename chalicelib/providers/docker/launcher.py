"""Bring a task from its description to running containers, in the right order, one step after the other.

Each step is decided anew from what the engine says (task_state.next_step), so that any step may be repeated
and whoever comes after a crash goes on where it stopped.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime

import docker
import docker.errors

from chalicelib.providers.base import PULLING, Fetch, ProviderUnavailable, Task, TaskRejected
from chalicelib.providers.docker import record
from chalicelib.providers.docker.containers import Containers
from chalicelib.providers.docker.creator import Creator, ImageMissing
from chalicelib.providers.docker.engine import reachable, words
from chalicelib.providers.docker.images import FIRST_PAUSE_SECONDS, Images
from chalicelib.providers.docker.task_cache import TaskCache
from chalicelib.providers.docker.task_state import NEVER_RAN, Wait, next_step

LOG = logging.getLogger(__name__)

STARTERS = 4  # a start costs 0.2 s of the engine's CPU: four threads reach its full rate on two cores
LOCKS = 64  # tasks that share one merely wait for each other
ADDRESS_WAIT_SECONDS = 3.0  # for the engine to take back the address of a container that just ended
ADDRESS_PAUSE_SECONDS = 0.05
ADDRESS_IN_USE = ("address already in use", "is already allocated")  # of Docker and of Podman
RETRY_SECONDS = 5.0  # between two tries to create what the engine was not ready for
# Between the first two tries to create what the engine refuses, and the longest, as a kubelet's
REFUSED_SECONDS, LONGEST_SECONDS = 10.0, 300.0
WAITING_REASONS = ("CreateContainerError", "InvalidImageName", "ImageInspectError")  # that a kubelet has, too


class Launcher:
    """Creates and starts tasks. Thread-safe, each task by one thread at a time."""

    def __init__(
        self,
        containers: Containers,
        creator: Creator,
        cache: TaskCache,
        *,
        clock: Callable[[], datetime],
        first_pause_seconds: float = FIRST_PAUSE_SECONDS,
        starters: int = STARTERS,
    ) -> None:
        self._containers = containers
        self._creator = creator
        self._cache = cache
        self._images = Images(
            containers.client,
            on_wait=cache.wait,
            on_ready=self._image_ready,
            clock=clock,
            first_pause_seconds=first_pause_seconds,
        )
        self._locks = [threading.RLock() for _ in range(LOCKS)]
        self._closed = threading.Event()
        self._starters = ThreadPoolExecutor(max_workers=starters, thread_name_prefix="docker-start")

    def lock(self, uid: str) -> threading.RLock:
        """Return the lock under which a task's containers are created, started and removed."""
        return self._locks[hash(uid) % LOCKS]

    def launch(self, task: Task, *, pulled: frozenset[str] = frozenset()) -> None:
        """Create the task's containers and have them started; if an image is missing, have it fetched first.

        Repeatable. Raises TaskRejected and ProviderUnavailable; then nothing of the task is left.
        """
        with self.lock(task.uid):
            if self._cache.snapshots(task.uid):
                return
            always = {container.image for container in task.containers if container.pull == "always"}
            try:
                if missing := sorted(always - pulled):
                    raise ImageMissing(missing[0])
                snapshots = self._creator.create(task)
            except ImageMissing as error:
                self._fetch(task, error.image)
                return
            self._cache.made(snapshots)
        self.advance_soon(task.uid)

    def _fetch(self, task: Task, image: str) -> None:
        """Write the task down in the engine and have the image pulled, if its policy allows."""
        with reachable():
            record.create(self._containers.client, self._containers.control_plane_id, task)
        self._cache.expect(task)
        if any(container.image == image and container.pull == "never" for container in task.containers):
            message = f'Container image "{image}" is not present with pull policy of Never'
            self._cache.wait(task.uid, image, Wait("ErrImageNeverPull", message))
            return
        self._cache.wait(task.uid, image, Wait(message=f'{PULLING} "{image}"'))
        anew = any(item.image == image and item.pull == "always" for item in task.containers)
        self._images.want(task.uid, image, task.logins, anew=anew)

    def _image_ready(self, uid: str, image: str, fetch: Fetch) -> None:
        self._cache.pulled(uid, image, fetch)
        self._submit(self._resume, uid, image)

    def adopt(self, task: Task) -> None:
        """Go on with a task that was written down in the engine, and of which no container was made."""
        image = task.containers[0].image
        self._cache.expect(task)
        self._cache.wait(task.uid, image, Wait())
        self._submit(self._resume, task.uid, image)

    def _resume(self, uid: str, image: str, refused_seconds: float = 0.0) -> None:
        """Make the containers of a task whose images have come; `refused_seconds` is how long the last pause was."""
        entry = self._cache.entry(uid)
        if entry is None or entry.task is None or entry.is_stopping or self._closed.is_set():
            return
        try:
            self.launch(entry.task, pulled=frozenset(entry.fetched))
        except (TaskRejected, ProviderUnavailable) as error:
            LOG.warning("event=launch-failed task=%s reason=%s", uid, error.message)
            is_known = error.reason in WAITING_REASONS
            said = error.message if is_known else f"{error.reason}: {error.message}"
            self._cache.wait(uid, image, Wait(error.reason if is_known else WAITING_REASONS[0], said))
            seconds = RETRY_SECONDS
            if isinstance(error, TaskRejected):
                seconds = refused_seconds = min(max(2 * refused_seconds, REFUSED_SECONDS), LONGEST_SECONDS)
            again = threading.Timer(seconds, self._resume, args=(uid, image, refused_seconds))
            again.daemon = True
            again.start()

    def advance_soon(self, uid: str) -> None:
        """Have the next step of a task taken by one of the starters."""
        self._submit(self._advance, uid)

    def _submit(self, work: object, *args: str) -> None:
        if not self._closed.is_set():
            self._starters.submit(work, *args)  # type: ignore[arg-type]  # a method of ours

    def _advance(self, uid: str) -> None:
        try:
            with self.lock(uid):
                step = next_step(self._cache.snapshots(uid))
                for container_id in step.kill:
                    self._containers.kill(container_id, "SIGKILL")
                for container_id in step.start:
                    if self._cache.may_start(uid, container_id):
                        self._start(uid, container_id)
        except ProviderUnavailable as error:
            self._cache.may_start_again(uid)
            LOG.warning("event=advance-failed task=%s reason=%s", uid, error.message)  # a resync goes on
        except docker.errors.APIError as error:
            LOG.warning("event=advance-failed task=%s error=%s", uid, words(error))

    def _start(self, uid: str, container_id: str) -> None:
        """Start a container; if the engine cannot, note its words as the container's end."""
        waited = 0.0
        while True:
            try:
                with reachable():
                    self._containers.client.start(container_id)
                return
            except docker.errors.NotFound:
                self._cache.gone(container_id)
                return
            except docker.errors.APIError as error:
                said = words(error).lower()
                is_early = any(each in said for each in ADDRESS_IN_USE) and waited < ADDRESS_WAIT_SECONDS
                if is_early and not self._closed.wait(ADDRESS_PAUSE_SECONDS):
                    waited += ADDRESS_PAUSE_SECONDS
                    continue
                LOG.warning("event=start-failed task=%s error=%s", uid, words(error))
                never_ran = self._containers.inspect(container_id)
                self._cache.update([replace(never_ran, error=words(error), exit_code=NEVER_RAN)])
                self.advance_soon(uid)
                return

    def drop(self, uid: str) -> None:
        """Stop waiting for images of this task."""
        self._images.drop(uid)

    def close(self) -> None:
        """Take no further step; those under way are finished."""
        self._closed.set()
        self._images.close()
        # a start is finished, which takes the engine less than a second: whoever removes the container meanwhile
        # would make the engine keep its network for ever
        self._starters.shutdown(wait=True, cancel_futures=True)
