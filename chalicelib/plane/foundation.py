"""Foundation: what every part of one control plane is built on."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Network
from urllib.parse import urlsplit

from chalicelib.config import Settings
from chalicelib.controllers.pods.launches import InvokeFunction
from chalicelib.controllers.pods.payloads import PayloadRequests
from chalicelib.controllers.runtime.background import Background, Workers
from chalicelib.controllers.runtime.public_url import PublicUrl
from chalicelib.controllers.runtime.tokens import TokenIssuer
from chalicelib.controllers.translation.network import API_PORT, ApiAddress
from chalicelib.lambda_environ import functions_prefix
from chalicelib.plane.backends import build_provider, build_storage, read_root_ca
from chalicelib.plane.functions import Functions
from chalicelib.plane.host import Host, choose_host
from chalicelib.providers.base import Provider
from chalicelib.providers.extensions import HasListenAddresses, Restarter
from chalicelib.providers.interactive import InteractiveProvider
from chalicelib.providers.service_table import HasServices, Services
from chalicelib.registry.parts import new_uid, utc_now
from chalicelib.storage.base import Storage


@dataclass(frozen=True, slots=True)
class Sources:
    """Where time, uids and chance come from; tests bring their own."""

    clock: Callable[[], datetime] = utc_now
    new_uid: Callable[[], str] = new_uid
    pick: Callable[[str], str] = random.choice
    monotonic: Callable[[], float] = time.monotonic


@dataclass(frozen=True, slots=True, kw_only=True)
class Foundation:
    """What is there before the first object is stored."""

    settings: Settings
    host: Host
    storage: Storage
    provider: Provider
    issuer: TokenIssuer
    url: PublicUrl
    later: Workers
    sources: Sources
    functions: InvokeFunction | None  # None where there is only this process

    @property
    def launches(self) -> bool:
        """Return whether pods are started at all."""
        return self.settings.declaration.launches

    @property
    def root_ca(self) -> str | None:
        """Return the certificate authority that pods trust, "" where the usual ones do, None without pods."""
        return read_root_ca(self.settings) if self.launches else None

    @property
    def services(self) -> Services | None:
        """Return by what the provider's tasks find Services, None where they find none."""
        return self.provider.services if isinstance(self.provider, HasServices) else None

    def server_url(self) -> str:
        """Return the URL at which this server listens, for pods too; "" while it is unknown."""
        url = self.settings.url or self.url.get()
        addresses = self.provider.listen_addresses if isinstance(self.provider, HasListenAddresses) else ()
        parts = urlsplit(url)
        return parts._replace(netloc=f"{addresses[0]}:{parts.port}").geturl() if addresses else url

    def api_address(self) -> ApiAddress | None:
        """Return where pods reach the API over HTTPS, None where there is no such address: a URL with a path is none.

        The Service's own where it leads anywhere, else that of the URL that pods have.
        """
        network = self._served_network()
        if network is not None:
            return ApiAddress(str(network[1]), API_PORT)
        url = urlsplit(self.url.get())
        if not url.hostname or url.path.strip("/"):
            return None
        return ApiAddress(url.hostname, url.port or API_PORT)

    @property
    def runs_probes(self) -> bool:
        """Return whether containers' probes are run: something lives between requests that can look into tasks."""
        looks_in = isinstance(self.provider, InteractiveProvider) and isinstance(self.provider, Restarter)
        return looks_in and self.host.outlives_requests

    def other_api_url(self) -> str:
        """Return what pods are told instead of the API's usual URL, "" where that works or nothing else is known."""
        return "" if self._served_network() else self.url.get()

    def _served_network(self) -> IPv4Network | None:
        services = self.services
        return services.network if services is not None and not services.problem() else None


def build_foundation(
    settings: Settings,
    *,
    host: Host | None = None,
    storage: Storage | None = None,
    provider: Provider | None = None,
    later: Workers | None = None,
    sources: Sources | None = None,
) -> Foundation:
    """Return the foundation: what is given, else what the settings and the process's host come to.

    Raises SettingsError, StorageError and ProviderUnavailable.
    """
    host, sources = host or choose_host(settings), sources or Sources()
    storage = storage or build_storage(settings)
    issuer = TokenIssuer(storage, clock=sources.clock, new_uid=sources.new_uid)
    url = PublicUrl(storage, settings.pod_url or settings.url, sources.new_uid)
    return Foundation(
        settings=settings,
        host=host,
        storage=storage,
        provider=provider or build_provider(settings, PayloadRequests(url)),
        issuer=issuer,
        url=url,
        later=later or Background(threads=host.threads),
        sources=sources,
        functions=Functions(prefix, settings.region) if (prefix := functions_prefix()) else None,
    )


def is_open(settings: Settings) -> bool:
    """Return whether everybody is the administrator: no way to say who one is has been set up. For loopback only."""
    knows_somebody = settings.token or settings.token_from or settings.token_file or settings.iam_users
    return not (knows_somebody or settings.declaration.is_exposed)
