"""What the provider `slurm` declares."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from chalicelib.providers.base import Provider, ProviderUnavailable
from chalicelib.providers.declaration import ProviderContext, ProviderDeclaration


@dataclass(frozen=True, slots=True)
class SlurmSettings:
    """The settings that this provider alone has."""

    slurm_folder: str = field(
        default="",
        metadata={"doc": "folder that this machine and all nodes share, for what jobs write; default the state"},
    )
    slurm_address: str = field(
        default="", metadata={"doc": "this machine's IP address as nodes reach it; default that on the way to a node"}
    )
    slurm_partition: str = field(default="", metadata={"doc": "partition of jobs that name none; default Slurm's own"})
    slurm_account: str = field(default="", metadata={"doc": "account of jobs that name none"})
    slurm_qos: str = field(default="", metadata={"doc": "quality of service of jobs that name none"})
    slurm_constraint: str = field(default="", metadata={"doc": "node features that jobs ask for which name none"})
    slurm_minutes: int = field(
        default=0,
        metadata={"doc": "minutes after which Slurm ends a job that has no deadline of its own; 0: the partition's"},
    )


def folder(context: ProviderContext) -> Path:
    """Return where this control plane's tasks lie."""
    settings: SlurmSettings = context.settings
    return Path(settings.slurm_folder) / context.instance if settings.slurm_folder else context.state / "slurm"


def build(context: ProviderContext) -> Provider:
    """Return the provider."""
    from chalicelib.providers.slurm.provider import SlurmProvider

    return SlurmProvider(
        folder(context),
        context.cache / "spark",
        environ=context.environ,
        instance=context.instance,
        settings=context.settings,
        address=lambda: site_address(context),
    )


def site_address(context: ProviderContext) -> str:
    """Return the address of this machine on the way to a node."""
    settings: SlurmSettings = context.settings
    if settings.slurm_address:
        return settings.slurm_address
    from chalicelib.providers.slurm.client import SlurmClient

    nodes = [each.address for each in SlurmClient(context.environ).nodes() if each.address]
    for node in nodes:
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as way:
                way.connect((node, 9))  # sends nothing: it asks for the way there
                return str(way.getsockname()[0])
        except OSError:
            continue
    raise ProviderUnavailable("NoAddress", "No node of Slurm's can be reached: SPARKANYWHERE_SLURM_ADDRESS says how.")


def check(context: ProviderContext) -> str:
    """Return which Slurm answers, and how many nodes it has."""
    from chalicelib.providers.slurm.client import SlurmClient

    client = SlurmClient(context.environ)
    version, nodes = client.version(), client.nodes()
    if not nodes:
        raise ProviderUnavailable("NoNodes", f"{version} has no node that takes jobs: sinfo says why")
    return f"{version}, {len(nodes)} nodes"


def clean_up(context: ProviderContext) -> int:
    """End and remove every job; return how many there were. Where none was ever started, Slurm is not asked."""
    from chalicelib.providers.supervised.leftovers import remove_all

    if not (folder(context) / "tasks").is_dir():
        return 0
    return remove_all(build(context))


def volume_files(context: ProviderContext, source: str, path: str) -> Iterator[tuple[str, BinaryIO]]:
    """Return the files at a path of a named volume."""
    from chalicelib.providers.supervised import volumes

    return volumes.volume_files(folder(context) / volumes.NAMED, source, path)


DECLARATION = ProviderDeclaration(
    name="slurm",
    summary="jobs of a Slurm cluster",
    build=build,
    settings=SlurmSettings,
    check=check,
    network="site",
    site_address=site_address,
    shares_address=True,
    volumes_last=True,
    volume_files=volume_files,
    splits_output=True,
    start_seconds=2.0,
    not_honoured=(
        "namespaces of a pod's own",
        "users",
        "images other than Spark's",
        "networks of a pod's own",
        "ports of a pod's own other than Spark's",
        "exec and attach",
    ),
    start_advice={"placement": "`squeue --start` says when Slurm expects to have room"},
    session_access="`srun --jobid=JOB --overlap --pty sh`, where the pod's message names the job",
    leavings="Slurm jobs",
    clean_up=clean_up,
)
