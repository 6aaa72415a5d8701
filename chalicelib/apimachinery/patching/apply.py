"""Server-side apply, and the managedFields that it rests on.

Reference: kubernetes.io/docs/reference/using-api/server-side-apply; structured-merge-diff/v6/merge/update.go and
k8s.io/apimachinery/pkg/util/managedfields/internal, v1.36.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass
from datetime import datetime

from chalicelib.apimachinery.accessors import metadata_of
from chalicelib.apimachinery.decoding.decode_errors import normalize_or_explain
from chalicelib.apimachinery.decoding.gotext import quote
from chalicelib.apimachinery.decoding.parsing import DecodeError
from chalicelib.apimachinery.patching import field_set, last_applied, managed_fields
from chalicelib.apimachinery.patching.config_check import find_problem
from chalicelib.apimachinery.patching.field_merge import merge, remove, with_named_parents
from chalicelib.apimachinery.patching.field_set import Path, Tree, path_text
from chalicelib.apimachinery.patching.field_walk import compare
from chalicelib.apimachinery.patching.field_walk import field_set as fields_of
from chalicelib.apimachinery.patching.managed_fields import BEFORE_FIRST_APPLY, Entry, ManagedFields, Manager
from chalicelib.apimachinery.rules.status import Cause, StatusError, bad_request
from chalicelib.apimachinery.rules.time import format_time
from chalicelib.apimachinery.schema import Type
from chalicelib.apimachinery.types import JSON


def update_managed_fields(
    old: JSON | None, new: JSON, *, manager: str, now: datetime, subresource: str, schema: Type | None, api_version: str
) -> None:
    """Set, in place, the managedFields of `new`, which came of `old` by a create, PUT or patch.

    Entries that the client sent count, but not through a subresource; a single empty one ends the tracking. An object
    without entries is not tracked until it is applied.
    """
    metadata = new.setdefault("metadata", {})
    sent = metadata.pop("managedFields", None)
    if schema is None:
        return
    before = metadata_of(old or {}).get("managedFields")
    if sent == [{}] and not subresource:
        return
    who = Manager(manager, "Update", api_version, subresource)
    if old is None:
        managed = managed_fields.record_create(new, manager=who, kind=schema, now=now)
    else:
        is_own = subresource or not sent or sent == before
        managed = ManagedFields() if is_own else managed_fields.decode(sent, trusted=False)
        managed = managed if managed.entries else managed_fields.decode(before)
        if not managed.entries:
            return
        managed_fields.record_update(managed, old, new, manager=who, kind=schema, now=now)
    if managed.entries:
        metadata["managedFields"] = managed.encoded()


def apply(
    live: JSON | None,
    config: JSON,
    *,
    manager: str,
    force: bool,
    now: datetime,
    schema: Type | None,
    subresource: str,
    api_version: str,
) -> JSON:
    """Return the object that applying `config` to `live` (None: there is none) makes, managedFields included.

    Fields that the manager applied before and leaves out now go, unless someone else owns them. Neither argument is
    changed. Raises StatusError 409 with a cause per field that another manager owns otherwise, unless `force`; 400 or,
    as a real server, 500 for a configuration that the schema does not fit.
    """
    if schema is None:
        raise bad_request(f"no schema to apply {api_version} {config.get('kind', '')} by")
    check_config(config, schema)
    application = _Application(Manager(manager, "Apply", "", subresource), api_version, schema, now)
    managed = application.starting_point(live)
    try:
        return application.run(live, config, managed, force=force)
    except ValueError as error:  # a stored list whose items cannot be told apart
        raise bad_request(f"failed to create typed live object ({_described(config)}): {error}") from None


def check_config(config: JSON, schema: Type) -> None:
    """Raise StatusError 500 for a configuration that the schema does not fit."""
    problem = find_problem(config, schema)
    if problem:
        raise StatusError(500, "", f"failed to create typed patch object ({_described(config)}): {problem}")


def _described(config: JSON) -> str:
    metadata = config.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    group, _, version = str(config.get("apiVersion") or "").rpartition("/")
    kind = f"{group}/{version}, Kind={config.get('kind', '')}"
    return f"{metadata.get('namespace') or ''}/{metadata.get('name') or ''}; {kind}"


@dataclass(frozen=True, slots=True)
class _Application:
    manager: Manager
    api_version: str
    kind: Type
    now: datetime

    def starting_point(self, live: JSON | None) -> ManagedFields:
        """Return the owners so far; the fields of an object never tracked belong to before-first-apply."""
        managed = managed_fields.decode(metadata_of(live or {}).get("managedFields"))
        if live is not None and not managed.entries:
            who = Manager(BEFORE_FIRST_APPLY, "Update", self.api_version)
            return managed_fields.record_create(live, manager=who, kind=self.kind, now=self.now)
        return managed

    def run(self, live: JSON | None, config: JSON, managed: ManagedFields, *, force: bool) -> JSON:
        base: JSON = {}
        if live is not None:
            metadata = {key: value for key, value in metadata_of(live).items() if key != "managedFields"}
            base = {**live, "metadata": metadata}
        last = managed.entries.get(self.manager)
        without = managed_fields.ignored(self.kind, self.manager.subresource)
        applied = managed_fields.owned(fields_of(config, self.kind), without)
        entry = Entry(field_set.tree_of(applied), self.api_version, last.time if last else "")
        managed.entries[self.manager] = entry
        merged = self._pruned(merge(base, config, self.kind), managed, last.fields if last else {})
        difference = compare(base, merged, self.kind)
        changed = managed_fields.owned(difference.changed(), without)
        if not force:
            self._refuse_conflicts(managed, changed, base)
        removed = managed_fields.owned(difference.removed, without)
        managed.forget([*changed, *removed], keep=self.manager)
        if not entry.fields:
            del managed.entries[self.manager]
        types: JSON = {key: merged[key] for key in ("apiVersion", "kind") if key in merged}
        if live is None or merged != {**base, **types}:
            entry.time = format_time(self.now)
        try:
            result = normalize_or_explain(merged, self.kind).value
        except DecodeError as error:
            # a real server answers 500 here; but it is the client who is wrong
            what = f"failed to convert new typed object ({_described(config)}) to object"
            raise bad_request(f"{what}: {error}") from None
        if self.manager.name == last_applied.MANAGER:
            last_applied.refresh(result, config)
        result.setdefault("metadata", {})["managedFields"] = managed.encoded()
        return result

    def _refuse_conflicts(self, managed: ManagedFields, changed: list[Path], live: JSON) -> None:
        if self.manager.name == last_applied.MANAGER and changed:
            ours = last_applied.client_side_fields(live, self.kind, self.api_version)
            changed = [path for path in changed if path not in ours]
        fields = field_set.tree_of(changed)
        conflicts: dict[str, list[str]] = {}  # fields in dispute by the manager that owns them
        for other, entry in sorted(managed.entries.items(), key=lambda item: astuple(item[0])):
            paths = [path for path in field_set.members(fields) if field_set.contains(entry.fields, path)]
            if other != self.manager and paths:
                conflicts.setdefault(_shown(other), []).extend(map(path_text, paths))
        causes = [
            Cause("FieldManagerConflict", f"conflict with {owner}", path)
            for owner, paths in conflicts.items()
            for path in paths
        ]
        if not causes:
            return
        message = f"Apply failed with 1 conflict: {causes[0].message}: {causes[0].field}"
        if len(causes) > 1:
            lines = ["\n- ".join([f"conflicts with {owner}:", *paths]) for owner, paths in conflicts.items()]
            message = f"Apply failed with {len(causes)} conflicts: " + "\n".join(lines)
        raise StatusError(409, "Conflict", message, details={"causes": [each.to_dict() for each in causes]})

    def _pruned(self, merged: JSON, managed: ManagedFields, last: Tree) -> JSON:
        """Return `merged` without what this manager applied last time but not now, unless others own it."""
        if not last:
            return merged
        had = with_named_parents(last, self.kind)
        all_fields = self._named(fields_of(merged, self.kind))
        owned_by_any = {
            path
            for entry in managed.entries.values()
            for path in field_set.members(with_named_parents(entry.fields, self.kind))
        }
        kept = self._named(fields_of(remove(merged, had, self.kind), self.kind)) | owned_by_any
        rest = remove(merged, field_set.tree_of(all_fields - kept), self.kind)
        gone = (all_fields - self._named(fields_of(rest, self.kind))) & set(field_set.members(had))
        return remove(merged, field_set.tree_of(gone), self.kind)

    def _named(self, paths: Iterable[Path]) -> set[Path]:
        return set(field_set.members(with_named_parents(field_set.tree_of(paths), self.kind)))


def _shown(manager: Manager) -> str:
    text = quote(manager.name)
    if manager.subresource:
        text += f" with subresource {quote(manager.subresource)}"
    return f"{text} using {manager.api_version}" if manager.operation == "Update" else text
