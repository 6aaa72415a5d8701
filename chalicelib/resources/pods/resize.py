"""Resize: what /resize may change of a pod, the cpu and memory that its containers ask for.

Compare podResizeStrategy in kubernetes/pkg/registry/core/pod and ValidatePodResize, v1.36.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

from chalicelib.apimachinery.accessors import spec_of
from chalicelib.apimachinery.rules.causes import forbidden, invalid
from chalicelib.apimachinery.rules.status import Cause
from chalicelib.apimachinery.types import JSON
from chalicelib.resources.pods.defaults import default_container
from chalicelib.resources.pods.qos import qos_class
from chalicelib.resources.pods.resources import resources_causes

_KINDS = ("containers", "initContainers")
_MUTABLE = ("cpu", "memory")
_PARTS = ("resources", "resizePolicy")


def keep_all_but_resources(pod: JSON, old: JSON) -> None:
    """Make `pod`, in place, what `old` is but for the resources of containers with the same names."""
    spec = spec_of(pod)
    asked = {each.get("name"): each for kind in _KINDS for each in spec.get(kind) or ()}
    version = pod["metadata"].get("resourceVersion", "")
    pod.clear()
    pod.update(copy.deepcopy(old))
    pod["metadata"]["resourceVersion"] = version
    for kind in _KINDS:
        for container in pod["spec"].get(kind) or ():
            wanted = asked.get(container["name"], container)
            container.update({part: wanted[part] for part in _PARTS if part in wanted})
            default_container(container)


def resize_causes(spec: JSON, old: JSON) -> Iterator[Cause]:
    """Yield what of a resize is wrong, or asks for more than cpu and memory."""
    for kind in _KINDS:
        for index, container in enumerate(spec.get(kind) or ()):
            at, before = f"spec.{kind}[{index}].resources", old[kind][index]
            yield from resources_causes(container.get("resources") or {}, at)
            yield from _removed(container.get("resources") or {}, before.get("resources") or {}, at)
    if qos_class(spec) != qos_class(old):
        yield invalid("spec", qos_class(spec), "Pod QOS Class may not change as a result of resizing")
    if _fixed(spec) != _fixed(old):
        yield forbidden("spec", "only cpu and memory resources are mutable")


def _removed(resources: JSON, old: JSON, at: str) -> Iterator[Cause]:
    for kind in ("requests", "limits"):
        if any(
            name in (old.get(kind) or {}) and name not in (resources.get(kind) or {}) for name in _MUTABLE
        ):
            yield forbidden(f"{at}.{kind}", f"resource {kind} cannot be removed")


def _fixed(spec: JSON) -> list[JSON]:
    """Return what containers ask for beside cpu and memory."""
    found: list[JSON] = []
    for kind in _KINDS:
        for container in spec.get(kind) or ():
            for amounts in (container.get("resources") or {}).values():
                named = amounts if isinstance(amounts, dict) else {}
                found.append({name: amount for name, amount in named.items() if name not in _MUTABLE})
    return [each for each in found if each]
