"""Puts the controllers together: what bootstrap chooses goes in, hooks and chores come out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from chalicelib.apimachinery.status import JSON
from chalicelib.controllers.background import Later, inline
from chalicelib.controllers.claims import Claims
from chalicelib.controllers.definitions import DefinitionController
from chalicelib.controllers.dependents import Dependents
from chalicelib.controllers.endpoints import EndpointController
from chalicelib.controllers.expiry import PodExpiry
from chalicelib.controllers.fuse import Fuse
from chalicelib.controllers.garbage import DeleteObject, Garbage
from chalicelib.controllers.interruptions import Interruptions
from chalicelib.controllers.loop import Chore
from chalicelib.controllers.namespaces import NamespaceEmptier
from chalicelib.controllers.nodes import NodeController
from chalicelib.controllers.pod_task import Node
from chalicelib.controllers.pods import PodController
from chalicelib.controllers.quotas import Quotas
from chalicelib.controllers.recorder import EventRecorder
from chalicelib.controllers.resync import Resync, ResyncTimes
from chalicelib.controllers.staged_files import StagedFiles
from chalicelib.controllers.usage_records import UsageRecords
from chalicelib.controllers.workloads.controller import WorkloadController
from chalicelib.prices import FREE, Rates
from chalicelib.providers.base import Provider
from chalicelib.registry.registry import Registries
from chalicelib.storage.base import Storage

RETRY_SECONDS = 1.0  # the shortest pause of Backoff
SWEEP_SECONDS = 60.0  # reads every object once
EXPIRY_SECONDS = 300.0  # reads every finished pod once


@dataclass(frozen=True, slots=True)
class ControllerParts:
    """What the controllers are made of.

    `resources` are the names of all that is stored, the namespaced ones among them in `namespaced`. `later` is
    a Background where threads live on between requests, else `inline`; `scans` goes with the latter.
    """

    storage: Storage
    provider: Provider
    node: Node
    delete: DeleteObject
    clock: Callable[[], datetime]
    new_uid: Callable[[], str]
    resources: Iterable[str]
    namespaced: Iterable[str]
    registries: Registries
    rates: Rates = FREE
    later: Later = inline
    launches: bool = True
    scans: bool = False
    resync_seconds: float = 10.0
    pod_keep_seconds: float = 24 * 3600.0
    namespace_objects: int = 0  # of one resource; 0 is no limit
    files: StagedFiles | None = None
    times: ResyncTimes | None = None


@dataclass(frozen=True, slots=True)
class Controllers:
    """The controllers, wired. `chores` keep everything whole; a schedule without memory calls run_all()."""

    pods: PodController
    dependents: Dependents
    resync: Resync
    recorder: EventRecorder
    quotas: Quotas
    usage: UsageRecords
    fuse: Fuse
    chores: tuple[Chore, ...]

    def run_all(self) -> None:
        """Do every chore once, whatever its period; one that fails is logged and keeps no other from it."""
        for chore in self.chores:
            inline(chore.do)


def build_controllers(parts: ControllerParts) -> Controllers:
    """Return the controllers; nothing is started."""

    def pod_removed(pod: JSON) -> None:
        dependents.pod_removed(pod)

    def pod_changed(pod: JSON) -> None:
        dependents.pod_changed(pod)
        interruptions.pod_changed(pod)

    def namespace_removed(resource: str, obj: JSON) -> None:
        dependents.after_write(resource, obj, "DELETED")

    storage, clock, delete = parts.storage, parts.clock, parts.delete
    claims = Claims(storage=storage, delete=delete, provider=parts.provider)
    interruptions = Interruptions(delete)
    recorder = EventRecorder(storage, clock=clock, new_uid=parts.new_uid, later=parts.later)
    usage = UsageRecords(
        storage=storage, rates=parts.rates, clock=clock, later=parts.later, folds=not parts.scans
    )
    pods = PodController(
        storage=storage,
        provider=parts.provider,
        node=parts.node,
        recorder=recorder,
        clock=clock,
        launched=claims.bind,
        removed=pod_removed,
        changed=pod_changed,
        going=usage.going,
        launches=parts.launches,
    )
    garbage = Garbage(storage=storage, resources=parts.resources, delete=delete, clock=clock)
    namespaces = NamespaceEmptier(
        storage=storage, resources=parts.namespaced, delete=delete, removed=namespace_removed
    )
    definitions = DefinitionController(
        storage=storage, registries=parts.registries, delete=delete, clock=clock
    )
    quotas = Quotas(storage=storage, later=parts.later, max_objects=parts.namespace_objects)
    workloads = WorkloadController(
        storage=storage,
        registries=parts.registries,
        delete=delete,
        recorder=recorder,
        clock=clock,
    )
    endpoints = EndpointController(storage=storage, clock=clock, new_uid=parts.new_uid)
    nodes = NodeController(storage=storage, registries=parts.registries, provider=parts.provider, clock=clock)
    dependents = Dependents(
        storage=storage,
        pods=pods,
        garbage=garbage,
        namespaces=namespaces,
        claims=claims,
        definitions=definitions,
        quotas=quotas,
        usage=usage,
        workloads=workloads if parts.launches else None,
        endpoints=endpoints if parts.launches else None,
        later=parts.later,
        scans=parts.scans,
    )
    fuse = Fuse(
        storage=storage,
        rates=parts.rates,
        records=usage,
        pods=pods,
        delete=delete,
        recorder=recorder,
        clock=clock,
    )
    resync = Resync(
        storage=storage,
        provider=parts.provider,
        pods=pods,
        clock=clock,
        fuse=fuse,
        later=parts.later,
        times=parts.times,
    )
    expiry = PodExpiry(storage=storage, delete=delete, clock=clock, keep_seconds=parts.pod_keep_seconds)
    chores: tuple[Chore, ...] = (
        Chore("resync", parts.resync_seconds, resync.run),
        Chore("retry", RETRY_SECONDS, pods.retry),
        Chore("garbage", SWEEP_SECONDS, garbage.sweep),
        Chore("namespaces", SWEEP_SECONDS, namespaces.sweep),
        Chore("definitions", SWEEP_SECONDS, definitions.sweep),
        Chore("quotas", SWEEP_SECONDS, quotas.sweep),
        Chore("claims", SWEEP_SECONDS, claims.sweep),
        Chore("usage", SWEEP_SECONDS, usage.sweep),
        Chore("pod-expiry", EXPIRY_SECONDS, expiry.sweep),
        Chore("event-expiry", EXPIRY_SECONDS, recorder.expire),
    )
    if parts.launches:  # who runs no pods has nobody make them either
        chores += (
            Chore("workloads-due", RETRY_SECONDS, workloads.run_due),
            Chore("workloads", SWEEP_SECONDS, workloads.sweep),
            Chore("endpoints", SWEEP_SECONDS, endpoints.sweep),
            Chore("volumes", SWEEP_SECONDS, claims.drop_volumes),
            Chore("nodes", EXPIRY_SECONDS, nodes.keep),
        )
    if parts.files is not None:
        chores += (Chore("files", EXPIRY_SECONDS, parts.files.sweep),)
    return Controllers(pods, dependents, resync, recorder, quotas, usage, fuse, chores)
