"""Bootstrap: the only file that chooses storage, provider, registries and controllers; built lazily, once.

Everything heavy is imported where it is chosen, so that a cold Lambda loads one backend of each sort.
"""

from __future__ import annotations

import logging
import os
import random
import threading
import uuid
from datetime import UTC, datetime
from pathlib import Path

from chalicelib.apimachinery.status import JSON
from chalicelib.config import Settings
from chalicelib.controllers.tokens import TokenIssuer
from chalicelib.endpoints.assembly import Edge, build_api
from chalicelib.endpoints.auth import (
    ADMIN,
    ANONYMOUS,
    Authenticator,
    ServiceAccountTokens,
    StaticToken,
    StaticTokens,
    read_token_file,
)
from chalicelib.endpoints.rbac import Rbac
from chalicelib.providers.base import Provider
from chalicelib.registry.default_objects import default_objects
from chalicelib.registry.options import WriteOptions
from chalicelib.registry.registry import Registries, RegistryParts, WriteEvent, registries
from chalicelib.registry.resources import ALL
from chalicelib.storage.base import Storage, StorageError

LOG = logging.getLogger(__name__)
_lock = threading.Lock()
_built: list[ControlPlane] = []


def control_plane() -> ControlPlane:
    """Return this process's control plane, built at the first call. Raises SettingsError."""
    with _lock:
        if not _built:
            _built.append(ControlPlane(Settings.from_env()))
        return _built[0]


def utc_now() -> datetime:
    """Return the time of day, aware UTC."""
    return datetime.now(UTC)


def new_uid() -> str:
    """Return a fresh metadata.uid."""
    return str(uuid.uuid4())


def build_storage(settings: Settings) -> Storage:
    """Return the store that the settings choose."""
    if settings.storage == "dynamodb":
        from chalicelib.storage.dynamodb import DynamoStorage

        return DynamoStorage(settings.table)
    from chalicelib.storage.sqlite import SqliteStorage

    settings.state_dir().mkdir(parents=True, exist_ok=True, mode=0o700)
    return SqliteStorage(settings.state_dir() / "objects.sqlite")


def build_provider(settings: Settings) -> Provider:
    """Return the provider that the settings choose."""
    if settings.provider == "process":
        from chalicelib.providers.process.provider import ProcessProvider

        spark = settings.cache_dir() / "spark"
        return ProcessProvider(settings.state_dir() / "pods", spark, environ=os.environ)
    from chalicelib.providers.none import NoneProvider

    return NoneProvider()


class ControlPlane:
    """All parts of one control plane, wired."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.storage = build_storage(settings)
        self.provider = build_provider(settings)
        self.issuer = TokenIssuer(self.storage, clock=utc_now, new_uid=new_uid)
        self.rbac = Rbac(self.storage)
        parts = RegistryParts(
            storage=self.storage,
            clock=utc_now,
            new_uid=new_uid,
            pick=random.choice,
            after_write=self._after_write,
            admit=lambda resource, obj: [],
        )
        self.registries: Registries = registries(ALL, parts)
        self._ensure_defaults()
        edge = Edge(
            registries=self.registries,
            pods=None,
            authenticator=build_authenticator(settings, self.issuer),
            rbac=self.rbac,
            issuer=self.issuer,
            clock=utc_now,
            streams=settings.watch == "streamed",
            is_ready=self._problem,
        )
        self.api = build_api(edge)

    def _ensure_defaults(self) -> None:
        for group, resource, namespace, obj in default_objects():
            registry = self.registries.get((group, resource))
            if registry is not None:
                registry.create_if_missing(namespace, obj, WriteOptions(field_manager="sparkanywhere"))

    def _after_write(self, resource: str, obj: JSON, event: WriteEvent) -> None:
        pass

    def _problem(self) -> str:
        try:
            self.storage.revision()
        except StorageError as error:
            return str(error)
        return ""

    def start(self) -> None:
        pass

    def close(self) -> None:
        pass


def build_authenticator(settings: Settings, issuer: TokenIssuer) -> Authenticator:
    """Return the authenticator: open to all where no token is set, which is for loopback only."""
    tokens = [StaticToken(ADMIN, settings.token)] if settings.token else []
    if settings.token_file:
        tokens += read_token_file(Path(settings.token_file))
    anonymous = ANONYMOUS if settings.token else ADMIN
    return Authenticator([StaticTokens(tokens), ServiceAccountTokens(issuer)], anonymous)
