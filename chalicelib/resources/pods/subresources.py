"""The subresources of pods: status, ephemeralcontainers and resize have strategies; the others act or show.

Compare podStatusStrategy, podEphemeralContainersStrategy and podResizeStrategy in kubernetes/pkg/registry/core/pod,
v1.36.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

from chalicelib.apimachinery.accessors import annotations_of, metadata_of, spec_of, status_of
from chalicelib.apimachinery.rules.causes import duplicate, forbidden, invalid, missing
from chalicelib.apimachinery.rules.status import Cause, bad_request
from chalicelib.apimachinery.types import JSON
from chalicelib.registry.subresources import (
    PROXY_VERBS,
    WRITE_VERBS,
    PartStrategy,
    SpecFieldStrategy,
    StatusStrategy,
    Subresource,
)
from chalicelib.resources.pods.containers import container_causes, qos_class, resources_causes
from chalicelib.resources.pods.defaults import default_container
from chalicelib.resources.pods.marks import TASK_ANNOTATION, keep_our_marks

NO_RESIZE = "the resources of a running pod cannot be changed here; delete it and create it anew"

_EPHEMERAL = "ephemeralContainers"
_NOT_EPHEMERAL = ("ports", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle", "resources", "resizePolicy")
_KINDS = ("containers", "initContainers")
_MUTABLE = ("cpu", "memory")
_RESIZED = ("resources", "resizePolicy")
# What Go always writes in a container's status: empty fields, and unknown times of its state.
_STATUS_FIELDS = {"image": "", "imageID": "", "name": "", "ready": False, "restartCount": 0}
_STATE_TIMES = {"terminated": ("finishedAt", "startedAt"), "running": ("startedAt",)}


class PodStatusStrategy(StatusStrategy):
    """pods/status."""

    def __init__(self) -> None:
        super().__init__(condition_times=("lastProbeTime", "lastTransitionTime"))

    def prepare_for_update(self, obj: JSON, old: JSON) -> None:
        """Keep everything but status; the QoS class and who controls the pod stay as they are."""
        super().prepare_for_update(obj, old)
        keep_our_marks(obj, old)
        before = status_of(old)
        status = obj["status"] = status_of(obj)
        if "qosClass" in before:
            status["qosClass"] = before["qosClass"]
        owners = metadata_of(old).get("ownerReferences")
        if owners:
            obj["metadata"]["ownerReferences"] = owners
        else:
            obj["metadata"].pop("ownerReferences", None)
        for kind in ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"):
            for each in status.get(kind) or ():
                for key, empty in _STATUS_FIELDS.items():
                    each.setdefault(key, empty)
                for state in ("state", "lastState"):
                    found = each[state] = each.get(state) or {}
                    for name, detail in found.items():
                        for time in _STATE_TIMES.get(name, ()):
                            detail.setdefault(time, None)
                        if name == "terminated":
                            detail.setdefault("exitCode", 0)


class EphemeralContainersStrategy(SpecFieldStrategy):
    """pods/ephemeralcontainers: they may be added, but never changed or taken away."""

    def __init__(self) -> None:
        super().__init__(_EPHEMERAL)

    def prepare_for_update(self, obj: JSON, old: JSON) -> None:
        """Keep all but the ephemeral containers, and complete those."""
        super().prepare_for_update(obj, old)
        for container in obj["spec"].get(_EPHEMERAL) or ():
            default_container(container)

    def validate_update(self, obj: JSON, old: JSON) -> Iterator[Cause]:
        """Yield what is wrong with them."""
        return ephemeral_causes(spec_of(obj), spec_of(old))


def ephemeral_causes(spec: JSON, old: JSON) -> Iterator[Cause]:
    """Yield what is wrong with ephemeral containers that an update adds."""
    path = f"spec.{_EPHEMERAL}"
    before = {each.get("name"): each for each in old.get(_EPHEMERAL, ())}
    volumes = {volume.get("name") for volume in spec.get("volumes", ())}
    seen = {each.get("name") for kind in _KINDS for each in spec.get(kind, ())}
    main = {each.get("name") for each in spec.get("containers", ())}
    for index, container in enumerate(spec.get(_EPHEMERAL, ())):
        at, name = f"{path}[{index}]", container.get("name") or ""
        yield from container_causes(container, at, volumes=volumes)
        if name in seen:
            yield duplicate(f"{at}.name", name)
        seen.add(name)
        target = container.get("targetContainerName")
        if target and target not in main:
            yield missing(f"{at}.targetContainerName", target)
        for key in _NOT_EPHEMERAL:
            if container.get(key):
                yield forbidden(f"{at}.{key}", "cannot be set for an Ephemeral Container")
        if name in before and container != before[name]:
            yield forbidden(path, f'existing ephemeral containers "{name}" may not be changed')
    for removed in before.keys() - {each.get("name") for each in spec.get(_EPHEMERAL, ())}:
        yield forbidden(path, f'existing ephemeral containers "{removed}" may not be removed')


class ResizeStrategy(PartStrategy):
    """pods/resize: cpu and memory of the containers, as long as no provider runs them."""

    def prepare_for_update(self, obj: JSON, old: JSON) -> None:
        """Keep all but the resources of containers with the same names. Raises 400 for a pod that has a task."""
        if TASK_ANNOTATION in annotations_of(old):
            raise bad_request(NO_RESIZE)
        spec = spec_of(obj)
        asked = {each.get("name"): each for kind in _KINDS for each in spec.get(kind) or ()}
        version = obj["metadata"].get("resourceVersion", "")
        obj.clear()
        obj.update(copy.deepcopy(old))
        obj["metadata"]["resourceVersion"] = version
        for kind in _KINDS:
            for container in obj["spec"].get(kind) or ():
                wanted = asked.get(container.get("name"), container)
                container.update({part: wanted[part] for part in _RESIZED if part in wanted})
                default_container(container)

    def validate_update(self, obj: JSON, old: JSON) -> Iterator[Cause]:
        """Yield what of a resize is wrong, or asks for more than cpu and memory."""
        spec, stored = spec_of(obj), spec_of(old)
        for kind in _KINDS:
            for index, container in enumerate(spec.get(kind) or ()):
                at = f"spec.{kind}[{index}].resources"
                resources, before = (container.get("resources") or {}, stored[kind][index].get("resources") or {})
                yield from resources_causes(resources, at)
                for part in ("requests", "limits"):
                    sent, had = resources.get(part) or {}, before.get(part) or {}
                    if any(name in had and name not in sent for name in _MUTABLE):
                        yield forbidden(f"{at}.{part}", f"resource {part} cannot be removed")
        if qos_class(spec) != qos_class(stored):
            yield invalid("spec", qos_class(spec), "Pod QOS Class may not change as a result of resizing")
        if _fixed(spec) != _fixed(stored):
            yield forbidden("spec", "only cpu and memory resources are mutable")


def _fixed(spec: JSON) -> list[JSON]:
    """Return what containers ask for beside cpu and memory."""
    found: list[JSON] = []
    for kind in _KINDS:
        for container in spec.get(kind) or ():
            for amounts in (container.get("resources") or {}).values():
                named = amounts if isinstance(amounts, dict) else {}
                found.append({name: amount for name, amount in named.items() if name not in _MUTABLE})
    return [each for each in found if each]


_STREAM_VERBS = ("create", "get")
SUBRESOURCES = (
    Subresource("attach", "PodAttachOptions", verbs=_STREAM_VERBS, edit_verbs=("get", *WRITE_VERBS)),
    Subresource("binding", "Binding", verbs=("create",)),
    Subresource(_EPHEMERAL.lower(), "Pod", part=EphemeralContainersStrategy()),
    Subresource("eviction", "Eviction", ("policy", "v1"), ("create",), edit_verbs=WRITE_VERBS),
    Subresource("exec", "PodExecOptions", verbs=_STREAM_VERBS, edit_verbs=("get", *WRITE_VERBS)),
    Subresource("log", "Pod", verbs=("get",), in_view=True),
    Subresource("portforward", "PodPortForwardOptions", verbs=_STREAM_VERBS, edit_verbs=("get", *WRITE_VERBS)),
    Subresource("proxy", "PodProxyOptions", verbs=PROXY_VERBS, edit_verbs=("get", *WRITE_VERBS)),
    Subresource("resize", "Pod", part=ResizeStrategy()),
)
