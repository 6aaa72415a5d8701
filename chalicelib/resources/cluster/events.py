"""Events, in the two groups that show them: core/v1, and events.k8s.io/v1 as a view of the same objects.

Stored in core/v1's shape. Compare kubernetes/pkg/apis/core/validation/events.go and
pkg/apis/events/v1/conversion.go, v1.36.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar

from chalicelib.apimachinery.accessors import metadata_of
from chalicelib.apimachinery.field_docs import field_doc
from chalicelib.apimachinery.rules import meta
from chalicelib.apimachinery.rules.causes import invalid
from chalicelib.apimachinery.rules.status import Cause
from chalicelib.apimachinery.types import JSON
from chalicelib.registry.strategy import Column, Strategy
from chalicelib.registry.subresources import WRITE_VERBS

# core/v1's name of a field, by that of events.k8s.io/v1; all other fields have one name.
RENAMED = {
    "regarding": "involvedObject",
    "note": "message",
    "reportingController": "reportingComponent",
    "deprecatedSource": "source",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
}
_VIEWED = {core: new for new, core in RENAMED.items()}
# What core/v1 writes even when it is empty.
_ALWAYS: tuple[tuple[str, object], ...] = (
    ("eventTime", None),
    ("firstTimestamp", None),
    ("lastTimestamp", None),
    ("reportingComponent", ""),
    ("reportingInstance", ""),
)
_OBJECT_FIELDS = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")


def to_core(event: JSON) -> JSON:
    """Return an events.k8s.io/v1 event in the shape of core/v1."""
    core = {RENAMED.get(key, key): value for key, value in event.items()}
    if "apiVersion" in core:
        core["apiVersion"] = "v1"
    return core


def to_view(event: JSON) -> JSON:
    """Return a core/v1 event in the shape of events.k8s.io/v1."""
    view = {_VIEWED.get(key, key): value for key, value in event.items()}
    for key in ("reportingController", "reportingInstance"):
        if not view.get(key):
            view.pop(key, None)
    if "apiVersion" in view:
        view["apiVersion"] = "events.k8s.io/v1"
    return view


class EventStrategy(Strategy):
    """core/v1 events."""

    creates_on_update = True
    resource, singular, kind = "events", "event", "Event"
    in_view, edit_verbs = True, WRITE_VERBS
    short_names = ("ev",)
    empty: ClassVar[JSON] = {**dict(_ALWAYS), "involvedObject": {}, "source": {}}
    field_label_error = "field label not supported: {}"
    columns = (
        Column("Last Seen", description=field_doc("Event.lastTimestamp")),
        Column("Type", description=field_doc("Event.type")),
        Column("Reason", description=field_doc("Event.reason")),
        Column("Object", description=field_doc("Event.involvedObject")),
        Column("Subobject", description=field_doc("ObjectReference.fieldPath"), priority=1),
        Column("Source", description=field_doc("Event.source"), priority=1),
        Column("Message", description=field_doc("Event.message")),
        Column("First Seen", description=field_doc("Event.firstTimestamp"), priority=1),
        Column("Count", description=field_doc("Event.count"), priority=1),
        Column("Name", format="name", description=field_doc("ObjectMeta.name"), priority=1),
    )

    def default(self, obj: JSON) -> None:
        """Write what core/v1 always writes."""
        for key, empty in _ALWAYS:
            if not obj.get(key):
                obj[key] = empty
        obj["source"] = obj.get("source") or {}
        obj["involvedObject"] = obj.get("involvedObject") or {}
        for key in ("action", "count", "message", "reason", "series", "type"):
            if not obj.get(key):
                obj.pop(key, None)

    def validate(self, obj: JSON) -> list[Cause]:
        """Check the namespace against that of the event's object."""
        about = (obj.get("involvedObject") or {}).get("namespace") or ""
        namespace = metadata_of(obj).get("namespace") or ""
        if about == namespace or (not about and namespace in ("default", "kube-system")) or not namespace:
            return []
        return [invalid("involvedObject.namespace", about, "does not match event.namespace")]

    def selectable_fields(self, obj: JSON) -> dict[str, str]:
        """Return the fields an event can be selected by."""
        about, source = obj.get("involvedObject") or {}, obj.get("source") or {}
        component = obj.get("reportingComponent") or ""
        return {
            **super().selectable_fields(obj),
            **{f"involvedObject.{key}": about.get(key) or "" for key in _OBJECT_FIELDS},
            "reason": obj.get("reason") or "",
            "reportingComponent": component,
            "source": source.get("component") or component,
            "type": obj.get("type") or "",
        }

    def cells(self, obj: JSON, now: datetime) -> Sequence[object]:
        """Return the row that `kubectl get events` shows."""
        series = obj.get("series") or {}
        first = meta.age(obj.get("firstTimestamp") or obj.get("eventTime"), now)
        last = meta.age(obj.get("lastTimestamp"), now) if obj.get("lastTimestamp") else first
        count = obj.get("count") or 0
        if series:
            last, count = meta.age(series.get("lastObservedTime"), now), series.get("count") or 0
        elif not count:
            count = 1
        about, source = obj.get("involvedObject") or {}, obj.get("source") or {}
        kind, name = about.get("kind", ""), about.get("name")
        component = source.get("component") or obj.get("reportingComponent") or ""
        host = source.get("host") or obj.get("reportingInstance") or ""
        return [
            last,
            obj.get("type") or "",
            obj.get("reason") or "",
            f"{kind.lower()}/{name}" if name else kind,
            about.get("fieldPath") or "",
            f"{component}, {host}" if host else component,
            (obj.get("message") or "").strip(),
            first,
            count,
            metadata_of(obj).get("name", ""),
        ]


class EventViewStrategy(EventStrategy):
    """events.k8s.io/v1 events: the same objects under other names."""

    group = "events.k8s.io"
    in_view, edit_verbs = False, ()
    stored_as = "events"
    empty = to_view(EventStrategy.empty)

    def to_stored(self, obj: JSON) -> JSON:
        """Return the event in the shape of core/v1."""
        return to_core(obj)

    def from_stored(self, obj: JSON) -> JSON:
        """Return the event in the shape of events.k8s.io/v1."""
        return to_view(obj)

    def selectable_fields(self, obj: JSON) -> dict[str, str]:
        """Return the fields of a stored (core/v1) event under this group's names."""
        fields = super().selectable_fields(obj)
        renamed = {f"regarding.{key}": fields.pop(f"involvedObject.{key}") for key in _OBJECT_FIELDS}
        return {**fields, **renamed, "reportingController": fields.pop("reportingComponent")}
