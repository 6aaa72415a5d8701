"""Leases.

Compare kubernetes/pkg/apis/coordination/validation, v1.36.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar

from chalicelib.apimachinery.accessors import metadata_of, spec_of
from chalicelib.apimachinery.field_docs import field_doc
from chalicelib.apimachinery.rules import meta
from chalicelib.apimachinery.rules.causes import invalid
from chalicelib.apimachinery.rules.status import Cause
from chalicelib.apimachinery.types import JSON
from chalicelib.registry.strategy import AGE_COLUMN, NAME_COLUMN, Column, Strategy
from chalicelib.registry.subresources import READ_VERBS, WRITE_VERBS
from chalicelib.resources.shared.formats import NOT_NEGATIVE

# Behind the feature gate CoordinatedLeaderElection, which is off by default (v1.36)
COORDINATED = ("strategy", "preferredHolder")


class LeaseStrategy(Strategy):
    """coordination.k8s.io/v1 leases."""

    creates_on_update, unconditional_update = True, False
    group, resource, singular, kind = "coordination.k8s.io", "leases", "lease", "Lease"
    edit_verbs = (*READ_VERBS, *WRITE_VERBS)
    empty: ClassVar[JSON] = {"spec": {}}
    columns = (NAME_COLUMN, Column("Holder", description=field_doc("LeaseSpec.holderIdentity")), AGE_COLUMN)

    def default(self, obj: JSON) -> None:
        """Write a spec even if it is empty, without what a server drops that does not coordinate elections itself."""
        obj["spec"] = {name: value for name, value in spec_of(obj).items() if name not in COORDINATED}

    def validate(self, obj: JSON) -> list[Cause]:
        """Return what is wrong with duration and transitions. A holder may be "": the lease was given up."""
        spec, causes = obj["spec"], []
        seconds, transitions = spec.get("leaseDurationSeconds"), spec.get("leaseTransitions")
        if seconds is not None and seconds <= 0:
            causes.append(invalid("spec.leaseDurationSeconds", seconds, "must be greater than 0"))
        if transitions is not None and transitions < 0:
            causes.append(invalid("spec.leaseTransitions", transitions, NOT_NEGATIVE))
        return causes

    def cells(self, obj: JSON, now: datetime) -> Sequence[object]:
        """Return name, holder and age."""
        metadata, spec = metadata_of(obj), spec_of(obj)
        age = meta.age(metadata.get("creationTimestamp"), now)
        return [metadata.get("name", ""), spec.get("holderIdentity") or "", age]
