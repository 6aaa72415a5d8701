"""What an API server fills into a pod or a pod template that leaves it out.

Compare kubernetes/pkg/apis/core/v1/defaults.go, v1.36. Go leaves empty values of plain fields out when it
writes JSON, so they are dropped here too: what is stored is then what a real server would answer.
"""

from __future__ import annotations

from collections.abc import Iterable

from chalicelib.apimachinery.accessors import metadata_of, spec_of
from chalicelib.apimachinery.types import JSON
from chalicelib.resources.pods.totals import amounts, containers_total
from chalicelib.resources.shared.formats import amount_text, amounts_texts

FILE_MODE = 0o644  # of files made from ConfigMaps, Secrets and the downward API
TOKEN_SECONDS = 3600  # life of a projected service account token
EMPTY_TEMPLATE: JSON = {"metadata": {}, "spec": {"containers": None}}

# Fields that Go writes only when they are not empty; fields not named here keep an explicit false, 0 or "".
_PLAIN_TEXT = (
    "args command env envFrom ephemeralContainers fsType hostAliases hostIP hostIPC hostNetwork"
    " hostPID hostPort hostname imagePullSecrets initContainers initialDelaySeconds items medium name"
    " nodeName nodeSelector overhead ports prefix priorityClassName readOnly readinessGates resizePolicy"
    " resourceClaims"
    " schedulingGates serviceAccount serviceAccountName stdin stdinOnce subPath subPathExpr subdomain"
    " supplementalGroups sysctls tolerations topologySpreadConstraints tty value volumeDevices volumeMounts"
    " volumes workingDir"
)
_PLAIN = frozenset(_PLAIN_TEXT.split())

_PROBE_DEFAULTS = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}


def drop_empty(obj: JSON, plain: frozenset[str] = _PLAIN) -> None:
    """Remove, in place, null fields and empty plain ones."""
    for key in [key for key, value in obj.items() if not value and (value is None or key in plain)]:
        del obj[key]


def default_pod(pod: JSON) -> None:
    """Fill in a pod (not a template): its spec, and what only pods get. Idempotent."""
    spec = pod.setdefault("spec", {})
    default_pod_spec(spec)
    spec.setdefault("enableServiceLinks", True)
    containers = [*spec.get("initContainers", ()), *spec["containers"]]
    for container in containers:
        _default_requests(container["resources"])
    if spec.get("resources"):
        _default_pod_requests(spec)
    if spec.get("hostNetwork"):
        for container in containers:
            for port in container.get("ports", ()):
                port.setdefault("hostPort", port.get("containerPort", 0))


def default_template(template: JSON) -> None:
    """Fill in the template of a controller's pods. Idempotent."""
    template["metadata"] = metadata_of(template)
    template["spec"] = spec_of(template)
    default_pod_spec(template["spec"])


def default_pod_spec(spec: JSON) -> None:
    """Fill in what pods and templates share."""
    drop_empty(spec)
    spec["dnsPolicy"] = spec.get("dnsPolicy") or "ClusterFirst"
    spec["restartPolicy"] = spec.get("restartPolicy") or "Always"
    spec["schedulerName"] = spec.get("schedulerName") or "default-scheduler"
    spec.setdefault("securityContext", {})
    spec.setdefault("terminationGracePeriodSeconds", 30)
    account = spec.get("serviceAccountName") or spec.get("serviceAccount")
    if account:
        spec["serviceAccountName"] = spec["serviceAccount"] = account
    spec.setdefault("containers", [])
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        for container in spec.get(kind, ()):
            default_container(container)
    for volume in spec.get("volumes", ()):
        _default_volume(volume)
    if spec.get("resources"):
        canonicalise(spec["resources"])
    if "overhead" in spec:
        spec["overhead"] = amounts_texts(spec["overhead"])


def default_container(container: JSON) -> None:
    """Fill in a container of any sort."""
    drop_empty(container)
    image = container.get("image") or ""
    container["imagePullPolicy"] = container.get("imagePullPolicy") or pull_policy(image)
    container["terminationMessagePath"] = container.get("terminationMessagePath") or "/dev/termination-log"
    container["terminationMessagePolicy"] = container.get("terminationMessagePolicy") or "File"
    canonicalise(container.setdefault("resources", {}))
    for port in container.get("ports", ()):
        drop_empty(port)
        port["protocol"] = port.get("protocol") or "TCP"
    for variable in container.get("env", ()):
        drop_empty(variable)
        if "valueFrom" in variable:
            _default_references(variable["valueFrom"])
    for mount in container.get("volumeMounts", ()):
        drop_empty(mount)
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if name in container:
            probe = container[name]
            drop_empty(probe)
            for count, number in _PROBE_DEFAULTS.items():
                probe[count] = probe.get(count) or number
            _default_handler(probe)
            if "grpc" in probe:
                probe["grpc"].setdefault("service", "")
    for handler in (container.get("lifecycle") or {}).values():
        if isinstance(handler, dict):
            _default_handler(handler)


def pull_policy(image: str) -> str:
    """Return the imagePullPolicy of an image by its tag: Always for `latest` or none, else IfNotPresent.

    A digest pins the image, so a name with one and no tag is IfNotPresent.
    """
    name, _, digest = image.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    return "Always" if tag == "latest" or not (tag or digest) else "IfNotPresent"


def canonicalise(resources: JSON) -> None:
    """Write, in place, the quantities of `resources` as the server does: 1024Mi is 1Gi, 0.5 is 500m."""
    drop_empty(resources, frozenset(("limits", "requests", "claims")))
    for kind in ("limits", "requests"):
        if kind in resources:
            resources[kind] = amounts_texts(resources[kind])


def _default_requests(resources: JSON) -> None:
    limits = resources.get("limits")
    if limits:
        resources["requests"] = {**limits, **resources.get("requests", {})}


def _default_pod_requests(spec: JSON) -> None:
    """Fill in, in place, what a pod as a whole requests: what its containers do, else its limits."""
    resources = spec["resources"]
    if not resources.get("limits") and not resources.get("requests"):
        return
    containers = (*spec.get("initContainers", ()), *spec["containers"])
    named = {name for each in containers for name in amounts(each, "requests")} & {"cpu", "memory"}
    of_containers = {name: str(containers_total(spec, name, "requests")) for name in sorted(named)}
    resources["requests"] = {**of_containers, **resources.get("requests", {})}
    _default_requests(resources)


def _default_handler(handler: JSON) -> None:
    request = handler.get("httpGet")
    if request is not None:
        request["path"] = request.get("path") or "/"
        request["scheme"] = request.get("scheme") or "HTTP"


def _default_references(source: JSON) -> None:
    if source.get("fieldRef") is not None:
        source["fieldRef"]["apiVersion"] = source["fieldRef"].get("apiVersion") or "v1"
    if source.get("resourceFieldRef") is not None:
        source["resourceFieldRef"].setdefault("divisor", "0")


def _default_volume(volume: JSON) -> None:
    if len(volume) - ("name" in volume) == sum(value is None for value in volume.values()):
        volume["emptyDir"] = {}
    for kind, source in volume.items():
        if not isinstance(source, dict):
            continue
        drop_empty(source)
        if kind in ("configMap", "secret", "downwardAPI", "projected"):
            source.setdefault("defaultMode", FILE_MODE)
        if kind == "hostPath":
            source.setdefault("type", "")
        elif kind == "emptyDir" and "sizeLimit" in source:
            source["sizeLimit"] = amount_text(source["sizeLimit"])
        elif kind == "downwardAPI":
            _default_files(source.get("items", ()))
        elif kind == "projected":
            for part in source.get("sources") or ():
                token = part.get("serviceAccountToken")
                if token is not None:
                    token.setdefault("expirationSeconds", TOKEN_SECONDS)
                _default_files((part.get("downwardAPI") or {}).get("items") or ())
        elif kind == "ephemeral":
            template = source.get("volumeClaimTemplate") or {}
            spec_of(template).setdefault("volumeMode", "Filesystem")


def _default_files(files: Iterable[JSON]) -> None:
    for file in files:
        _default_references(file)
