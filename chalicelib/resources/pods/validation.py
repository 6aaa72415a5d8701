"""What may be wrong with a pod, apart from its metadata, its containers and its volumes.

Compare ValidatePodSpec in kubernetes/pkg/apis/core/validation/validation.go, v1.36. Specs have been through
defaulting, so missing fields have their defaults. Only what users mistype, or what becomes a name here, is checked:
clients that send typed objects (fabric8, kubectl) send what a real cluster takes, and where pods run (affinity,
tolerations, spread) is no scheduler's choice here.
"""

from __future__ import annotations

from collections.abc import Iterator

from chalicelib.apimachinery.accessors import metadata_of, spec_of
from chalicelib.apimachinery.rules import meta, names
from chalicelib.apimachinery.rules.causes import forbidden, invalid, not_supported
from chalicelib.apimachinery.rules.status import Cause
from chalicelib.apimachinery.types import JSON
from chalicelib.resources.pods.containers import containers_causes
from chalicelib.resources.pods.volumes import volumes_causes
from chalicelib.resources.shared.formats import MAX_INT32

_CHOICES = {
    "restartPolicy": ("Always", "OnFailure", "Never"),
    "dnsPolicy": ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"),
}
_NAMES = {
    "serviceAccountName": names.dns_subdomain_errors,
    "nodeName": names.dns_subdomain_errors,
    "hostname": names.dns_label_errors,
    "subdomain": names.dns_label_errors,
    "priorityClassName": names.dns_subdomain_errors,
}


def pod_causes(pod: JSON) -> Iterator[Cause]:
    """Yield what is wrong with a new pod."""
    yield from spec_causes(pod["spec"], "spec")
    if pod["spec"].get("ephemeralContainers"):
        yield forbidden("spec.ephemeralContainers", "cannot be set on create")


def template_causes(template: JSON, path: str) -> Iterator[Cause]:
    """Yield what is wrong with the template of a controller's pods."""
    yield from meta.labels_causes(metadata_of(template).get("labels") or {}, f"{path}.labels")
    yield from spec_causes(spec_of(template), f"{path}.spec")
    if spec_of(template).get("ephemeralContainers"):
        yield forbidden(
            f"{path}.spec.ephemeralContainers", "ephemeral containers not allowed in pod template"
        )


def spec_causes(spec: JSON, path: str) -> Iterator[Cause]:
    """Yield what is wrong with a pod spec that stands at `path`."""
    yield from volumes_causes(spec.get("volumes", []), f"{path}.volumes")
    yield from containers_causes(spec, path)
    for key, choices in _CHOICES.items():
        if spec.get(key) not in choices:
            yield not_supported(f"{path}.{key}", spec.get(key), choices)
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and not 1 <= deadline <= MAX_INT32:
        why = f"must be between 1 and {MAX_INT32}, inclusive"
        yield invalid(f"{path}.activeDeadlineSeconds", deadline, why)
    for key, errors in _NAMES.items():
        for error in errors(spec[key]) if spec.get(key) else ():
            yield invalid(f"{path}.{key}", spec[key], error)
