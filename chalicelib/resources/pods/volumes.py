"""What may be wrong with a pod's volumes.

Compare validateVolumes in kubernetes/pkg/apis/core/validation/validation.go, v1.36.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from chalicelib.apimachinery.rules import names
from chalicelib.apimachinery.rules.causes import duplicate, forbidden, invalid, not_supported, required
from chalicelib.apimachinery.rules.status import Cause
from chalicelib.apimachinery.types import JSON
from chalicelib.resources.pods.downward import field_ref_causes, resource_ref_causes
from chalicelib.resources.shared.amounts import nanos
from chalicelib.resources.shared.formats import RESERVED_AUDIENCE, is_reserved_audience, relative_path_error

MAX_FILE_MODE = 0o777
MIN_TOKEN_SECONDS, MAX_TOKEN_SECONDS = 600, 1 << 32
FILE_MODE_RANGE = "must be a number between 0 and 0777 (octal), both inclusive"

# In the order in which a second source is noticed.
SOURCES_TEXT = (
    "emptyDir hostPath gitRepo gcePersistentDisk awsElasticBlockStore secret nfs iscsi glusterfs flocker"
    " configMap rbd cinder cephfs quobyte downwardAPI fc persistentVolumeClaim azureFile vsphereVolume"
    " photonPersistentDisk portworxVolume azureDisk storageos projected scaleIO csi ephemeral image"
)
SOURCES = tuple(SOURCES_TEXT.split())
HOST_PATH_TYPES = (
    "",
    "BlockDevice",
    "CharDevice",
    "Directory",
    "DirectoryOrCreate",
    "File",
    "FileOrCreate",
    "Socket",
)
# paths a file of the downward API may show
_FILE_FIELDS = frozenset(
    ("metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid")
)


def volumes_causes(volumes: list[JSON], path: str) -> Iterator[Cause]:
    """Yield what is wrong with a pod's volumes."""
    seen = set()
    for index, volume in enumerate(volumes):
        at = f"{path}[{index}]"
        yield from _source_causes(volume, at)
        name = volume.get("name") or ""
        if not name:
            yield required(f"{at}.name")
            continue
        for error in names.dns_label_errors(name):
            yield invalid(f"{at}.name", name, error)
        if name in seen:
            yield duplicate(f"{at}.name", name)
        seen.add(name)


def _source_causes(volume: JSON, at: str) -> Iterator[Cause]:
    sources = [name for name in SOURCES if volume.get(name) is not None]
    if not sources:
        yield required(at, "must specify a volume type")
    for extra in sources[1:]:
        yield forbidden(f"{at}.{extra}", "may not specify more than 1 volume type")
    if sources and sources[0] in _CHECKS:
        yield from _CHECKS[sources[0]](volume[sources[0]], f"{at}.{sources[0]}")


def _need(source: JSON, at: str, *keys: str) -> Iterator[Cause]:
    for key in keys:
        if not source.get(key):
            yield required(f"{at}.{key}")


def _empty_dir(source: JSON, at: str) -> Iterator[Cause]:
    size = source.get("sizeLimit")
    if size is not None and nanos(size) < 0:
        yield forbidden(f"{at}.sizeLimit", "SizeLimit field must be a valid resource quantity")


def _host_path(source: JSON, at: str) -> Iterator[Cause]:
    path = source.get("path") or ""
    if not path:
        yield required(f"{at}.path")
    elif ".." in path.split("/"):
        yield invalid(f"{at}.path", path, "must not contain '..'")
    if (source.get("type") or "") not in HOST_PATH_TYPES:
        yield not_supported(f"{at}.type", source["type"], HOST_PATH_TYPES)


def _mode(source: JSON, key: str, at: str) -> Iterator[Cause]:
    mode = source.get(key)
    if mode is not None and not 0 <= mode <= MAX_FILE_MODE:
        yield invalid(f"{at}.{key}", mode, FILE_MODE_RANGE)


def _local_path(path: str, at: str) -> Iterator[Cause]:
    error = relative_path_error(path)
    if error:
        yield invalid(at, path, error)
    elif path.startswith(".."):
        yield invalid(at, path, "must not start with '..'")


def _key_files(source: JSON, at: str) -> Iterator[Cause]:
    for index, item in enumerate(source.get("items") or ()):
        here = f"{at}.items[{index}]"
        yield from _need(item, here, "key", "path")
        yield from _local_path(item.get("path") or "", f"{here}.path")
        yield from _mode(item, "mode", here)


def _secret(source: JSON, at: str) -> Iterator[Cause]:
    yield from _need(source, at, "secretName")
    yield from _mode(source, "defaultMode", at)
    yield from _key_files(source, at)


def _config_map(source: JSON, at: str) -> Iterator[Cause]:
    yield from _need(source, at, "name")
    yield from _mode(source, "defaultMode", at)
    yield from _key_files(source, at)


def _downward(source: JSON, at: str) -> Iterator[Cause]:
    yield from _mode(source, "defaultMode", at)
    yield from _downward_files(source, at)


def _downward_files(source: JSON, at: str) -> Iterator[Cause]:
    for index, item in enumerate(source.get("items") or ()):
        here = f"{at}[{index}]"  # the real server leaves `.items` out of this path
        yield from _need(item, here, "path")
        yield from _local_path(item.get("path") or "", f"{here}.path")
        field, resource = item.get("fieldRef"), item.get("resourceFieldRef")
        if field is not None:
            yield from field_ref_causes(field, f"{here}.fieldRef", _FILE_FIELDS)
            if resource is not None:
                yield invalid(
                    here, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously"
                )
        elif resource is not None:
            yield from resource_ref_causes(resource, f"{here}.resourceFieldRef", is_volume=True)
        else:
            yield required(here, "one of fieldRef and resourceFieldRef is required")
        yield from _mode(item, "mode", here)


def _nfs(source: JSON, at: str) -> Iterator[Cause]:
    yield from _need(source, at, "server", "path")
    path = source.get("path") or ""
    if path and not path.startswith("/"):
        yield invalid(f"{at}.path", path, "must be an absolute path")


def _claim(source: JSON, at: str) -> Iterator[Cause]:
    yield from _need(source, at, "claimName")


def _csi(source: JSON, at: str) -> Iterator[Cause]:
    yield from _need(source, at, "driver")


def _image(source: JSON, at: str) -> Iterator[Cause]:
    yield from _need(source, at, "reference")


def _ephemeral(source: JSON, at: str) -> Iterator[Cause]:
    yield from _need(source, at, "volumeClaimTemplate")


def _token(source: JSON, at: str) -> Iterator[Cause]:
    seconds = source.get("expirationSeconds", MIN_TOKEN_SECONDS)
    if seconds < MIN_TOKEN_SECONDS:
        yield invalid(f"{at}.expirationSeconds", seconds, "may not specify a duration less than 10 minutes")
    if seconds > MAX_TOKEN_SECONDS:
        yield invalid(
            f"{at}.expirationSeconds", seconds, "may not specify a duration larger than 2^32 seconds"
        )
    if is_reserved_audience(source.get("audience") or ""):
        yield invalid(f"{at}.audience", source["audience"], RESERVED_AUDIENCE)
    yield from _need(source, at, "path")
    yield from _local_path(source.get("path") or "", f"{at}.path")


def _projected_config(source: JSON, at: str) -> Iterator[Cause]:
    yield from _need(source, at, "name")
    yield from _key_files(source, at)


_PROJECTIONS: dict[str, Callable[[JSON, str], Iterator[Cause]]] = {
    "secret": _projected_config,
    "configMap": _projected_config,
    "downwardAPI": _downward_files,
    "serviceAccountToken": _token,
}


def _projected(source: JSON, at: str) -> Iterator[Cause]:
    yield from _mode(source, "defaultMode", at)
    for index, projection in enumerate(source.get("sources") or ()):
        here = f"{at}.sources[{index}]"
        kinds = [kind for kind in projection if projection[kind] is not None]
        for extra in kinds[1:]:
            yield forbidden(f"{here}.{extra}", "may not specify more than 1 volume type per source")
        if not kinds:
            yield required(here, "must specify a volume type")
        elif kinds[0] in _PROJECTIONS:
            yield from _PROJECTIONS[kinds[0]](projection[kinds[0]], f"{here}.{kinds[0]}")


_CHECKS: dict[str, Callable[[JSON, str], Iterator[Cause]]] = {
    "emptyDir": _empty_dir,
    "hostPath": _host_path,
    "secret": _secret,
    "nfs": _nfs,
    "configMap": _config_map,
    "downwardAPI": _downward,
    "persistentVolumeClaim": _claim,
    "projected": _projected,
    "csi": _csi,
    "ephemeral": _ephemeral,
    "image": _image,
}
