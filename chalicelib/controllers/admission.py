"""Admission: what is done to an object between a client's request and the store, beyond its own kind's defaults."""

from __future__ import annotations

from collections.abc import Callable

from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.cost.budget_enforcer import BudgetEnforcer
from chalicelib.controllers.pods.controller import PodController
from chalicelib.controllers.policy import default_classes
from chalicelib.controllers.policy.quotas import Quotas
from chalicelib.controllers.translation import spark_admission
from chalicelib.controllers.translation.spark_admission import Injection
from chalicelib.providers.base import Provider
from chalicelib.resources.pods.strategy import PodStrategy
from chalicelib.storage.base import Reader


class Admission:
    """Completes pods that this provider will run, and says what of them it will not honour."""

    def __init__(
        self,
        pods: PodController,
        provider: Provider,
        injection: Callable[[], Injection],
        quotas: Quotas,
        budget_enforcer: BudgetEnforcer,
    ) -> None:
        self._budget_enforcer = budget_enforcer
        self._pods = pods
        self._quotas = quotas
        self._provider = provider
        self._injection = injection

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
            if not PodStrategy().validate(obj):
                raise
            return []  # not a valid pod: validation comes next, and has the words for it

    def _admit_pod(self, pod: JSON, now: Reader) -> list[str]:
        self._budget_enforcer.admit(pod)
        self._quotas.fill_in(pod, now)
        default_classes.set_priority(pod, now)
        if not self._pods.is_ours(pod):
            return []
        admitted = spark_admission.admit(pod, self._injection())
        if admitted is not pod:
            pod["spec"] = admitted["spec"]
            pod["metadata"]["annotations"] = admitted["metadata"].get("annotations", {})
        paths, sentences = self._pods.preview(pod, now)
        return [f"{path}: not honoured by provider {self._provider.name}" for path in paths] + sentences
