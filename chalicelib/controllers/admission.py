"""Admission: what a new object gets, and whether it is taken at all, between its kind's defaults and the store.

docs/admission.md goes through Kubernetes' own plugins. Compare kubernetes/plugin/pkg/admission/{priority,
storage/storageclass/setdefault, network/defaultingressclass, storage/persistentvolume/resize, runtimeclass}, v1.36.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace

from chalicelib.apimachinery.accessors import annotations_of, metadata_of, phase_of, spec_of
from chalicelib.apimachinery.rules import meta
from chalicelib.apimachinery.rules.status import StatusError, forbidden
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.lifecycle.namespace_objects import new_namespace_objects
from chalicelib.controllers.podmodel.budget import exceeded
from chalicelib.controllers.podmodel.family import heads_of
from chalicelib.controllers.podmodel.parked import may_take_warm, parked_for
from chalicelib.controllers.podmodel.placement import home_zone
from chalicelib.controllers.podmodel.refusals import warnings_of
from chalicelib.controllers.pods.warm import WarmTasks
from chalicelib.controllers.policy.driver_rights import driver_binding
from chalicelib.controllers.policy.pod_security import hold_to_level
from chalicelib.controllers.policy.quotas import Quotas
from chalicelib.controllers.policy.service_accounts import set_service_account
from chalicelib.controllers.translation import spark_admission
from chalicelib.controllers.translation.our_marks import mark_warnings
from chalicelib.controllers.translation.service_warnings import service_warnings
from chalicelib.controllers.translation.spark_admission import Injection
from chalicelib.controllers.translation.task import Node, draft
from chalicelib.controllers.translation.unsupported import unsupported_fields
from chalicelib.providers.base import Provider
from chalicelib.providers.service_table import HasServices
from chalicelib.registry.parts import new_uid
from chalicelib.resources.catalogue import WORKLOADS
from chalicelib.resources.pods.marks import (
    CREATOR,
    HOME_ZONE,
    PARKED_POD,
    TAKES_WARM,
    keep_our_marks,
    without_our_marks,
)
from chalicelib.resources.pods.strategy import PodStrategy
from chalicelib.resources.policy.priorityclasses import DEFAULT_POLICY
from chalicelib.resources.shared.formats import nanos
from chalicelib.resources.volumes.claims import CLASS_ANNOTATION, storage_of
from chalicelib.resources.volumes.storageclasses import DEFAULT_ANNOTATIONS
from chalicelib.storage.base import KeyNotFound, Reader, Storage
from chalicelib.storage.keys import object_key, prefix


class Admission:
    """Checks budgets and quotas, completes pods that this node will run, and warns of what will not be honoured."""

    def __init__(
        self,
        *,
        storage: Storage,
        quotas: Quotas,
        warm: WarmTasks,
        node: Node,
        provider: Provider,
        injection: Callable[[], Injection],
        root_ca: str | None = None,
        binds_drivers: bool = False,
        new_uid: Callable[[], str] = new_uid,
    ) -> None:
        self._storage = storage
        self._quotas = quotas
        self._warm = warm
        self._node = node
        self._provider = provider
        self._services = provider.services if isinstance(provider, HasServices) else None
        self._injection = injection
        self._root_ca = root_ca
        self._binds_drivers = binds_drivers
        self._new_uid = new_uid

    def admit(self, resource: str, obj: JSON, now: Reader) -> list[str]:
        """Change a new object in place by what is stored now; return sentences for Warning headers.

        Raises 403 where a budget is spent, or a level of Pod Security broken.
        """
        return [*mark_warnings(resource, obj), *self._admit(resource, obj, now)]

    def _admit(self, resource: str, obj: JSON, now: Reader) -> list[str]:
        if resource == "persistentvolumeclaims" and CLASS_ANNOTATION not in annotations_of(obj):
            set_default_class(obj, "storageClassName", STORAGE, DEFAULT_ANNOTATIONS, now)
        if resource == "ingresses" and INGRESS_ANNOTATION not in annotations_of(obj):
            set_default_class(obj, "ingressClassName", "ingressclasses", DEFAULT_INGRESS, now)
        if resource == "services" and self._node.launches:
            return service_warnings(obj, self._services, self._node.name)
        if resource == "jobs":
            without_our_marks(obj)
        if resource == "networkpolicies" and self._node.launches:
            return [f"spec: stored and not enforced by provider {self._node.name}: pods are reached as without it"]
        if resource != "pods":
            return hold_to_level(resource, obj, now) if resource in TEMPLATES else []
        try:
            without_our_marks(obj)
            return [*hold_to_level(resource, obj, now), *self._admit_pod(obj, now)]
        except (AttributeError, KeyError, TypeError, ValueError):
            if not any(PodStrategy().validate(obj)):
                raise
            return []  # not a valid pod: validation comes next, and has the words for it

    def complete_change(self, resource: str, subresource: str, obj: JSON, old: JSON) -> list[str]:
        """Give, in place, a pod that is resized the defaults of LimitRanges, as a new one; return Warnings.

        Nor does a client change who has created a Job, through its status either.
        """
        if resource == "jobs":
            keep_our_marks(obj, old)
        if (resource, subresource) == ("pods", "resize"):
            with suppress(AttributeError, KeyError, TypeError, ValueError):  # validation comes next, and has the words
                self._quotas.fill_in(obj, self._storage)
        return [] if subresource else mark_warnings(resource, obj)

    def admit_change(self, resource: str, new: JSON, old: JSON, *, is_dry_run: bool) -> AbstractContextManager[None]:
        """Reserve what an object that is changed inside the context asks for more. Raises 403."""
        if resource == "persistentvolumeclaims":
            check_expansion(new, old, self._storage)
        return self._quotas.reserve_change(resource, new, old, is_dry_run=is_dry_run)

    def companions(self, resource: str, obj: JSON) -> Sequence[tuple[str, JSON]]:
        """Return what a namespace holds from its beginning; the RoleBinding of a driver pod, where drivers get one."""
        if resource == "namespaces":
            return new_namespace_objects(obj, root_ca=self._root_ca, new_uid=self._new_uid)
        binding = None
        if self._binds_drivers and resource == "pods":
            binding = driver_binding(obj, new_uid=self._new_uid)
        return [("rolebindings", binding)] if binding else []

    def reserve(
        self, resource: str, obj: JSON, now: Reader, *, user: str, is_dry_run: bool
    ) -> AbstractContextManager[None]:
        """Reserve quota for an object that is stored inside the context, and for a pod a warm task. Raises 403."""
        if resource == "jobs" and user and self._warm.is_offered:
            obj["metadata"]["annotations"] = {**annotations_of(obj), CREATOR: user}
        if resource == "pods" and self._node.runs(obj) and not is_dry_run:
            return self._reserve_for_pod(obj, now, user=user)
        return self._quotas.reserve(resource, obj, now, is_dry_run=is_dry_run)

    @contextmanager
    def _reserve_for_pod(self, pod: JSON, now: Reader, *, user: str) -> Iterator[None]:
        if TAKES_WARM in annotations_of(pod):
            drivers = heads_of(now, pod)
            if not any(may_take_warm(pod, each, user=user) for each in drivers):
                del pod["metadata"]["annotations"][TAKES_WARM]
        has_claimed = self._warm.claim(pod, user=user)
        try:
            with self._quotas.reserve("pods", pod, now, is_dry_run=False):
                yield
        except BaseException:
            if has_claimed:
                self._warm.release(pod)
            raise

    def _admit_pod(self, pod: JSON, now: Reader) -> list[str]:
        metadata = pod["metadata"]
        heads = heads_of(now, pod) if metadata.get("ownerReferences") else []
        for head in filter(exceeded, heads):
            why = f"exceeded budget: pod {head['metadata']['name']} {exceeded(head)}"
            raise forbidden("pods", metadata.get("name", ""), why)
        self._quotas.fill_in(pod, now)
        set_priority(pod, now)
        if not self._node.runs(pod):
            return []
        set_service_account(pod, now)
        if runtime := pod["spec"].get("runtimeClassName"):
            raise _forbidden(pod, f'pod rejected: RuntimeClass "{runtime}" not found')  # there are none here
        admitted = spark_admission.admit(pod, self._injection())
        if admitted is not pod:
            pod["spec"] = admitted["spec"]
            metadata["annotations"] = admitted["metadata"].get("annotations", {})
        if home := home_zone(pod, heads):
            metadata["annotations"] = {**annotations_of(pod), HOME_ZONE: home}
        if waiting := next(filter(None, (parked_for(pod, head) for head in heads)), ""):
            metadata["annotations"] = {**annotations_of(pod), PARKED_POD: waiting}
        if user := next(filter(None, (annotations_of(head).get(TAKES_WARM) for head in heads)), ""):
            metadata["annotations"] = {**annotations_of(pod), TAKES_WARM: user}
        task = draft(pod, replace(self._node, lookup=self._node.lookup.over(now)))
        unmet = unsupported_fields(pod, probes=self._node.probes)
        warnings = [f"{path}: not honoured by provider {self._node.name}" for path in unmet] + self._warm.admit(pod)
        return warnings + (warnings_of(self._provider, task) if task else [])


TEMPLATES = ("podtemplates", *WORKLOADS)
PRIORITIES, STORAGE = "priorityclasses", "storageclasses"
DEFAULT_INGRESS = ("ingressclass.kubernetes.io/is-default-class",)
INGRESS_ANNOTATION = "kubernetes.io/ingress.class"  # the field's predecessor


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


def set_default_class(obj: JSON, field: str, resource: str, marks: Sequence[str], reader: Reader) -> None:
    """Name, in place, the default class, the youngest of several, in a new object that names none.

    A default has one of these annotations of value "true".
    """
    if spec_of(obj).get(field) is not None:
        return
    classes = (item.object() for item in reader.list(prefix(resource)).items)
    marked = [each["metadata"] for each in classes if "true" in map(annotations_of(each).get, marks)]
    if marked:
        marked.sort(key=lambda each: each["name"])
        youngest = max(marked, key=lambda each: str(each["creationTimestamp"]))
        obj.setdefault("spec", {})[field] = youngest["name"]


def check_expansion(claim: JSON, old: JSON, reader: Reader) -> None:
    """Raise 403 for a claim that is to grow and may not: it is not bound, or its class does not expand volumes."""
    if nanos(storage_of(spec_of(claim)) or "0") <= nanos(storage_of(spec_of(old)) or "0"):
        return
    why = "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support"
    why += " resize"
    if phase_of(old) != "Bound":
        why = "Only bound persistent volume claims can be expanded"
    else:
        name = annotations_of(claim).get(CLASS_ANNOTATION) or spec_of(claim).get("storageClassName")
        try:
            if name and reader.get(object_key(STORAGE, None, name)).object().get("allowVolumeExpansion"):
                return
        except KeyNotFound:
            pass
    raise forbidden("persistentvolumeclaims", claim["metadata"]["name"], why)


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
