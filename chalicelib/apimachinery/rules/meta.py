"""Rules for metadata, the same for every object: names, ages, and what create and update accept.

Reference: k8s.io/apimachinery/pkg/api/validation/objectmeta.go and k8s.io/apiserver/pkg/registry/rest, v1.36.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from chalicelib.apimachinery.decoding.gotext import byte_length, is_print, quote
from chalicelib.apimachinery.rules import causes
from chalicelib.apimachinery.rules.names import (
    dns1035_label_errors,
    dns_label_errors,
    dns_subdomain_errors,
    label_value_errors,
    path_segment_errors,
    qualified_name_errors,
)
from chalicelib.apimachinery.rules.status import Cause
from chalicelib.apimachinery.rules.time import find_time
from chalicelib.apimachinery.types import JSON

__all__ = [
    "age",
    "carry_over",
    "dns1035_label_errors",
    "dns_label_errors",
    "dns_subdomain_errors",
    "field_manager_causes",
    "generate_name",
    "human_duration",
    "label_value_errors",
    "labels_causes",
    "metadata_causes",
    "metadata_update_causes",
    "path_segment_errors",
    "qualified_name_errors",
]

# No vowels, no look-alikes: k8s.io/apimachinery/pkg/util/rand.
SUFFIX_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
SUFFIX_LENGTH = 5  # characters
MAX_BASE = 58  # characters: 63 less the suffix, so that the name is still a DNS label
MAX_ANNOTATIONS = 256 * 1024  # bytes, keys and values of all annotations together
MAX_FIELD_MANAGER = 128  # bytes
MAX_SUBRESOURCE = 256  # bytes, of a managedFields entry's subresource
ORPHAN = "orphan"
FOREGROUND = "foregroundDeletion"
STANDARD_FINALIZERS = frozenset({"kubernetes", ORPHAN, FOREGROUND})


def generate_name(base: str, pick: Callable[[str], str]) -> str:
    """Return `base`, cut to 58 characters, and five characters that `pick` chooses out of the alphabet."""
    return base[:MAX_BASE] + "".join(pick(SUFFIX_ALPHABET) for _ in range(SUFFIX_LENGTH))


def age(created: object, now: datetime) -> str:
    """Return the time since `created` (RFC 3339) as kubectl's AGE column: `5m3s`; `<unknown>` without one."""
    moment = find_time(created)
    return "<unknown>" if moment is None else human_duration(now - moment)


def human_duration(span: timedelta) -> str:
    """Return a span as kubectl shows it: two units at most, coarser the longer it is."""
    total = int(span.total_seconds())  # rounds towards zero, as Go's conversion does
    if total < -1:
        return "<invalid>"
    if total < 0:
        return "0s"
    minutes, hours, days = total // 60, total // 3600, total // 86400
    if total < 2 * 60:
        return f"{total}s"
    if minutes < 10:
        return _two(minutes, "m", total % 60, "s")
    if minutes < 3 * 60:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if hours < 8 * 24:
        return _two(days, "d", hours % 24, "h")
    if days < 2 * 365:
        return f"{days}d"
    if days < 8 * 365:
        return _two(days // 365, "y", days % 365, "d")
    return f"{days // 365}y"


def _two(big: int, big_unit: str, small: int, small_unit: str) -> str:
    return f"{big}{big_unit}{small}{small_unit}" if small else f"{big}{big_unit}"


def carry_over(new: JSON, old: JSON) -> None:
    """Bring, in place, what an update may not change from old metadata into new metadata.

    uid is only filled in when absent: a wrong one is for a precondition to refuse.
    """
    for key in ("creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation"):
        if old.get(key) is None:
            new.pop(key, None)
        else:
            new[key] = old[key]
    if not new.get("uid") and old.get("uid"):
        new["uid"] = old["uid"]
    new.pop("selfLink", None)


def metadata_causes(
    metadata: JSON, *, namespaced: bool, name_errors: Callable[..., list[str]] = dns_subdomain_errors
) -> list[Cause]:
    """Return what is wrong with a new object's metadata, once a generated name is filled in.

    `name_errors(name, is_prefix=...)` is the kind's own rule for names.
    """
    found: list[Cause] = []
    generate, name = metadata.get("generateName") or "", metadata.get("name") or ""
    if generate:
        errors = name_errors(generate, is_prefix=True)
        found += [causes.invalid("metadata.generateName", generate, error) for error in errors]
    if name:
        errors = name_errors(name, is_prefix=False)
        found += [causes.invalid("metadata.name", name, error) for error in errors]
    else:
        found.append(causes.required("metadata.name", "name or generateName is required"))
    namespace = metadata.get("namespace") or ""
    if not namespaced and namespace:
        found.append(causes.forbidden("metadata.namespace", "not allowed on this type"))
    elif namespaced and not namespace:
        found.append(causes.required("metadata.namespace"))
    elif namespaced:
        errors = dns_label_errors(namespace)
        found += [causes.invalid("metadata.namespace", namespace, error) for error in errors]
    generation = metadata.get("generation") or 0
    if generation < 0:
        found.append(causes.invalid("metadata.generation", generation, "must be greater than or equal to 0"))
    found += _shared_causes(metadata)
    finalizers = metadata.get("finalizers") or []
    for finalizer in finalizers:
        errors = qualified_name_errors(finalizer)
        found += [causes.invalid("metadata.finalizers", finalizer, error) for error in errors]
    if ORPHAN in finalizers and FOREGROUND in finalizers:
        detail = f"finalizer {ORPHAN} and {FOREGROUND} cannot be both set"
        found.append(causes.invalid("metadata.finalizers", finalizers, detail))
    found += _managed_fields_causes(metadata.get("managedFields") or [])
    return found + _kube_finalizers_causes(finalizers)


def metadata_update_causes(new: JSON, old: JSON) -> list[Cause]:
    """Return what is wrong with metadata as the successor of `old`: what never changes, new finalizers.

    Each cause comes twice, as from a real server, which asks before and inside the kind's own validation.
    """
    found: list[Cause] = []
    added = sorted(set(new.get("finalizers") or []) - set(old.get("finalizers") or []))
    if added and old.get("deletionTimestamp"):
        shown = ", ".join(quote(name) for name in added)
        detail = (
            f"no new finalizers can be added if the object is being deleted, found new finalizers []string{{{shown}}}"
        )
        found.append(causes.forbidden("metadata.finalizers", detail))
    if not new.get("resourceVersion"):
        found.append(causes.invalid("metadata.resourceVersion", "", "must be specified for an update"))
    if (new.get("generation") or 0) < (old.get("generation") or 0):
        found.append(causes.invalid("metadata.generation", new.get("generation") or 0, "must not be decremented"))
    for key in ("name", "namespace", "uid"):
        found += causes.immutable(f"metadata.{key}", new.get(key) or "", old.get(key) or "")
    for key in ("creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"):
        found += causes.immutable(f"metadata.{key}", new.get(key), old.get(key))
    found += _shared_causes(new)
    found += _managed_fields_causes(new.get("managedFields") or [])
    return found + found + _kube_finalizers_causes(new.get("finalizers") or [])


def _shared_causes(metadata: JSON) -> list[Cause]:
    """Return what is wrong with labels, annotations and owner references."""
    found = labels_causes(metadata.get("labels") or {})
    annotations = metadata.get("annotations") or {}
    for key in annotations:
        errors = qualified_name_errors(key.lower())
        found += [causes.invalid("metadata.annotations", key, error) for error in errors]
    size = sum(byte_length(key) + byte_length(value) for key, value in annotations.items())
    if size > MAX_ANNOTATIONS:
        found.append(causes.too_long("metadata.annotations", MAX_ANNOTATIONS))
    owners, controller = metadata.get("ownerReferences") or [], ""
    for owner in owners:
        found += _owner_causes(owner)
        if not owner.get("controller"):
            continue
        this = f"{owner.get('kind', '')}/{owner.get('name', '')}"
        if controller:
            detail = (
                "Only one reference can have Controller set to true."
                f' Found "true" in references for {controller} and {this}'
            )
            found.append(causes.invalid("metadata.ownerReferences", owners, detail))
        controller = controller or this
    return found


def labels_causes(labels: dict[str, str], field: str = "metadata.labels") -> list[Cause]:
    """Return what is wrong with label keys and values; `field` is where the map stands."""
    found = []
    for key, value in labels.items():
        found += [causes.invalid(field, key, error) for error in qualified_name_errors(key)]
        found += [causes.invalid(field, value, error) for error in label_value_errors(value)]
    return found


def _owner_causes(owner: JSON) -> list[Cause]:
    found, field = [], "metadata.ownerReferences"
    api_version = owner.get("apiVersion") or ""
    group, _, version = api_version.rpartition("/")
    if not version:
        found.append(causes.invalid(f"{field}.apiVersion", api_version, "version must not be empty"))
    for key in ("kind", "name", "uid"):
        if not owner.get(key):
            found.append(causes.invalid(f"{field}.{key}", "", "must not be empty"))
    if (group, version, owner.get("kind")) == ("", "v1", "Event"):
        found.append(causes.invalid(field, owner, "/v1, Kind=Event is disallowed from being an owner"))
    return found


def _kube_finalizers_causes(finalizers: list[str]) -> list[Cause]:
    detail = "name is neither a standard finalizer name nor is it fully qualified"
    return [
        causes.invalid(f"metadata.finalizers[{index}]", name, detail)
        for index, name in enumerate(finalizers)
        if "/" not in name and name not in STANDARD_FINALIZERS
    ]


def field_manager_causes(manager: str, field: str = "fieldManager") -> list[Cause]:
    """Return what is wrong with the name of a field manager: 128 bytes, all printable."""
    found = [causes.too_long(field, MAX_FIELD_MANAGER)] if byte_length(manager) > MAX_FIELD_MANAGER else []
    position = 0  # in bytes, as Go counts when it walks a string
    for char in manager:
        if not is_print(char):
            detail = f"invalid character U+{ord(char):04X} (at position {position})"
            found.append(causes.invalid(field, manager, detail))
        position += byte_length(char)
    return found


def _managed_fields_causes(entries: list[dict[str, Any]]) -> list[Cause]:  # Any: entries are JSON
    found: list[Cause] = []
    for index, entry in enumerate(entries):
        field = f"metadata.managedFields[{index}]"
        operation, kind = entry.get("operation") or "", entry.get("fieldsType") or ""
        if operation not in ("Apply", "Update"):
            found.append(causes.invalid(f"{field}.operation", operation, "must be `Apply` or `Update`"))
        if kind not in ("", "FieldsV1"):
            found.append(causes.invalid(f"{field}.fieldsType", kind, "must be `FieldsV1`"))
        found += field_manager_causes(entry.get("manager") or "", f"{field}.manager")
        if byte_length(entry.get("subresource") or "") > MAX_SUBRESOURCE:
            found.append(causes.too_long(f"{field}.subresource", MAX_SUBRESOURCE))
    return found
