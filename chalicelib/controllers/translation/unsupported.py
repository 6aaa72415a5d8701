"""The fields of a pod that no provider of ours honours, by their paths: said aloud, never dropped.

Rows name what has an effect in Kubernetes and none here. Fields whose only meaning lies in the
machinery of a real cluster (tolerations of taints, resizePolicy, service links) are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from chalicelib.apimachinery.accessors import spec_of
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel import placement as pod_placement
from chalicelib.controllers.podmodel.resources import GPU_RESOURCES
from chalicelib.resources.pods.totals import is_sidecar

_POD = (
    "hostPID",
    "hostIPC",
    "shareProcessNamespace",
    "dnsConfig",
    "topologySpreadConstraints",
    "setHostnameAsFQDN",
    "resourceClaims",
    "ephemeralContainers",
    "priorityClassName",
)
_CONTAINER_SECURITY = ("seLinuxOptions", "appArmorProfile", "windowsOptions")
_POD_SECURITY = (*_CONTAINER_SECURITY, "sysctls", "fsGroup", "supplementalGroups", "supplementalGroupsPolicy")
_CONTAINER = ("volumeDevices", "restartPolicyRules")
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_COUNTED = ("cpu", "memory", "ephemeral-storage", *GPU_RESOURCES)

# field, and what tells that its value asks for something we don't do
_POD_VALUES: tuple[tuple[str, Callable[[object], bool]], ...] = (
    ("schedulerName", lambda value: value not in (None, "", "default-scheduler")),
    ("dnsPolicy", lambda value: value == "None"),
    ("hostUsers", lambda value: value is False),
)
_MOUNT_VALUES: tuple[tuple[str, Callable[[object], bool]], ...] = (
    ("mountPropagation", lambda value: value not in (None, "", "None")),
    ("recursiveReadOnly", lambda value: value not in (None, "", "Disabled")),
)


def unsupported_fields(pod: JSON, *, probes: bool = False) -> Iterator[str]:
    """Yield the paths (`spec.containers[0].livenessProbe`) of what will not be honoured, in spec order.

    `probes` says whether those are run.
    """
    spec = spec_of(pod)
    yield from (f"spec.{field}" for field in _POD if spec.get(field))
    yield from (f"spec.{field}" for field, asks in _POD_VALUES if asks(spec.get(field)))
    yield from _of_security("spec", spec, _POD_SECURITY)
    yield from pod_placement.unsupported(spec)
    yield from _of_pod_resources(spec)
    for kind in ("initContainers", "containers"):
        for index, container in enumerate(spec.get(kind) or ()):
            host_ports = not spec.get("hostNetwork")
            yield from _of_probes(f"spec.{kind}[{index}]", container, probes=probes)
            yield from _of_container(f"spec.{kind}[{index}]", container, host_ports=host_ports)
    inits = spec.get("initContainers") or ()
    for index, container in enumerate(inits):
        # init containers behind a sidecar may count on it: it starts only with the main ones
        if is_sidecar(container) and not all(is_sidecar(later) for later in inits[index + 1 :]):
            yield f"spec.initContainers[{index}].restartPolicy"
    for index, volume in enumerate(spec.get("volumes") or ()):
        if (volume.get("hostPath") or {}).get("type"):
            yield f"spec.volumes[{index}].hostPath.type"
        if (volume.get("emptyDir") or {}).get("medium") not in (None, "", "Memory"):
            yield f"spec.volumes[{index}].emptyDir.medium"
    yield from pod_placement.kept_off_spot(pod)


def _of_pod_resources(spec: JSON) -> Iterator[str]:
    """Yield what a pod as a whole may not have: a limit that its containers share is one for each of them here."""
    beside = [each for each in spec.get("initContainers") or () if is_sidecar(each)]
    is_shared = len(beside) + len(spec.get("containers") or ()) > 1
    for kind in ("limits", "requests"):
        for name in (spec.get("resources") or {}).get(kind) or ():
            if name not in _COUNTED or (kind == "limits" and is_shared):
                yield f"spec.resources.{kind}[{name}]"


def _of_container(path: str, container: JSON, *, host_ports: bool) -> Iterator[str]:
    yield from (f"{path}.{field}" for field in _CONTAINER if container.get(field))
    lifecycle = container.get("lifecycle") or {}
    yield from (f"{path}.lifecycle.{field}" for field in ("postStart", "stopSignal") if lifecycle.get(field))
    before_stop = lifecycle.get("preStop") or {}
    for handler in ("httpGet", "tcpSocket"):
        if before_stop.get(handler) is not None:
            yield f"{path}.lifecycle.preStop.{handler}"
    yield from _of_security(path, container, _CONTAINER_SECURITY)
    for index, port in enumerate(container.get("ports") or ()):
        if host_ports and port.get("hostPort"):
            yield f"{path}.ports[{index}].hostPort"
    for index, mount in enumerate(container.get("volumeMounts") or ()):
        where = f"{path}.volumeMounts[{index}]"
        yield from (f"{where}.{field}" for field, asks in _MOUNT_VALUES if asks(mount.get(field)))
    resources = container.get("resources") or {}
    if resources.get("claims"):
        yield f"{path}.resources.claims"
    for kind in ("limits", "requests"):
        named = resources.get(kind) or ()
        yield from (f"{path}.resources.{kind}[{name}]" for name in named if name not in _COUNTED)


def _of_probes(path: str, container: JSON, *, probes: bool) -> Iterator[str]:
    for name in _PROBES:
        if container.get(name) and not probes:
            yield f"{path}.{name}"
        for handler in ("httpGet", "tcpSocket"):
            if ((container.get(name) or {}).get(handler) or {}).get("host") and probes:
                yield f"{path}.{name}.{handler}.host"


def _of_security(path: str, holder: JSON, fields: Sequence[str]) -> Iterator[str]:
    context = holder.get("securityContext") or {}
    yield from (f"{path}.securityContext.{field}" for field in fields if context.get(field))
    if (context.get("seccompProfile") or {}).get("type", "RuntimeDefault") != "RuntimeDefault":
        yield f"{path}.securityContext.seccompProfile"
    if context.get("procMount") not in (None, "", "Default"):
        yield f"{path}.securityContext.procMount"
