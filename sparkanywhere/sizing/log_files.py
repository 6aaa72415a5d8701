"""Where the event log of an application is, and its files: a claim of a control plane here, a bucket, or a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

import javaproperties

from chalicelib.apimachinery.accessors import spec_of
from chalicelib.apimachinery.types import JSON
from chalicelib.config import Settings
from chalicelib.providers import registry
from chalicelib.providers.base import ProviderUnavailable
from sparkanywhere.client.access import Target
from sparkanywhere.client.kube_client import ApiError, KubeClient
from sparkanywhere.client.server_records import living_servers, state_root
from sparkanywhere.jobs.event_log import CLAIM, DIRECTORY
from sparkanywhere.sizing.event_stream import PLAIN, UNFINISHED, ZSTD, LogFile, LogUnreadable

# Of the ConfigMap that spark-submit, and we, mount in a driver: the end of its name, and the key.
CONF_MAP, PROPERTIES = "-conf-map", "spark.properties"
OBJECT_SCHEMES = ("s3", "s3a", "s3n")
NO_LOG = "It has no event log {}: `run` keeps one, but for --no-event-log."
FilesAt = Callable[[str], Iterator[LogFile]]  # those at a path: the file itself, or those in the folder


def log_files(
    client: KubeClient,
    target: Target,
    driver: JSON,
    *,
    ids: Iterable[str],
    place: str,
    conf: Mapping[str, str],
    environ: Mapping[str, str],
) -> Iterator[LogFile]:
    """Yield the files of the log of an application that has one of these ids; `place` "" is its driver's.

    `conf` are settings of Spark's that are known of it, as well as those that its driver still tells. Raises
    LogUnreadable, FileFailed, ApiError, ApiUnreachable.
    """
    conf = {**conf, **settings_of(client, driver)}
    place = place or conf.get("spark.eventLog.dir", "")
    url = urlsplit(place)
    if place == DIRECTORY:
        files_at = _in_claim(client, target, driver, environ)
    elif url.scheme in OBJECT_SCHEMES:
        from sparkanywhere.jobs.s3_objects import objects_at  # which loads boto3

        prefix = url.path.strip("/")

        def files_at(path: str) -> Iterator[LogFile]:
            return objects_at(url.netloc, f"{prefix}/{path}".lstrip("/"), conf)
    elif url.scheme in ("", "file") and place:
        files_at = _in_folder(Path(url.path))
    else:
        raise LogUnreadable(NO_LOG.format("that is known") + " --events says where another one is.")
    for name in (each for app_id in ids for each in _names(app_id)):
        found = False
        for file in files_at(name):
            found = True
            yield file
        if found:
            return
    raise LogUnreadable(NO_LOG.format(f"in {place}"))


def settings_of(client: KubeClient, driver: JSON) -> dict[str, str]:
    """Return the settings of Spark's that a driver's pod names, also those of its ConfigMap while that is there.

    Raises ApiUnreachable.
    """
    found: dict[str, str] = {}
    for volume in spec_of(driver).get("volumes") or ():
        name = str((volume.get("configMap") or {}).get("name", ""))
        if name.endswith(CONF_MAP):
            path = f"/api/v1/namespaces/{driver['metadata']['namespace']}/configmaps/{name}"
            with suppress(ApiError, ValueError):  # it has gone, is not for us, or holds no properties
                found |= javaproperties.loads((client.get(path).get("data") or {}).get(PROPERTIES, ""))
    args = [arg for each in spec_of(driver).get("containers") or () for arg in each.get("args") or ()]
    return found | dict(arg.split("=", 1) for arg in args if arg.startswith("spark.") and "=" in arg)


def _names(app_id: str) -> list[str]:
    """Return what Spark calls the log of an application: a folder, or a file that may be compressed and unfinished."""
    plain = [f"{app_id}{codec}{state}" for state in (PLAIN, UNFINISHED) for codec in (f".{ZSTD}", PLAIN)]
    return [f"eventlog_v2_{app_id}", *plain]


def _in_folder(folder: Path) -> FilesAt:
    def files_at(path: str) -> Iterator[LogFile]:
        place = folder / path
        for each in sorted(place.iterdir()) if place.is_dir() else [place]:
            if each.is_file():
                with each.open("rb") as file:
                    yield each.name, file

    return files_at


def _in_claim(client: KubeClient, target: Target, driver: JSON, environ: Mapping[str, str]) -> FilesAt:
    """Return what reads the claim of event logs, if its control plane is on this machine. Raises LogUnreadable."""
    provider = registry.of_node(str(spec_of(driver).get("nodeName", "")))
    living = living_servers(state_root(environ))
    record = next((each for each in living if each.url == target.access.url), None)
    if provider is None or provider.volume_files is None or record is None:
        raise LogUnreadable("Its event log lies in a volume of another machine's: only there can it be read.")
    settings = Settings(state=str(state_root(environ)), instance=record.instance)
    context, volume_files = settings.provider_context(provider, environ), provider.volume_files
    namespace = driver["metadata"]["namespace"]
    try:
        claim = client.get(f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/{CLAIM}")
    except ApiError as error:
        if error.code != 404:
            raise
        raise LogUnreadable(NO_LOG.format("any more")) from error
    source = str(claim["metadata"]["uid"])

    def files_at(path: str) -> Iterator[tuple[str, BinaryIO]]:
        try:
            yield from volume_files(context, source, path)
        except ProviderUnavailable as error:
            raise LogUnreadable(str(error)) from error

    return files_at
