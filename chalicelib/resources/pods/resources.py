"""What may be wrong with the resources a container asks for, and with references to them.

Compare ValidateContainerResourceRequirements in kubernetes/pkg/apis/core/validation, v1.36.
"""

from __future__ import annotations

from collections.abc import Iterator

from chalicelib.apimachinery.rules.causes import invalid, not_supported, required
from chalicelib.apimachinery.rules.status import Cause
from chalicelib.apimachinery.types import JSON
from chalicelib.resources.shared.amounts import nanos
from chalicelib.resources.shared.formats import NOT_NEGATIVE

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
