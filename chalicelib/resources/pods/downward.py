"""References from a pod to its own fields and resources (fieldRef, resourceFieldRef), checked.

Compare validateObjectFieldSelector and validateContainerResourceFieldSelector, kubernetes v1.36.
"""

from __future__ import annotations

from collections.abc import Iterator

from chalicelib.apimachinery.rules import names
from chalicelib.apimachinery.rules.causes import invalid, not_supported, required
from chalicelib.apimachinery.rules.status import Cause
from chalicelib.apimachinery.types import JSON
from chalicelib.resources.shared.amounts import nanos

ENV_FIELDS_TEXT = (
    "metadata.name metadata.namespace metadata.uid spec.nodeName spec.serviceAccountName status.hostIP"
    " status.hostIPs status.podIP status.podIPs"
)
ENV_FIELDS = frozenset(ENV_FIELDS_TEXT.split())
ENV_RESOURCES = tuple(
    f"{kind}.{name}" for kind in ("limits", "requests") for name in ("cpu", "ephemeral-storage", "memory")
)
_KNOWN_FIELDS = ENV_FIELDS | frozenset(
    ("metadata.annotations", "metadata.labels", "spec.restartPolicy", "spec.schedulerName", "status.phase")
)
_MAPS = ("metadata.annotations", "metadata.labels")
_CPU_DIVISORS = ("1m", "1")
_BYTE_DIVISORS_TEXT = "1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei"
_BYTE_DIVISORS = _BYTE_DIVISORS_TEXT.split(", ")


def split_subscript(path: str) -> tuple[str, str | None]:
    """Return a field path without its subscript, and the subscript: `metadata.labels['a']` gives `a`."""
    head, bracket, tail = path.partition("['")
    if not bracket or not head or not tail.endswith("']"):
        return path, None
    return head, tail[:-2]


def field_ref_causes(ref: JSON, at: str, allowed: frozenset[str] = ENV_FIELDS) -> Iterator[Cause]:
    """Yield what is wrong with a fieldRef that may point at the `allowed` paths."""
    path = ref.get("fieldPath") or ""
    if not ref.get("apiVersion"):
        yield required(f"{at}.apiVersion")
        return
    if not path:
        yield required(f"{at}.fieldPath")
        return
    head, subscript = split_subscript(path)
    if subscript is None:
        if path not in _KNOWN_FIELDS:
            yield invalid(
                f"{at}.fieldPath", path, f"error converting fieldPath: field label not supported: {path}"
            )
        elif path not in allowed:
            yield not_supported(f"{at}.fieldPath", path, sorted(allowed))
    elif head not in _MAPS:
        label = f"error converting fieldPath: field label does not support subscript: {path}"
        yield invalid(f"{at}.fieldPath", path, label)
    else:
        key = subscript.lower() if head == "metadata.annotations" else subscript
        for error in names.qualified_name_errors(key):
            yield invalid(at, subscript, error)


def resource_ref_causes(ref: JSON, at: str, *, is_volume: bool) -> Iterator[Cause]:
    """Yield what is wrong with a resourceFieldRef; in a volume it must name its container."""
    resource = ref.get("resource") or ""
    if is_volume and not ref.get("containerName"):
        yield required(f"{at}.containerName")
    elif not resource:
        yield required(f"{at}.resource")
    elif resource not in ENV_RESOURCES and not resource.startswith(
        ("limits.hugepages-", "requests.hugepages-")
    ):
        yield not_supported(f"{at}.resource", resource, ENV_RESOURCES)
    yield from _divisor_causes(resource, ref.get("divisor"), at)


def _divisor_causes(resource: str, divisor: object, at: str) -> Iterator[Cause]:
    kind = resource.partition(".")[2]
    if divisor is None or nanos(divisor) == 0 or not kind:
        return
    if kind == "cpu" and divisor not in _CPU_DIVISORS:
        why = "only divisor's values 1m and 1 are supported with the cpu resource"
        yield invalid(f"{at}.divisor", divisor, why)
    elif kind != "cpu" and divisor not in _BYTE_DIVISORS:
        why = f"only divisor's values {_BYTE_DIVISORS_TEXT} are supported with the {kind} resource"
        yield invalid(f"{at}.divisor", divisor, why)
