"""What an update of a pod may change: next to nothing.

Compare ValidatePodUpdate in kubernetes/pkg/apis/core/validation/validation.go, v1.36.
"""

from __future__ import annotations

from collections.abc import Iterator

from chalicelib.apimachinery.accessors import spec_of
from chalicelib.apimachinery.rules.causes import forbidden, invalid
from chalicelib.apimachinery.rules.status import Cause
from chalicelib.apimachinery.types import JSON

ONLY_THESE = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)
_FREE = ("activeDeadlineSeconds", "tolerations", "schedulingGates")


def update_causes(pod: JSON, old: JSON) -> Iterator[Cause]:
    """Yield what an update may not do to the pod `old`; both have been through defaulting."""
    spec, before = spec_of(pod), spec_of(old)
    if spec == before:
        return
    for kind in ("containers", "initContainers"):
        if len(spec.get(kind, ())) != len(before.get(kind, ())):
            yield forbidden(f"spec.{kind}", "pod updates may not add or remove containers")
            return
        for index, container in enumerate(spec.get(kind, ())):
            if not container.get("image"):
                yield forbidden(f"spec.{kind}[{index}].image", "must not be empty")
    yield from _deadline_causes(spec.get("activeDeadlineSeconds"), before.get("activeDeadlineSeconds"))
    yield from _tolerations_causes(spec.get("tolerations", []), before.get("tolerations", []))
    if _fixed(spec, before) != _fixed(before, before):
        yield forbidden("spec", ONLY_THESE)


def _deadline_causes(new: int | None, old: int | None) -> Iterator[Cause]:
    field = "spec.activeDeadlineSeconds"
    if new is not None and old is not None and new > old:
        yield invalid(field, new, f"must be less than or equal to previous value of {old}")
    elif new is None and old is not None:
        yield invalid(field, None, "must not update from a positive integer to nil value")


def _tolerations_causes(new: list[JSON], old: list[JSON]) -> Iterator[Cause]:
    for toleration in old:
        if not any(_same(toleration, other) for other in new):
            why = "existing toleration can not be modified except its tolerationSeconds"
            yield forbidden("spec.tolerations", why)
            return


def _same(one: JSON, other: JSON) -> bool:
    return all(
        (one.get(key) or "") == (other.get(key) or "") for key in ("key", "operator", "value", "effect")
    )


def _fixed(spec: JSON, before: JSON) -> JSON:
    """Return the part of a spec that an update may not change."""
    fixed = {
        key: value for key, value in spec.items() if key not in _FREE and value not in ([], {}, None, "")
    }
    for kind in ("containers", "initContainers"):
        fixed[kind] = [{**container, "image": ""} for container in spec.get(kind, ())]
    if before.get("terminationGracePeriodSeconds", 0) < 0 and spec.get("terminationGracePeriodSeconds") == 1:
        fixed["terminationGracePeriodSeconds"] = before["terminationGracePeriodSeconds"]
    return fixed
