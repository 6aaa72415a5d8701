"""What the provider `process` declares."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from chalicelib.providers.base import Provider
from chalicelib.providers.declaration import ProviderContext, ProviderDeclaration


@dataclass(frozen=True, slots=True)
class ProcessSettings:
    """The settings that this provider alone has."""

    process_namespaces: bool = field(
        default=True,
        metadata={"doc": "whether containers get PID and mount namespaces of their own, where Linux lets us"},
    )


def build(context: ProviderContext) -> Provider:
    """Return the provider."""
    from chalicelib.providers.process.provider import ProcessProvider

    settings: ProcessSettings = context.settings
    return ProcessProvider(
        context.state / "pods", context.cache / "spark", environ=context.environ, namespaces=settings.process_namespaces
    )


def check(context: ProviderContext) -> str:
    """Return whether pods have namespaces of their own here, and if not, why."""
    from chalicelib.providers.supervised import isolation

    settings: ProcessSettings = context.settings
    obstacle = isolation.obstacle(wanted=settings.process_namespaces)
    if obstacle:
        return f"processes of this machine, which see all others: pods have no namespaces of their own ({obstacle})"
    return "processes of this machine, each pod in PID and mount namespaces of its own"


def clean_up(context: ProviderContext) -> int:
    """Kill and remove every task; return how many."""
    from chalicelib.providers.supervised.leftovers import remove_all

    return remove_all(build(context))


def volume_files(context: ProviderContext, source: str, path: str) -> Iterator[tuple[str, BinaryIO]]:
    """Return the files at a path of a named volume."""
    from chalicelib.providers.supervised import volumes

    return volumes.volume_files(context.state / "pods" / volumes.NAMED, source, path)


DECLARATION = ProviderDeclaration(
    name="process",
    summary="processes of this machine",
    build=build,
    settings=ProcessSettings,
    check=check,
    network="host",
    volumes_last=True,
    volume_files=volume_files,
    shares_cpu=True,
    splits_output=True,
    not_honoured=("CPU limits", "users", "images other than Spark's", "networks of a pod's own"),
    leavings="process tasks",
    clean_up=clean_up,
)
