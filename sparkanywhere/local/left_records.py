"""What an ended control plane leaves of its pods: logs, and records, also those of a server that was for one job."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

from chalicelib.apimachinery.accessors import is_deleting, is_terminal, labels_of
from chalicelib.apimachinery.rules.time import format_time
from chalicelib.apimachinery.types import JSON
from chalicelib.config import Settings, SettingsError
from chalicelib.controllers.podmodel.record import handle_of
from chalicelib.controllers.pods.records import container_names
from chalicelib.controllers.runtime.objects import paged
from chalicelib.plane.backends import build_log_archive, build_storage, log_folder
from chalicelib.private_folder import make_private
from chalicelib.providers import registry
from chalicelib.providers.base import ProviderUnavailable
from chalicelib.resources.pods.podrecords import RESOURCE, SPARK_LABELS, record_of
from chalicelib.storage.base import KeyExists, Storage, StorageError
from chalicelib.storage.keys import object_key, prefix

LOG = logging.getLogger(__name__)


def keep_logs(settings: Settings) -> None:
    """Keep the log of every pod that has a task, for `kubectl logs` and for its record. Repeatable.

    For an instance without a server. Raises ProviderUnavailable where an engine that has tasks does not answer.
    """
    with closing(build_storage(settings)) as storage:
        pods = [item.object() for item in paged(storage, "pods")]
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


def has_records(settings: Settings) -> bool:
    """Return whether an instance keeps records; one that never was does not. Never raises."""
    if not settings.state_dir().is_dir():
        return False
    try:
        with closing(build_storage(settings)) as storage:
            return storage.count(prefix(RESOURCE)) > 0
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


def _records(storage: Storage) -> Iterator[JSON]:
    yield from (item.object() for item in paged(storage, RESOURCE))
    now = datetime.now(UTC)
    for pod in (item.object() for item in paged(storage, "pods")):
        if any(labels_of(pod).get(each) for each in SPARK_LABELS):
            if not is_terminal(pod) and not is_deleting(pod):  # it ends with its control plane
                pod["metadata"] |= {"deletionTimestamp": format_time(now), "deletionGracePeriodSeconds": 0}
            yield record_of(pod, [{"container": name} for name in container_names(pod) if handle_of(pod)], now)


def _move(folder: Path, to: Path) -> None:
    if folder.is_dir() and not to.exists():
        make_private(to.parent)
        shutil.move(folder, to)
