"""Keep the cache true to the engine: events as they come, everything anew after a gap, adoption at the start."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import docker
import docker.errors

from chalicelib.providers.base import ProviderUnavailable
from chalicelib.providers.docker import labels, record
from chalicelib.providers.docker.containers import Containers
from chalicelib.providers.docker.engine import reachable
from chalicelib.providers.docker.launcher import Launcher
from chalicelib.providers.docker.network import TaskNetwork
from chalicelib.providers.docker.snapshots import ContainerSnapshot
from chalicelib.providers.docker.task_cache import TaskCache
from chalicelib.providers.docker.task_state import NO_SUCH_PROGRAM, has_ended

LOG = logging.getLogger(__name__)

INIT_SAYS = "[FATAL tini"
HELPERS = ("record", "loader", "services", "anchor")


class Watcher:
    """Brings news from the engine into the cache and has the next steps taken."""

    def __init__(self, containers: Containers, cache: TaskCache, launcher: Launcher, network: TaskNetwork) -> None:
        self._containers = containers
        self._cache = cache
        self._launcher = launcher
        self._network = network

    def on_event(self, action: str, container_id: str, attributes: dict[str, str]) -> None:
        """Take an event in."""
        uid = attributes.get(labels.UID, "")
        if attributes.get(labels.ROLE) in HELPERS or self._cache.entry(uid) is None:
            return  # no task of ours, or one whose launch will tell
        if action == "destroy":
            self.settle(self._cache.gone(container_id))
        else:
            self.look(container_id, exit_code=int(attributes["exitCode"]) if action == "die" else None)

    def look(self, container_id: str, *, exit_code: int | None = None) -> None:
        """Ask the engine about a container and act on what is new.

        `exit_code` is that of a run that has just ended: the engine forgets it with the next run.
        """
        try:
            snapshot = self._containers.inspect(container_id)
        except docker.errors.NotFound:
            self.settle(self._cache.gone(container_id))
            return
        known = self._cache.find_container(container_id)
        if exit_code is not None and known is not None and snapshot.previous_end is not None:
            began = known.started_at if known.started_at != snapshot.started_at else None
            end = replace(known, status="restarting", restart_asked=True, exit_code=exit_code, started_at=began)
            self._cache.update([replace(end, finished_at=snapshot.previous_end)], adopt=False)
        self._cache.update([self._explained(snapshot)], adopt=False)
        self.settle(snapshot.uid)

    def _explained(self, snapshot: ContainerSnapshot) -> ContainerSnapshot:
        """Return the snapshot with the words of the engine's init, if that could not start its program."""
        if snapshot.status == "exited" and snapshot.exit_code == NO_SUCH_PROGRAM and not snapshot.error:
            said = self._containers.last_line(snapshot.id)
            if said.startswith(INIT_SAYS):
                return replace(snapshot, error=said.partition("] ")[2])
        return snapshot

    def settle(self, uid: str | None) -> None:
        """Have the next step of a task taken, and give its address back if it has ended."""
        snapshots = self._cache.snapshots(uid) if uid else []
        if not uid or not snapshots:
            return
        if has_ended(snapshots) and not any(each.is_live for each in snapshots):
            for address in {each.address for each in snapshots} - {"", self._network.gateway}:
                self._network.give_back(address)
        else:
            self._launcher.advance_soon(uid)

    def call_off(self, uid: str, stop: Callable[[], None]) -> None:
        """End a task of which not all has started: what runs is left to `stop`, what does not run never will."""
        try:
            with self._launcher.lock(uid):  # so that no start is under way
                self._launcher.drop(uid)
                for snapshot in self._cache.snapshots(uid):
                    self.look(snapshot.id)
                self._cache.call_off(uid)
                stop()
                # so that nobody who finds the task after a crash of ours starts them
                kept = {each.id for each in self._cache.snapshots(uid) if each.status != "called off"}
                for container_id in self._containers.of_task(uid):
                    if container_id not in kept:
                        self._containers.remove(container_id)
                self.settle(uid)
        except (docker.errors.APIError, ProviderUnavailable) as error:
            # stop() is repeated by a resync
            LOG.warning("event=stop-failed task=%s error=%s", uid, error)

    def resync(self) -> None:
        """Bring the cache up to the engine's state. Raises ProviderUnavailable.

        What is known is noted before the engine is asked: what is made meanwhile is in no list, and is there.
        """
        known = {uid: self._cache.snapshots(uid) for uid in self._cache.uids()}
        listed: dict[str, list[str]] = defaultdict(list)
        status: dict[str, str] = {}
        for item in self._containers.summaries():
            if item["Labels"].get(labels.ROLE) not in HELPERS:
                listed[item["Labels"][labels.UID]].append(str(item["Id"]))
                status[str(item["Id"])] = item["State"]
        for uid, snapshots in known.items():
            for snapshot in snapshots:
                if snapshot.id not in status:
                    self._cache.gone(snapshot.id)
                elif snapshot.status != status[snapshot.id] or snapshot.restarts_itself:
                    self.look(snapshot.id)
            self.settle(uid)
        for uid, ids in listed.items():
            if self._cache.entry(uid) is None:
                self._adopt(uid, ids)

    def _adopt(self, uid: str, ids: list[str]) -> None:
        """Take over a task found in the engine, or remove what a launch that died has left half-made.

        The containers are inspected under the lock: a launch on another thread may have put others in their place
        since they were listed.
        """
        with self._launcher.lock(uid):
            if self._cache.entry(uid) is not None:
                return
            snapshots = []
            for container_id in ids:
                with suppress(docker.errors.NotFound):
                    snapshots.append(self._explained(self._containers.inspect(container_id)))
            if not snapshots:
                return
            if not self._containers.is_complete(snapshots):
                for snapshot in snapshots:
                    self._containers.remove(snapshot.id)
                return
            LOG.info("event=adopted task=%s", uid)
            if not has_ended(snapshots) or any(each.is_live for each in snapshots):
                for address in {each.address for each in snapshots} - {"", self._network.gateway}:
                    self._network.hold(address)
            self._cache.update(snapshots)
        self.settle(uid)

    def adopt_records(self) -> None:
        """Go on with tasks whose images were on their way when the last instance died; drop loaders."""
        listed = self._containers.summaries()
        made = {item["Labels"].get(labels.UID) for item in listed if item["Labels"].get(labels.ROLE) not in HELPERS}
        for item in listed:
            role = item["Labels"].get(labels.ROLE)
            if role == "loader":
                self._containers.remove(str(item["Id"]), volumes=False)
            elif role == "record" and item["Labels"].get(labels.UID) not in made:
                with reachable():
                    task = record.read(self._containers.client, str(item["Id"]))
                if task is not None:
                    self._launcher.adopt(task)
