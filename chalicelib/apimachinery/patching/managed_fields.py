"""metadata.managedFields: which manager set which field, and how that changes with the object.

Reference: kubernetes.io/docs/reference/using-api/server-side-apply, "Field management";
k8s.io/apimachinery/pkg/util/managedfields, v1.36.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, field
from datetime import datetime
from typing import Any, Literal

from chalicelib.apimachinery.patching import field_set
from chalicelib.apimachinery.patching.field_set import UNKNOWN, Path, Shape, Tree, list_element, struct_shape
from chalicelib.apimachinery.patching.field_walk import always_there, compare
from chalicelib.apimachinery.rules.time import find_time, format_time
from chalicelib.apimachinery.schema import Type
from chalicelib.apimachinery.types import JSON

Value = Any  # a value out of JSON


def created_fields(obj: JSON, kind: Type, *, without: frozenset[str]) -> Tree:
    """Return the fields of a new object as fieldsV1 has them, in order; `without` names top-level fields to pass over.

    Raises ValueError for list items without their key.
    """
    shape = struct_shape(kind)
    return _part(obj, shape, without)


def _part(value: JSON, shape: Shape, without: frozenset[str] = frozenset()) -> Tree:
    """Return the fields of a part that is never absent, and so is not set by being there itself."""
    always = always_there(shape.type) if shape.type else {}
    tree: Tree = {}
    for key in sorted(value):
        item = value[key]
        if key in without or item is None:
            continue
        zero = always.get(key, _UNSET)
        inner = shape.child(key) or UNKNOWN
        if zero is _UNSET:
            tree[f"f:{key}"] = _new(item, inner)
        elif inner.kind == "leaf":
            if item != zero:
                tree[f"f:{key}"] = {}
        elif item:
            below = _items(item, inner) if inner.kind == "list" else _part(item, inner)
            if below:
                tree[f"f:{key}"] = below
        elif item != zero:  # an empty list where Go has null
            tree[f"f:{key}"] = {}
    return tree


_UNSET = object()


def _new(value: Value, shape: Shape) -> Tree:
    """Return the fields of a value that was not there before: itself, and all inside."""
    if not value or shape.kind == "leaf":
        return {}
    if shape.kind == "list":
        return {".": {}, **_items(value, shape)} if isinstance(value, list) else {}
    if not isinstance(value, dict):
        return {}
    tree: Tree = {".": {}}
    if shape.type:
        value = {**always_there(shape.type), **value}
    for key in sorted(value):
        if value[key] is not None:
            tree[f"f:{key}"] = _new(value[key], shape.child(key) or UNKNOWN)
    return tree if len(tree) > 1 else {}


def _items(items: list[Value], shape: Shape) -> Tree:
    inner = shape.element or UNKNOWN
    found: dict[str, Tree] = {}
    for item in items:
        element = list_element(shape, item)
        found[element] = {} if element in found else _new(item, inner)
    return dict(sorted(found.items()))


Operation = Literal["Apply", "Update"]

MAX_UPDATE_MANAGERS = 10  # the oldest beyond that are merged into one entry
ANCIENT = "ancient-changes"
BEFORE_FIRST_APPLY = "before-first-apply"
_SERVERS = ("name", "namespace", "creationTimestamp", "selfLink", "uid", "clusterName", "generation")
_SERVERS_TOO = ("managedFields", "resourceVersion")
STRIPPED: tuple[Path, ...] = (
    ("f:apiVersion",),
    ("f:kind",),
    ("f:metadata",),
    *(("f:metadata", f"f:{name}") for name in (*_SERVERS, *_SERVERS_TOO)),
)


@dataclass(frozen=True, slots=True)
class Manager:
    """Who sets fields: an applier is the same in every version, an updater is one per version."""

    name: str
    operation: Operation
    api_version: str = ""  # of updaters
    subresource: str = ""


@dataclass(slots=True)
class Entry:
    """What one manager has set."""

    fields: Tree
    api_version: str
    time: str = ""  # RFC 3339, "" if it never changed the object
    raw: JSON | None = None  # the entry as stored, while nothing in it changed: `fields` is part of it
    is_sorted: bool = False

    def own(self) -> None:
        """Make the fields this entry's own, so that they may be changed."""
        if self.raw is not None:
            self.fields, self.raw = _copied(self.fields), None
        self.is_sorted = False


def _copied(tree: Tree) -> Tree:
    return {element: _copied(node) for element, node in tree.items()}


@dataclass(slots=True)
class ManagedFields:
    """All entries of one object."""

    entries: dict[Manager, Entry] = field(default_factory=dict)

    def forget(self, paths: Sequence[Path], *, keep: Manager | None = None) -> None:
        """Take paths from every manager but one; managers left without fields are removed."""
        for manager in [manager for manager in self.entries if manager != keep]:
            entry = self.entries[manager]
            gone = [path for path in paths if field_set.contains(entry.fields, path)]
            if gone:
                entry.own()
            for path in gone:
                field_set.discard(entry.fields, path)
            if not entry.fields:
                del self.entries[manager]

    def add(self, manager: Manager, paths: Iterable[Path], *, api_version: str, now: datetime) -> None:
        """Give paths to a manager, on top of what it has."""
        entry = self.entries.setdefault(manager, Entry({}, api_version))
        entry.own()
        for path in paths:
            field_set.insert(entry.fields, path)
        entry.time = format_time(now)

    def encoded(self) -> list[JSON]:
        """Return the entries as metadata.managedFields holds them, in the server's order."""

        def rank(item: tuple[Manager, Entry]) -> tuple[str, float, str, str, str]:
            manager, entry = item
            return manager.operation, _seconds(entry), manager.name, entry.api_version, manager.subresource

        ranked = sorted(self.entries.items(), key=rank)
        return [entry.raw or _encode(manager, entry) for manager, entry in ranked]

    def cap(self) -> None:
        """Merge the oldest updaters of a version into one entry while there are too many."""
        updaters = [manager for manager in self.entries if manager.operation == "Update"]
        updaters.sort(key=lambda manager: (_seconds(self.entries[manager]), *astuple(manager)))
        excess = len(updaters) - MAX_UPDATE_MANAGERS
        first: dict[str, Manager] = {}
        for manager in updaters:
            if excess <= 0:
                return
            version = manager.api_version
            if version not in first:
                first[version] = manager
                continue
            bucket = Manager(ANCIENT, "Update", version)
            if bucket not in self.entries:
                self.entries[bucket] = self.entries.pop(first[version])
                self.entries[bucket].own()  # it goes by another name now
            if manager != bucket:
                merged = self.entries.pop(manager)
                self.entries[bucket].own()
                for path in field_set.members(merged.fields):
                    field_set.insert(self.entries[bucket].fields, path)
                self.entries[bucket].time = merged.time
                excess -= 1


def _seconds(entry: Entry) -> float:
    moment = find_time(entry.time)
    return moment.timestamp() if moment else 0


def _encode(manager: Manager, entry: Entry) -> JSON:
    encoded: JSON = {"manager": manager.name} if manager.name else {}
    encoded |= {"operation": manager.operation, "apiVersion": entry.api_version}
    if entry.time:
        encoded["time"] = entry.time
    tree = entry.fields if entry.is_sorted else field_set.sorted_tree(entry.fields)
    encoded |= {"fieldsType": "FieldsV1", "fieldsV1": tree}
    if manager.subresource:
        encoded["subresource"] = manager.subresource
    return encoded


def decode(entries: Sequence[JSON] | None, *, trusted: bool = True) -> ManagedFields:
    """Return what metadata.managedFields says; nothing at all if any of it is malformed, as a real server has it.

    Entries that we wrote ourselves (`trusted`) are kept as they are until something in them changes.
    """
    found = ManagedFields()
    for raw in entries or []:
        operation, tree = raw.get("operation"), raw.get("fieldsV1")
        if operation not in ("Apply", "Update") or tree is None or not (trusted or field_set.is_tree(tree)):
            return ManagedFields()
        version = raw.get("apiVersion") or ""
        manager = Manager(
            raw.get("manager") or "", operation, "" if operation == "Apply" else version, raw.get("subresource") or ""
        )
        entry = Entry(tree, version, raw.get("time") or "", raw)
        if not trusted:
            entry.own()
        found.entries[manager] = entry
    return found


def ignored(kind: Type, subresource: str) -> list[Path]:
    """Return the parts of an object that a request to that subresource cannot set."""
    if subresource == "status":
        return [("f:spec",)]
    return [("f:status",)] if not subresource and "status" in kind.fields else []


def owned(paths: Iterable[Path], without: Sequence[Path]) -> list[Path]:
    """Return the paths that a manager can own: not the server's own fields, and nothing in the ignored parts."""
    return [path for path in paths if path not in STRIPPED and not any(path[: len(part)] == part for part in without)]


def record_create(obj: JSON, *, manager: Manager, kind: Type, now: datetime) -> ManagedFields:
    """Return the record of a new object: what is set in it is its creator's.

    Objects whose lists cannot be told apart by key are not recorded, as on a real server.
    """
    parts = {path[0].removeprefix("f:") for path in ignored(kind, manager.subresource)}
    try:
        tree = created_fields(obj, kind, without=frozenset({"apiVersion", "kind", *parts}))
    except ValueError:
        return ManagedFields()
    for path in STRIPPED:
        field_set.discard(tree, path)
    entry = Entry(tree, manager.api_version, format_time(now), is_sorted=True)
    return ManagedFields({manager: entry} if tree else {})


def record_update(managed: ManagedFields, old: JSON, new: JSON, *, manager: Manager, kind: Type, now: datetime) -> None:
    """Record, in place, that `manager` made `new` out of `old`: it alone now owns what changed.

    Objects whose lists cannot be told apart by key are not recorded, as on a real server.
    """
    try:
        difference = compare(_typed(old), _typed(new), kind)
    except ValueError:
        return
    without = ignored(kind, manager.subresource)
    changed = owned(difference.changed(), without)
    managed.forget([*changed, *owned(difference.removed, without)])
    if changed:
        managed.add(manager, changed, api_version=manager.api_version, now=now)
        managed.cap()


def _typed(obj: JSON) -> JSON:
    """Return an object without its managedFields, which own nothing themselves."""
    metadata = obj.get("metadata")
    if not isinstance(metadata, dict) or "managedFields" not in metadata:
        return obj
    return {**obj, "metadata": {key: value for key, value in metadata.items() if key != "managedFields"}}
