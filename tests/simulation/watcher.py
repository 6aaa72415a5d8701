"""A client that keeps a copy of a collection by list and watch, through any process, and trusts nothing."""

from __future__ import annotations

from random import Random

from chalicelib.apimachinery.rules.selectors import parse_labels
from chalicelib.apimachinery.types import JSON
from chalicelib.registry.options import ListOptions
from chalicelib.registry.watch import Frame
from chalicelib.storage.base import RevisionExpired, Storage
from tests.simulation.timeline import Violation
from tests.simulation.workload import Clients, Script
from tests.unit.controllers.world import World

LEAVES_SHARE = 0.2  # of the watches: the client reads so many frames and goes
COMPARED_SHARE = 0.3


class Watcher:
    """Watches a resource of namespace `ns`, those objects that a label selector picks. Raises Violation."""

    def __init__(self, storage: Storage, draw: Random, resource: str, selector: str) -> None:
        self.events = self.compared = 0
        self._storage, self._draw, self._resource, self._text = storage, draw, resource, selector
        self._selector = parse_labels(selector) if selector else None
        self._copy: dict[str, JSON] = {}
        self._revision = 0  # that the copy is of; 0 before the first list

    def script(self, clients: Clients) -> Script:
        """List, and watch again and again."""
        while True:  # until the clients are over
            clients.ask(f"watch {self._resource} {self._text}", self.look)
            yield clients.draw.randrange(3, 40)

    def look(self, w: World) -> None:
        """Take in what there is by now."""
        registry = w.registries[("", self._resource)]
        if not self._revision:
            listed = registry.list_page("ns", ListOptions(labels=self._selector))
            self._copy = {each.key: each.object() for each in listed.items}
            self._revision = listed.revision
        options = ListOptions(labels=self._selector, resource_version=str(self._revision))
        for frame in registry.watch("ns", options, seconds=0.0).frames():
            if frame is not None:
                self._take(frame)
            if self._draw.random() < LEAVES_SHARE:
                break
        if self._draw.random() < COMPARED_SHARE:
            self.compare()

    def _take(self, frame: Frame) -> None:
        if frame.type == "ERROR":
            self._revision = 0
            return
        key, revision = frame.stored.key, frame.stored.revision
        if revision <= self._revision:
            raise Violation(f"{self}: {frame.type} of {key} again, or out of order, at {revision}")
        if (key in self._copy) == (frame.type == "ADDED"):
            raise Violation(f"{self}: {frame.type} of {key} at {revision}")
        if frame.type == "DELETED":
            del self._copy[key]
        else:
            self._copy[key] = frame.stored.object()
        self._revision, self.events = revision, self.events + 1

    def compare(self) -> None:
        """Hold that the copy is what a list of its revision has."""
        try:
            items = self._storage.list(f"/registry/{self._resource}/ns/", revision=self._revision or None).items
        except RevisionExpired:
            return
        if not self._revision:
            return
        listed = {each.key: each.object() for each in items}
        if self._selector is not None:
            listed = {k: each for k, each in listed.items() if self._selector.matches(each["metadata"].get("labels"))}
        differing = sorted(key for key in {*listed, *self._copy} if listed.get(key) != self._copy.get(key))
        if differing:
            raise Violation(f"{self}: differs from a list in {differing}")
        self.compared += 1

    def __str__(self) -> str:
        return f"watch of {self._resource} {self._text} at {self._revision}"
