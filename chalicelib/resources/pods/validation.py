"""What may be wrong with a pod, apart from its metadata, its containers and its volumes.

Compare ValidatePodSpec in kubernetes/pkg/apis/core/validation/validation.go, v1.36. Specs have been through
defaulting, so missing fields have their defaults.
"""

from __future__ import annotations

from collections.abc import Iterator

from chalicelib.apimachinery.accessors import metadata_of, spec_of
from chalicelib.apimachinery.rules import meta, names
from chalicelib.apimachinery.rules.causes import forbidden, invalid, not_supported
from chalicelib.apimachinery.rules.status import Cause
from chalicelib.apimachinery.types import JSON
from chalicelib.resources.pods.containers import containers_causes
from chalicelib.resources.pods.scheduling import affinity_causes, dns_causes, spread_causes, toleration_causes
from chalicelib.resources.pods.volumes import volumes_causes
from chalicelib.resources.shared.formats import MAX_INT32, NOT_AN_IP, is_ip

RESTART_POLICIES = ("Always", "OnFailure", "Never")
DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
PREEMPTION_POLICIES = ("PreemptLowerPriority", "Never")


def pod_causes(pod: JSON) -> Iterator[Cause]:
    """Yield what is wrong with a new pod."""
    yield from spec_causes(pod["spec"], "spec")
    if pod["spec"].get("ephemeralContainers"):
        yield forbidden("spec.ephemeralContainers", "cannot be set on create")


def template_causes(template: JSON, path: str) -> Iterator[Cause]:
    """Yield what is wrong with the template of a controller's pods."""
    metadata = metadata_of(template)
    yield from meta.labels_causes(metadata.get("labels") or {}, f"{path}.labels")
    yield from spec_causes(spec_of(template), f"{path}.spec")
    if spec_of(template).get("ephemeralContainers"):
        yield forbidden(
            f"{path}.spec.ephemeralContainers", "ephemeral containers not allowed in pod template"
        )


def spec_causes(spec: JSON, path: str) -> Iterator[Cause]:
    """Yield what is wrong with a pod spec that stands at `path`."""
    yield from volumes_causes(spec.get("volumes", []), f"{path}.volumes")
    yield from containers_causes(spec, path)
    if spec.get("restartPolicy") not in RESTART_POLICIES:
        yield not_supported(f"{path}.restartPolicy", spec.get("restartPolicy"), RESTART_POLICIES)
    if spec.get("dnsPolicy") not in DNS_POLICIES:
        yield not_supported(f"{path}.dnsPolicy", spec.get("dnsPolicy"), DNS_POLICIES)
    if spec.get("nodeSelector"):
        yield from meta.labels_causes(spec["nodeSelector"], f"{path}.nodeSelector")
    yield from _security_causes(spec.get("securityContext") or {}, f"{path}.securityContext")
    yield from affinity_causes(spec.get("affinity") or {}, f"{path}.affinity")
    yield from dns_causes(spec, f"{path}.dnsConfig")
    yield from spread_causes(spec.get("topologySpreadConstraints", []), f"{path}.topologySpreadConstraints")
    yield from _names_causes(spec, path)
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and not 1 <= deadline <= MAX_INT32:
        yield invalid(
            f"{path}.activeDeadlineSeconds", deadline, f"must be between 1 and {MAX_INT32}, inclusive"
        )
    for name in ("hostname", "subdomain"):
        if spec.get(name):
            for error in names.dns_label_errors(spec[name]):
                yield invalid(f"{path}.{name}", spec[name], error)
    for index, toleration in enumerate(spec.get("tolerations", ())):
        yield from toleration_causes(toleration, f"{path}.tolerations[{index}]")
    yield from _host_aliases_causes(spec.get("hostAliases", []), f"{path}.hostAliases")
    for name in ("priorityClassName", "runtimeClassName"):
        if spec.get(name):
            for error in names.dns_subdomain_errors(spec[name]):
                yield invalid(f"{path}.{name}", spec[name], error)
    policy = spec.get("preemptionPolicy")
    if policy is not None and policy not in PREEMPTION_POLICIES:
        yield not_supported(f"{path}.preemptionPolicy", policy, PREEMPTION_POLICIES)


def _names_causes(spec: JSON, path: str) -> Iterator[Cause]:
    for name in ("serviceAccountName", "nodeName"):
        if spec.get(name):
            for error in names.dns_subdomain_errors(spec[name]):
                yield invalid(f"{path}.{name}", spec[name], error)


def _security_causes(context: JSON, at: str) -> Iterator[Cause]:
    for key in ("fsGroup", "runAsUser", "runAsGroup"):
        number = context.get(key)
        if number is not None and not 0 <= number <= MAX_INT32:
            yield invalid(f"{at}.{key}", number, f"must be between 0 and {MAX_INT32}, inclusive")
    for index, group in enumerate(context.get("supplementalGroups") or ()):
        if not 0 <= group <= MAX_INT32:
            yield invalid(
                f"{at}.supplementalGroups[{index}]", group, f"must be between 0 and {MAX_INT32}, inclusive"
            )


def _host_aliases_causes(aliases: list[JSON], at: str) -> Iterator[Cause]:
    for index, alias in enumerate(aliases):
        if not is_ip(alias.get("ip") or ""):
            yield invalid(f"{at}[{index}].ip", alias.get("ip") or "", NOT_AN_IP)
        for name in alias.get("hostnames") or ():
            for error in names.dns_subdomain_errors(name):
                yield invalid(f"{at}[{index}].hostnames", name, error)
