"""CustomResourceDefinitions: their names accepted, and their objects deleted before they go.

Compare k8s.io/apiextensions-apiserver/pkg/controller/status and .../finalizer, v1.36. Safe to repeat.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime

from chalicelib.apimachinery.accessors import is_deleting, status_of
from chalicelib.apimachinery.rules.status import StatusError
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.runtime.objects import DELETING, DeleteObject, with_condition
from chalicelib.registry.options import WriteOptions
from chalicelib.registry.registry import Registry
from chalicelib.resources.custom.customresourcedefinitions import CLEANUP, DEFINITIONS
from chalicelib.storage.base import KeyNotFound, Storage
from chalicelib.storage.keys import object_key, parse_key, prefix

LOG = logging.getLogger(__name__)

KEY = ("apiextensions.k8s.io", DEFINITIONS)
WRITER = WriteOptions(field_manager="kube-apiserver")


class DefinitionController:
    """Brings definitions into service and out of it. `registries` may be filled in later."""

    def __init__(
        self,
        *,
        storage: Storage,
        registries: Mapping[tuple[str, str], Registry],
        delete: DeleteObject,
        clock: Callable[[], datetime],
    ) -> None:
        self._storage = storage
        self._registries = registries
        self._delete = delete
        self._clock = clock

    def sync(self, name: str) -> None:
        """Do what a definition needs now: be accepted, or be emptied and removed."""
        try:
            stored = self._storage.get(object_key(DEFINITIONS, None, name))
        except KeyNotFound:
            return
        definition = stored.object()
        try:
            if is_deleting(definition):
                self._empty(name, definition)
                return
            items = self._storage.list(prefix(DEFINITIONS)).items
            others = [item.object() for item in items if parse_key(item.key)[2] != name]
            wanted = accepted(definition, others, self._clock())
            if wanted != definition.get("status"):
                changed = {**definition, "status": wanted}
                self._registries[KEY].update(None, name, changed, WRITER, subresource="status")
        except StatusError as error:
            if error.code not in (404, 409):
                raise

    def sweep(self) -> None:
        """Look at every definition."""
        for item in self._storage.list(prefix(DEFINITIONS)).items:
            self.sync(parse_key(item.key)[2])

    def object_gone(self, resource: str) -> None:
        """Go on with a definition that waits for its objects to go; `resource` is its name."""
        try:
            stored = self._storage.get(object_key(DEFINITIONS, None, resource))
        except KeyNotFound:
            return
        if DELETING in stored.json:
            self.sync(resource)

    def _empty(self, name: str, definition: JSON) -> None:
        finalizers = definition["metadata"].get("finalizers") or []
        if CLEANUP not in finalizers:
            return
        for item in self._storage.list(prefix(name)).items:
            obj = item.object()
            if not is_deleting(obj):
                resource, namespace, own_name = parse_key(item.key)
                self._delete(resource, namespace, own_name, uid=obj["metadata"]["uid"])
        if self._storage.list(prefix(name), limit=1).items:
            return  # the rest has finalizers of its own; object_gone() continues when it is removed
        kept = [each for each in finalizers if each != CLEANUP]
        changed = {**definition, "metadata": {**definition["metadata"], "finalizers": kept}}
        self._registries[KEY].update(None, name, changed, WRITER)


def accepted(definition: JSON, others: list[JSON], now: datetime) -> JSON:
    """Return the status that a definition deserves: its names accepted unless another of its group has them."""
    status, spec = dict(status_of(definition)), definition["spec"]
    taken = _conflict(spec, others)
    if taken:
        names = {"type": "NamesAccepted", "status": "False", "reason": taken[0], "message": taken[1]}
    else:
        names = _condition("NamesAccepted", "NoConflicts", "no conflicts found")
        status["acceptedNames"] = dict(spec["names"])
    conditions = with_condition(status.get("conditions") or (), names, now)
    if not taken:
        words = "the initial names have been accepted"
        established = _condition("Established", "InitialNamesAccepted", words)
        conditions = with_condition(conditions, established, now)
    elif not any(each["type"] == "Established" for each in conditions):
        refused = _condition("Established", "NotAccepted", "not all names are accepted")
        conditions = with_condition(conditions, {**refused, "status": "False"}, now)
    return {**status, "conditions": conditions}


def _condition(kind: str, reason: str, message: str) -> JSON:
    return {"type": kind, "status": "True", "reason": reason, "message": message}


def _conflict(spec: JSON, others: list[JSON]) -> tuple[str, str] | None:
    """Return (reason, message) if an accepted definition of the same group has one of the names."""
    for other in others:
        if other["spec"]["group"] != spec["group"]:
            continue
        theirs = status_of(other).get("acceptedNames") or {}
        for key, reason in (("plural", "PluralConflict"), ("kind", "KindConflict"), ("listKind", "ListKindConflict")):
            ours = spec["names"].get(key)
            if ours and ours == theirs.get(key):
                return reason, f'"{ours}" is already in use'
    return None
