"""Keep the logs of an ended control plane's pods before what runs of them is removed."""

from __future__ import annotations

from contextlib import closing

from chalicelib.config import Settings
from chalicelib.controllers.podmodel.record import handle_of
from chalicelib.controllers.pods.records import container_names
from chalicelib.controllers.runtime.objects import paged
from chalicelib.plane.backends import build_log_archive, build_storage
from chalicelib.providers import registry


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
