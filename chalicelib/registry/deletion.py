"""What a delete does to one object: preconditions, finalizers, grace. Pure; and how many are deleted at a time.

Compare k8s.io/apiserver/pkg/registry/rest/delete.go (v1.36).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime

from chalicelib.apimachinery.accessors import is_deleting
from chalicelib.apimachinery.rules import time as kubetime
from chalicelib.apimachinery.rules.meta import FOREGROUND, ORPHAN
from chalicelib.apimachinery.rules.status import Cause, StatusError, conflict, forbidden
from chalicelib.apimachinery.types import JSON
from chalicelib.registry.options import DeleteOptions
from chalicelib.registry.strategy import Strategy
from chalicelib.storage.base import StoredObject

DELETIONS_AT_ONCE = 16  # of a collection; they share transactions


@dataclass(frozen=True, slots=True)
class Plan:
    """Write `obj` if `writes`, then remove it if `removes`."""

    obj: JSON
    writes: bool
    removes: bool


def check_may_go(strategy: Strategy, name: str) -> None:
    """Raise 403 for what every control plane must have."""
    why, names = strategy.undeletable
    if name in names:
        raise forbidden(strategy.resource, name, why, group=strategy.group)


def check_preconditions(strategy: Strategy, obj: JSON, name: str, options: DeleteOptions) -> None:
    """Raise 409 unless `obj` is the very object that the preconditions name."""
    found = obj["metadata"]
    if options.uid and options.uid != found.get("uid"):
        why = (
            f"the UID in the precondition ({options.uid}) does not match the UID in record"
            f" ({found.get('uid')}). The object might have been deleted and then recreated"
        )
        raise conflict(strategy.kind, name, why, group=strategy.group)
    if options.resource_version and options.resource_version != found.get("resourceVersion"):
        why = (
            f"the ResourceVersion in the precondition ({options.resource_version}) does not match the"
            f" ResourceVersion in record ({found.get('resourceVersion')}). The object might have been modified"
        )
        raise conflict(strategy.kind, name, why, group=strategy.group)


def with_propagation(strategy: Strategy, options: DeleteOptions) -> tuple[DeleteOptions, list[str]]:
    """Return the options with the propagation that the kind implies, and what to warn about it."""
    if options.propagation or not strategy.orphan_warning:
        return options, []
    return replace(options, propagation="Orphan"), [strategy.orphan_warning]


def plan(strategy: Strategy, obj: JSON, options: DeleteOptions, now: datetime) -> Plan:
    """Return what deleting `obj` takes. `obj` is a copy of the caller's own and is changed."""
    found = obj["metadata"]
    was_deleting = is_deleting(obj)
    if strategy.begin_deletion(obj, now):
        return Plan(obj, writes=not was_deleting, removes=False)
    before = (found.get("deletionGracePeriodSeconds"), list(found.get("finalizers") or []))
    _set_finalizers(found, options)
    grace = strategy.grace_seconds(obj, options.grace_seconds)
    if was_deleting:
        grace = min(grace, int(found.get("deletionGracePeriodSeconds") or 0))
    removes = not grace and not found.get("finalizers")
    marks = strategy.is_graceful or not removes
    if marks and (not was_deleting or grace != before[0]):
        found["deletionTimestamp"] = kubetime.format_time(kubetime.after(now, grace))
        found["deletionGracePeriodSeconds"] = grace
        if not was_deleting and found.get("generation"):
            found["generation"] = int(found["generation"]) + 1
    after = (found.get("deletionGracePeriodSeconds"), list(found.get("finalizers") or []))
    return Plan(obj, writes=(not was_deleting and marks) or after != before, removes=removes)


def _set_finalizers(found: JSON, options: DeleteOptions) -> None:
    kept = list(found.get("finalizers") or [])
    if options.propagation:
        wanted = {"Orphan": ORPHAN, "Foreground": FOREGROUND}.get(options.propagation)
        kept = [name for name in kept if name not in (ORPHAN, FOREGROUND) or name == wanted]
        if wanted and wanted not in kept:
            kept.append(wanted)
    if kept:
        found["finalizers"] = kept
    else:
        found.pop("finalizers", None)


def is_due(strategy: Strategy, obj: JSON) -> bool:
    """Return whether a deleting object has nothing left to wait for: no finalizer, no grace."""
    found = obj["metadata"]
    return not (found.get("finalizers") or found.get("deletionGracePeriodSeconds") or strategy.is_held(obj))


def terminating(strategy: Strategy, namespace: str) -> StatusError:
    """Return the 403 for creating something in a namespace that is being deleted."""
    why = f"unable to create new content in namespace {namespace} because it is being terminated"
    error = forbidden(strategy.resource, "", why, group=strategy.group)
    cause = Cause("NamespaceTerminating", f"namespace {namespace} is being terminated", "metadata.namespace")
    error.details = {**(error.details or {}), "causes": [cause.to_dict()]}
    return error


def delete_each(items: Sequence[StoredObject], delete: Callable[[str | None, str], object]) -> None:
    """Call `delete` with the namespace and the name of each, several at a time; what is gone already is passed over.

    Raises what one of them raises, when those under way are done.
    """

    def delete_one(item: StoredObject) -> None:
        metadata = item.object()["metadata"]
        try:
            delete(metadata.get("namespace"), metadata["name"])
        except StatusError as error:
            if error.code != 404:
                raise

    with ThreadPoolExecutor(DELETIONS_AT_ONCE) as pool:
        list(pool.map(delete_one, items))
