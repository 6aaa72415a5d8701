"""Pods: what an API server does to them on their way in.

Compare kubernetes/pkg/registry/core/pod/strategy.go and the admission plugins Priority and
DefaultTolerationSeconds, v1.36.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import ClassVar

from chalicelib.apimachinery.accessors import is_terminal, spec_of, status_of
from chalicelib.apimachinery.rules.causes import forbidden
from chalicelib.apimachinery.rules.status import Cause
from chalicelib.apimachinery.types import JSON
from chalicelib.registry.strategy import Strategy
from chalicelib.registry.subresources import WRITE_VERBS
from chalicelib.resources.pods import columns as pod_columns
from chalicelib.resources.pods import defaults as pod_defaults
from chalicelib.resources.pods import marks as pod_marks
from chalicelib.resources.pods import subresources as pod_subresources
from chalicelib.resources.pods import validation as pod_validation
from chalicelib.resources.pods.containers import qos_class

GATED: JSON = {
    "type": "PodScheduled",
    "status": "False",
    "lastProbeTime": None,
    "lastTransitionTime": None,
    "reason": "SchedulingGated",
    "message": "Scheduling is blocked due to non-empty scheduling gates",
}
TOLERATION_SECONDS = 300  # how long a pod stays on a node that is not ready or unreachable


class PodStrategy(Strategy):
    """core/v1 pods."""

    resource, singular, kind = "pods", "pod", "Pod"
    short_names, categories = ("po",), ("all",)
    has_generation = is_graceful = True
    status = pod_subresources.PodStatusStrategy()
    subresources = pod_subresources.SUBRESOURCES
    in_view, edit_verbs = True, WRITE_VERBS
    columns = pod_columns.COLUMNS
    returns_deleted = True
    empty: ClassVar[JSON] = {"spec": {"containers": None}, "status": {}}
    field_label_error = "field label not supported: {}"

    def default(self, obj: JSON) -> None:
        """Fill in the documented defaults of a pod."""
        pod_defaults.default_pod(obj)

    def prepare_for_create(self, obj: JSON) -> None:
        """Set the first status, and what every pod gets: tolerations and priority. Admission has seen to our marks."""
        _admit(obj["spec"])
        obj["status"] = {"phase": "Pending", "qosClass": qos_class(obj["spec"])}
        if obj["spec"].get("schedulingGates"):
            obj["status"]["conditions"] = [dict(GATED)]

    def prepare_for_update(self, obj: JSON, old: JSON) -> None:
        """Keep the status, the ephemeral containers, the priority, and what we have written."""
        pod_marks.keep_our_marks(obj, old)
        spec, before = obj["spec"], spec_of(old)
        for key in ("priority", "preemptionPolicy"):
            if key not in spec and key in before:
                spec[key] = before[key]
        _admit(spec)
        super().prepare_for_update(obj, old)

    def validate(self, obj: JSON) -> Iterator[Cause]:
        """Yield what is wrong with a pod's spec."""
        yield from pod_marks.annotation_causes(obj)
        yield from pod_validation.spec_causes(obj["spec"], "spec")
        if obj["spec"].get("ephemeralContainers"):
            yield forbidden("spec.ephemeralContainers", "cannot be set on create")

    def validate_update(self, obj: JSON, old: JSON) -> Iterator[Cause]:
        """Yield what is wrong, and what may not be changed in a pod that exists."""
        yield from pod_marks.annotation_causes(obj, old)
        yield from pod_validation.spec_causes(obj["spec"], "spec")
        yield from pod_validation.update_causes(obj, old)

    def warnings(self, obj: JSON) -> Iterator[str]:
        """Return what a real server warns about in a pod."""
        return pod_validation.spec_warnings(obj["spec"], "spec")

    def selectable_fields(self, obj: JSON) -> dict[str, str]:
        """Return the fields a pod can be selected by."""
        spec, status = spec_of(obj), status_of(obj)
        return {
            **super().selectable_fields(obj),
            "spec.nodeName": spec.get("nodeName", ""),
            "spec.restartPolicy": spec.get("restartPolicy", ""),
            "spec.schedulerName": spec.get("schedulerName", ""),
            "spec.serviceAccountName": spec.get("serviceAccountName", ""),
            "spec.hostNetwork": "true" if spec.get("hostNetwork") else "false",
            "status.phase": status.get("phase", ""),
            "status.podIP": status.get("podIP", ""),
            "status.nominatedNodeName": status.get("nominatedNodeName", ""),
        }

    def cells(self, obj: JSON, now: datetime) -> Sequence[object]:
        """Return the row that kubectl shows."""
        return pod_columns.cells(obj, now)

    def times_shown(self, obj: JSON) -> Sequence[str]:
        """Return when the pod was made, and when a container of it has last restarted."""
        return pod_columns.times_shown(obj)

    def row_conditions(self, obj: JSON) -> list[JSON]:
        """Return Completed for a finished pod."""
        return pod_columns.row_conditions(obj)

    def grace_seconds(self, obj: JSON, requested: int | None) -> int:
        """Return 0 for a pod that never ran or has finished, else what was asked for or the spec says."""
        spec = spec_of(obj)
        if not spec.get("nodeName") or is_terminal(obj):
            return 0
        period = requested if requested is not None else spec.get("terminationGracePeriodSeconds", 30)
        return 1 if period < 0 else int(period)


def _admit(spec: JSON) -> None:
    """Do what admission does to every pod. Idempotent."""
    spec.setdefault("priority", 0)  # what its class says has been written before (controllers/admission.py)
    spec.setdefault("preemptionPolicy", "PreemptLowerPriority")
    if (spec.get("terminationGracePeriodSeconds") or 0) < 0:
        spec["terminationGracePeriodSeconds"] = 1
    for condition in ("not-ready", "unreachable"):
        key = f"node.kubernetes.io/{condition}"
        tolerated = [
            each
            for each in spec.get("tolerations", ())
            if each.get("key") in (None, "", key) and each.get("effect") in (None, "", "NoExecute")
        ]
        if not tolerated:
            toleration = {"key": key, "operator": "Exists", "effect": "NoExecute"}
            spec.setdefault("tolerations", []).append({**toleration, "tolerationSeconds": TOLERATION_SECONDS})
