"""The priority that a new pod gets, and the StorageClass that a new claim gets.

Compare kubernetes/plugin/pkg/admission/{priority,storage/storageclass/setdefault}, v1.36.
"""

from __future__ import annotations

from chalicelib.apimachinery.accessors import annotations_of, metadata_of
from chalicelib.apimachinery.rules import meta
from chalicelib.apimachinery.rules.status import StatusError, forbidden
from chalicelib.apimachinery.types import JSON
from chalicelib.resources.policy.priorityclasses import DEFAULT_POLICY
from chalicelib.resources.volumes.claims import CLASS_ANNOTATION
from chalicelib.resources.volumes.storageclasses import is_default
from chalicelib.storage.base import KeyNotFound, Reader
from chalicelib.storage.keys import object_key, prefix

PRIORITIES, STORAGE = "priorityclasses", "storageclasses"


def set_priority(pod: JSON, reader: Reader) -> None:
    """Write, in place, what the class of a new pod means. Raises 403 for an unknown class or other values."""
    spec = pod["spec"]
    name = spec.get("priorityClassName") or ""
    found = _named(pod, name, reader) if name else _default_priority(reader)
    value, policy = found.get("value", 0), found.get("preemptionPolicy", DEFAULT_POLICY)
    for given, computed, what in (
        (spec.get("priority"), value, "integer value of priority"),
        (spec.get("preemptionPolicy"), policy, "string value of PreemptionPolicy"),
    ):
        if given not in (None, computed):
            raise _forbidden(
                pod,
                f"the {what} ({given}) must not be provided in pod spec; priority admission controller computed"
                f" {computed} from the given PriorityClass name",
            )
    spec["priority"], spec["preemptionPolicy"] = value, policy
    if found:
        spec["priorityClassName"] = found["metadata"]["name"]


def _default_priority(reader: Reader) -> JSON:
    """Return the default class, of several the one with the lowest value; decodes no others."""
    items = reader.list(prefix(PRIORITIES)).items
    marked = [item.object() for item in items if '"globalDefault":true' in item.json]
    return min(marked, key=lambda each: int(each.get("value", 0)), default={})


def set_storage_class(claim: JSON, reader: Reader) -> None:
    """Name, in place, the default class, the youngest of several, in a new claim that names none."""
    if claim["spec"].get("storageClassName") is not None or CLASS_ANNOTATION in annotations_of(claim):
        return
    classes = (item.object() for item in reader.list(prefix(STORAGE)).items)
    marked = [each["metadata"] for each in classes if is_default(each)]
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


def _forbidden(pod: JSON, why: str) -> StatusError:
    return forbidden("pods", metadata_of(pod).get("name", ""), why)
