"""Bootstrap: puts storage, provider, registries, controllers and API together; lazily, once."""

from __future__ import annotations

import logging
import random
import threading
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from chalicelib.apimachinery.types import JSON
from chalicelib.config import Settings
from chalicelib.controllers.admission import Admission
from chalicelib.controllers.pods.payloads import TaskPayloads
from chalicelib.controllers.runtime.background import Background
from chalicelib.controllers.runtime.deletes import RegistryDeletes
from chalicelib.controllers.runtime.lookup import StorageLookup
from chalicelib.controllers.runtime.loop import Chore, ResyncLoop
from chalicelib.controllers.runtime.public_url import PublicUrl
from chalicelib.controllers.runtime.tokens import TokenIssuer
from chalicelib.controllers.translation.spark_admission import Injection
from chalicelib.controllers.translation.task import Node
from chalicelib.controllers.translation.tokens import PodTokens
from chalicelib.endpoints.auth.limits import UserLimits
from chalicelib.endpoints.auth.rbac import Rbac
from chalicelib.endpoints.verbs.staged_files import FileEndpoint
from chalicelib.plane.api import ApiConfig, build_api
from chalicelib.plane.authentication import build_authenticator, is_open
from chalicelib.plane.backends import (
    audit_log,
    build_job_buckets,
    build_provider,
    build_rates,
    build_staged_files,
    build_storage,
)
from chalicelib.plane.controllers import ControllerParts, build_controllers
from chalicelib.plane.host import Host, choose_host
from chalicelib.providers.base import Provider, Task
from chalicelib.providers.extensions import HasListenAddresses
from chalicelib.providers.interactive import InteractiveProvider
from chalicelib.registry.options import WriteOptions
from chalicelib.registry.parts import RegistryParts, WriteEvent
from chalicelib.registry.registry import Registries, registries
from chalicelib.resources.catalogue import ALL
from chalicelib.resources.custom.custom_registries import CustomRegistries, StoredResources
from chalicelib.resources.default_objects import default_objects
from chalicelib.storage.base import Storage, StorageError

LOG = logging.getLogger(__name__)

LEAST_SETTLE_SECONDS = 0.5  # for what an earlier request has left, after a watch that used up its time
HISTORY_SECONDS = 3600.0  # old watch events are looked for so often; they are kept for days
RBAC_RESOURCES = ("roles", "rolebindings", "clusterroles", "clusterrolebindings")
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


class ControlPlane:
    """All parts of one control plane, wired. On Lambda only `api`, `controllers` and `observe` are used.

    A `host`, `storage` or `provider` given takes the place of the one that the settings choose.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        host: Host | None = None,
        storage: Storage | None = None,
        provider: Provider | None = None,
    ) -> None:
        self.settings = settings
        self.host = host or choose_host(settings)
        self.storage = storage or build_storage(settings)
        self.provider = provider or build_provider(settings, lambda task: self._payload_request(task))
        # where a server on this machine must listen too, for pods that have a network of their own
        self.listen_addresses = (
            self.provider.listen_addresses if isinstance(self.provider, HasListenAddresses) else ()
        )
        self.url = PublicUrl(self.storage, settings.pod_url or settings.url, new_uid)
        self._background = Background(threads=self.host.threads)
        self.issuer = TokenIssuer(self.storage, clock=utc_now, new_uid=new_uid)
        self.rbac = Rbac(self.storage)
        self._audit = audit_log(settings, self.host)
        self._payloads = self._build_payloads()
        self.files = build_staged_files(
            settings,
            self.host,
            self.storage,
            issuer=self.issuer,
            url=self.url,
            clock=utc_now,
            new_uid=new_uid,
        )
        self.registries: Registries = {}
        self.controllers = build_controllers(self._controller_parts())
        self.pods = self.controllers.pods
        self._admission = Admission(
            self.pods,
            self.provider,
            self._injection,
            self.controllers.quotas,
            self.controllers.budget_enforcer,
        )
        parts = self._registry_parts()
        self.registries.update(registries(ALL, parts))
        self.custom = CustomRegistries(self.storage, parts)
        self._ensure_defaults()
        self.api = build_api(self._api_config())
        self._loop = ResyncLoop([*self.controllers.chores, self._history_chore()])

    def _registry_parts(self) -> RegistryParts:
        return RegistryParts(
            storage=self.storage,
            clock=utc_now,
            new_uid=new_uid,
            pick=random.choice,
            after_write=self._after_write,
            admit=self._admission.admit,
            room=lambda resource, obj, now, is_dry_run: self.controllers.quotas.reserve(
                resource, obj, now, is_dry_run=is_dry_run
            ),
            before_removal=self._before_removal,
        )

    def _controller_parts(self) -> ControllerParts:
        return ControllerParts(
            storage=self.storage,
            provider=self.provider,
            node=self._node(),
            delete=RegistryDeletes(self.registries, lambda name: self.custom.stored_under(name)),
            registries=self.registries,
            rates=build_rates(self.settings),
            clock=utc_now,
            new_uid=new_uid,
            resources=self._stored_resources(namespaced_only=False),
            namespaced=self._stored_resources(namespaced_only=True),
            later=self._background,
            launches=self.settings.declaration.launches,
            scans=not self.host.outlives_requests,
            resync_seconds=self.settings.resync_seconds,
            namespace_objects=self.settings.namespace_objects,
            files=self.files,
            pod_keep_seconds=self.settings.pod_keep_hours * 3600.0,
        )

    def _stored_resources(self, *, namespaced_only: bool) -> StoredResources:
        kinds = [each for each in ALL if not each.stored_as and (each.namespaced or not namespaced_only)]
        names = [each.resource for each in kinds]
        return StoredResources(names, self.storage, namespaced_only=namespaced_only)

    def _api_config(self) -> ApiConfig:
        return ApiConfig(
            registries=self.registries,
            custom=self.custom,
            pods=self.pods,
            authenticator=build_authenticator(self.settings, self.issuer, utc_now),
            rbac=self.rbac,
            issuer=self.issuer,
            clock=utc_now,
            streams=self.host.streams,
            is_ready=self._problem,
            settle=self._settle_request,
            interactive=self._interactive(),
            url=self.url,
            payloads=self._payloads,
            files=FileEndpoint(self.files, build_job_buckets(self.settings), root_ca=self._root_ca()),
            audit=self._audit.info,
            max_body_bytes=self.settings.body_kib * 1024,
            max_list_bytes=self.settings.list_kib * 1024,
            user_limits=UserLimits(
                requests_per_second=self.settings.user_requests_per_second,
                watches=self.settings.user_watches,
            ),
        )

    def _build_payloads(self) -> TaskPayloads | None:
        render = self.settings.declaration.payload
        if render is None:
            return None
        return TaskPayloads(self.storage, node=self._node(), issuer=self.issuer, url=self.url, render=render)

    def _payload_request(self, task: Task) -> tuple[str, str]:
        if self._payloads is None:
            raise AssertionError("only a provider that declares a payload asks for one")
        return self._payloads.request(task)

    def _interactive(self) -> InteractiveProvider | None:
        if self.host.streams and isinstance(self.provider, InteractiveProvider):
            return self.provider
        return None

    def _root_ca(self) -> str:
        return Path(self.settings.ca_file).read_text() if self.settings.ca_file else ""

    def _node(self) -> Node:
        lookup = StorageLookup(self.storage, root_ca=self._root_ca())
        tokens = PodTokens(self.issuer) if self._gives_tokens else None
        return Node(name=self.provider.name, lookup=lookup, issue_token=tokens)

    def _injection(self) -> Injection:
        return Injection(
            master_url=self.url.get(),
            token=self._gives_tokens,
            root_ca=bool(self.settings.ca_file),
        )

    @property
    def _gives_tokens(self) -> bool:
        return not is_open(self.settings)

    def _history_chore(self) -> Chore:
        keep_seconds = self.settings.event_keep_hours * 3600.0
        return Chore("history", HISTORY_SECONDS, lambda: self._expire_history(keep_seconds), at_start=False)

    def _expire_history(self, keep_seconds: float) -> None:
        self.storage.expire_events(keep_seconds)

    def _ensure_defaults(self) -> None:
        for group, resource, namespace, obj in default_objects():
            registry = self.registries[(group, resource)]
            registry.create_if_missing(namespace, obj, WriteOptions(field_manager="sparkanywhere"))

    def _after_write(self, resource: str, obj: JSON, event: WriteEvent) -> None:
        self.controllers.reactions.after_write(resource, obj, event)
        if resource in RBAC_RESOURCES:
            self.rbac.forget()

    def _before_removal(self, resource: str, obj: JSON) -> None:
        if resource == "pods":
            self.controllers.usage.before_delete(obj)

    def _problem(self) -> str:
        try:
            self.storage.revision()
        except StorageError as error:
            return str(error)
        return ""

    def observe_event(self, detail: dict[str, Any]) -> None:
        """Take in the detail of an event by which the provider tells of a task; in any order, twice, late."""
        events = self.settings.declaration.events
        if events is None:
            raise AssertionError("only a provider that declares events is told of any")
        self.pods.observe(events.state(detail))
        if self.host.settle is not None:
            self._background.settle(self.host.settle.event)

    def _settle_request(self, elapsed_seconds: float) -> None:
        if self.host.settle is not None:
            left = self.host.settle.request - elapsed_seconds
            self._background.settle(max(LEAST_SETTLE_SECONDS, left))

    def run_chores(self) -> None:
        """Do every chore once: what the schedule is for where no thread lives between requests."""
        self.controllers.run_all()
        self._expire_history(self.settings.event_keep_hours * 3600.0)
        if self.host.settle is not None:
            self._background.settle(self.host.settle.schedule)

    def start(self) -> None:
        """Begin what goes on between requests: the provider's reports, and the chores."""
        self.provider.start(self.pods.observe)
        self._loop.start()

    def close(self) -> None:
        """End that work; pods that run go on. May be repeated."""
        self._loop.close()
        self.provider.close()
        self._background.close()
        self.storage.close()
        for handler in self._audit.handlers:
            handler.close()
