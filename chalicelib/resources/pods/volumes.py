"""What may be wrong with a pod's volumes: what users mistype, and paths that would lead out of a volume.

Compare validateVolumes in kubernetes/pkg/apis/core/validation/validation.go, v1.36.
"""

from __future__ import annotations

from collections.abc import Iterator

from chalicelib.apimachinery.rules import names
from chalicelib.apimachinery.rules.causes import duplicate, forbidden, invalid, required
from chalicelib.apimachinery.rules.status import Cause
from chalicelib.apimachinery.types import JSON
from chalicelib.resources.pods.containers import resource_ref_causes
from chalicelib.resources.shared.formats import RESERVED_AUDIENCE, is_reserved_audience, relative_path_error

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
