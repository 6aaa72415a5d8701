"""What containers ask for: what may be wrong with it, and the quality-of-service class that it makes of their pod.

Compare ValidateContainerResourceRequirements in kubernetes/pkg/apis/core/validation and
kubernetes/pkg/apis/core/helper/qos, v1.36.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from chalicelib.apimachinery.rules.causes import invalid, not_supported, required
from chalicelib.apimachinery.rules.status import Cause
from chalicelib.apimachinery.types import JSON
from chalicelib.resources.shared.amounts import nanos
from chalicelib.resources.shared.formats import NOT_NEGATIVE

_COUNTED = ("cpu", "memory")
_STANDARD = ("cpu", "ephemeral-storage", "memory")
_REFERENCES = tuple(f"{kind}.{name}" for kind in ("limits", "requests") for name in _STANDARD)


def resources_causes(resources: JSON, at: str) -> Iterator[Cause]:
    """Yield what is wrong with a container's `resources`, already in canonical form."""
    limits = resources.get("limits") or {}
    for kind in ("limits", "requests"):
        for name, amount in (resources.get(kind) or {}).items():
            here = f"{at}.{kind}[{name}]"
            if name not in _STANDARD and "/" not in name and not name.startswith("hugepages-"):
                yield invalid(here, name, "must be a standard resource type or fully qualified")
                yield invalid(here, name, "must be a standard resource for containers")
            if nanos(amount) < 0:
                yield invalid(here, amount, NOT_NEGATIVE)
            if kind == "requests" and name in limits and nanos(amount) > nanos(limits[name]):
                why = f"must be less than or equal to {name} limit of {limits[name]}"
                yield invalid(f"{at}.requests", amount, why)


def resource_ref_causes(reference: JSON, at: str) -> Iterator[Cause]:
    """Yield what is wrong with a resourceFieldRef."""
    resource = reference.get("resource") or ""
    if not resource:
        yield required(f"{at}.resource")
    elif resource not in _REFERENCES and ".hugepages-" not in resource:
        yield not_supported(f"{at}.resource", resource, _REFERENCES)


def qos_class(spec: JSON) -> str:
    """Return Guaranteed, Burstable or BestEffort for a pod spec that has been through defaulting."""
    containers = [spec] if spec.get("resources") else [*spec.get("initContainers", ()), *spec.get("containers", ())]
    holders = [container.get("resources") or {} for container in containers]
    requests, limits = _total(holders, "requests"), _total(holders, "limits")
    if not requests and not limits:
        return "BestEffort"
    is_limited = all(nanos((each.get("limits") or {}).get(name, 0)) for each in holders for name in _COUNTED)
    return "Guaranteed" if is_limited and requests == limits else "Burstable"


def _total(holders: Iterable[JSON], kind: str) -> dict[str, int]:
    total: dict[str, int] = {}
    for holder in holders:
        for name in _COUNTED:
            amount = nanos((holder.get(kind) or {}).get(name, 0))
            if amount > 0:
                total[name] = total.get(name, 0) + amount
    return total
