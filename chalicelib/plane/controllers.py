"""Builds the controllers over the registries, and the chores that keep everything whole."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, cast

from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.cluster.capacity import NodeCapacity
from chalicelib.controllers.cluster.evictions import Evictions
from chalicelib.controllers.cluster.nodes import NodeController
from chalicelib.controllers.cluster.services import ServiceController, ServicePlace
from chalicelib.controllers.cost.budget_enforcer import BudgetEnforcer
from chalicelib.controllers.files.staged_files import FileLimits, StagedFiles
from chalicelib.controllers.pods.cause_finder import CauseFinder
from chalicelib.controllers.pods.controller import PodController
from chalicelib.controllers.pods.deletions import Interruptions
from chalicelib.controllers.pods.launches import LEASE, LEASE_SECONDS, LaunchFunction, LaunchRequests
from chalicelib.controllers.pods.parking import ParkedTasks
from chalicelib.controllers.pods.reservations import ParkingTerms
from chalicelib.controllers.pods.resync import Resync
from chalicelib.controllers.pods.scheduler import Scheduler
from chalicelib.controllers.pods.start_finder import StartFinder
from chalicelib.controllers.pods.store import PodObservers, ignore
from chalicelib.controllers.reactions import Controllers, Reactions
from chalicelib.controllers.runtime.background import Background
from chalicelib.controllers.runtime.lease import Lease
from chalicelib.controllers.runtime.objects import RegistryDeletes
from chalicelib.controllers.runtime.recorder import Recorder
from chalicelib.controllers.workloads.controller import WRITER, WorkloadController
from chalicelib.plane.backends import build_files, build_rates
from chalicelib.plane.foundation import Foundation
from chalicelib.plane.lifecycle import build_lifecycle
from chalicelib.plane.registries import Stored
from chalicelib.providers.extensions import BindsLate
from chalicelib.storage.shared_commits import SharedCommits

if TYPE_CHECKING:
    from chalicelib.controllers.probes.prober import Prober

PROBE_THREADS = 8  # attempts at a time
LAUNCH_THREADS = 24  # launches at a time: 20 a second, with what one waits for the provider and the store
LONG_START_SECONDS = 5.0  # beyond that executors' tasks start with their driver unless its annotation says no
MB_BYTES = 1_000_000
MAX_PUT_MB = 5000  # of one PUT to S3


def build_controllers(base: Foundation, stored: Stored) -> Controllers:
    """Return the controllers; nothing is started."""
    storage, provider, clock = base.storage, base.provider, base.sources.clock
    delete = RegistryDeletes(stored.registries, stored.custom)
    recorder = Recorder(storage, clock=clock, new_uid=base.sources.new_uid, later=base.later)
    lifecycle = build_lifecycle(base, stored, delete)
    capacity = NodeCapacity(provider, memory_mib=base.settings.node_memory_mib, cpus=base.settings.node_cpus)
    observers = PodObservers(
        on_launch=lifecycle.claims.bind,
        on_change=stored.changes.pod_changed,
        before_delete=partial(stored.changes.before_removal, "pods"),
        after_delete=stored.changes.pod_removed,
    )
    parking = _parking(base, stored, recorder, observers, delete)
    pods = _pod_controller(base, stored, recorder, observers, capacity, parking)
    prober, launches = _prober(base, stored, pods, recorder), _launch_requests(base)
    return Controllers(
        pods=pods,
        parking=parking,
        launches=launches,
        prober=prober,
        causes=_cause_finder(base, stored, pods),
        starts=StartFinder(
            storage=storage,
            index=stored.index,
            pods=pods,
            node=stored.node,
            clock=clock,
            later=base.later,
            advice=base.settings.declaration.start_advice,
        ),
        interruptions=Interruptions(delete),
        resync=_resync(base, stored, pods, prober, launches),
        recorder=recorder,
        budget_enforcer=_budget_enforcer(base, stored, pods, delete, recorder),
        usage=stored.usage,
        records=stored.records,
        quotas=stored.quotas,
        lifecycle=lifecycle,
        workloads=WorkloadController(
            storage=storage, registries=stored.registries, delete=delete, recorder=recorder, clock=clock
        ),
        evictions=Evictions(storage=storage, index=stored.index, delete=delete, recorder=recorder, later=base.later),
        nodes=NodeController(
            storage=storage, registries=stored.registries, provider=provider, capacity=capacity, clock=clock
        ),
        services=_services(base, stored, delete),
        files=_staged_files(base),
    )


def _budget_enforcer(
    base: Foundation, stored: Stored, pods: PodController, delete: RegistryDeletes, recorder: Recorder
) -> BudgetEnforcer:
    return BudgetEnforcer(
        storage=base.storage,
        index=stored.index,
        rates=build_rates(base.settings),
        records=stored.usage,
        pods=pods,
        delete=delete,
        recorder=recorder,
        clock=base.sources.clock,
    )


def _launch_requests(base: Foundation) -> LaunchRequests | None:
    """Return what has pods launched behind the answer, None where the process that answers does it itself."""
    if base.functions is None:
        return None
    return LaunchRequests(_launch_lease(base), base.functions, clock=base.sources.clock)


def build_launch_function(base: Foundation, controllers: Controllers) -> LaunchFunction:
    """Return what launches pods behind the answers of other processes, on threads of its own."""
    later = Background(threads=LAUNCH_THREADS, patience_seconds=0.0)
    return LaunchFunction(
        base.storage,
        controllers.pods,
        _launch_lease(base),
        look_up_owners=controllers.lifecycle.garbage.dependents_stored,
        later=later,
        clock=base.sources.clock,
    )


def _launch_lease(base: Foundation) -> Lease:
    holder = base.sources.new_uid()
    return Lease(base.storage, LEASE, holder=holder, seconds=LEASE_SECONDS, clock=base.sources.clock)


def _services(base: Foundation, stored: Stored, delete: RegistryDeletes) -> ServiceController:
    return ServiceController(
        storage=base.storage,
        index=stored.index,
        registries=stored.registries,
        delete=delete,
        services=base.services,
        place=ServicePlace(network=stored.node.service_network, url=base.server_url),
        later=base.later,
        monotonic=base.sources.monotonic,
    )


def _resync(
    base: Foundation, stored: Stored, pods: PodController, prober: Prober | None, launches: LaunchRequests | None
) -> Resync:
    return Resync(
        index=stored.index,
        provider=base.provider,
        pods=pods,
        removed=stored.removed,
        clock=base.sources.clock,
        follow=prober.follow if prober else ignore,
        later=base.later,
        launch_elsewhere=launches.ask_for_all if launches else None,
    )


def _cause_finder(base: Foundation, stored: Stored, pods: PodController) -> CauseFinder:
    declaration = base.settings.declaration
    return CauseFinder(
        storage=base.storage,
        index=stored.index,
        pods=pods,
        clock=base.sources.clock,
        later=base.later,
        log_delay_seconds=declaration.log_delay_seconds,
        python="" if declaration.is_remote or declaration.image_engine else sys.executable,
    )


def subscribe(base: Foundation, stored: Stored, controllers: Controllers) -> None:
    """Have the controllers act on changes."""
    reactions = Reactions(
        controllers,
        storage=base.storage,
        index=stored.index,
        later=base.later,
        scans=not base.host.outlives_requests,
        launches=base.launches,
    )
    reactions.subscribe_to(stored.changes)


def _pod_controller(
    base: Foundation,
    stored: Stored,
    recorder: Recorder,
    observers: PodObservers,
    capacity: NodeCapacity,
    parking: ParkedTasks | None,
) -> PodController:
    scheduler = Scheduler(
        base.storage,
        node_name=stored.node.name,
        is_bounded=capacity.is_bounded,
        shares_cpu=base.settings.declaration.shares_cpu and not base.settings.node_cpus,
        new_uid=base.sources.new_uid,
    )
    return PodController(
        storage=base.storage,
        provider=base.provider,
        node=stored.node,
        scheduler=scheduler,
        recorder=recorder,
        clock=base.sources.clock,
        observers=observers,
        removed=stored.removed,
        archive=stored.records.archive,
        parking=parking,
        # of the threads that wait for one invocation; a store of this machine has a way of its own
        transact=None if base.host.outlives_requests else SharedCommits(base.storage.transact),
    )


def _parking(
    base: Foundation, stored: Stored, recorder: Recorder, observers: PodObservers, delete: RegistryDeletes
) -> ParkedTasks | None:
    """Return what starts executors' tasks with their driver, None where the provider binds no task late."""
    if not isinstance(base.provider, BindsLate):
        return None
    pods = stored.registries[("", "pods")]

    def create(namespace: str, pod: JSON, marks: Mapping[str, str]) -> None:
        pods.create(namespace, pod, replace(WRITER, marks=marks))

    return ParkedTasks(
        storage=base.storage,
        provider=base.provider,
        node=stored.node,
        warm=stored.warm,
        create=create,
        delete=delete,
        recorder=recorder,
        observers=observers,
        clock=base.sources.clock,
        terms=ParkingTerms(
            seconds=int(base.settings.park_seconds),
            by_default=base.settings.declaration.start_seconds > LONG_START_SECONDS,
        ),
    )


def _prober(base: Foundation, stored: Stored, pods: PodController, recorder: Recorder) -> Prober | None:
    """Return what runs probes, on threads of its own: an attempt may last as long as its timeout."""
    if not stored.node.probes:
        return None
    from chalicelib.controllers.probes.prober import ProbedProvider, Prober  # lazy: not on Lambda

    provider = cast(ProbedProvider, base.provider)  # Foundation.runs_probes has looked
    later = Background(threads=PROBE_THREADS, patience_seconds=0.0)
    return Prober(provider=provider, pods=pods, recorder=recorder, later=later, clock=base.sources.clock)


def _staged_files(base: Foundation) -> StagedFiles | None:
    """Return what takes and gives the files of jobs, None where they can be kept nowhere."""
    settings = base.settings
    files = build_files(settings, base.host)
    if files is None:
        return None
    most = min(settings.file_max_mb, MAX_PUT_MB) if settings.bucket else settings.file_max_mb
    limits = FileLimits(max_bytes=most * MB_BYTES, keep_seconds=settings.file_keep_minutes * 60.0)
    return StagedFiles(
        base.storage,
        files,
        issuer=base.issuer,
        url=base.url,
        limits=limits,
        clock=base.sources.clock,
        new_uid=base.sources.new_uid,
    )
