"""The chores: what is to be done periodically, so that everything stays whole."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from chalicelib.controllers.podmodel.index import PodIndex
from chalicelib.controllers.reactions import Controllers
from chalicelib.controllers.runtime.background import Chore
from chalicelib.plane.foundation import Foundation
from chalicelib.providers.extensions import Tidies

RETRY_SECONDS = 1.0  # the shortest pause of Backoff
SWEEP_SECONDS = 60.0
EXPIRY_SECONDS = 300.0  # what reads much, and is but the net below what is done at once
HISTORY_SECONDS = 3600.0  # old watch events are looked for so often; they are kept for days


def chores(base: Foundation, index: PodIndex, to: Controllers) -> Iterator[Chore]:
    """Yield what is to be done periodically, in order: to heal, to retry, and to remove what is over."""
    often = base.settings.resync_seconds
    if base.launches:
        yield Chore("nodes", EXPIRY_SECONDS, to.nodes.keep, urgent=True)  # first: how much there is for pods
    yield Chore("resync", often, to.resync.run, urgent=True)
    yield Chore("orphans", SWEEP_SECONDS, to.resync.stop_orphans, urgent=True)  # they cost money, and nobody sees them
    if to.parking:
        yield Chore("parked", often, partial(to.parking.sweep, index), urgent=True)
    yield Chore("starts", often, to.starts.sweep)
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
    yield Chore("job-secrets", EXPIRY_SECONDS, to.lifecycle.job_secrets.sweep)
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
