"""Builds the controllers: what the control plane chooses goes in, reactions and chores come out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.cluster.nodes import NodeController
from chalicelib.controllers.cost.budget_enforcer import BudgetEnforcer
from chalicelib.controllers.cost.usage_records import UsageRecords
from chalicelib.controllers.files.staged_files import StagedFiles
from chalicelib.controllers.lifecycle.claims import VolumeClaims
from chalicelib.controllers.lifecycle.definitions import DefinitionController
from chalicelib.controllers.lifecycle.garbage import Garbage
from chalicelib.controllers.lifecycle.namespaces import NamespaceEmptier
from chalicelib.controllers.pods.controller import PodController
from chalicelib.controllers.pods.expiry import PodExpiry
from chalicelib.controllers.pods.interruptions import Interruptions
from chalicelib.controllers.pods.resync import Resync, ResyncTimes
from chalicelib.controllers.pods.store import PodObservers
from chalicelib.controllers.policy.quotas import Quotas
from chalicelib.controllers.reactions import Reactions
from chalicelib.controllers.runtime.background import Later, inline
from chalicelib.controllers.runtime.deletes import DeleteObject
from chalicelib.controllers.runtime.loop import Chore
from chalicelib.controllers.runtime.recorder import EventRecorder
from chalicelib.controllers.translation.task import Node
from chalicelib.controllers.workloads.controller import WorkloadController
from chalicelib.providers.base import Provider
from chalicelib.providers.prices import FREE, Rates
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
    reactions: Reactions
    resync: Resync
    recorder: EventRecorder
    quotas: Quotas
    usage: UsageRecords
    budget_enforcer: BudgetEnforcer
    chores: tuple[Chore, ...]

    def run_all(self) -> None:
        """Do every chore once, whatever its period; one that fails is logged and keeps no other from it."""
        for chore in self.chores:
            inline(chore.do)


class _Hooks:
    """What follows a change that a controller makes itself; `reactions` is set once all of those are built."""

    reactions: Reactions

    def __init__(self, interruptions: Interruptions) -> None:
        self._interruptions = interruptions

    def pod_removed(self, pod: JSON) -> None:
        self.reactions.pod_removed(pod)

    def pod_changed(self, pod: JSON) -> None:
        self.reactions.pod_changed(pod)
        self._interruptions.pod_changed(pod)

    def namespace_removed(self, resource: str, obj: JSON) -> None:
        self.reactions.after_write(resource, obj, "DELETED")


@dataclass(frozen=True, slots=True)
class _Keepers:
    """Who takes objects away, and counts what is left."""

    claims: VolumeClaims
    garbage: Garbage
    namespaces: NamespaceEmptier
    definitions: DefinitionController
    quotas: Quotas
    usage: UsageRecords


@dataclass(frozen=True, slots=True)
class _Makers:
    """Who makes objects of others."""

    workloads: WorkloadController
    nodes: NodeController


def build_controllers(parts: ControllerParts) -> Controllers:
    """Return the controllers; nothing is started."""
    hooks = _Hooks(Interruptions(parts.delete))
    recorder = EventRecorder(parts.storage, clock=parts.clock, new_uid=parts.new_uid, later=parts.later)
    keepers, makers = _keepers(parts, hooks), _makers(parts, recorder)
    pods = _pod_controller(parts, hooks, recorder, keepers)
    hooks.reactions = _reactions(parts, pods, keepers, makers)
    budget_enforcer = BudgetEnforcer(
        storage=parts.storage,
        rates=parts.rates,
        records=keepers.usage,
        pods=pods,
        delete=parts.delete,
        recorder=recorder,
        clock=parts.clock,
    )
    resync = Resync(
        storage=parts.storage,
        provider=parts.provider,
        pods=pods,
        clock=parts.clock,
        enforce_budgets=budget_enforcer.enforce,
        later=parts.later,
        times=parts.times,
    )
    chores = (
        Chore("resync", parts.resync_seconds, resync.run),
        Chore("retry", RETRY_SECONDS, pods.retry),
        *_keeping(parts, keepers, recorder),
        *(_making(keepers, makers) if parts.launches else ()),  # who runs no pods has nobody make them either
    )
    return Controllers(
        pods=pods,
        reactions=hooks.reactions,
        resync=resync,
        recorder=recorder,
        quotas=keepers.quotas,
        usage=keepers.usage,
        budget_enforcer=budget_enforcer,
        chores=chores,
    )


def _keepers(parts: ControllerParts, hooks: _Hooks) -> _Keepers:
    storage, clock, delete = parts.storage, parts.clock, parts.delete
    return _Keepers(
        claims=VolumeClaims(storage=storage, delete=delete, provider=parts.provider),
        garbage=Garbage(storage=storage, resources=parts.resources, delete=delete, clock=clock),
        namespaces=NamespaceEmptier(
            storage=storage, resources=parts.namespaced, delete=delete, removed=hooks.namespace_removed
        ),
        definitions=DefinitionController(
            storage=storage, registries=parts.registries, delete=delete, clock=clock
        ),
        quotas=Quotas(storage=storage, later=parts.later, max_objects=parts.namespace_objects),
        usage=UsageRecords(
            storage=storage, rates=parts.rates, clock=clock, later=parts.later, folds=not parts.scans
        ),
    )


def _makers(parts: ControllerParts, recorder: EventRecorder) -> _Makers:
    storage, clock, registries = parts.storage, parts.clock, parts.registries
    return _Makers(
        workloads=WorkloadController(
            storage=storage, registries=registries, delete=parts.delete, recorder=recorder, clock=clock
        ),
        nodes=NodeController(storage=storage, registries=registries, provider=parts.provider, clock=clock),
    )


def _pod_controller(
    parts: ControllerParts, hooks: _Hooks, recorder: EventRecorder, keepers: _Keepers
) -> PodController:
    return PodController(
        storage=parts.storage,
        provider=parts.provider,
        node=parts.node,
        recorder=recorder,
        clock=parts.clock,
        observers=PodObservers(
            on_launch=keepers.claims.bind,
            on_change=hooks.pod_changed,
            before_delete=keepers.usage.before_delete,
            after_delete=hooks.pod_removed,
        ),
        launches=parts.launches,
    )


def _reactions(parts: ControllerParts, pods: PodController, keepers: _Keepers, makers: _Makers) -> Reactions:
    return Reactions(
        storage=parts.storage,
        pods=pods,
        garbage=keepers.garbage,
        namespaces=keepers.namespaces,
        claims=keepers.claims,
        definitions=keepers.definitions,
        quotas=keepers.quotas,
        usage=keepers.usage,
        workloads=makers.workloads if parts.launches else None,
        later=parts.later,
        scans=parts.scans,
    )


def _keeping(parts: ControllerParts, keepers: _Keepers, recorder: EventRecorder) -> tuple[Chore, ...]:
    """Return the chores that take away what is over and count what is left."""
    expiry = PodExpiry(
        storage=parts.storage, delete=parts.delete, clock=parts.clock, keep_seconds=parts.pod_keep_seconds
    )
    return (
        Chore("garbage", SWEEP_SECONDS, keepers.garbage.sweep),
        Chore("namespaces", SWEEP_SECONDS, keepers.namespaces.sweep),
        Chore("definitions", SWEEP_SECONDS, keepers.definitions.sweep),
        Chore("quotas", SWEEP_SECONDS, keepers.quotas.sweep),
        Chore("claims", SWEEP_SECONDS, keepers.claims.sweep),
        Chore("usage", SWEEP_SECONDS, keepers.usage.sweep),
        Chore("pod-expiry", EXPIRY_SECONDS, expiry.sweep),
        Chore("event-expiry", EXPIRY_SECONDS, recorder.expire),
        *((Chore("files", EXPIRY_SECONDS, parts.files.sweep),) if parts.files is not None else ()),
    )


def _making(keepers: _Keepers, makers: _Makers) -> tuple[Chore, ...]:
    """Return the chores that make objects of others."""
    return (
        Chore("workloads-due", RETRY_SECONDS, makers.workloads.run_due),
        Chore("workloads", SWEEP_SECONDS, makers.workloads.sweep),
        Chore("volumes", SWEEP_SECONDS, keepers.claims.drop_volumes),
        Chore("nodes", EXPIRY_SECONDS, makers.nodes.keep),
    )
