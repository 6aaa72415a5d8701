"""What the provider `process` declares."""

from __future__ import annotations

from chalicelib.providers.base import Provider
from chalicelib.providers.declaration import ProviderContext, ProviderDeclaration


def build(context: ProviderContext) -> Provider:
    """Return the provider."""
    from chalicelib.providers.process.provider import ProcessProvider

    return ProcessProvider(context.state / "pods", context.cache / "spark", environ=context.environ)


def clean_up(context: ProviderContext) -> int:
    """Kill and remove every task; return how many."""
    provider = build(context)
    tasks = provider.list_tasks()
    for task in tasks:
        provider.remove(task.handle)
    return len(tasks)


DECLARATION = ProviderDeclaration(
    name="process",
    summary="processes of this machine",
    build=build,
    network="host",
    volumes_last=True,
    shares_cpu=True,
    not_honoured=("CPU limits", "users", "images other than Spark's", "networks of a pod's own"),
    leavings="process tasks",
    clean_up=clean_up,
)
