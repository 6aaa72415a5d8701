"""Builds the controllers over the registries, and the chores that keep everything whole."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from typing import cast

from chalicelib.controllers.cluster.capacity import NodeCapacity
from chalicelib.controllers.cluster.evictions import Evictions
from chalicelib.controllers.cluster.nodes import NodeController
from chalicelib.controllers.cluster.services import ServiceController, ServicePlace
from chalicelib.controllers.cost.budget_enforcer import BudgetEnforcer
from chalicelib.controllers.files.staged_files import FileLimits, StagedFiles
from chalicelib.controllers.lifecycle.claims import VolumeClaims
from chalicelib.controllers.lifecycle.definitions import DefinitionController
from chalicelib.controllers.lifecycle.garbage import Garbage
from chalicelib.controllers.lifecycle.namespace_objects import NamespaceObjects
from chalicelib.controllers.lifecycle.namespaces import NamespaceEmptier
from chalicelib.controllers.pods.cause_finder import CauseFinder
from chalicelib.controllers.pods.controller import PodController
from chalicelib.controllers.pods.deletions import Interruptions, PodExpiry
from chalicelib.controllers.pods.launches import LEASE, LEASE_SECONDS, LaunchFunction, LaunchRequests
from chalicelib.controllers.pods.resync import Resync
from chalicelib.controllers.pods.scheduler import Scheduler
from chalicelib.controllers.pods.store import PodObservers, ignore
from chalicelib.controllers.probes.prober import ProbedProvider, Prober
from chalicelib.controllers.reactions import Controllers, Lifecycle, Reactions
from chalicelib.controllers.runtime.background import Background, Chore
from chalicelib.controllers.runtime.lease import Lease
from chalicelib.controllers.runtime.objects import RegistryDeletes, ServedKinds
from chalicelib.controllers.runtime.recorder import Recorder
from chalicelib.controllers.workloads.controller import WorkloadController
from chalicelib.plane.backends import build_files, build_rates
from chalicelib.plane.foundation import Foundation
from chalicelib.plane.registries import Stored
from chalicelib.providers.extensions import Tidies
from chalicelib.resources.catalogue import ALL
from chalicelib.resources.custom.custom_registries import StoredResources
from chalicelib.storage.shared_commits import SharedCommits

PROBE_THREADS = 8  # attempts at a time
LAUNCH_THREADS = 24  # launches at a time: 20 a second, with what one waits for the provider and the store
RETRY_SECONDS = 1.0  # the shortest pause of Backoff
SWEEP_SECONDS = 60.0
EXPIRY_SECONDS = 300.0  # what reads much, and is but the net below what is done at once
MB_BYTES = 1_000_000
MAX_PUT_MB = 5000  # of one PUT to S3
HISTORY_SECONDS = 3600.0  # old watch events are looked for so often; they are kept for days


def build_controllers(base: Foundation, stored: Stored) -> Controllers:
    """Return the controllers; nothing is started."""
    storage, provider, clock = base.storage, base.provider, base.sources.clock
    delete = RegistryDeletes(stored.registries, stored.custom)
    recorder = Recorder(storage, clock=clock, new_uid=base.sources.new_uid, later=base.later)
    lifecycle = _lifecycle(base, stored, delete)
    capacity = NodeCapacity(provider, memory_mib=base.settings.node_memory_mib, cpus=base.settings.node_cpus)
    pods = _pod_controller(base, stored, recorder, lifecycle.claims, capacity)
    budget_enforcer = BudgetEnforcer(
        storage=storage,
        index=stored.index,
        rates=build_rates(base.settings),
        records=stored.usage,
        pods=pods,
        delete=delete,
        recorder=recorder,
        clock=clock,
    )
    prober = _prober(base, stored, pods, recorder)
    launches = _launch_requests(base)
    return Controllers(
        pods=pods,
        launches=launches,
        prober=prober,
        causes=_cause_finder(base, stored, pods),
        interruptions=Interruptions(delete),
        resync=_resync(base, stored, pods, prober, launches),
        recorder=recorder,
        budget_enforcer=budget_enforcer,
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
    base: Foundation, stored: Stored, recorder: Recorder, claims: VolumeClaims, capacity: NodeCapacity
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
        observers=PodObservers(
            on_launch=claims.bind,
            on_change=stored.changes.pod_changed,
            before_delete=partial(stored.changes.before_removal, "pods"),
            after_delete=stored.changes.pod_removed,
        ),
        removed=stored.removed,
        archive=stored.records.archive,
        # of the threads that wait for one invocation; a store of this machine has a way of its own
        transact=None if base.host.outlives_requests else SharedCommits(base.storage.transact),
    )


def _prober(base: Foundation, stored: Stored, pods: PodController, recorder: Recorder) -> Prober | None:
    """Return what runs probes, on threads of its own: an attempt may last as long as its timeout."""
    if not stored.node.probes:
        return None
    provider = cast(ProbedProvider, base.provider)  # Foundation.runs_probes has looked
    later = Background(threads=PROBE_THREADS, patience_seconds=0.0)
    return Prober(provider=provider, pods=pods, recorder=recorder, later=later, clock=base.sources.clock)


def _lifecycle(base: Foundation, stored: Stored, delete: RegistryDeletes) -> Lifecycle:
    storage, clock = base.storage, base.sources.clock
    return Lifecycle(
        garbage=Garbage(
            storage=storage,
            index=stored.index,
            resources=_resources(base, ownable_only=True),
            kinds=ServedKinds(stored.registries, stored.custom),
            delete=delete,
        ),
        namespaces=NamespaceEmptier(
            storage=storage,
            resources=_resources(base, namespaced_only=True),
            delete=delete,
            removed=stored.changes.namespace_removed,
        ),
        namespace_objects=NamespaceObjects(storage=storage, registries=stored.registries, root_ca=base.root_ca),
        claims=VolumeClaims(storage=storage, delete=delete, provider=base.provider),
        definitions=DefinitionController(storage=storage, registries=stored.registries, delete=delete, clock=clock),
        expiry=PodExpiry(
            storage=storage,
            index=stored.index,
            delete=delete,
            clock=clock,
            keep_seconds=base.settings.pod_keep_hours * 3600.0,
        ),
    )


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


def _resources(base: Foundation, *, namespaced_only: bool = False, ownable_only: bool = False) -> StoredResources:
    """Return what is stored, by resource; with `ownable_only` without what we alone make, which nothing owns."""
    kinds = [each for each in ALL if not each.stored_as and (each.namespaced or not namespaced_only)]
    kinds = [each for each in kinds if "create" in each.verbs or not ownable_only]
    names = [each.resource for each in kinds]
    return StoredResources(names, base.storage, namespaced_only=namespaced_only)


def chores(base: Foundation, to: Controllers) -> Iterator[Chore]:
    """Yield what is to be done periodically, in order: to heal, to retry, and to remove what is over."""
    often = base.settings.resync_seconds
    if base.launches:
        yield Chore("nodes", EXPIRY_SECONDS, to.nodes.keep, urgent=True)  # first: how much there is for pods
    yield Chore("resync", often, to.resync.run, urgent=True)
    yield Chore("orphans", SWEEP_SECONDS, to.resync.stop_orphans, urgent=True)  # they cost money, and nobody sees them
    yield Chore("budgets", often, to.budget_enforcer.sweep, urgent=True)
    yield Chore("services", often, to.services.keep, urgent=True)
    if base.host.outlives_requests:  # else resync does the same, and is as frequent
        yield Chore("retry", RETRY_SECONDS, to.pods.retry)
        yield Chore("services-changed", RETRY_SECONDS, to.services.catch_up)
    if base.launches:
        if base.host.outlives_requests:
            yield Chore("workloads-due", RETRY_SECONDS, to.workloads.run_due)
        yield Chore("workloads", SWEEP_SECONDS, to.workloads.sweep)
    yield Chore("namespaces", SWEEP_SECONDS, to.lifecycle.namespaces.sweep)
    yield Chore("causes", SWEEP_SECONDS, to.causes.sweep)
    yield Chore("usage", SWEEP_SECONDS, to.usage.sweep)
    yield Chore("garbage", EXPIRY_SECONDS, to.lifecycle.garbage.sweep)
    yield Chore("quotas", EXPIRY_SECONDS, to.quotas.sweep)
    yield Chore("claims", EXPIRY_SECONDS, to.lifecycle.claims.sweep)
    yield Chore("definitions", EXPIRY_SECONDS, to.lifecycle.definitions.sweep)
    yield Chore("pod-expiry", EXPIRY_SECONDS, to.lifecycle.expiry.sweep)
    yield Chore("namespace-objects", EXPIRY_SECONDS, to.lifecycle.namespace_objects.sweep)
    yield Chore("record-expiry", EXPIRY_SECONDS, to.records.sweep)
    yield Chore("event-expiry", EXPIRY_SECONDS, to.recorder.expire)
    if to.files is not None:
        yield Chore("files", EXPIRY_SECONDS, to.files.sweep)
    if base.launches:
        yield Chore("volumes", SWEEP_SECONDS, to.lifecycle.claims.drop_volumes)
    expire = partial(base.storage.expire_events, base.settings.event_keep_hours * 3600.0)
    yield Chore("history", HISTORY_SECONDS, expire)
    if isinstance(base.provider, Tidies):
        yield Chore("provider", HISTORY_SECONDS, base.provider.tidy)
