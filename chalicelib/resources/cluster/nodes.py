"""Nodes.

Compare kubernetes/pkg/registry/core/node/strategy.go and the admission plugin TaintNodesByCondition, v1.36.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar

from chalicelib.apimachinery.accessors import metadata_of, spec_of, status_of
from chalicelib.apimachinery.field_docs import field_doc
from chalicelib.apimachinery.rules import meta
from chalicelib.apimachinery.rules.causes import forbidden
from chalicelib.apimachinery.rules.status import Cause
from chalicelib.apimachinery.types import JSON
from chalicelib.registry.strategy import AGE_COLUMN, NAME_COLUMN, Column, Strategy
from chalicelib.registry.subresources import StatusStrategy
from chalicelib.resources.pods.defaults import drop_empty
from chalicelib.resources.shared.formats import amounts_texts

NOT_READY = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}
ROLE_PREFIX, ROLE_LABEL = "node-role.kubernetes.io/", "kubernetes.io/role"
NONE, UNKNOWN = "<none>", "<unknown>"
_INFO_TEXT = (
    "architecture bootID containerRuntimeVersion kernelVersion kubeProxyVersion kubeletVersion machineID"
    " operatingSystem osImage systemUUID"
)
_PLAIN = frozenset(["externalID", "podCIDR", "podCIDRs", "providerID", "taints", "unschedulable"])
_FIXED = ("podCIDR", "podCIDRs", "providerID")


class _NodeStatus(StatusStrategy):
    def prepare_for_update(self, obj: JSON, old: JSON) -> None:
        """Keep everything but status, and complete that."""
        super().prepare_for_update(obj, old)
        _default(obj)


class NodeStrategy(Strategy):
    """core/v1 nodes. A kubelet creates its node with a status, so that is kept."""

    resource, singular, kind = "nodes", "node", "Node"
    namespaced = False
    short_names = ("no",)
    status = _NodeStatus()
    empty: ClassVar[JSON] = {
        "spec": {},
        "status": {
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 0}},
            "nodeInfo": dict.fromkeys(_INFO_TEXT.split(), ""),
        },
    }
    field_label_error = "field label not supported: {}"
    columns = (
        NAME_COLUMN,
        Column("Status", description="The status of the node"),
        Column("Roles", description="The roles of the node"),
        AGE_COLUMN,
        Column("Version", description=field_doc("NodeSystemInfo.kubeletVersion")),
        Column("Internal-IP", description=field_doc("NodeStatus.addresses"), priority=1),
        Column("External-IP", description=field_doc("NodeStatus.addresses"), priority=1),
        Column("OS-Image", description=field_doc("NodeSystemInfo.osImage"), priority=1),
        Column("Kernel-Version", description=field_doc("NodeSystemInfo.kernelVersion"), priority=1),
        Column("Container-Runtime", description=field_doc("NodeSystemInfo.containerRuntimeVersion"), priority=1),
    )

    def default(self, obj: JSON) -> None:
        """Write what Go always writes, and take as allocatable all there is."""
        _default(obj)

    def prepare_for_create(self, obj: JSON) -> None:
        """Taint the node until it is reported ready."""
        taints = obj["spec"].get("taints") or []
        if not any(taint.get("key") == NOT_READY["key"] for taint in taints):
            obj["spec"]["taints"] = [*taints, dict(NOT_READY)]

    def prepare_for_update(self, obj: JSON, old: JSON) -> None:
        """Keep status, and what is given once by whoever registers the node."""
        super().prepare_for_update(obj, old)
        for key in _FIXED:
            if key in spec_of(old):
                obj["spec"].setdefault(key, old["spec"][key])

    def validate_update(self, obj: JSON, old: JSON) -> list[Cause]:
        """Hold what is given once."""
        spec, before = obj["spec"], spec_of(old)
        return [
            forbidden(f"spec.{key}", f'node updates may not change {name} except from "" to valid')
            for key, name in (("podCIDRs", "podCIDR"), ("providerID", "providerID"))
            if before.get(key) and spec.get(key) != before[key]
        ]

    def selectable_fields(self, obj: JSON) -> dict[str, str]:
        """Return name and whether pods may be scheduled."""
        unschedulable = "true" if spec_of(obj).get("unschedulable") else "false"
        return {**super().selectable_fields(obj), "spec.unschedulable": unschedulable}

    def cells(self, obj: JSON, now: datetime) -> Sequence[object]:
        """Return the row that `kubectl get nodes` shows."""
        metadata, status = metadata_of(obj), status_of(obj)
        info, labels = status.get("nodeInfo") or {}, metadata.get("labels") or {}
        ready = [each for each in status.get("conditions") or () if each.get("type") == "Ready"]
        is_ready = bool(ready) and ready[-1].get("status") == "True"
        state = "Unknown" if not ready else "Ready" if is_ready else "NotReady"
        roles = {key.removeprefix(ROLE_PREFIX) for key in labels if key.startswith(ROLE_PREFIX)}
        addresses = {each.get("type"): each.get("address") for each in reversed(status.get("addresses") or ())}
        return [
            metadata.get("name", ""),
            state + (",SchedulingDisabled" if spec_of(obj).get("unschedulable") else ""),
            ",".join(sorted({*roles, labels.get(ROLE_LABEL, "")} - {""})) or NONE,
            meta.age(metadata.get("creationTimestamp"), now),
            info.get("kubeletVersion") or "",
            addresses.get("InternalIP") or NONE,
            addresses.get("ExternalIP") or NONE,
            info.get("osImage") or UNKNOWN,
            info.get("kernelVersion") or UNKNOWN,
            info.get("containerRuntimeVersion") or UNKNOWN,
        ]


def _default(obj: JSON) -> None:
    spec, status = spec_of(obj), status_of(obj)
    obj["spec"], obj["status"] = spec, status
    drop_empty(spec, _PLAIN)
    if spec.get("podCIDR") and not spec.get("podCIDRs"):
        spec["podCIDRs"] = [spec["podCIDR"]]
    elif spec.get("podCIDRs"):
        spec["podCIDR"] = spec["podCIDRs"][0]
    port = status.setdefault("daemonEndpoints", {}).setdefault("kubeletEndpoint", {})
    port.setdefault("Port", 0)
    info = status.setdefault("nodeInfo", {})
    for key in _INFO_TEXT.split():
        info.setdefault(key, "")
    for key in ("capacity", "allocatable"):
        if status.get(key):
            status[key] = amounts_texts(status[key])
    if "capacity" in status and not status.get("allocatable"):
        status["allocatable"] = dict(status["capacity"])
    for condition in status.get("conditions") or ():
        condition.setdefault("lastHeartbeatTime", None)
        condition.setdefault("lastTransitionTime", None)
