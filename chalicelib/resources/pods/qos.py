"""The quality-of-service class of a pod, from the requests and limits of its containers.

Compare kubernetes/pkg/apis/core/helper/qos, v1.36.
"""

from __future__ import annotations

from collections.abc import Iterable

from chalicelib.apimachinery.types import JSON
from chalicelib.resources.shared.amounts import nanos

_COUNTED = ("cpu", "memory")


def qos_class(spec: JSON) -> str:
    """Return Guaranteed, Burstable or BestEffort for a pod spec that has been through defaulting."""
    if spec.get("resources"):
        holders = [spec["resources"]]
    else:
        containers = [*spec.get("initContainers", ()), *spec.get("containers", ())]
        holders = [container.get("resources") or {} for container in containers]
    if not any(holders):
        return "BestEffort"
    requests, limits = _total(holders, "requests"), _total(holders, "limits")
    if not requests and not limits:
        return "BestEffort"
    limited = all(all(_amount(holder, "limits", name) for name in _COUNTED) for holder in holders)
    return "Guaranteed" if limited and requests == limits else "Burstable"


def _amount(holder: JSON, kind: str, name: str) -> int:
    return nanos((holder.get(kind) or {}).get(name, 0))


def _total(holders: Iterable[JSON], kind: str) -> dict[str, int]:
    total: dict[str, int] = {}
    for holder in holders:
        for name in _COUNTED:
            amount = _amount(holder, kind, name)
            if amount > 0:
                total[name] = total.get(name, 0) + amount
    return total
