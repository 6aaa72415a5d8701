"""What every new object goes through before it is stored."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from chalicelib.apimachinery.accessors import is_deleting
from chalicelib.apimachinery.rules import meta
from chalicelib.apimachinery.rules import time as kubetime
from chalicelib.apimachinery.rules.status import StatusError, invalid, not_found
from chalicelib.apimachinery.types import JSON
from chalicelib.registry import deletion, objects, updating
from chalicelib.registry.parts import RegistryParts
from chalicelib.registry.strategy import Strategy
from chalicelib.storage.base import KeyNotFound, Reader, Storage
from chalicelib.storage.keys import object_key


def check_placed(strategy: Strategy, storage: Storage, obj: JSON, namespace: str | None) -> Reader:
    """Require, in place, that an object belongs where the URL says, in a namespace that takes it.

    Returns a view of what is stored: of the namespace, its limits and quotas, and what a pod refers to. Raises 400,
    403, 404, 500.
    """
    found = objects.metadata(obj)
    if found.get("resourceVersion"):
        raise StatusError(500, "", "resourceVersion should not be set on objects to be created")
    updating.place(found, namespace)
    now = storage.view()
    if not namespace:
        return now
    try:
        stored = now.get(object_key("namespaces", None, namespace))
    except KeyNotFound:
        raise not_found("namespaces", namespace) from None
    if '"deletionTimestamp"' in stored.json and is_deleting(stored.object()):
        raise deletion.terminating(strategy, namespace)
    return now


def complete(strategy: Strategy, parts: RegistryParts, obj: JSON, now: Reader, *, manager: str) -> list[str]:
    """Set, in place, what clients leave to the server: defaults, admission, metadata; return warnings.

    The fields are recorded as those of `manager`, if one is given; what admission adds is nobody's.
    """
    metadata = obj["metadata"]
    metadata["uid"] = parts.new_uid()
    strategy.default(obj)
    moment = parts.clock()
    created = kubetime.format_time(moment)
    if manager:
        updating.track(strategy, None, obj, updating.Change(manager), moment)
    warnings = parts.admission.admit(strategy.kept_as, obj, now)
    strategy.prepare_for_create(obj)
    for key in ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "generation"):
        metadata.pop(key, None)
    metadata["creationTimestamp"] = created
    if strategy.has_generation:
        metadata["generation"] = 1
    return [*warnings, *strategy.warnings(obj)]


def check(strategy: Strategy, obj: JSON, siblings: Callable[[], Iterable[JSON]]) -> None:
    """Require that a complete object is valid, and give it what must be unique. Raises 422."""
    metadata = obj["metadata"]
    causes = meta.metadata_causes(metadata, namespaced=strategy.namespaced, name_errors=strategy.name_errors)
    causes = [*causes, *strategy.validate(obj)] or strategy.allocate(obj, None, siblings)
    if causes:
        raise invalid(strategy.kind, metadata.get("name", ""), causes, group=strategy.group)
