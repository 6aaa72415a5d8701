"""Backends: the storage and the provider that the settings choose, and where audit lines go.

Everything heavy is imported where it is chosen, so that a cold Lambda loads one backend of each sort.
"""

from __future__ import annotations

import logging
import os
import sys
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from chalicelib.config import PREFIX, Settings, SettingsError, read_settings
from chalicelib.controllers.pods.log_archive import LogArchive
from chalicelib.files.base import FileStore
from chalicelib.plane.host import Host
from chalicelib.private_folder import close_folder
from chalicelib.providers.base import Provider
from chalicelib.providers.declaration import PayloadSource
from chalicelib.providers.prices import Rates, flat_rates
from chalicelib.storage import stores
from chalicelib.storage.base import Storage

if TYPE_CHECKING:
    from chalicelib.files.bucket import JobBuckets


def build_storage(settings: Settings) -> Storage:
    """Return the store that the settings choose. Raises SettingsError where a local one has no place."""
    declaration = stores.find(settings.storage)
    own = read_settings(declaration.settings, os.environ) if declaration.settings else None
    try:
        return declaration.open(settings.state_dir(), own)
    except OSError as error:
        remedy = "SPARKANYWHERE_STATE names another, SPARKANYWHERE_STORAGE another store"
        raise SettingsError(f"the state folder cannot be made: {error}; {remedy}") from error


def _make_state_dir(settings: Settings, remedy: str) -> None:
    try:
        close_folder(settings.state_dir())
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


def log_folder(settings: Settings) -> Path:
    """Return where the logs of pods that are gone are kept."""
    return settings.state_dir() / "logs"


def build_log_archive(settings: Settings, provider: Provider) -> LogArchive:
    """Return what keeps, in the state folder, the logs of pods that are gone."""
    return LogArchive(log_folder(settings), provider, max_bytes=settings.record_log_mib * 2**20)


def build_job_buckets(settings: Settings) -> JobBuckets | None:
    """Return the buckets that jobs bring files from by our own role, None if there are none."""
    names = [each.strip() for each in settings.job_buckets.split(",") if each.strip()]
    if not names:
        return None
    from chalicelib.files.bucket import JobBuckets

    return JobBuckets(names, settings.region)


def audit_log(settings: Settings, host: Host) -> logging.Logger:
    """Return where audit lines go: a file in the state folder, or standard output (CloudWatch)."""
    log = logging.Logger("audit", logging.INFO)  # not a child of the root logger: no library may turn it off
    handler: logging.Handler
    if host.keeps_files:
        _make_state_dir(settings, "SPARKANYWHERE_STATE names another")
        from chalicelib.plane.audit_file import AuditFile

        handler = AuditFile(settings.state_dir() / "audit.log")
    else:
        handler = logging.StreamHandler(sys.stdout)
    log.addHandler(handler)
    return log


def read_root_ca(settings: Settings) -> str:
    """Return the certificate authority that pods trust besides the usual ones, empty for none."""
    return Path(settings.ca_file).read_text() if settings.ca_file else ""


def build_provider(settings: Settings, payloads: PayloadSource) -> Provider:
    """Return the provider that the settings choose. Raises ProviderUnavailable and SettingsError."""
    declaration = settings.declaration
    context = settings.provider_context(declaration, payloads=payloads)
    for each in fields(declaration.settings) if declaration.settings else ():
        if each.metadata.get("required") and not getattr(context.settings, each.name):
            name = f"{PREFIX}{each.name.upper()}"
            raise SettingsError(f"{name} is not set, but provider {declaration.name} needs it")
    return declaration.build(context)


def build_rates(settings: Settings) -> Rates:
    """Return what a pod costs: as the settings say, else by the provider's price list, else nothing."""
    given = (settings.usd_per_vcpu_hour, settings.usd_per_gib_hour)
    price_list = settings.declaration.price_list
    return price_list().rates if price_list and not any(given) else flat_rates(*given)
