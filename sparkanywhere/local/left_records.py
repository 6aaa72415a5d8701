"""What an ended control plane leaves of its pods: logs, and records, also those of a server that was for one job."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Collection, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

from chalicelib.apimachinery.accessors import is_terminal, labels_of
from chalicelib.apimachinery.rules.time import format_time
from chalicelib.apimachinery.types import JSON
from chalicelib.config import Settings, SettingsError
from chalicelib.controllers.podmodel.container_status import UNKNOWN_EXIT_CODE, all_statuses
from chalicelib.controllers.podmodel.record import handle_of
from chalicelib.controllers.pods.records import container_names
from chalicelib.controllers.runtime.objects import paged
from chalicelib.plane.backends import build_log_archive, build_storage, log_folder
from chalicelib.private_folder import make_private
from chalicelib.providers import registry
from chalicelib.providers.base import ProviderUnavailable
from chalicelib.resources.pods.podrecords import RESOURCE, SPARK_LABELS, record_of
from chalicelib.storage.base import Change, KeyExists, Storage, StorageError
from chalicelib.storage.keys import object_key, prefix
from chalicelib.storage.updates import remove_with

LOG = logging.getLogger(__name__)


def keep_logs(settings: Settings) -> set[str]:
    """Keep the log of every pod that has a task, for `kubectl logs` and for its record; return their uids. Repeatable.

    For an instance without a server. Raises ProviderUnavailable where an engine that has tasks does not answer.
    """
    with closing(build_storage(settings)) as storage:
        pods = [item.object() for item in paged(storage, "pods")]
    kept = set()
    for name in {pod["spec"].get("nodeName") for pod in pods if handle_of(pod)}:
        declaration = registry.of_node(str(name))
        if declaration is None or declaration.clean_up is None:
            continue
        provider = declaration.build(settings.provider_context(declaration))
        with closing(provider):
            provider.list_tasks()  # by which it learns of them
            archive = build_log_archive(settings, provider)
            for pod in pods:
                if pod["spec"].get("nodeName") == name and handle_of(pod):
                    archive.keep(pod["metadata"]["uid"], handle_of(pod), container_names(pod))
                    kept.add(pod["metadata"]["uid"])
    return kept


def has_applications(settings: Settings) -> bool:
    """Return whether an instance has records or pods of Spark; one that never was has none. Never raises."""
    if not settings.state_dir().is_dir():
        return False
    try:
        with closing(build_storage(settings)) as storage:
            pods = (item.object() for item in paged(storage, "pods"))
            return storage.count(prefix(RESOURCE)) > 0 or any(map(is_of_spark, pods))
    except (SettingsError, StorageError):
        return False


def hand_over(source: Settings, target: Settings) -> None:
    """Give the records and logs of an instance that is about to be removed to another one. Never raises.

    Pods of Spark that are still there become records. What cannot be kept is lost with a line in the log.
    """
    try:
        keep_logs(source)
        with closing(build_storage(source)) as ending:
            left = list(_records(ending))
        if not left:
            return  # an instance that never was is not made for that
        with closing(build_storage(target)) as lasting:
            for record in left:
                uid = record["pod"]["metadata"]["uid"]
                _move(log_folder(source) / uid, log_folder(target) / uid)
                metadata = record["metadata"]
                with suppress(KeyExists):
                    lasting.create(object_key(RESOURCE, metadata["namespace"], metadata["name"]), record)
    except (OSError, ProviderUnavailable, SettingsError, StorageError) as error:
        LOG.warning("records of instance %s are lost: %s", source.instance, error)


def record_ended(settings: Settings, uids: Collection[str], *, why: str) -> None:
    """Turn those pods of Spark that have these uids, and whose tasks are gone, into records. Repeatable.

    For an instance without a server. `why` is a sentence, their cause. Raises StorageError.
    """
    now = datetime.now(UTC)
    with closing(build_storage(settings)) as storage:
        for item in list(paged(storage, "pods")):
            pod = item.object()
            if is_of_spark(pod) and pod["metadata"]["uid"] in uids and not is_terminal(pod):
                record = _record(pod, now, why)
                metadata = record["metadata"]
                key = object_key(RESOURCE, metadata["namespace"], metadata["name"])
                remove_with(storage, item, [Change("ADDED", key, record)])


def is_of_spark(pod: JSON) -> bool:
    """Return whether a pod is of a Spark application, and leaves a record."""
    return any(labels_of(pod).get(each) for each in SPARK_LABELS)


def _records(storage: Storage) -> Iterator[JSON]:
    yield from (item.object() for item in paged(storage, RESOURCE))
    now = datetime.now(UTC)
    for pod in (item.object() for item in paged(storage, "pods")):
        if is_of_spark(pod):
            yield _record(pod, now, "it ended with the command that had started it")


def _record(pod: JSON, now: datetime, why: str) -> JSON:
    """Return the record of a pod that has no server any more: `why` it ended, unless it had."""
    if not is_terminal(pod):
        _end(pod, format_time(now), why)
    return record_of(pod, [{"container": name} for name in container_names(pod) if handle_of(pod)], now)


def _end(pod: JSON, at: str, why: str) -> None:
    """Make a pod one that was deleted and killed."""
    metadata, status = pod["metadata"], pod.setdefault("status", {})
    metadata.setdefault("deletionTimestamp", at)
    grace = metadata.get("deletionGracePeriodSeconds") or 1  # what ended by itself is deleted without one
    metadata["deletionGracePeriodSeconds"] = grace
    status |= {"phase": "Failed", "message": why}
    for each in all_statuses(pod):
        if "running" in each.get("state", {}):
            began = each["state"]["running"].get("startedAt")
            ended = {
                "exitCode": UNKNOWN_EXIT_CODE,
                "reason": "Error",
                "message": why,
                "startedAt": began,
                "finishedAt": at,
            }
            each |= {"state": {"terminated": ended}, "ready": False}


def _move(folder: Path, to: Path) -> None:
    if folder.is_dir() and not to.exists():
        make_private(to.parent)
        shutil.move(folder, to)
