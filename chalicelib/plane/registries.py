"""Builds the registries, and what a write goes through: admission before it is stored, the subscribers after it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from chalicelib.apimachinery.rules.status import StatusError
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.admission import Admission
from chalicelib.controllers.changes import Changes
from chalicelib.controllers.cost.usage_records import UsageRecords
from chalicelib.controllers.podmodel.index import PodIndex
from chalicelib.controllers.pods.records import PodRecords, RecordLimits
from chalicelib.controllers.pods.removed import RemovedPods
from chalicelib.controllers.pods.warm import WarmTasks
from chalicelib.controllers.policy.quotas import Quotas
from chalicelib.controllers.runtime.objects import StorageLookup
from chalicelib.controllers.translation.credentials import PodTokens
from chalicelib.controllers.translation.spark_admission import Injection
from chalicelib.controllers.translation.task import Node
from chalicelib.plane.backends import build_log_archive, build_rates
from chalicelib.plane.default_roles import reconciled
from chalicelib.plane.foundation import Foundation, is_open
from chalicelib.providers.extensions import BindsLate
from chalicelib.registry.options import WriteOptions
from chalicelib.registry.parts import RegistryParts
from chalicelib.registry.registry import Registries, Registry, registry_key
from chalicelib.resources.access.rbac import RBAC_GROUP
from chalicelib.resources.catalogue import ALL
from chalicelib.resources.custom.custom_registries import CustomRegistries
from chalicelib.resources.default_objects import default_objects
from chalicelib.resources.network.services import ServiceStrategy
from chalicelib.storage.base import Change

LOG = logging.getLogger(__name__)
NOT_FOUND = 404


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What is stored, by resource, and who hears of its changes."""

    registries: Registries
    custom: CustomRegistries
    changes: Changes
    quotas: Quotas
    warm: WarmTasks
    usage: UsageRecords
    records: PodRecords
    removed: RemovedPods
    index: PodIndex
    node: Node


def build_registries(base: Foundation) -> Stored:
    """Return the registries of all resources."""
    storage, clock, later = base.storage, base.sources.clock, base.later
    rates = build_rates(base.settings)
    usage = UsageRecords(storage=storage, rates=rates, clock=clock, later=later, folds=base.host.outlives_requests)
    quotas = Quotas(storage=storage, later=later, max_objects=base.settings.namespace_objects)
    node, records = _node(base), _records(base)
    binder = base.provider if isinstance(base.provider, BindsLate) else None
    warm = WarmTasks(storage=storage, provider=binder, node=node, clock=clock)

    removed = RemovedPods(
        storage, base.provider, node=node, record_usage=usage.before_delete, records=records, clock=clock
    )

    def leaves(pod: JSON) -> Sequence[Change]:
        usage.before_delete(pod)
        return [*records.before_removal(pod), *removed.before_removal(pod)]

    changes = Changes(before_removal={"pods": leaves})
    parts = RegistryParts(
        storage=storage,
        admission=_admission(base, quotas, warm, node),
        observer=changes,
        clock=clock,
        new_uid=base.sources.new_uid,
        pick=base.sources.pick,
    )
    return Stored(
        registries=_of_all_kinds(parts, node),
        custom=CustomRegistries(storage, parts),
        changes=changes,
        quotas=quotas,
        warm=warm,
        usage=usage,
        records=records,
        removed=removed,
        index=PodIndex(storage, monotonic=base.sources.monotonic),
        node=node,
    )


def _admission(base: Foundation, quotas: Quotas, warm: WarmTasks, node: Node) -> Admission:
    return Admission(
        storage=base.storage,
        quotas=quotas,
        warm=warm,
        node=node,
        provider=base.provider,
        injection=partial(_injection, base),
        root_ca=base.root_ca,
        binds_drivers=base.settings.driver_rights and not is_open(base.settings),
        new_uid=base.sources.new_uid,
    )


def _of_all_kinds(parts: RegistryParts, node: Node) -> Registries:
    registries: Registries = {}
    network = node.service_network
    kinds = [ServiceStrategy(network) if network and isinstance(each, ServiceStrategy) else each for each in ALL]
    for each in kinds:  # a second version of a resource is a view of the first
        key = registry_key(each.group, each.version if (each.group, each.resource) in registries else "", each.resource)
        registries[key] = Registry(each, parts)
    return registries


def _records(base: Foundation) -> PodRecords:
    settings = base.settings
    return PodRecords(
        storage=base.storage,
        provider=base.provider,
        archive=build_log_archive(settings, base.provider) if base.host.keeps_files else None,
        clock=base.sources.clock,
        limits=RecordLimits(settings.record_keep_hours * 3600.0, settings.namespace_records),
        later=base.later,
    )


def _node(base: Foundation) -> Node:
    return Node(
        name=base.provider.name,
        lookup=StorageLookup(base.storage),
        issue_token=PodTokens(base.issuer),
        api=base.api_address,
        api_url=base.other_api_url,
        service_network=base.services.network if base.services else None,
        launches=base.launches,
        probes=base.runs_probes,
        keeps_ended=base.settings.declaration.keeps_ended,
    )


def _injection(base: Foundation) -> Injection:
    url = base.url.get()
    root_ca = bool(base.settings.ca_file) and url.startswith("https:")
    return Injection(
        master_url=url,
        token=not is_open(base.settings),
        root_ca=root_ca,
        shares_network=base.settings.declaration.is_exposed,
        shares_address=base.settings.declaration.shares_address,
        polled=not base.host.streams,
        declared_ports=base.settings.declaration.opens_declared_ports,
        ivy_home=base.settings.ivy_home(),
    )


def has_default_objects(stored: Stored) -> bool:
    """Return whether all default objects have been made, by one read: the last one is there."""
    group, resource, namespace, last = default_objects()[-1]
    try:
        stored.registries[(group, resource)].get(namespace, last["metadata"]["name"])
    except StatusError as error:
        if error.code != NOT_FOUND:
            raise
        return False
    return True


def create_default_objects(stored: Stored) -> None:
    """Make what every cluster has (namespaces, roles, priority classes), and complete the roles that are there."""
    options = WriteOptions(field_manager="sparkanywhere")
    for group, resource, namespace, wanted in default_objects():
        registry, name = stored.registries[(group, resource)], wanted["metadata"]["name"]
        try:
            found = registry.get(namespace, name)
        except StatusError as error:
            if error.code != NOT_FOUND:
                raise
            registry.create_if_missing(namespace, wanted, options)
            continue
        changed = reconciled(found.object(), wanted) if group == RBAC_GROUP else found.object()
        if changed != found.object():
            try:
                registry.update(namespace, name, changed, options)
            except StatusError as error:  # another server is at it, or the next start is
                LOG.warning("default %s %s not completed: %s", resource, name, error)
