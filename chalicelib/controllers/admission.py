"""Admission: what a new object gets, and whether it is taken at all, between its kind's defaults and the store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

from chalicelib.apimachinery.rules.status import forbidden
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.budget import exceeded
from chalicelib.controllers.podmodel.family import heads_of
from chalicelib.controllers.policy import default_classes
from chalicelib.controllers.policy.driver_rights import driver_binding
from chalicelib.controllers.policy.quotas import Quotas
from chalicelib.controllers.translation import spark_admission
from chalicelib.controllers.translation.spark_admission import Injection
from chalicelib.controllers.translation.task import Node, draft
from chalicelib.controllers.translation.unsupported import unsupported_fields
from chalicelib.providers.base import Provider
from chalicelib.registry.parts import new_uid
from chalicelib.resources.pods.strategy import PodStrategy
from chalicelib.storage.base import Reader, Storage


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
        binds_drivers: bool = False,
        new_uid: Callable[[], str] = new_uid,
    ) -> None:
        self._storage = storage
        self._quotas = quotas
        self._node = node
        self._provider = provider
        self._injection = injection
        self._binds_drivers = binds_drivers
        self._new_uid = new_uid

    def admit(self, resource: str, obj: JSON, now: Reader) -> list[str]:
        """Change a new object in place by what is stored now; return sentences for Warning headers.

        Raises 403 where a budget is spent.
        """
        if resource == "persistentvolumeclaims":
            default_classes.set_storage_class(obj, now)
        if resource != "pods":
            return []
        try:
            return self._admit_pod(obj, now)
        except (AttributeError, KeyError, TypeError, ValueError):
            if not any(PodStrategy().validate(obj)):
                raise
            return []  # not a valid pod: validation comes next, and has the words for it

    def companions(self, resource: str, obj: JSON) -> Sequence[tuple[str, JSON]]:
        """Return the RoleBinding of a driver pod, where drivers get one."""
        binding = None
        if self._binds_drivers and resource == "pods":
            binding = driver_binding(obj, new_uid=self._new_uid)
        return [("rolebindings", binding)] if binding else []

    def reserve(
        self, resource: str, obj: JSON, now: Reader, *, is_dry_run: bool
    ) -> AbstractContextManager[None]:
        """Reserve quota for an object that is stored inside the context. Raises 403."""
        return self._quotas.reserve(resource, obj, now, is_dry_run=is_dry_run)

    def _admit_pod(self, pod: JSON, now: Reader) -> list[str]:
        metadata = pod["metadata"]
        for head in filter(exceeded, heads_of(self._storage, pod)):
            why = f"exceeded budget: pod {head['metadata']['name']} {exceeded(head)}"
            raise forbidden("pods", metadata.get("name", ""), why)
        self._quotas.fill_in(pod, now)
        default_classes.set_priority(pod, now)
        if not self._node.runs(pod):
            return []
        admitted = spark_admission.admit(pod, self._injection())
        if admitted is not pod:
            pod["spec"] = admitted["spec"]
            metadata["annotations"] = admitted["metadata"].get("annotations", {})
        task = draft(pod, replace(self._node, lookup=self._node.lookup.over(now)))
        warnings = [f"{path}: not honoured by provider {self._node.name}" for path in unsupported_fields(pod)]
        return warnings + (self._provider.warnings(task) if task else [])
