"""ResourceQuotas and LimitRanges. Their counting and refusing is admission's work, elsewhere.

Compare ValidateResourceQuota and ValidateLimitRange in kubernetes/pkg/apis/core/validation, v1.36.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import ClassVar

from chalicelib.apimachinery.accessors import metadata_of, spec_of, status_of
from chalicelib.apimachinery.rules import meta, names
from chalicelib.apimachinery.rules.causes import duplicate, forbidden, immutable, invalid
from chalicelib.apimachinery.rules.status import Cause
from chalicelib.apimachinery.types import JSON
from chalicelib.registry.strategy import AGE_COLUMN, CREATED_COLUMNS, NAME_COLUMN, Column, Strategy
from chalicelib.registry.subresources import StatusStrategy
from chalicelib.resources.shared.formats import NANO, NOT_NEGATIVE, amounts_texts, nanos

_COUNTED_TEXT = (
    "pods services replicationcontrollers resourcequotas secrets configmaps persistentvolumeclaims"
    " services.nodeports services.loadbalancers"
)
COUNTED = frozenset(_COUNTED_TEXT.split())
_MEASURED_TEXT = (
    "cpu memory ephemeral-storage requests.cpu requests.memory requests.storage requests.ephemeral-storage"
    " limits.cpu limits.memory limits.ephemeral-storage"
)
MEASURED = frozenset(_MEASURED_TEXT.split())
LIMIT_TYPES = ("Pod", "Container", "PersistentVolumeClaim")
_BOUNDS = ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio")


class _QuotaStatus(StatusStrategy):
    def validate_update(self, obj: JSON, old: JSON) -> Iterator[Cause]:
        """Yield what is wrong with the amounts, given and used."""
        del old
        for key in ("hard", "used"):
            for name, amount in (status_of(obj).get(key) or {}).items():
                yield from _hard_causes(name, amount, f"status.{key}")


class ResourceQuotaStrategy(Strategy):
    """core/v1 resourcequotas."""

    resource, singular, kind = "resourcequotas", "resourcequota", "ResourceQuota"
    short_names = ("quota",)
    in_view = returns_deleted = True
    status = _QuotaStatus()
    empty: ClassVar[JSON] = {"spec": {}, "status": {}}
    columns = (
        NAME_COLUMN,
        Column(
            "Request", description="Request represents a minimum amount of cpu/memory that a container may consume."
        ),
        Column(
            "Limit",
            description="Limits control the maximum amount of cpu/memory that a container may use"
            " independent of contention on the node.",
        ),
        AGE_COLUMN,
    )

    def default(self, obj: JSON) -> None:
        """Write amounts as the server does."""
        spec = obj["spec"] = spec_of(obj)
        if spec.get("hard"):
            spec["hard"] = amounts_texts(spec["hard"])
        else:
            spec.pop("hard", None)

    def validate(self, obj: JSON) -> Iterator[Cause]:
        """Yield what is wrong with names and amounts."""
        for name, amount in obj["spec"].get("hard", {}).items():
            yield from _hard_causes(name, amount, "spec.hard")

    def warnings(self, obj: JSON) -> Iterator[str]:
        """Yield which bounds of a quota are not enforced."""
        spec = spec_of(obj)
        if is_scoped(spec):
            yield "spec: a quota with scopes is stored, and not enforced"
            return
        for name in spec.get("hard") or ():
            is_plain = name in (COUNTED | MEASURED) and not name.startswith("services.")
            if not is_plain and not name.startswith(("count/", "requests.")):
                yield f"spec.hard[{name}]: not enforced"

    def validate_update(self, obj: JSON, old: JSON) -> Iterator[Cause]:
        """Hold the scopes."""
        yield from self.validate(obj)
        yield from immutable("spec.scopes", obj["spec"].get("scopes"), spec_of(old).get("scopes"))

    def cells(self, obj: JSON, now: datetime) -> Sequence[object]:
        """Return name, what is used of requests and limits, and age."""
        metadata, status = metadata_of(obj), status_of(obj)
        used = status.get("used") or {}
        requests: list[str] = []
        limits: list[str] = []
        for name, hard in sorted((status.get("hard") or {}).items()):
            column = limits if name.startswith("limits.") else requests
            column.append(f"{name}: {used.get(name, '0')}/{hard}")
        age = meta.age(metadata.get("creationTimestamp"), now)
        return [metadata.get("name", ""), ", ".join(requests), ", ".join(limits), age]


class LimitRangeStrategy(Strategy):
    """core/v1 limitranges."""

    creates_on_update = True
    resource, singular, kind = "limitranges", "limitrange", "LimitRange"
    in_view = True
    short_names = ("limits",)
    empty: ClassVar[JSON] = {"spec": {"limits": None}}
    columns = CREATED_COLUMNS

    def default(self, obj: JSON) -> None:
        """Derive a container's defaults: limits from the maximum, requests from limits or the minimum."""
        spec = obj["spec"] = spec_of(obj)
        spec["limits"] = spec.get("limits") or None
        for item in spec["limits"] or ():
            for bound in _BOUNDS:
                if item.get(bound):
                    item[bound] = amounts_texts(item[bound])
            if item.get("type") == "Container":
                default = {**(item.get("max") or {}), **(item.get("default") or {})}
                request = {**(item.get("min") or {}), **default, **(item.get("defaultRequest") or {})}
                for name, amounts in (("default", default), ("defaultRequest", request)):
                    if amounts:
                        item[name] = amounts

    def validate(self, obj: JSON) -> Iterator[Cause]:
        """Yield what is wrong with the bounds."""
        limits = obj["spec"].get("limits") or []
        seen = set()
        for index, item in enumerate(limits):
            at, kind = f"spec.limits[{index}]", item.get("type") or ""
            for error in names.qualified_name_errors(kind):
                yield invalid(f"{at}.type", kind, error)
            if "/" not in kind and kind not in LIMIT_TYPES:
                yield invalid(f"{at}.type", kind, "must be a standard limit type or fully qualified")
            if kind in seen:
                yield duplicate(f"{at}.type", kind)
            seen.add(kind)
            if kind == "Pod":
                for bound in ("default", "defaultRequest"):
                    if item.get(bound):
                        yield forbidden(f"{at}.{bound}", "may not be specified when `type` is 'Pod'")
            yield from _bounds_causes(item, at)


def is_scoped(spec: JSON) -> bool:
    """Return whether a quota's spec counts only objects of some scope."""
    return bool(spec.get("scopes") or spec.get("scopeSelector"))


def _hard_causes(name: str, amount: str, path: str) -> Iterator[Cause]:
    at = f"{path}[{name}]"
    for error in names.qualified_name_errors(name):
        yield invalid(at, name, error)
    is_counted = name in COUNTED or name.startswith("count/")
    if "/" not in name and not (is_counted or name in MEASURED or "hugepages-" in name):
        yield invalid(at, name, "must be a standard resource type or fully qualified")
        yield invalid(at, name, "must be a standard resource for quotas")
    if nanos(amount) < 0:
        yield invalid(at, amount, NOT_NEGATIVE)
    if is_counted and nanos(amount) % NANO:
        yield invalid(at, amount, "must be an integer")


# What must not exceed what: field at fault, lesser bound and its name in words, greater bound likewise.
_ORDER = (
    ("min", "min", "min", "max", "max"),
    ("defaultRequest", "min", "min", "defaultRequest", "default request"),
    ("defaultRequest", "defaultRequest", "default request", "max", "max"),
    ("defaultRequest", "defaultRequest", "default request", "default", "default limit"),
    ("default", "min", "min", "default", "default"),
    ("default", "default", "default", "max", "max"),
)


def _bounds_causes(item: JSON, at: str) -> Iterator[Cause]:
    """Yield where min <= defaultRequest <= default <= max does not hold."""
    bounds = {bound: item.get(bound) or {} for bound in _BOUNDS}
    for name in sorted({name for amounts in bounds.values() for name in amounts}):
        for field, low, low_words, high, high_words in _ORDER:
            less, more = bounds[low].get(name), bounds[high].get(name)
            if less is not None and more is not None and nanos(less) > nanos(more):
                why = f"{low_words} value {less} is greater than {high_words} value {more}"
                yield invalid(f"{at}.{field}[{name}]", bounds[field][name], why)
