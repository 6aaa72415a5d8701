"""What every object goes through before it is stored: a new one, and one changed by PUT or by a patch."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chalicelib.apimachinery.accessors import is_deleting, metadata_of
from chalicelib.apimachinery.patching import apply
from chalicelib.apimachinery.rules import causes, meta
from chalicelib.apimachinery.rules import time as kubetime
from chalicelib.apimachinery.rules.integers import parse_uint64
from chalicelib.apimachinery.rules.status import StatusError, bad_request, conflict, invalid, not_found
from chalicelib.apimachinery.types import JSON
from chalicelib.registry import deletion
from chalicelib.registry.listing import parse_revision
from chalicelib.registry.parts import RegistryParts
from chalicelib.registry.strategy import Strategy
from chalicelib.storage.base import Change as StoredChange
from chalicelib.storage.base import KeyNotFound, Reader, Storage, StoredObject
from chalicelib.storage.keys import object_key


def without_type(obj: JSON) -> JSON:
    """Return a shallow copy of `obj` without kind and apiVersion, as it is stored."""
    return {key: value for key, value in obj.items() if key not in ("kind", "apiVersion")}


def metadata(obj: JSON) -> dict[str, Any]:
    """Return obj's metadata, made if it has none."""
    found: dict[str, Any] = obj.setdefault("metadata", {})
    return found


def as_stored(key: str, obj: JSON, revision: int) -> StoredObject:
    """Return what storing `obj` would give, for a dry run: nothing is written."""
    return StoredObject(key=key, revision=revision, json=json.dumps(without_type(obj), separators=(",", ":")))


def is_same(left: JSON, right: JSON) -> bool:
    """Return whether two objects differ in nothing but resourceVersion and managedFields' times."""
    return _comparable(left) == _comparable(right)


def _comparable(obj: JSON) -> JSON:
    meta = {key: value for key, value in metadata_of(obj).items() if key != "resourceVersion"}
    meta["managedFields"] = [
        {key: value for key, value in entry.items() if key != "time"} for entry in meta.get("managedFields") or []
    ]
    return {**without_type(obj), "metadata": meta}


@dataclass(frozen=True, slots=True)
class Change:
    """Who changes an object, through which subresource, and whether by an apply patch."""

    manager: str
    subresource: str = ""
    is_apply: bool = False


def check_addressed(obj: JSON, *, name: str, namespace: str | None) -> None:
    """Require, in place, that `obj` is what the URL names. Raises 400."""
    found = metadata(obj)
    sent = found.get("name") or ""
    if not sent:
        raise bad_request(f"the name of the object ({name} based on URL) was undeterminable: name must be provided")
    if sent != name:
        raise bad_request(f"the name of the object ({sent}) does not match the name on the URL ({name})")
    place(found, namespace)


def place(found: JSON, namespace: str | None) -> None:
    """Set, in place, the namespace of some metadata to the URL's. Raises 400 for another one."""
    if not namespace:
        found.pop("namespace", None)
    elif found.get("namespace") not in (None, "", namespace):
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
    else:
        found["namespace"] = namespace


def place_new(
    strategy: Strategy, storage: Storage, obj: JSON, namespace: str | None, known: Iterable[StoredObject]
) -> Reader:
    """Require, in place, that an object belongs where the URL says, in a namespace that takes it.

    Returns a view of what is stored: of the namespace, its limits and quotas, and what a pod refers to. Raises 400,
    403, 404, 500.
    """
    found = metadata(obj)
    version = found.pop("resourceVersion", "")
    if version and parse_uint64(version):  # what is no number is passed over, as in a real server
        raise StatusError(500, "", "resourceVersion should not be set on objects to be created")
    place(found, namespace)
    now = storage.view(known)
    if not namespace:
        return now
    try:
        stored = now.get(object_key("namespaces", None, namespace))
    except KeyNotFound:
        raise not_found("namespaces", namespace) from None
    if '"deletionTimestamp"' in stored.json and is_deleting(stored.object()):
        raise deletion.terminating(strategy, namespace)
    return now


def store_new(parts: RegistryParts, resource: str, key: str, obj: JSON) -> StoredObject:
    """Store a new object with its companions, all of them or none; return it. Raises StorageErrors.

    The observer hears of the companions, and of the object from the caller.
    """
    new, companions = without_type(obj), parts.admission.companions(resource, obj)
    if not companions:
        return parts.storage.create(key, new)
    changes = [StoredChange("ADDED", key, new)]
    for kind, each in companions:
        metadata = each["metadata"]
        companion_key = object_key(kind, metadata.get("namespace"), metadata["name"])
        changes.append(StoredChange("ADDED", companion_key, without_type(each)))
    stored = parts.storage.transact(changes)[0]
    for kind, each in companions:
        parts.observer.after_write(kind, each, "ADDED")
    return stored


def prepare_new(
    strategy: Strategy,
    parts: RegistryParts,
    obj: JSON,
    now: Reader,
    *,
    manager: str,
    siblings: Callable[[], Iterable[JSON]],
) -> list[str]:
    """Set, in place, what clients leave to the server, and require that the object is valid; return warnings.

    The fields are recorded as those of `manager`, if one is given; what admission adds has no manager. Raises 403, 422.
    """
    metadata = obj["metadata"]
    metadata["uid"] = parts.new_uid()
    strategy.default(obj)
    moment = parts.clock()
    if manager:
        track(strategy, None, obj, Change(manager), moment)
    created = kubetime.format_time(moment)
    warnings = parts.admission.admit(strategy.kept_as, obj, now)
    strategy.prepare_for_create(obj)
    for key in ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "generation"):
        metadata.pop(key, None)
    metadata["creationTimestamp"] = created
    if strategy.has_generation:
        metadata["generation"] = 1
    warnings += strategy.warnings(obj)
    wrong = meta.metadata_causes(metadata, namespaced=strategy.namespaced, name_errors=strategy.name_errors)
    wrong = [*wrong, *strategy.validate(obj)] or strategy.allocate(obj, None, siblings)
    if wrong:
        raise invalid(strategy.kind, metadata.get("name", ""), wrong, group=strategy.group)
    return warnings


def replaced(live: JSON, sent: JSON) -> JSON:
    """Return a copy of what a PUT sent, after checking that it means the live object. Raises 409."""
    new = {**sent, "metadata": dict(metadata_of(sent))}
    found = live["metadata"]
    uid, live_uid = new["metadata"].get("uid"), found.get("uid")
    if uid and uid != live_uid:
        resource = str(live["kind"]).lower() + "s"
        place = "/".join(part for part in (found.get("namespace"), found.get("name")) if part)
        why = (
            f"StorageError: invalid object, Code: 4, Key: /registry/{resource}/{place}, ResourceVersion: 0,"
            f" AdditionalErrorMsg: Precondition failed: UID in precondition: {uid},"
            f" UID in object meta: {live_uid}"
        )
        raise conflict(resource, found.get("name", ""), why)
    return new


def check_version(strategy: Strategy, new: JSON, revision: int, name: str) -> None:
    """Require that a change names the live object's revision, or none where the kind allows it. Raises 409, 422."""
    sent = metadata_of(new).get("resourceVersion", "")
    if sent in ("", "0", None):
        if strategy.unconditional_update:
            return
        why = causes.invalid("metadata.resourceVersion", 0, "must be specified for an update")
        raise invalid(strategy.resource, name, [why], group=strategy.group)
    if sent == str(revision):
        return
    try:
        parse_revision(sent)
    except ValueError as error:
        raise StatusError(500, "", str(error)) from None
    raise conflict(strategy.resource, name, group=strategy.group)


def check_may_create(strategy: Strategy, config: JSON, name: str) -> None:
    """Raise 409 for an apply configuration that means one certain object, which is missing."""
    metadata = metadata_of(config)
    if metadata.get("resourceVersion"):
        raise conflict(strategy.resource, name, group=strategy.group)
    if metadata.get("uid"):
        why = f"uid mismatch: the provided object specified uid {metadata['uid']},"
        why += " and no existing object was found"
        raise conflict(strategy.resource, name, why, group=strategy.group)


def complete_changed(
    strategy: Strategy, new: JSON, old: JSON, how: Change, now: datetime, siblings: Callable[[], Iterable[JSON]]
) -> list[str]:
    """Complete and check `new`, in place, as the successor of `old`; return warnings. Raises 422."""
    part = strategy.all_subresources[how.subresource].part if how.subresource else None
    new["metadata"]["resourceVersion"] = old["metadata"].get("resourceVersion", "")
    if part is not None:
        part.prepare_for_update(new, old)
    else:
        strategy.default(new)
    if not how.is_apply:  # before anything is judged or corrected: a sent record never stands as it came
        track(strategy, old, new, how, now)
    if part is None:
        strategy.prepare_for_update(new, old)
    meta.carry_over(new["metadata"], old["metadata"])
    wrong = meta.metadata_update_causes(new["metadata"], old["metadata"])
    wrong += (part or strategy).validate_update(new, old)
    if part is None:
        wrong = wrong or strategy.allocate(new, old, siblings)
    if wrong:
        raise invalid(strategy.kind, new["metadata"].get("name", ""), wrong, group=strategy.group)
    if strategy.has_generation and strategy.counts_as_change(new, old):
        new["metadata"]["generation"] = int(old["metadata"].get("generation", 0)) + 1
    return list(strategy.warnings(new))


def track(strategy: Strategy, old: JSON | None, new: JSON, how: Change, now: datetime) -> None:
    """Record, in place, who set which fields; `old` is None for a new object."""
    apply.update_managed_fields(
        old,
        new,
        manager=how.manager,
        now=now,
        subresource=how.subresource,
        schema=strategy.schema,
        api_version=strategy.api_version,
    )
