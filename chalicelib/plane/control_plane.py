"""ControlPlane: everything that runs, in the order in which it is built."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import suppress
from functools import cache, partial
from typing import Any
from urllib.parse import urlsplit

from chalicelib.config import Settings
from chalicelib.controllers.pods.launches import LaunchFunction
from chalicelib.controllers.runtime.background import ResyncLoop, Workers, this_minute
from chalicelib.endpoints.auth.audit import AuditLog
from chalicelib.lambda_environ import function_name, runs_on_lambda
from chalicelib.plane.api import build_api
from chalicelib.plane.backends import audit_log
from chalicelib.plane.chores import chores
from chalicelib.plane.controllers import build_controllers, build_launch_function, subscribe
from chalicelib.plane.foundation import Sources, build_foundation
from chalicelib.plane.functions import Functions
from chalicelib.plane.host import LAMBDA_SECONDS, Host
from chalicelib.plane.registries import build_registries, create_default_objects, has_default_objects
from chalicelib.providers.base import Provider
from chalicelib.providers.extensions import HasListenAddresses, Prepares
from chalicelib.registry.parts import new_uid
from chalicelib.storage.base import Storage, StorageError

EARLY_SECONDS = 15.0  # EventBridge calls each minute, and not to the second: nothing waits for another minute then
API, START_TASKS = "app", ("launch", "resync")  # Lambda functions by their names in app.py
_lock = threading.Lock()


class ChoresFailed(Exception):
    """Some of the schedule's chores failed, those that it names; the log says how."""


@cache
def control_plane() -> ControlPlane:
    """Return this process's control plane, built at the first call. Raises SettingsError."""
    with _lock:
        return _first()


def prepare() -> None:
    """Build the control plane while Lambda initialises a process, which has more processor then than its requests.

    Elsewhere nothing happens. What goes wrong, the first request is told.
    """
    if runs_on_lambda():
        with suppress(Exception):
            control_plane().prepare(function_name())


@cache
def _first() -> ControlPlane:
    settings = Settings.from_env()
    for package in (__name__.removesuffix(".plane.control_plane"), "sparkanywhere"):
        logging.getLogger(package).setLevel(settings.log_level)
    return ControlPlane(settings)


class ControlPlane:
    """All parts of one control plane. Those that are given take the place of what the settings choose."""

    def __init__(
        self,
        settings: Settings,
        *,
        host: Host | None = None,
        storage: Storage | None = None,
        provider: Provider | None = None,
        later: Workers | None = None,
        sources: Sources | None = None,
    ) -> None:
        self.base = base = build_foundation(
            settings, host=host, storage=storage, provider=provider, later=later, sources=sources
        )
        self._audit = audit_log(settings, base.host)
        audit = AuditLog(self._audit.info, clock=base.sources.clock, new_uid=new_uid)
        self.stored = build_registries(base)
        self.controllers = build_controllers(base, self.stored)
        subscribe(base, self.stored, self.controllers)
        # Where processes come and go, the one of the schedule alone looks at each of them.
        self._are_defaults_complete = base.host.outlives_requests or not has_default_objects(self.stored)
        if self._are_defaults_complete:
            create_default_objects(self.stored)
            if not base.host.outlives_requests:  # what is new here has no chore before the schedule's first
                self._keep_nodes()
        self.api = build_api(base, self.stored, self.controllers, audit=audit)
        self.stranger, self.forbidden = self.api.stranger, self.api.forbidden
        self._launching: LaunchFunction | None = None  # made when this process is the function
        self.loop = ResyncLoop(
            list(chores(base, self.stored.index, self.controllers)),
            monotonic=base.sources.monotonic,
            first_of=partial(this_minute, base.sources.clock),
        )
        # where a server on this machine must listen too, for pods that have a network of their own
        self.listen_addresses = base.provider.listen_addresses if isinstance(base.provider, HasListenAddresses) else ()
        # and where pods find the API's own Service, and clients and pods the API: the server's certificate names it
        services = base.services
        hosts = (urlsplit(each).hostname for each in (base.settings.url, base.settings.pod_url))
        service = (str(services.network[1]),) if services and services.network else ()
        self.api_addresses = (*service, *(each for each in hosts if each))
        self.proxy_addresses = services.proxy_addresses if services else ()

    def prepare(self, function: str) -> None:
        """Make the clients that a Lambda function of that name in app.py needs beside the store's. Nothing is asked."""
        if function == API and isinstance(self.base.functions, Functions):
            self.base.functions.prepare()
        if function in START_TASKS and isinstance(self.base.provider, Prepares):
            self.base.provider.prepare()

    def observe_event(self, detail: dict[str, Any]) -> None:
        """Take in the detail of an event by which the provider tells of a task; in any order, twice, late."""
        events = self.base.settings.declaration.events
        if events is None:
            raise AssertionError("only a provider that declares events is told of any")
        self.controllers.pods.observe(events.state(detail))
        if self.base.host.settle is not None:
            self.base.later.settle(self.base.host.settle.event)

    def run_chores(self) -> None:
        """Do the chores that are due: what the schedule is for where no thread lives between requests.

        Raises ChoresFailed at the end, so that the function counts as failed, if some did.
        """
        if not self._are_defaults_complete:
            create_default_objects(self.stored)
            self._are_defaults_complete = True
        settle = self.base.host.settle or LAMBDA_SECONDS
        ends = time.monotonic() + settle.schedule
        failed = self.loop.run_due(seconds=settle.chores, early_seconds=EARLY_SECONDS)
        self.base.later.settle(max(0.0, ends - time.monotonic()))
        if failed:
            raise ChoresFailed(", ".join(failed))

    def launch(self, event: dict[str, Any]) -> None:
        """Launch pods behind the answers of other processes: what the launch function is invoked for."""
        settle = self.base.host.settle
        if settle is None:
            raise AssertionError("a process that outlives its requests launches its pods itself")
        if self._launching is None:
            self._launching = build_launch_function(self.base, self.controllers)
        self._launching.run(event, seconds=settle.launch)
        self.base.later.settle(settle.request)

    def start(self) -> None:
        """Begin what goes on between requests: the provider's reports, and the chores."""
        if self.controllers.prober:
            self.controllers.prober.start()
        self.base.provider.start(self.controllers.pods.observe)
        self._keep_nodes()
        self.loop.start()

    def _keep_nodes(self) -> None:
        """Make the nodes: clients that come at once ask them what pods can have."""
        if self.base.launches:
            with suppress(StorageError):  # then a chore makes them
                self.controllers.nodes.keep()

    def close(self) -> None:
        """End that work; pods that run go on. May be repeated."""
        self.loop.close()
        if self.controllers.prober:
            self.controllers.prober.close()
        self.base.provider.close()
        self.base.later.close()
        self.base.storage.close()
        for handler in self._audit.handlers:
            handler.close()
