"""Admission: what is done to an object between a client's request and the store, beyond its own kind's defaults."""

from __future__ import annotations

from chalicelib.apimachinery.status import JSON
from chalicelib.controllers import spark_admission
from chalicelib.controllers.pod_unsupported import unsupported_fields
from chalicelib.controllers.pods import PodController
from chalicelib.controllers.spark_admission import Injection
from chalicelib.providers.base import Provider


class Admission:
    """Completes pods that this provider will run, and says what of them it will not honour."""

    def __init__(self, pods: PodController, provider: Provider, injection: Injection) -> None:
        self._pods = pods
        self._provider = provider
        self._injection = injection

    def admit(self, resource: str, obj: JSON) -> list[str]:
        """Change a new object in place; return sentences for Warning headers."""
        if resource != "pods" or not self._pods.is_ours(obj):
            return []
        admitted = spark_admission.admit(obj, self._injection)
        if admitted is not obj:
            obj.clear()
            obj.update(admitted)
        name = self._provider.name
        return [f"{path}: not honoured by provider {name}" for path in unsupported_fields(obj)]
