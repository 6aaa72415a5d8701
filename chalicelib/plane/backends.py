"""Backends: the storage and the provider that the settings choose, and where audit lines go.

Everything heavy is imported where it is chosen, so that a cold Lambda loads one backend of each sort.
"""

from __future__ import annotations

import logging
import os
import sys
import uuid
from collections.abc import Callable
from datetime import datetime
from logging.handlers import RotatingFileHandler
from typing import TYPE_CHECKING

from chalicelib.config import Settings, SettingsError
from chalicelib.controllers.files.staged_files import FileLimits, StagedFiles
from chalicelib.controllers.runtime.public_url import PublicUrl
from chalicelib.controllers.runtime.tokens import TokenIssuer
from chalicelib.files.base import FileStore
from chalicelib.plane.host import Host
from chalicelib.prices import Rates, fargate_rates, flat_rates
from chalicelib.providers.base import Provider, Task
from chalicelib.storage.base import Storage

if TYPE_CHECKING:
    from chalicelib.files.bucket import JobBuckets
    from chalicelib.providers.docker import DockerProvider
    from chalicelib.providers.fargate.definitions import Site

AUDIT_BYTES = 10_000_000  # of one file; the one before is kept
MB_BYTES = 1_000_000
MAX_PUT_MB = 5000  # of one PUT to S3
# names by which programs in a pod look for the API of the cluster they run in
API_NAMES = ("kubernetes.default.svc", "kubernetes.default", "kubernetes")


def build_storage(settings: Settings) -> Storage:
    """Return the store that the settings choose. Raises SettingsError where a local one has no place."""
    if settings.storage == "dynamodb":
        from chalicelib.storage.dynamodb.storage import DynamoStorage

        return DynamoStorage(settings.table)
    from chalicelib.storage.sqlite.storage import SqliteStorage

    _make_state_dir(
        settings,
        "SPARKANYWHERE_STATE names another, SPARKANYWHERE_STORAGE another store (make config on AWS)",
    )
    return SqliteStorage(settings.state_dir() / "objects.sqlite")


def _make_state_dir(settings: Settings, remedy: str) -> None:
    try:
        settings.state_dir().mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise SettingsError(f"the state folder cannot be made: {error}; {remedy}") from error


def build_files(settings: Settings, host: Host) -> FileStore | None:
    """Return where staged job files are kept: the bucket, or in the state folder; None for nowhere."""
    if settings.bucket:
        from chalicelib.files.bucket import BucketFiles

        return BucketFiles(settings.bucket, settings.region)
    if not host.keeps_files:
        return None
    from chalicelib.files.folder import FolderFiles

    return FolderFiles(settings.state_dir() / "files")


def build_job_buckets(settings: Settings) -> JobBuckets | None:
    """Return the buckets that jobs bring files from by our own role, None if there are none."""
    names = [each.strip() for each in settings.job_buckets.split(",") if each.strip()]
    if not names:
        return None
    from chalicelib.files.bucket import JobBuckets

    return JobBuckets(names, settings.region)


def build_staged_files(
    settings: Settings,
    host: Host,
    storage: Storage,
    *,
    issuer: TokenIssuer,
    url: PublicUrl,
    clock: Callable[[], datetime],
    new_uid: Callable[[], str],
) -> StagedFiles | None:
    """Return what takes and gives the files of jobs, None where they can be kept nowhere."""
    files = build_files(settings, host)
    if files is None:
        return None
    most = min(settings.file_max_mb, MAX_PUT_MB) if settings.bucket else settings.file_max_mb
    limits = FileLimits(max_bytes=most * MB_BYTES, keep_seconds=settings.file_keep_minutes * 60.0)
    return StagedFiles(storage, files, issuer=issuer, url=url, limits=limits, clock=clock, new_uid=new_uid)


def audit_log(settings: Settings, host: Host) -> logging.Logger:
    """Return where audit lines go: a file in the state folder, or standard output (CloudWatch)."""
    log = logging.Logger("audit", logging.INFO)  # not a child of the root logger: no library may turn it off
    handler: logging.Handler
    if host.keeps_files:
        _make_state_dir(settings, "SPARKANYWHERE_STATE names another")
        file = settings.state_dir() / "audit.log"
        handler = RotatingFileHandler(file, maxBytes=AUDIT_BYTES, backupCount=1, delay=True)
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    else:
        handler = logging.StreamHandler(sys.stdout)
    log.addHandler(handler)
    return log


def build_provider(settings: Settings, payload_source: Callable[[Task], tuple[str, str]]) -> Provider:
    """Return the provider that the settings choose."""
    if settings.provider == "process":
        from chalicelib.providers.process.provider import ProcessProvider

        spark = settings.cache_dir() / "spark"
        return ProcessProvider(settings.state_dir() / "pods", spark, environ=os.environ)
    if settings.provider == "docker":
        return docker_provider(settings)
    if settings.provider == "fargate":
        from chalicelib.providers.fargate.provider import FargateProvider

        return FargateProvider(ecs_site(settings), payloads=payload_source)
    from chalicelib.providers.none import NoneProvider

    return NoneProvider()


def build_rates(settings: Settings) -> Rates:
    """Return what a pod costs: as the settings say, else the provider's list prices, nothing on this machine."""
    given = (settings.usd_per_vcpu_hour, settings.usd_per_gib_hour)
    return fargate_rates() if settings.provider == "fargate" and not any(given) else flat_rates(*given)


def docker_provider(settings: Settings) -> DockerProvider:
    """Return a provider that has reached its engine. Raises ProviderUnavailable and SettingsError."""
    try:
        from chalicelib.providers.docker import DockerProvider, connect, control_plane_id
    except ModuleNotFoundError as error:
        missing = "the Docker SDK is not installed: pip install 'sparkanywhere[docker]'"
        raise SettingsError(f"SPARKANYWHERE_PROVIDER is docker, but {missing}") from error
    state = settings.state_dir()
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    provider = DockerProvider(
        control_plane_id(state, settings.instance, lambda: str(uuid.uuid4())),
        connect=lambda: connect(settings.docker_host(), tls_directory=settings.docker_tls_directory()),
        host_paths=tuple(path for path in settings.host_paths.split(":") if path),
        host_names=API_NAMES,
    )
    provider.open()  # who has no engine shall hear it before anything is promised
    return provider


def ecs_site(settings: Settings) -> Site:
    """Return what every task of this deployment has in common. Raises SettingsError."""
    from chalicelib.providers.fargate.definitions import Site

    for name in ("cluster", "subnets", "security_group", "execution_role", "log_group"):
        if not getattr(settings, name):
            raise SettingsError(f"SPARKANYWHERE_{name.upper()} is not set, but provider fargate needs it")
    pairs = [each.strip().rpartition("=") for each in settings.subnets.split(",") if each.strip()]
    return Site(
        name=settings.deployment,
        cluster=settings.cluster,
        region=settings.region,
        subnets=tuple((zone, subnet) for zone, _, subnet in pairs),
        security_group=settings.security_group,
        assign_public_ip=settings.assign_public_ip,
        execute_command=settings.execute_command,
        execution_role_arn=settings.execution_role,
        task_role_arn=settings.task_role,
        log_group=settings.log_group,
    )
