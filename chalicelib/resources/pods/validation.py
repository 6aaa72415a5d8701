"""What may be wrong with a pod, new or updated, apart from its containers; and what it is warned about.

Compare ValidatePodSpec, ValidateVolumes and ValidatePodUpdate in kubernetes/pkg/apis/core/validation/validation.go, and
kubernetes/pkg/api/pod/warnings.go, v1.36. Specs have been through
defaulting, so missing fields have their defaults. Only what users mistype, or what becomes a name here, is checked:
clients that send typed objects (fabric8, kubectl) send what a real cluster takes, and where pods run (affinity,
tolerations, spread) is no scheduler's choice here.
"""

from __future__ import annotations

from collections.abc import Iterator

from chalicelib.apimachinery.accessors import annotations_of, metadata_of, spec_of
from chalicelib.apimachinery.rules import meta, names
from chalicelib.apimachinery.rules.causes import duplicate, forbidden, invalid, not_supported, required
from chalicelib.apimachinery.rules.status import Cause
from chalicelib.apimachinery.types import JSON
from chalicelib.resources.pods.containers import containers_causes, pod_resources_causes, resource_ref_causes
from chalicelib.resources.pods.marks import WAITS_FOR
from chalicelib.resources.shared.formats import MAX_INT32, RESERVED_AUDIENCE, is_reserved_audience, relative_path_error

MAX_FILE_MODE = 0o777
MIN_TOKEN_SECONDS = 600
FILE_MODE_RANGE = "must be a number between 0 and 0777 (octal), both inclusive"

# In the order in which a second source is noticed.
SOURCES_TEXT = (
    "emptyDir hostPath gitRepo gcePersistentDisk awsElasticBlockStore secret nfs iscsi glusterfs flocker"
    " configMap rbd cinder cephfs quobyte downwardAPI fc persistentVolumeClaim azureFile vsphereVolume"
    " photonPersistentDisk portworxVolume azureDisk storageos projected scaleIO csi ephemeral image"
)
SOURCES = tuple(SOURCES_TEXT.split())
_REQUIRED = {
    "hostPath": ("path",),
    "secret": ("secretName",),
    "nfs": ("server", "path"),
    "configMap": ("name",),
    "persistentVolumeClaim": ("claimName",),
    "csi": ("driver",),
    "ephemeral": ("volumeClaimTemplate",),
    "image": ("reference",),
}
_PROJECTED_REQUIRED = {"secret": ("name",), "configMap": ("name",), "serviceAccountToken": ("path",)}


def volumes_causes(volumes: list[JSON], path: str) -> Iterator[Cause]:
    """Yield what is wrong with a pod's volumes."""
    seen = set()
    for index, volume in enumerate(volumes):
        at = f"{path}[{index}]"
        sources = [name for name in SOURCES if volume.get(name) is not None]
        if not sources:
            yield required(at, "must specify a volume type")
        for extra in sources[1:]:
            yield forbidden(f"{at}.{extra}", "may not specify more than 1 volume type")
        for kind in sources[:1]:
            yield from _source_causes(kind, volume[kind], f"{at}.{kind}")
        name = volume.get("name") or ""
        if not name:
            yield required(f"{at}.name")
            continue
        for error in names.dns_label_errors(name):
            yield invalid(f"{at}.name", name, error)
        if name in seen:
            yield duplicate(f"{at}.name", name)
        seen.add(name)


def _source_causes(kind: str, source: JSON, at: str) -> Iterator[Cause]:
    yield from _missing(source, at, _REQUIRED.get(kind, ()))
    if kind == "hostPath" and ".." in (source.get("path") or "").split("/"):
        yield invalid(f"{at}.path", source["path"], "must not contain '..'")
    yield from _mode(source, "defaultMode", at)
    yield from _files_causes(kind, source, at)
    for index, projection in enumerate(source.get("sources") or () if kind == "projected" else ()):
        here = f"{at}.sources[{index}]"
        kinds = [each for each in projection if projection[each] is not None]
        if not kinds:
            yield required(here, "must specify a volume type")
        for extra in kinds[1:]:
            yield forbidden(f"{here}.{extra}", "may not specify more than 1 volume type per source")
        for each in kinds[:1]:
            part, place = projection[each], f"{here}.{each}"
            yield from _missing(part, place, _PROJECTED_REQUIRED.get(each, ()))
            yield from _files_causes(each, part, place)
            if each == "serviceAccountToken":
                yield from _token_causes(part, place)


def _missing(source: JSON, at: str, keys: tuple[str, ...]) -> Iterator[Cause]:
    for key in keys:
        if not source.get(key):
            yield required(f"{at}.{key}")


def _mode(source: JSON, key: str, at: str) -> Iterator[Cause]:
    mode = source.get(key)
    if mode is not None and not 0 <= mode <= MAX_FILE_MODE:
        yield invalid(f"{at}.{key}", mode, FILE_MODE_RANGE)


def _local_path(path: str, at: str) -> Iterator[Cause]:
    error = relative_path_error(path)
    if error or path.startswith(".."):
        yield invalid(at, path, error or "must not start with '..'")


def _files_causes(kind: str, source: JSON, at: str) -> Iterator[Cause]:
    """Yield what is wrong with the files that a source names one by one."""
    if kind not in ("secret", "configMap", "downwardAPI"):
        return
    is_downward = kind == "downwardAPI"
    for index, item in enumerate(source.get("items") or ()):
        # the real server leaves `.items` out of the path for the downward API
        here = f"{at}[{index}]" if is_downward else f"{at}.items[{index}]"
        yield from _missing(item, here, ("path",) if is_downward else ("key", "path"))
        yield from _local_path(item.get("path") or "", f"{here}.path")
        if is_downward and item.get("resourceFieldRef") is not None:
            yield from resource_ref_causes(item["resourceFieldRef"], f"{here}.resourceFieldRef")
        elif is_downward and item.get("fieldRef") is None:
            yield required(here, "one of fieldRef and resourceFieldRef is required")
        yield from _mode(item, "mode", here)


def _token_causes(source: JSON, at: str) -> Iterator[Cause]:
    seconds = source.get("expirationSeconds", MIN_TOKEN_SECONDS)
    if seconds < MIN_TOKEN_SECONDS:
        yield invalid(f"{at}.expirationSeconds", seconds, "may not specify a duration less than 10 minutes")
    if is_reserved_audience(source.get("audience") or ""):
        yield invalid(f"{at}.audience", source["audience"], RESERVED_AUDIENCE)
    yield from _local_path(source.get("path") or "", f"{at}.path")


_CHOICES = {
    "restartPolicy": ("Always", "OnFailure", "Never"),
    "dnsPolicy": ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"),
}
ONLY_THESE = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)
_MUTABLE = ("activeDeadlineSeconds", "tolerations", "schedulingGates")
_NAMES = {
    "serviceAccountName": names.dns_subdomain_errors,
    "nodeName": names.dns_subdomain_errors,
    "hostname": names.dns_label_errors,
    "subdomain": names.dns_label_errors,
    "priorityClassName": names.dns_subdomain_errors,
}


def template_causes(template: JSON, path: str) -> Iterator[Cause]:
    """Yield what is wrong with the template of a controller's pods."""
    yield from meta.labels_causes(metadata_of(template).get("labels") or {}, f"{path}.labels")
    yield from spec_causes(spec_of(template), f"{path}.spec")
    if spec_of(template).get("ephemeralContainers"):
        yield forbidden(f"{path}.spec.ephemeralContainers", "ephemeral containers not allowed in pod template")


def spec_causes(spec: JSON, path: str) -> Iterator[Cause]:
    """Yield what is wrong with a pod spec that stands at `path`."""
    yield from volumes_causes(spec.get("volumes", []), f"{path}.volumes")
    yield from containers_causes(spec, path)
    yield from pod_resources_causes(spec, f"{path}.resources")
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


def update_causes(pod: JSON, old: JSON) -> Iterator[Cause]:
    """Yield what an update may not do to the pod `old`; both have been through defaulting."""
    spec, before = spec_of(pod), spec_of(old)
    if spec == before:
        return
    for kind in ("containers", "initContainers"):
        if len(spec.get(kind, ())) != len(before.get(kind, ())):
            yield forbidden(f"spec.{kind}", "pod updates may not add or remove containers")
            return
        for index, container in enumerate(spec.get(kind, ())):
            image = container.get("image")
            if not image:
                yield forbidden(f"spec.{kind}[{index}].image", "must not be empty")
            elif WAITS_FOR in annotations_of(old) and image != before[kind][index].get("image"):
                yield forbidden(f"spec.{kind}[{index}].image", "a task of the image that it had waits for this pod")
    deadline, old_deadline = spec.get("activeDeadlineSeconds"), before.get("activeDeadlineSeconds")
    if old_deadline is not None and (deadline is None or deadline > old_deadline):
        why = "must not update from a positive integer to nil value"
        if deadline is not None:
            why = f"must be less than or equal to previous value of {old_deadline}"
        yield invalid("spec.activeDeadlineSeconds", deadline, why)
    kept = [_identity(each) for each in spec.get("tolerations", ())]
    if any(_identity(each) not in kept for each in before.get("tolerations", ())):
        why = "existing toleration can not be modified except its tolerationSeconds"
        yield forbidden("spec.tolerations", why)
    if _fixed(spec, before) != _fixed(before, before):
        yield forbidden("spec", ONLY_THESE)


def _identity(toleration: JSON) -> tuple[str, ...]:
    return tuple(toleration.get(key) or "" for key in ("key", "operator", "value", "effect"))


def _fixed(spec: JSON, before: JSON) -> JSON:
    """Return the part of a spec that an update may not change."""
    empty: tuple[object, ...] = ([], {}, None, "")
    fixed = {key: value for key, value in spec.items() if key not in _MUTABLE and value not in empty}
    for kind in ("containers", "initContainers"):
        fixed[kind] = [{**container, "image": ""} for container in spec.get(kind, ())]
    if before.get("terminationGracePeriodSeconds", 0) < 0 and spec.get("terminationGracePeriodSeconds") == 1:
        fixed["terminationGracePeriodSeconds"] = before["terminationGracePeriodSeconds"]
    return fixed


def spec_warnings(spec: JSON, path: str) -> Iterator[str]:
    """Yield what users are warned about in a pod spec that stands at `path`."""
    places = [(kind, index) for kind in ("initContainers", "containers") for index in range(len(spec.get(kind, ())))]
    for kind, index in places:
        container, at = spec[kind][index], f"{path}.{kind}[{index}]"
        for part, amounts in (container.get("resources") or {}).items():
            for name in ("memory", "ephemeral-storage"):
                amount = amounts.get(name) if isinstance(amounts, dict) else None
                if isinstance(amount, str) and amount.endswith("m"):
                    why = f'fractional byte value "{amount}" is invalid, must be an integer'
                    yield f"{at}.resources.{part}[{name}]: {why}"
        seen: set[str] = set()
        for number, variable in enumerate(container.get("env", ())):
            name = variable.get("name", "")
            if name in seen:
                why = f'hides previous definition of "{name}", which may be dropped when using apply'
                yield f"{at}.env[{number}]: {why}"
            seen.add(name)
