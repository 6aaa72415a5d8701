"""Classes: the priority that a new pod gets, and the StorageClass that a new claim gets.

Compare kubernetes/plugin/pkg/admission/{priority,storage/storageclass/setdefault}, v1.36.
"""

from __future__ import annotations

from collections.abc import Iterator

from chalicelib.apimachinery.accessors import annotations_of
from chalicelib.apimachinery.rules import meta
from chalicelib.apimachinery.rules.status import StatusError, forbidden
from chalicelib.apimachinery.types import JSON
from chalicelib.registry.keys import object_key, prefix
from chalicelib.resources.policy.priorityclasses import DEFAULT_POLICY, default_class
from chalicelib.resources.volumes.claims import CLASS_ANNOTATION
from chalicelib.resources.volumes.storageclasses import is_default
from chalicelib.storage.base import KeyNotFound, Reader

PRIORITIES, STORAGE = "priorityclasses", "storageclasses"


class Classes:
    """Gives new objects the classes that a reader finds."""

    def give_priority(self, pod: JSON, reader: Reader) -> None:
        """Write, in place, what the class of a new pod means. Raises 403 for an unknown class or other values."""
        spec = pod["spec"]
        name = spec.get("priorityClassName") or ""
        found = _named(pod, name, reader) if name else default_class(_all(PRIORITIES, reader)) or {}
        value, policy = found.get("value", 0), found.get("preemptionPolicy", DEFAULT_POLICY)
        if spec.get("priority") not in (None, value):
            raise _refused(pod, "integer value of priority", spec["priority"], value)
        if spec.get("preemptionPolicy") not in (None, policy):
            raise _refused(pod, "string value of PreemptionPolicy", spec["preemptionPolicy"], policy)
        spec["priority"], spec["preemptionPolicy"] = value, policy
        if found:
            spec["priorityClassName"] = found["metadata"]["name"]

    def give_storage_class(self, claim: JSON, reader: Reader) -> None:
        """Name, in place, the default class, the youngest of several, in a new claim that names none."""
        annotations = annotations_of(claim)
        if claim["spec"].get("storageClassName") is not None or CLASS_ANNOTATION in annotations:
            return
        marked = [each["metadata"] for each in _all(STORAGE, reader) if is_default(each)]
        if marked:
            marked.sort(key=lambda each: each["name"])
            youngest = max(marked, key=lambda each: str(each["creationTimestamp"]))
            claim["spec"]["storageClassName"] = youngest["name"]


def _named(pod: JSON, name: str, reader: Reader) -> JSON:
    try:
        if not meta.dns_subdomain_errors(name):
            return reader.get(object_key(PRIORITIES, None, name)).object()
    except KeyNotFound:
        pass
    raise _forbidden(pod, f"no PriorityClass with name {name} was found")


def _all(resource: str, reader: Reader) -> Iterator[JSON]:
    return (item.object() for item in reader.list(prefix(resource)).items)


def _refused(pod: JSON, what: str, given: object, computed: object) -> StatusError:
    return _forbidden(
        pod,
        f"the {what} ({given}) must not be provided in pod spec; priority admission controller computed"
        f" {computed} from the given PriorityClass name",
    )


def _forbidden(pod: JSON, why: str) -> StatusError:
    return forbidden("pods", pod["metadata"].get("name", ""), why)
