"""What may be wrong with a pod's containers.

Compare validateContainers in kubernetes/pkg/apis/core/validation/validation.go, v1.36.
The order of complaints is the real server's.
"""

from __future__ import annotations

from collections.abc import Iterator

from chalicelib.apimachinery.rules import names
from chalicelib.apimachinery.rules.causes import (
    duplicate,
    forbidden,
    invalid,
    missing,
    not_supported,
    required,
)
from chalicelib.apimachinery.rules.status import Cause
from chalicelib.apimachinery.types import JSON
from chalicelib.resources.pods.downward import field_ref_causes, resource_ref_causes
from chalicelib.resources.pods.probes import lifecycle_causes, probes_causes
from chalicelib.resources.pods.resources import resources_causes
from chalicelib.resources.shared.formats import MAX_INT32, PORT_RANGE, is_port, relative_path_error

PULL_POLICIES = ("Always", "IfNotPresent", "Never")
PROTOCOLS = ("SCTP", "TCP", "UDP")
MESSAGE_POLICIES = ("FallbackToLogsOnError", "File")
PROPAGATIONS = ("Bidirectional", "HostToContainer", "None")
_ENV_SOURCES = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")
_ONE_OF_MANY = "may not have more than one field specified at a time"


def containers_causes(spec: JSON, path: str) -> Iterator[Cause]:
    """Yield what is wrong with the containers and then the init containers of a pod spec at `path`."""
    volumes = {volume.get("name") for volume in spec.get("volumes", ())}
    host_network = bool(spec.get("hostNetwork"))
    if not spec.get("containers"):
        yield required(f"{path}.containers")
    seen: set[str] = set()
    for kind in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(kind, ())):
            at = f"{path}.{kind}[{index}]"
            yield from container_causes(container, at, volumes=volumes, host_network=host_network)
            name = container.get("name") or ""
            if name in seen:
                yield duplicate(f"{at}.name", name)
            elif name:
                seen.add(name)
            yield from _kind_causes(container, at, is_init=kind == "initContainers")


def _kind_causes(container: JSON, at: str, *, is_init: bool) -> Iterator[Cause]:
    """Yield what depends on whether this is an init container, which may not be probed unless it stays."""
    policy = container.get("restartPolicy")
    if is_init and policy != "Always":
        for name in ("lifecycle", "livenessProbe", "readinessProbe", "startupProbe"):
            if container.get(name) is not None:
                yield forbidden(
                    f"{at}.{name}", "may not be set for init containers without restartPolicy=Always"
                )
    else:
        yield from lifecycle_causes(container, at)
        yield from probes_causes(container, at)
    if is_init and policy not in (None, "Always", "Never", "OnFailure"):
        yield not_supported(f"{at}.restartPolicy", policy, ("Always", "Never", "OnFailure"))


def container_causes(container: JSON, at: str, *, volumes: set[str], host_network: bool) -> Iterator[Cause]:
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
    policy = container.get("terminationMessagePolicy")
    if policy not in MESSAGE_POLICIES:
        yield not_supported(f"{at}.terminationMessagePolicy", policy, MESSAGE_POLICIES)
    yield from _ports_causes(container.get("ports", ()), at, host_network=host_network)
    yield from _env_causes(container, at)
    yield from _mounts_causes(container, at, volumes=volumes)
    if container.get("imagePullPolicy") not in PULL_POLICIES:
        yield not_supported(f"{at}.imagePullPolicy", container.get("imagePullPolicy"), PULL_POLICIES)
    yield from resources_causes(container.get("resources") or {}, f"{at}.resources")
    if container.get("securityContext"):
        yield from _security_causes(container["securityContext"], f"{at}.securityContext")


def _ports_causes(ports: list[JSON], at: str, *, host_network: bool) -> Iterator[Cause]:
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
        if host_network and host != number:
            yield invalid(f"{here}.containerPort", number, "must match `hostPort` when `hostNetwork` is true")


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
        yield from _env_from_causes(source, f"{at}.envFrom[{index}]")


def _value_from_causes(variable: JSON, at: str) -> Iterator[Cause]:
    source = variable["valueFrom"]
    kinds = [kind for kind in _ENV_SOURCES if source.get(kind) is not None]
    for kind in kinds:
        if kind == "fieldRef":
            yield from field_ref_causes(source[kind], f"{at}.fieldRef")
        elif kind == "resourceFieldRef":
            yield from resource_ref_causes(source[kind], f"{at}.resourceFieldRef", is_volume=False)
        elif kind != "fileKeyRef":
            yield from _key_ref_causes(source[kind], f"{at}.{kind}")
    if not kinds:
        choices = ", ".join(f"`{kind}`" for kind in _ENV_SOURCES[:-1])
        yield invalid(at, "", f"must specify one of: {choices} or `{_ENV_SOURCES[-1]}`")
    elif variable.get("value"):
        yield invalid(at, "", "may not be specified when `value` is not empty")
    elif len(kinds) > 1:
        yield invalid(at, "", _ONE_OF_MANY)


def _key_ref_causes(ref: JSON, at: str) -> Iterator[Cause]:
    key = ref.get("key") or ""
    if not ref.get("name"):
        yield required(f"{at}.name")
    if not key:
        yield required(f"{at}.key")
        return
    for error in names.config_key_errors(key):
        yield invalid(f"{at}.key", key, error)


def _env_from_causes(source: JSON, at: str) -> Iterator[Cause]:
    prefix = source.get("prefix")
    if prefix:
        for error in names.env_name_errors(prefix):
            yield invalid(f"{at}.prefix", prefix, error)
    kinds = [kind for kind in ("configMapRef", "secretRef") if source.get(kind) is not None]
    for kind in kinds:
        if not source[kind].get("name"):
            yield required(f"{at}.{kind}.name")
    if not kinds:
        yield invalid(at, "", "must specify one of: `configMapRef` or `secretRef`")
    elif len(kinds) > 1:
        yield invalid(at, "", _ONE_OF_MANY)


def _mounts_causes(container: JSON, at: str, *, volumes: set[str]) -> Iterator[Cause]:
    seen = set()
    is_privileged = bool((container.get("securityContext") or {}).get("privileged"))
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
        yield from _sub_path_causes(mount, here)
        propagation = mount.get("mountPropagation")
        if propagation is not None and propagation not in PROPAGATIONS:
            yield not_supported(f"{here}.mountPropagation", propagation, PROPAGATIONS)
        elif propagation == "Bidirectional" and not is_privileged:
            why = "Bidirectional mount propagation is available only to privileged containers"
            yield forbidden(f"{here}.mountPropagation", why)


def _sub_path_causes(mount: JSON, here: str) -> Iterator[Cause]:
    for key in ("subPath", "subPathExpr"):
        path = mount.get(key)
        if path:
            error = relative_path_error(path)
            if error:
                yield invalid(f"{here}.{key}", path, error)
    if mount.get("subPath") and mount.get("subPathExpr"):
        yield invalid(
            f"{here}.subPathExpr", mount["subPathExpr"], "subPathExpr and subPath are mutually exclusive"
        )


def _security_causes(context: JSON, at: str) -> Iterator[Cause]:
    for key in ("runAsUser", "runAsGroup"):
        number = context.get(key)
        if number is not None and not 0 <= number <= MAX_INT32:
            yield invalid(f"{at}.{key}", number, f"must be between 0 and {MAX_INT32}, inclusive")
    if context.get("allowPrivilegeEscalation") is False:
        if context.get("privileged"):
            why = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
            yield invalid(at, context, why)
        if "CAP_SYS_ADMIN" in ((context.get("capabilities") or {}).get("add") or ()):
            why = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"
            yield invalid(at, context, why)
