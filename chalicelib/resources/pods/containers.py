"""What may be wrong with a pod's containers: what users mistype, and what leads astray as a path.

Compare validateContainers in kubernetes/pkg/apis/core/validation/validation.go, v1.36, whose order this keeps. Fields
that nothing here acts on (probes, security contexts) are taken as they come.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from chalicelib.apimachinery.rules import names
from chalicelib.apimachinery.rules.causes import duplicate, invalid, missing, not_supported, required
from chalicelib.apimachinery.rules.status import Cause
from chalicelib.apimachinery.types import JSON
from chalicelib.resources.pods.totals import containers_total, is_of_pods
from chalicelib.resources.shared.formats import NOT_NEGATIVE, PORT_RANGE, is_port, nanos, relative_path_error

_COUNTED = ("cpu", "memory")
_STANDARD = ("cpu", "ephemeral-storage", "memory")
_REFERENCES = tuple(f"{kind}.{name}" for kind in ("limits", "requests") for name in _STANDARD)


def resources_causes(resources: JSON, at: str, *, of_pod: bool = False) -> Iterator[Cause]:
    """Yield what is wrong with the `resources` of a container, or of a pod as a whole, already in canonical form."""
    limits = resources.get("limits") or {}
    for kind in ("limits", "requests"):
        for name, amount in (resources.get(kind) or {}).items():
            here = f"{at}.{kind}[{name}]"
            if name not in _STANDARD and "/" not in name and not name.startswith("hugepages-"):
                yield invalid(here, name, "must be a standard resource type or fully qualified")
                if not of_pod:
                    yield invalid(here, name, "must be a standard resource for containers")
            elif of_pod and not is_of_pods(name):
                yield not_supported(here, name, ("cpu", "hugepages-", "memory"))
            if nanos(amount) < 0:
                yield invalid(here, amount, NOT_NEGATIVE)
            if kind == "requests" and name in limits and nanos(amount) > nanos(limits[name]):
                why = f"must be less than or equal to {name} limit of {limits[name]}"
                yield invalid(f"{at}.requests", amount, why)


def pod_resources_causes(spec: JSON, at: str) -> Iterator[Cause]:
    """Yield what is wrong with the `resources` of a pod as a whole, in canonical form, beside its containers'."""
    resources = spec.get("resources") or {}
    yield from resources_causes(resources, at, of_pod=True)
    for name, amount in (resources.get("requests") or {}).items():
        total = containers_total(spec, name, "requests")
        if nanos(amount) < total.nanos:
            why = f"must be greater than or equal to aggregate container requests of {total}"
            yield invalid(f"{at}.requests[{name}]", amount, why)
    for index, container in enumerate(spec.get("containers", ())):
        own = (container.get("resources") or {}).get("limits") or {}
        for name, limit in (resources.get("limits") or {}).items():
            if nanos(own.get(name, 0)) > nanos(limit):
                why = f"must be less than or equal to pod limits of {limit}"
                yield invalid(f"{at}.containers[{index}][{name}].limits", own[name], why)


def resource_ref_causes(reference: JSON, at: str) -> Iterator[Cause]:
    """Yield what is wrong with a resourceFieldRef."""
    resource = reference.get("resource") or ""
    if not resource:
        yield required(f"{at}.resource")
    elif resource not in _REFERENCES and ".hugepages-" not in resource:
        yield not_supported(f"{at}.resource", resource, _REFERENCES)


def qos_class(spec: JSON) -> str:
    """Return Guaranteed, Burstable or BestEffort for a pod spec that has been through defaulting."""
    containers = [spec] if spec.get("resources") else [*spec.get("initContainers", ()), *spec.get("containers", ())]
    holders = [container.get("resources") or {} for container in containers]
    requests, limits = _total(holders, "requests"), _total(holders, "limits")
    if not requests and not limits:
        return "BestEffort"
    is_limited = all(nanos((each.get("limits") or {}).get(name, 0)) for each in holders for name in _COUNTED)
    return "Guaranteed" if is_limited and requests == limits else "Burstable"


def _total(holders: Iterable[JSON], kind: str) -> dict[str, int]:
    total: dict[str, int] = {}
    for holder in holders:
        for name in _COUNTED:
            amount = nanos((holder.get(kind) or {}).get(name, 0))
            if amount > 0:
                total[name] = total.get(name, 0) + amount
    return total


PULL_POLICIES = ("Always", "IfNotPresent", "Never")
PROTOCOLS = ("SCTP", "TCP", "UDP")
_ENV_SOURCES = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")
_ENV_FIELDS_TEXT = (
    "metadata.name metadata.namespace metadata.uid spec.nodeName spec.serviceAccountName status.hostIP"
    " status.hostIPs status.podIP status.podIPs"
)
_ENV_FIELDS = tuple(_ENV_FIELDS_TEXT.split())
_OTHER_FIELDS_TEXT = "metadata.annotations metadata.labels spec.restartPolicy spec.schedulerName status.phase"
_OTHER_FIELDS = tuple(_OTHER_FIELDS_TEXT.split())
_FIELD_MAPS = ("metadata.annotations['", "metadata.labels['")


def containers_causes(spec: JSON, path: str) -> Iterator[Cause]:
    """Yield what is wrong with the containers and then the init containers of a pod spec at `path`."""
    volumes = {volume.get("name") for volume in spec.get("volumes", ())}
    if not spec.get("containers"):
        yield required(f"{path}.containers")
    seen: set[str] = set()
    for kind in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(kind, ())):
            at = f"{path}.{kind}[{index}]"
            yield from container_causes(container, at, volumes=volumes)
            name = container.get("name") or ""
            if name in seen:
                yield duplicate(f"{at}.name", name)
            elif name:
                seen.add(name)
            policy = container.get("restartPolicy")
            if kind == "initContainers" and policy not in (None, "Always", "Never", "OnFailure"):
                yield not_supported(f"{at}.restartPolicy", policy, ("Always", "Never", "OnFailure"))


def container_causes(container: JSON, at: str, *, volumes: set[str]) -> Iterator[Cause]:
    """Yield what is wrong with a container of any sort."""
    name, image = container.get("name") or "", container.get("image") or ""
    if name:
        for error in names.dns_label_errors(name):
            yield invalid(f"{at}.name", name, error)
    else:
        yield required(f"{at}.name")
    if not image:
        yield required(f"{at}.image")
    elif image != image.strip():
        yield invalid(f"{at}.image", image, "must not have leading or trailing whitespace")
    yield from _ports_causes(container.get("ports", ()), at)
    yield from _env_causes(container, at)
    yield from _mounts_causes(container, at, volumes=volumes)
    if container.get("imagePullPolicy") not in PULL_POLICIES:
        yield not_supported(f"{at}.imagePullPolicy", container.get("imagePullPolicy"), PULL_POLICIES)
    yield from resources_causes(container.get("resources") or {}, f"{at}.resources")


def _ports_causes(ports: list[JSON], at: str) -> Iterator[Cause]:
    seen = set()
    for index, port in enumerate(ports):
        here = f"{at}.ports[{index}]"
        name, number, host = port.get("name"), port.get("containerPort") or 0, port.get("hostPort") or 0
        if name:
            for error in names.port_name_errors(name):
                yield invalid(f"{here}.name", name, error)
            if name in seen:
                yield duplicate(f"{here}.name", name)
            seen.add(name)
        if not number:
            yield required(f"{here}.containerPort")
        elif not is_port(number):
            yield invalid(f"{here}.containerPort", number, PORT_RANGE)
        if host and not is_port(host):
            yield invalid(f"{here}.hostPort", host, PORT_RANGE)
        if port.get("protocol") not in PROTOCOLS:
            yield not_supported(f"{here}.protocol", port.get("protocol"), PROTOCOLS)


def _env_causes(container: JSON, at: str) -> Iterator[Cause]:
    for index, variable in enumerate(container.get("env", ())):
        name = variable.get("name") or ""
        if not name:
            yield required(f"{at}.env[{index}].name")
        else:
            for error in names.env_name_errors(name):
                yield invalid(f"{at}.env[{index}].name", name, error)
        if variable.get("valueFrom") is not None:
            yield from _value_from_causes(variable, f"{at}.env[{index}].valueFrom")
    for index, source in enumerate(container.get("envFrom", ())):
        here = f"{at}.envFrom[{index}]"
        kinds = [kind for kind in ("configMapRef", "secretRef") if source.get(kind) is not None]
        for kind in kinds:
            if not source[kind].get("name"):
                yield required(f"{here}.{kind}.name")
        if not kinds:
            yield invalid(here, "", "must specify one of: `configMapRef` or `secretRef`")


def _value_from_causes(variable: JSON, at: str) -> Iterator[Cause]:
    source = variable["valueFrom"]
    kinds = [kind for kind in _ENV_SOURCES if source.get(kind) is not None]
    for kind in kinds:
        here, reference = f"{at}.{kind}", source[kind]
        if kind == "fieldRef":
            yield from _field_ref_causes(reference.get("fieldPath") or "", f"{here}.fieldPath")
        elif kind == "resourceFieldRef":
            yield from resource_ref_causes(reference, here)
        elif kind != "fileKeyRef":
            for key in ("name", "key"):
                if not reference.get(key):
                    yield required(f"{here}.{key}")
    if not kinds:
        choices = ", ".join(f"`{kind}`" for kind in _ENV_SOURCES[:-1])
        yield invalid(at, "", f"must specify one of: {choices} or `{_ENV_SOURCES[-1]}`")
    elif variable.get("value"):
        yield invalid(at, "", "may not be specified when `value` is not empty")


def _field_ref_causes(path: str, at: str) -> Iterator[Cause]:
    if not path:
        yield required(at)
    elif path in _OTHER_FIELDS:
        yield not_supported(at, path, _ENV_FIELDS)
    elif path not in _ENV_FIELDS and not (path.startswith(_FIELD_MAPS) and path.endswith("']")):
        yield invalid(at, path, f"error converting fieldPath: field label not supported: {path}")


def _mounts_causes(container: JSON, at: str, *, volumes: set[str]) -> Iterator[Cause]:
    seen = set()
    for index, mount in enumerate(container.get("volumeMounts", ())):
        here = f"{at}.volumeMounts[{index}]"
        name, path = mount.get("name") or "", mount.get("mountPath") or ""
        if not name:
            yield required(f"{here}.name")
        if name not in volumes:
            yield missing(f"{here}.name", name)
        if not path:
            yield required(f"{here}.mountPath")
        if path in seen:
            yield invalid(f"{here}.mountPath", path, "must be unique")
        seen.add(path)
        for key in ("subPath", "subPathExpr"):
            error = relative_path_error(mount.get(key) or "")
            if error:
                yield invalid(f"{here}.{key}", mount[key], error)
        if mount.get("subPath") and mount.get("subPathExpr"):
            why = "subPathExpr and subPath are mutually exclusive"
            yield invalid(f"{here}.subPathExpr", mount["subPathExpr"], why)
