"""Small objects of each kind, complete enough to be right."""

from __future__ import annotations

import copy
from typing import Any

from chalicelib.apimachinery.types import JSON
from chalicelib.registry.strategy import Strategy
from chalicelib.resources.catalogue import ALL

UID = "11111111-1111-1111-1111-111111111111"
CONTAINER: JSON = {"name": "c", "image": "busybox:1.36"}
TEMPLATE: JSON = {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [CONTAINER]}}
SELECTOR: JSON = {"matchLabels": {"app": "x"}}


def strategy(kind: str, group: str = "") -> Strategy:
    """Return the strategy of a kind."""
    return next(each for each in ALL if each.kind == kind and (not group or each.group == group))


def made(kind: str, body: JSON, *, group: str = "") -> tuple[Strategy, JSON]:
    """Return the strategy of a kind, and `body` as it would be stored after a create."""
    each = strategy(kind, group)
    obj = copy.deepcopy(body)
    namespace = "ns1" if each.namespaced else ""
    obj["metadata"] = {"name": "a", "namespace": namespace, "uid": UID, **obj.get("metadata", {})}
    each.default(obj)
    each.prepare_for_create(obj)
    return each, obj


def causes(kind: str, body: JSON) -> list[str]:
    """Return what is wrong with a new object, each as `field: message`."""
    each, obj = made(kind, body)
    return [f"{cause.field}: {cause.message}" for cause in each.validate(obj)]


def update_causes(kind: str, old: JSON, new: JSON) -> list[str]:
    """Return what is wrong with `new` as the successor of `old`."""
    each, before = made(kind, old)
    after = copy.deepcopy(new)
    after["metadata"] = {**before["metadata"], **after.get("metadata", {})}
    each.default(after)
    each.prepare_for_update(after, before)
    return [f"{cause.field}: {cause.message}" for cause in each.validate_update(after, before)]


def pod(*, container: JSON | None = None, **spec: Any) -> JSON:  # Any: fields of a pod spec
    """Return a pod of one container, changed by `container` and `spec`."""
    return {"spec": {"containers": [{**CONTAINER, **(container or {})}], **spec}}
