"""What may be wrong with the resources a container asks for.

Compare ValidateContainerResourceRequirements in kubernetes/pkg/apis/core/validation, v1.36.
"""

from __future__ import annotations

from collections.abc import Iterator

from chalicelib.apimachinery.rules import names
from chalicelib.apimachinery.rules.causes import invalid, required
from chalicelib.apimachinery.rules.status import Cause
from chalicelib.apimachinery.types import JSON
from chalicelib.resources.shared.amounts import NANO, nanos
from chalicelib.resources.shared.formats import NOT_NEGATIVE

_OF_CONTAINERS = frozenset(("cpu", "memory", "ephemeral-storage"))
# Names without a slash that mean something somewhere (quotas, volumes, nodes).
_STANDARD_TEXT = (
    "pods services replicationcontrollers resourcequotas secrets configmaps persistentvolumeclaims storage"
    " requests.cpu requests.memory requests.storage requests.ephemeral-storage limits.cpu limits.memory"
    " limits.ephemeral-storage services.nodeports services.loadbalancers"
)
_STANDARD = _OF_CONTAINERS | frozenset(_STANDARD_TEXT.split())


def resources_causes(resources: JSON, at: str) -> Iterator[Cause]:
    """Yield what is wrong with a container's `resources`, already in canonical form."""
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    for name, amount in limits.items():
        yield from _entry_causes(name, amount, f"{at}.limits[{name}]")
    for name, amount in requests.items():
        here = f"{at}.requests"
        yield from _entry_causes(name, amount, f"{here}[{name}]")
        limit = limits.get(name)
        if limit is None:
            if not _may_exceed(name):
                yield required(f"{at}.limits", "Limit must be set for non overcommitable resources")
        elif not _may_exceed(name) and nanos(amount) != nanos(limit):
            yield invalid(here, amount, f"must be equal to {name} limit of {limit}")
        elif nanos(amount) > nanos(limit):
            yield invalid(here, amount, f"must be less than or equal to {name} limit of {limit}")


def name_causes(name: str, at: str) -> Iterator[Cause]:
    """Yield why `name` is no name of a resource."""
    for error in names.qualified_name_errors(name):
        yield invalid(at, name, error)
    if "/" not in name and not _is_standard(name):
        yield invalid(at, name, "must be a standard resource type or fully qualified")


def _is_standard(name: str) -> bool:
    return name in _STANDARD or name.startswith(("hugepages-", "requests.hugepages-"))


def _may_exceed(name: str) -> bool:
    """Return whether a node may promise more of a resource than it has."""
    return ("/" not in name or "kubernetes.io/" in name) and not name.startswith("hugepages-")


def _entry_causes(name: str, amount: str, at: str) -> Iterator[Cause]:
    if name not in _OF_CONTAINERS:
        yield from name_causes(name, at)
        if "/" not in name and not name.startswith("hugepages-"):
            yield invalid(at, name, "must be a standard resource for containers")
    value = nanos(amount)
    if value < 0:
        yield invalid(at, amount, NOT_NEGATIVE)
    elif not _may_exceed(name) and value % NANO:
        yield invalid(at, amount, "must be an integer")
