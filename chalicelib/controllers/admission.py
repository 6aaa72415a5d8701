"""Admission: what a new object gets, and whether it is taken at all, between its kind's defaults and the store.

For priorities and default StorageClasses compare kubernetes/plugin/pkg/admission/{priority,
storage/storageclass/setdefault}, v1.36.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

from chalicelib.apimachinery.accessors import annotations_of, metadata_of
from chalicelib.apimachinery.rules import meta
from chalicelib.apimachinery.rules.status import StatusError, forbidden
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.lifecycle.namespace_objects import new_namespace_objects
from chalicelib.controllers.podmodel.budget import exceeded
from chalicelib.controllers.podmodel.family import heads_of
from chalicelib.controllers.policy.driver_rights import driver_binding
from chalicelib.controllers.policy.quotas import Quotas
from chalicelib.controllers.translation import spark_admission
from chalicelib.controllers.translation.service_warnings import service_warnings
from chalicelib.controllers.translation.spark_admission import Injection
from chalicelib.controllers.translation.task import Node, draft
from chalicelib.controllers.translation.unsupported import unsupported_fields
from chalicelib.providers.base import Provider
from chalicelib.providers.service_table import HasServices
from chalicelib.registry.parts import new_uid
from chalicelib.resources.pods.strategy import PodStrategy
from chalicelib.resources.policy.priorityclasses import DEFAULT_POLICY
from chalicelib.resources.volumes.claims import CLASS_ANNOTATION
from chalicelib.resources.volumes.storageclasses import is_default
from chalicelib.storage.base import KeyNotFound, Reader, Storage
from chalicelib.storage.keys import object_key, prefix


class Admission:
    """Checks budgets and quotas, completes pods that this node will run, and warns of what will not be honoured."""

    def __init__(
        self,
        *,
        storage: Storage,
        quotas: Quotas,
        node: Node,
        provider: Provider,
        injection: Callable[[], Injection],
        root_ca: str = "",
        binds_drivers: bool = False,
        new_uid: Callable[[], str] = new_uid,
    ) -> None:
        self._storage = storage
        self._quotas = quotas
        self._node = node
        self._provider = provider
        self._services = provider.services if isinstance(provider, HasServices) else None
        self._injection = injection
        self._root_ca = root_ca
        self._binds_drivers = binds_drivers
        self._new_uid = new_uid

    def admit(self, resource: str, obj: JSON, now: Reader) -> list[str]:
        """Change a new object in place by what is stored now; return sentences for Warning headers.

        Raises 403 where a budget is spent.
        """
        if resource == "persistentvolumeclaims":
            set_storage_class(obj, now)
        if resource == "services" and self._node.launches:
            return service_warnings(obj, self._services, self._node.name)
        if resource != "pods":
            return []
        try:
            return self._admit_pod(obj, now)
        except (AttributeError, KeyError, TypeError, ValueError):
            if not any(PodStrategy().validate(obj)):
                raise
            return []  # not a valid pod: validation comes next, and has the words for it

    def companions(self, resource: str, obj: JSON) -> Sequence[tuple[str, JSON]]:
        """Return what a namespace holds from its beginning; the RoleBinding of a driver pod, where drivers get one."""
        if resource == "namespaces":
            return new_namespace_objects(obj, root_ca=self._root_ca, new_uid=self._new_uid)
        binding = None
        if self._binds_drivers and resource == "pods":
            binding = driver_binding(obj, new_uid=self._new_uid)
        return [("rolebindings", binding)] if binding else []

    def reserve(self, resource: str, obj: JSON, now: Reader, *, is_dry_run: bool) -> AbstractContextManager[None]:
        """Reserve quota for an object that is stored inside the context. Raises 403."""
        return self._quotas.reserve(resource, obj, now, is_dry_run=is_dry_run)

    def _admit_pod(self, pod: JSON, now: Reader) -> list[str]:
        metadata = pod["metadata"]
        heads = heads_of(self._storage, pod) if metadata.get("ownerReferences") else []
        for head in filter(exceeded, heads):
            why = f"exceeded budget: pod {head['metadata']['name']} {exceeded(head)}"
            raise forbidden("pods", metadata.get("name", ""), why)
        self._quotas.fill_in(pod, now)
        set_priority(pod, now)
        if not self._node.runs(pod):
            return []
        admitted = spark_admission.admit(pod, self._injection())
        if admitted is not pod:
            pod["spec"] = admitted["spec"]
            metadata["annotations"] = admitted["metadata"].get("annotations", {})
        task = draft(pod, replace(self._node, lookup=self._node.lookup.over(now)))
        unmet = unsupported_fields(pod, probes=self._node.probes)
        warnings = [f"{path}: not honoured by provider {self._node.name}" for path in unmet]
        return warnings + (self._provider.warnings(task) if task else [])


PRIORITIES, STORAGE = "priorityclasses", "storageclasses"


def set_priority(pod: JSON, reader: Reader) -> None:
    """Write, in place, what the class of a new pod means. Raises 403 for an unknown class or other values."""
    spec = pod["spec"]
    name = spec.get("priorityClassName") or ""
    found = _priority_class(pod, name, reader)
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


def _priority_class(pod: JSON, name: str, reader: Reader) -> JSON:
    """Return the class of that name; without one the default class, of several the one with the lowest value."""
    if not name:
        items = reader.list(prefix(PRIORITIES)).items
        marked = [item.object() for item in items if '"globalDefault":true' in item.json]  # decodes no others
        return min(marked, key=lambda each: int(each.get("value", 0)), default={})
    try:
        if not meta.dns_subdomain_errors(name):
            return reader.get(object_key(PRIORITIES, None, name)).object()
    except KeyNotFound:
        pass
    raise _forbidden(pod, f"no PriorityClass with name {name} was found")


def _forbidden(pod: JSON, why: str) -> StatusError:
    return forbidden("pods", metadata_of(pod).get("name", ""), why)
