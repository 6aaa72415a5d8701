"""A world for the tests of controllers: a real control plane, a fake provider, a clock that stands still."""

from __future__ import annotations

import itertools
import uuid
from dataclasses import replace
from typing import Any

from chalicelib.apimachinery.rules.status import not_found
from chalicelib.apimachinery.types import JSON
from chalicelib.config import Settings
from chalicelib.controllers.runtime.background import Workers, guarded
from chalicelib.controllers.runtime.objects import StorageLookup
from chalicelib.plane.control_plane import ControlPlane
from chalicelib.plane.foundation import Sources
from chalicelib.plane.host import LONG_LIVED, Host
from chalicelib.registry.options import DeleteOptions, WriteOptions, Written
from chalicelib.storage.base import KeyNotFound, Storage
from chalicelib.storage.keys import object_key
from tests.fake_provider import FakeProvider
from tests.inline import inline
from tests.unit.controllers.builders import Clock

URL = "http://plane.example"

# Remembers from one call to the next, and writes no audit file.
WORLD = replace(LONG_LIVED, keeps_files=False)
_UIDS = itertools.count(1)  # for all worlds: some share a store


class World:
    """One control plane in namespace `ns`, which the first of those on a store makes.

    Background work is done at once unless a test brings threads.
    """

    def __init__(
        self,
        storage: Storage,
        *,
        later: Workers = inline,
        provider: FakeProvider | None = None,
        clock: Clock | None = None,
        host: Host | None = None,
        launches: bool = True,
        first: bool = True,
        sources: Sources | None = None,
        **settings: Any,  # fields of Settings
    ) -> None:
        self.clock = clock or Clock()
        self.user = "ana"  # who asks for what is created
        self.storage = storage
        self.provider = provider or FakeProvider(clock=self.clock)
        self.plane = ControlPlane(
            Settings(provider="process" if launches else "none", url=URL, **settings),
            host=host or WORLD,
            storage=storage,
            provider=self.provider,
            later=later,
            sources=sources or Sources(self.clock, lambda: str(uuid.UUID(int=next(_UIDS))), lambda text: text[0]),
        )
        self.controllers = self.plane.controllers
        self.pods = self.controllers.pods
        self.registries = self.plane.stored.registries
        self.lookup = StorageLookup(storage)
        if first:
            self.create("namespaces", "ns")

    def run_chores(self) -> None:
        """Do every chore once."""
        self.plane.loop.run_all()

    def resync(self) -> None:
        """Do what brings pods and tasks together, and see to budgets."""
        to = self.controllers
        for chore in (lambda: list(to.resync.run()), to.budget_enforcer.sweep, to.resync.stop_orphans):
            guarded(chore)

    def pass_time(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.advance(seconds)

    def create(self, resource: str, name: str, *, metadata: JSON | None = None, **fields: Any) -> JSON:
        """Create an object through its registry; return it as stored by then. Any: the object's fields."""
        registry = next(found for (_, each), found in self.registries.items() if each == resource)
        namespace = "ns" if registry.strategy.namespaced else None
        typed = {"kind": registry.strategy.kind, "apiVersion": registry.strategy.api_version}
        obj = {**typed, "metadata": {"name": name, **(metadata or {})}, **fields}
        return registry.create(namespace, obj, WriteOptions(user=self.user)).stored.object()

    def create_pod(self, name: str = "a", *, metadata: JSON | None = None, **spec: Any) -> JSON:
        """Create a pod of one container `c` that is never restarted. Any: fields of the spec."""
        fields = {"containers": [{"name": "c", "image": "image:1"}], "restartPolicy": "Never", **spec}
        return self.create("pods", name, metadata=metadata, spec=fields)

    def delete(self, resource: str, name: str, **options: Any) -> Written:  # Any: fields of DeleteOptions
        """Delete an object through its registry."""
        registry = next(found for (_, each), found in self.registries.items() if each == resource)
        namespace = "ns" if registry.strategy.namespaced else None
        return registry.delete(namespace, name, DeleteOptions(**options))

    def get(self, resource: str, name: str, namespace: str | None = "ns") -> JSON | None:
        """Return a stored object, None if there is none."""
        try:
            return self.storage.get(object_key(resource, namespace, name)).object()
        except KeyNotFound:
            return None

    def pod(self, name: str = "a") -> JSON:
        """Return a stored pod, which must be there."""
        found = self.get("pods", name)
        assert found is not None
        return found

    def phase(self, name: str = "a") -> str:
        """Return the phase of a stored pod."""
        return str(self.pod(name)["status"]["phase"])

    def handle(self, name: str = "a") -> str:
        """Return the fake provider's handle of a pod's task."""
        return f"fake-{self.pod(name)['metadata']['uid']}"

    def observe_all(self) -> None:
        """Report the present state of every task, as the provider's thread would."""
        for state in self.provider.list_tasks():
            self.pods.observe(state)

    def owner_of(self, name: str = "a", *, resource: str = "pods", blocks: bool = False) -> JSON:
        """Return the ownerReference to a stored object, as metadata for its dependents. Raises 404."""
        owner = self.get(resource, name)
        if owner is None:
            raise not_found(resource, name)
        kind = {"pods": "Pod", "configmaps": "ConfigMap"}[resource]
        reference = {"apiVersion": "v1", "kind": kind, "name": name, "uid": owner["metadata"]["uid"]}
        return {"ownerReferences": [{**reference, **({"blockOwnerDeletion": True} if blocks else {})}]}

    def events(self, name: str = "a") -> list[tuple[str, str]]:
        """Return (reason, message) of the Events about an object, in the order of their reasons."""
        items = self.storage.list("/registry/events/").items
        found = [item.object() for item in items]
        mine = [each for each in found if each["involvedObject"]["name"] == name]
        return sorted((each["reason"], each["message"]) for each in mine)
