"""What a real server warns about in a pod: things deprecated, doubled or without effect.

Compare kubernetes/pkg/api/pod/warnings.go, v1.36. What this project can't honour is warned about elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator

from chalicelib.apimachinery.accessors import annotations_of, spec_of
from chalicelib.apimachinery.types import JSON

_DEPRECATED_VOLUMES = {
    "photonPersistentDisk": "deprecated in v1.11, non-functional in v1.16+",
    "gitRepo": "deprecated in v1.11, and disabled by default in v1.33+",
    "scaleIO": "deprecated in v1.16, non-functional in v1.22+",
    "flocker": "deprecated in v1.22, non-functional in v1.25+",
    "storageos": "deprecated in v1.22, non-functional in v1.25+",
    "quobyte": "deprecated in v1.22, non-functional in v1.25+",
    "glusterfs": "deprecated in v1.25, non-functional in v1.26+",
    "cephfs": "deprecated in v1.28, non-functional in v1.31+",
    "rbd": "deprecated in v1.28, non-functional in v1.31+",
}


_OLD_LABELS = {
    "beta.kubernetes.io/arch": ("v1.14", "kubernetes.io/arch"),
    "beta.kubernetes.io/os": ("v1.14", "kubernetes.io/os"),
    "failure-domain.beta.kubernetes.io/region": ("v1.17", "topology.kubernetes.io/region"),
    "failure-domain.beta.kubernetes.io/zone": ("v1.17", "topology.kubernetes.io/zone"),
    "beta.kubernetes.io/instance-type": ("v1.17", "node.kubernetes.io/instance-type"),
}
_OLD_ANNOTATIONS = {
    "seccomp.security.alpha.kubernetes.io/": 'non-functional in v1.27+; use the "seccompProfile" field instead',
    "container.seccomp.security.alpha.kubernetes.io/": (
        'non-functional in v1.27+; use the "seccompProfile" field instead'
    ),
    "container.apparmor.security.beta.kubernetes.io/": (
        'deprecated since v1.30; use the "appArmorProfile" field instead'
    ),
    "scheduler.alpha.kubernetes.io/critical-pod": (
        'non-functional in v1.16+; use the "priorityClassName" field instead'
    ),
}


def pod_warnings(pod: JSON) -> list[str]:
    """Return the warnings for a pod."""
    annotations = annotations_of(pod)
    found = [
        f"metadata.annotations[{key}]: {why}"
        for key in sorted(annotations)
        for prefix, why in _OLD_ANNOTATIONS.items()
        if key.startswith(prefix)
    ]
    return [*spec_warnings(spec_of(pod), "spec"), *found]


def spec_warnings(spec: JSON, path: str) -> Iterator[str]:
    """Yield the warnings for a pod spec that stands at `path`."""
    for key in spec.get("nodeSelector", ()):
        if key in _OLD_LABELS:
            since, new = _OLD_LABELS[key]
            yield f'{path}.nodeSelector[{key}]: deprecated since {since}; use "{new}" instead'
    for index, secret in enumerate(spec.get("imagePullSecrets", ())):
        if not secret.get("name"):
            yield f'{path}.imagePullSecrets[{index}].name: invalid empty name ""'
    for index, volume in enumerate(spec.get("volumes", ())):
        for kind, since in _DEPRECATED_VOLUMES.items():
            if volume.get(kind) is not None:
                yield f"{path}.volumes[{index}].{kind}: {since}"
    for kind in ("initContainers", "containers"):
        for index, container in enumerate(spec.get(kind, ())):
            yield from _container_warnings(container, f"{path}.{kind}[{index}]")


def _container_warnings(container: JSON, at: str) -> Iterator[str]:
    resources = container.get("resources") or {}
    for kind in ("limits", "requests"):
        for name in ("memory", "ephemeral-storage"):
            amount = (resources.get(kind) or {}).get(name)
            if isinstance(amount, str) and amount.endswith("m"):
                why = f'fractional byte value "{amount}" is invalid, must be an integer'
                yield f"{at}.resources.{kind}[{name}]: {why}"
    seen: set[str] = set()
    for index, variable in enumerate(container.get("env", ())):
        name = variable.get("name", "")
        if name in seen:
            why = f'hides previous definition of "{name}", which may be dropped when using apply'
            yield f"{at}.env[{index}]: {why}"
        seen.add(name)
    yield from _port_warnings(container, at)


def _port_warnings(container: JSON, at: str) -> Iterator[str]:
    seen: dict[tuple[object, ...], int] = {}
    for index, port in enumerate(container.get("ports", ())):
        key = tuple(port.get(name) for name in ("containerPort", "protocol", "hostIP", "hostPort"))
        if key in seen:
            yield f"{at}.ports[{index}]: duplicate port definition with {at}.ports[{seen[key]}]"
        seen.setdefault(key, index)
