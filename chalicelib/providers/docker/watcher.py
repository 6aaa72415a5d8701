"""Keep the ledger true to the engine: events as they come, everything anew after a gap, adoption at the start."""

from __future__ import annotations

import logging
from collections import defaultdict
from dataclasses import replace

import docker
import docker.errors

from chalicelib.providers.docker import labels, record
from chalicelib.providers.docker.boxes import Box
from chalicelib.providers.docker.containers import Containers
from chalicelib.providers.docker.engine import reachable
from chalicelib.providers.docker.launcher import Launcher
from chalicelib.providers.docker.ledger import Ledger
from chalicelib.providers.docker.network import TaskNetwork
from chalicelib.providers.docker.task_state import NO_SUCH_PROGRAM, has_ended

LOG = logging.getLogger(__name__)

INIT_SAYS = "[FATAL tini"
HELPERS = ("record", "loader")


class Watcher:
    """Brings news from the engine into the ledger and has the next steps taken."""

    def __init__(
        self, containers: Containers, ledger: Ledger, launcher: Launcher, network: TaskNetwork
    ) -> None:
        self._containers = containers
        self._ledger = ledger
        self._launcher = launcher
        self._network = network

    def on_event(self, action: str, container_id: str, attributes: dict[str, str]) -> None:
        """Take an event in."""
        uid = attributes.get(labels.UID, "")
        if attributes.get(labels.ROLE) in HELPERS or self._ledger.entry(uid) is None:
            return  # no task of ours, or one whose launch will tell
        if action == "destroy":
            self._settle(self._ledger.gone(container_id))
        else:
            self.look(container_id)

    def look(self, container_id: str) -> None:
        """Ask the engine about a container and act on what is new."""
        try:
            box = self._containers.inspect(container_id)
        except docker.errors.NotFound:
            self._settle(self._ledger.gone(container_id))
            return
        self._ledger.update([self._explained(box)], adopt=False)
        self._settle(box.uid)

    def _explained(self, box: Box) -> Box:
        """Return the box with the words of the engine's init, if that could not start its program."""
        if box.status == "exited" and box.exit_code == NO_SUCH_PROGRAM and not box.error:
            said = self._containers.last_line(box.id)
            if said.startswith(INIT_SAYS):
                return replace(box, error=said.partition("] ")[2])
        return box

    def _settle(self, uid: str | None) -> None:
        """Have the next step of a task taken, and give its address back if it has ended."""
        boxes = self._ledger.boxes(uid) if uid else []
        if not uid or not boxes:
            return
        if has_ended(boxes) and not any(box.is_live for box in boxes):
            for address in {box.address for box in boxes} - {"", self._network.gateway}:
                self._network.give_back(address)
        else:
            self._launcher.advance_soon(uid)

    def resync(self) -> None:
        """Bring the ledger up to the engine's state. Raises ProviderUnavailable."""
        tasks: dict[str, list[Box]] = defaultdict(list)
        present: set[str] = set()
        for item in self._containers.summaries():
            if item["Labels"].get(labels.ROLE) in HELPERS:
                continue
            try:
                box = self._current(str(item["Id"]), str(item["State"]))
            except docker.errors.NotFound:
                continue
            present.add(box.id)
            tasks[box.uid].append(box)
        for uid in self._ledger.uids():
            for box in self._ledger.boxes(uid):
                if box.id not in present:
                    self._settle(self._ledger.gone(box.id))
        for uid, boxes in tasks.items():
            self._take_over(uid, boxes)

    def _current(self, container_id: str, status: str) -> Box:
        """Return a container's state, from memory if it cannot have changed since."""
        known = self._ledger.find_box(container_id)
        if known and known.status == status and not known.restarts_itself:
            return known
        return self._explained(self._containers.inspect(container_id))

    def _take_over(self, uid: str, boxes: list[Box]) -> None:
        """Adopt a task found in the engine, or bring a known one up to date."""
        if self._ledger.entry(uid) is None:
            with self._launcher.lock(uid):
                if self._ledger.entry(uid) is None and not self._containers.is_complete(boxes):
                    for box in boxes:  # a launch of ours died before anything could run
                        self._containers.remove(box.id)
                    return
            LOG.info("event=adopted task=%s", uid)
        if not has_ended(boxes) or any(box.is_live for box in boxes):
            for address in {box.address for box in boxes} - {"", self._network.gateway}:
                self._network.hold(address)
        self._ledger.update(boxes)
        self._settle(uid)

    def adopt_records(self) -> None:
        """Go on with tasks whose images were on their way when the last instance died; drop loaders."""
        listed = self._containers.summaries()
        made = {
            item["Labels"].get(labels.UID)
            for item in listed
            if item["Labels"].get(labels.ROLE) not in HELPERS
        }
        for item in listed:
            role = item["Labels"].get(labels.ROLE)
            if role == "loader":
                self._containers.remove(str(item["Id"]), volumes=False)
            elif role == "record" and item["Labels"].get(labels.UID) not in made:
                with reachable():
                    task = record.read(self._containers.client, str(item["Id"]))
                if task is not None:
                    self._launcher.launch(task)
