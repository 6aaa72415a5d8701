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
from chalicelib.controllers.background import Background, inline
from chalicelib.controllers.lookup import StorageLookup
from chalicelib.controllers.pod_task import Node
from chalicelib.controllers.pod_unsupported import unsupported_fields
from chalicelib.controllers.pods import PodController
from chalicelib.controllers.recorder import EventRecorder
from chalicelib.controllers.references import TokenRequest
from chalicelib.controllers.spark_admission import Injection, admit
from chalicelib.controllers.tokens import Claims, TokenIssuer
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
from chalicelib.registry.keys import object_key
from chalicelib.registry.options import WriteOptions
from chalicelib.registry.registry import Registries, RegistryParts, WriteEvent, registries
from chalicelib.registry.resources import ALL
from chalicelib.storage.base import KeyNotFound, Storage, StorageError

LOG = logging.getLogger(__name__)
# A pod's token lives as long as the longest job is likely to; it dies with its pod in any case.
POD_TOKEN_SECONDS = 7 * 24 * 3600
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
        self._later = Background() if settings.storage == "sqlite" else inline
        recorder = EventRecorder(self.storage, clock=utc_now, new_uid=new_uid, later=self._later)
        self.pods = PodController(
            storage=self.storage,
            provider=self.provider,
            node=self._node(),
            recorder=recorder,
            clock=utc_now,
            removed=self._removed,
            launches=settings.provider != "none",
        )
        parts = RegistryParts(
            storage=self.storage,
            clock=utc_now,
            new_uid=new_uid,
            pick=random.choice,
            after_write=self._after_write,
            admit=self._admit,
        )
        self.registries: Registries = registries(ALL, parts)
        self._ensure_defaults()
        self.api = build_api(
            Edge(
                registries=self.registries,
                pods=self.pods,
                authenticator=build_authenticator(settings, self.issuer),
                rbac=self.rbac,
                issuer=self.issuer,
                clock=utc_now,
                streams=settings.watch == "streamed",
                is_ready=self._problem,
            )
        )

    def _node(self) -> Node:
        root_ca = Path(self.settings.ca_file).read_text() if self.settings.ca_file else ""
        return Node(
            name=self.provider.name,
            lookup=StorageLookup(self.storage, root_ca=root_ca),
            issue_token=self._issue_token if self.settings.token else None,
        )

    def _issue_token(self, request: TokenRequest) -> str:
        account = object_key("serviceaccounts", request.namespace, request.service_account)
        try:
            uid = self.storage.get(account).object()["metadata"]["uid"]
        except KeyNotFound as error:
            raise LookupError(f'serviceaccount "{request.service_account}" not found') from error
        claims = Claims(request.namespace, request.service_account, uid, request.pod_name, request.pod_uid)
        audiences = [request.audience] if request.audience else []
        seconds = request.expiration_seconds or POD_TOKEN_SECONDS
        return self.issuer.issue(claims, seconds=seconds, audiences=audiences).token

    def _admit(self, resource: str, obj: JSON) -> list[str]:
        if resource != "pods" or not self.pods.is_ours(obj):
            return []
        injection = Injection(
            master_url=self.settings.pod_url or self.settings.url,
            token=bool(self.settings.token),
            root_ca=bool(self.settings.ca_file),
        )
        admitted = admit(obj, injection)
        if admitted is not obj:
            obj.clear()
            obj.update(admitted)
        return [f"{path}: not honoured by provider {self.provider.name}" for path in unsupported_fields(obj)]

    def _ensure_defaults(self) -> None:
        for group, resource, namespace, obj in default_objects():
            registry = self.registries.get((group, resource))
            if registry is not None:
                registry.create_if_missing(namespace, obj, WriteOptions(field_manager="sparkanywhere"))

    def _after_write(self, resource: str, obj: JSON, event: WriteEvent) -> None:
        if resource == "pods":
            if event == "DELETED":
                self.pods.forget(obj)
            else:
                self.pods.sync(obj)
        elif event != "DELETED":
            self._wake(resource, obj["metadata"])
        if resource in ("roles", "rolebindings", "clusterroles", "clusterrolebindings"):
            self.rbac.forget()

    def _wake(self, resource: str, metadata: JSON) -> None:
        wanted = (resource, metadata.get("namespace", ""), metadata["name"])
        for key in self.pods.waiting.wanting(wanted):
            try:
                self.pods.sync(self.storage.get(key).object())
            except KeyNotFound:
                continue

    def _removed(self, pod: JSON) -> None:
        self._after_write("pods", pod, "DELETED")

    def _problem(self) -> str:
        try:
            self.storage.revision()
        except StorageError as error:
            return str(error)
        return ""

    def start(self) -> None:
        """Begin the work that goes on between requests: the provider's reports."""
        self.provider.start(self.pods.observe)

    def close(self) -> None:
        """End that work; pods that run go on. May be repeated."""
        self.provider.close()
        if isinstance(self._later, Background):
            self._later.close()
        self.storage.close()


def build_authenticator(settings: Settings, issuer: TokenIssuer) -> Authenticator:
    """Return the authenticator: open to all where no token is set, which is for loopback only."""
    tokens = [StaticToken(ADMIN, settings.token)] if settings.token else []
    if settings.token_file:
        tokens += read_token_file(Path(settings.token_file))
    anonymous = ANONYMOUS if settings.token else ADMIN
    return Authenticator([StaticTokens(tokens), ServiceAccountTokens(issuer)], anonymous)
