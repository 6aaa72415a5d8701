"""What a delete does to one object: preconditions, finalizers, grace. Pure.

Compare k8s.io/apiserver/pkg/registry/rest/delete.go (v1.36).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from chalicelib.apimachinery.accessors import is_deleting, spec_of, status_of
from chalicelib.apimachinery.rules import time as kubetime
from chalicelib.apimachinery.rules.status import Cause, StatusError, conflict, forbidden
from chalicelib.apimachinery.types import JSON
from chalicelib.registry import objects
from chalicelib.registry.options import DeleteOptions
from chalicelib.registry.strategy import Strategy
from chalicelib.resources.custom.customresourcedefinitions import CLEANUP, DEFINITIONS
from chalicelib.resources.policy.priorityclasses import SYSTEM_VALUES

# What may never be deleted: a reason, and the names that it holds for, by resource.
KEPT = {
    "namespaces": (
        "this namespace may not be deleted",
        ("default", "kube-system", "kube-public", "kube-node-lease"),
    ),
    "priorityclasses": ("this is a system priority class and cannot be deleted", tuple(SYSTEM_VALUES)),
}


@dataclass(frozen=True, slots=True)
class Plan:
    """Write `obj` if `writes`, then remove it if `removes`."""

    obj: JSON
    writes: bool
    removes: bool


def check_may_go(strategy: Strategy, name: str) -> None:
    """Raise 403 for what every control plane must have."""
    why, names = KEPT.get(strategy.resource, ("", ()))
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
    found = objects.metadata(obj)
    was_deleting = is_deleting(obj)
    if strategy.resource == "namespaces" and spec_of(obj).get("finalizers"):
        return _namespace_plan(obj, now)
    if strategy.resource == DEFINITIONS and not was_deleting:
        return _definition_plan(obj, now)
    before = (found.get("deletionGracePeriodSeconds"), list(found.get("finalizers") or []))
    _set_finalizers(found, options)
    grace = strategy.grace_seconds(obj, options.grace_seconds)
    if was_deleting:
        grace = min(grace, int(found.get("deletionGracePeriodSeconds") or 0))
    removes = not grace and not found.get("finalizers")
    marks = strategy.is_graceful or not removes
    if marks and (not was_deleting or grace != before[0]):
        _mark(obj, grace_seconds=grace, now=now, was_deleting=was_deleting)
    after = (found.get("deletionGracePeriodSeconds"), list(found.get("finalizers") or []))
    return Plan(obj, writes=(not was_deleting and marks) or after != before, removes=removes)


def _namespace_plan(obj: JSON, now: datetime) -> Plan:
    """Return the mark that has a namespace emptied; it goes with the last of its spec.finalizers.

    Compare kubernetes/pkg/registry/core/namespace/storage/storage.go (v1.36): no grace period is noted.
    """
    was_deleting = is_deleting(obj)
    if not was_deleting:
        objects.metadata(obj)["deletionTimestamp"] = kubetime.format_time(now)
        obj["status"] = {**status_of(obj), "phase": "Terminating"}
    return Plan(obj, writes=not was_deleting, removes=False)


def _definition_plan(obj: JSON, now: datetime) -> Plan:
    """Return the mark that has the objects of a CustomResourceDefinition deleted before it goes itself."""
    found = objects.metadata(obj)
    found["deletionTimestamp"] = kubetime.format_time(now)
    kept = list(found.get("finalizers") or [])
    found["finalizers"] = kept if CLEANUP in kept else [*kept, CLEANUP]
    status = dict(status_of(obj))
    going = {
        "type": "Terminating",
        "status": "True",
        "lastTransitionTime": found["deletionTimestamp"],
        "reason": "InstanceDeletionPending",
        "message": "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon",
    }
    obj["status"] = {**status, "conditions": [*(status.get("conditions") or []), going]}
    return Plan(obj, writes=True, removes=False)


def _mark(obj: JSON, *, grace_seconds: int, now: datetime, was_deleting: bool) -> None:
    objects.mark_deleting(obj, grace_seconds=grace_seconds, now=now)
    found = obj["metadata"]
    if not was_deleting and found.get("generation"):
        found["generation"] = int(found["generation"]) + 1


def _set_finalizers(found: JSON, options: DeleteOptions) -> None:
    kept = list(found.get("finalizers") or [])
    if options.propagation:
        wanted = {"Orphan": objects.ORPHAN, "Foreground": objects.FOREGROUND}.get(options.propagation)
        kept = [name for name in kept if name not in (objects.ORPHAN, objects.FOREGROUND) or name == wanted]
        if wanted and wanted not in kept:
            kept.append(wanted)
    if kept:
        found["finalizers"] = kept
    else:
        found.pop("finalizers", None)


def is_due(strategy: Strategy, obj: JSON) -> bool:
    """Return whether a deleting object has nothing left to wait for: no finalizer, no grace."""
    found = obj["metadata"]
    spec = spec_of(obj)
    if found.get("finalizers") or (strategy.resource == "namespaces" and spec.get("finalizers")):
        return False
    return not found.get("deletionGracePeriodSeconds")


def terminating(strategy: Strategy, namespace: str) -> StatusError:
    """Return the 403 for creating something in a namespace that is being deleted."""
    why = f"unable to create new content in namespace {namespace} because it is being terminated"
    error = forbidden(strategy.resource, "", why, group=strategy.group)
    cause = Cause("NamespaceTerminating", f"namespace {namespace} is being terminated", "metadata.namespace")
    error.details = {**(error.details or {}), "causes": [cause.to_dict()]}
    return error
