"""Registry: the verbs of one resource, the same for every resource.

Takes and gives plain dicts and StoredObjects, raises only StatusError. Compare
k8s.io/apiserver/pkg/registry/generic/registry/store.go (v1.36).
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from chalicelib.apimachinery import apply, meta
from chalicelib.apimachinery import time as kubetime
from chalicelib.apimachinery.status import (
    JSON,
    StatusError,
    already_exists,
    conflict,
    forbidden,
    invalid,
    not_found,
)
from chalicelib.registry import deletion, listing, objects, patching, schemas, updating
from chalicelib.registry.errors import translated
from chalicelib.registry.keys import object_key, prefix
from chalicelib.registry.listing import Listed, Matches, parse_revision, wait_for_revision
from chalicelib.registry.options import DeleteOptions, ListOptions, Patch, WriteOptions, Written
from chalicelib.registry.strategy import Strategy
from chalicelib.registry.watch import Watch
from chalicelib.storage.base import KeyExists, KeyNotFound, RevisionConflict, Storage, StoredObject

WriteEvent = Literal["ADDED", "MODIFIED", "DELETED"]
AfterWrite = Callable[[str, JSON, WriteEvent], None]
Room = Callable[[str, JSON, bool], AbstractContextManager[None]]  # (resource, new object, is a dry run)
Admit = Callable[[str, JSON], list[str]]  # (resource, object changed in place) -> warnings

Prepared = tuple[JSON, list[str]]  # an object ready to be checked and stored, and warnings

GENERATE_NAME_ATTEMPTS = 8  # as a real server: a clash of five random letters is rare
RACE_ATTEMPTS = 20  # a patch or an unconditional update meets other writers at most this often


def _plenty(resource: str, obj: JSON, is_dry_run: bool) -> AbstractContextManager[None]:
    """Let every object in: for who keeps no quotas."""
    del resource, obj, is_dry_run
    return nullcontext()


@dataclass(frozen=True, slots=True)
class RegistryParts:
    """What all registries of one control plane share."""

    storage: Storage
    clock: Callable[[], datetime]
    new_uid: Callable[[], str]
    pick: Callable[[str], str]  # one character of a text, at random
    after_write: AfterWrite
    admit: Admit
    room: Room = _plenty


class Registry:
    """All verbs on one resource. Safe to call from many threads."""

    def __init__(self, strategy: Strategy, parts: RegistryParts) -> None:
        self.strategy = strategy
        self.storage = parts.storage
        self._parts = parts
        self._kept_as = strategy.stored_as or strategy.resource

    # -- reading ------------------------------------------------------------------------------

    def get(self, namespace: str | None, name: str, *, resource_version: str = "") -> StoredObject:
        """Return one object. Raises 404, or 504 for a resourceVersion of the future."""
        with translated(self.strategy, name):
            if resource_version not in ("", "0"):
                wait_for_revision(self.storage, self._parse_version(resource_version))
            return self.storage.get(self.key(namespace, name))

    def list_page(self, namespace: str | None, options: ListOptions) -> Listed:
        """Return one page of a list; a watch from its revision misses nothing."""
        with translated(self.strategy, ""):
            return listing.list_page(self.storage, self.prefix(namespace), options, self._matcher(options))

    def watch(self, namespace: str | None, options: ListOptions, *, seconds: float) -> Watch:
        """Return a watch that ends after `seconds`, from options.resource_version on."""
        with translated(self.strategy, ""):
            start, initial = self._watch_start(namespace, options)
        return Watch(
            storage=self.storage,
            prefix=self.prefix(namespace),
            revision=start,
            deadline=time.monotonic() + seconds,
            matches=self._matcher(options),
            initial=initial,
            bookmarks=options.allow_bookmarks,
            marks_initial_end=options.send_initial_events,
        )

    def _watch_start(
        self, namespace: str | None, options: ListOptions
    ) -> tuple[int, list[StoredObject] | None]:
        version = options.resource_version
        revision = self._parse_version(version) if version else 0
        if revision and not options.send_initial_events:
            return revision, None
        if revision:
            wait_for_revision(self.storage, revision)
        listed = listing.list_page(
            self.storage, self.prefix(namespace), ListOptions(), self._matcher(options)
        )
        return listed.revision, listed.items

    # -- writing ------------------------------------------------------------------------------

    def create(
        self, namespace: str | None, obj: JSON, options: WriteOptions, *, is_applied: bool = False
    ) -> Written:
        """Store a new object and return it. Raises 409 if the name is taken, 422, 404 for the namespace."""
        sent = obj
        sent_metadata = sent.get("metadata") or {}
        prefix_of_name = sent_metadata.get("generateName", "") if not sent_metadata.get("name") else ""
        for attempt in range(GENERATE_NAME_ATTEMPTS):
            if prefix_of_name:
                # each try starts anew: some kinds write their name into labels (jobs, namespaces)
                obj = copy.deepcopy(sent)
                obj["metadata"]["name"] = meta.generate_name(prefix_of_name, self._parts.pick)
            obj, warnings = self._prepared(namespace, obj, options, is_applied=is_applied)
            self._check_new(obj)
            self._require_namespace(namespace)
            name = obj["metadata"].get("name", "")
            key = self.key(namespace, name)
            with (
                translated(self.strategy, name),
                self._parts.room(self._kept_as, obj, options.dry_run),
            ):
                if options.dry_run:
                    self._require_absent(key, name)
                    return Written(objects.as_stored(key, obj, 0), created=True, warnings=warnings)
                try:
                    stored = self.storage.create(key, objects.without_type(obj))
                except KeyExists:
                    if prefix_of_name and attempt < GENERATE_NAME_ATTEMPTS - 1:
                        continue
                    raise self._exists(name) from None
            self._after(stored, "ADDED")
            return Written(stored, created=True, warnings=warnings)
        raise AssertionError("unreachable: the loop returns or raises")

    def create_if_missing(self, namespace: str | None, obj: JSON, options: WriteOptions) -> None:
        """Make sure that an object of that name is there; may be repeated."""
        try:
            self.storage.get(self.key(namespace, obj["metadata"]["name"]))
        except KeyNotFound:
            try:
                self.create(namespace, obj, options)
            except StatusError as error:
                if error.reason != "AlreadyExists":
                    raise

    def update(
        self, namespace: str | None, name: str, obj: JSON, options: WriteOptions, *, subresource: str = ""
    ) -> Written:
        """Replace an object (or its status) and return it; writes nothing if nothing changed.

        Raises 404, 409 for a stale resourceVersion or foreign uid, 422.
        """
        updating.check_addressed(obj, name=name, namespace=namespace)
        sent = updating.Sent(self.strategy.to_stored(obj), subresource, options.field_manager)
        return self._change(namespace, name, lambda live: updating.replaced(live, sent), sent, options)

    def patch(
        self, namespace: str | None, name: str, patch: Patch, options: WriteOptions, *, subresource: str = ""
    ) -> Written:
        """Apply a patch and return the object; an apply patch creates what is missing.

        Repeated against other writers unless the patch names a resourceVersion.
        """
        sent = updating.Sent({}, subresource, options.field_manager, is_apply=patch.type == "apply")
        if patch.type == "apply":
            return self._apply(namespace, name, patch, options, sent)

        complaints: list[str] = []  # of the last try: the object it met may have had other fields

        def changed(live: JSON) -> JSON:
            patched, complaints[:] = patching.patched(self.strategy, self.strategy.from_stored(live), patch)
            patched = self.strategy.to_stored(patched)
            updating.check_addressed(patched, name=name, namespace=namespace)
            return patched

        written = self._change(namespace, name, changed, sent, options)
        return replace(written, warnings=[*complaints, *written.warnings])

    def _apply(
        self, namespace: str | None, name: str, patch: Patch, options: WriteOptions, sent: updating.Sent
    ) -> Written:
        config = patching.checked_apply(self.strategy, patch.document, name=name, namespace=namespace)
        now = self._parts.clock()
        schema = schemas.schema_of(self.strategy)

        def applied(live: JSON | None) -> JSON:
            return apply.apply(
                live,
                config,
                manager=options.field_manager,
                force=options.force,
                now=now,
                schema=schema,
                subresource=sent.subresource,
                api_version=self.strategy.api_version,
            )

        for _ in range(RACE_ATTEMPTS):
            try:
                return self._change(namespace, name, applied, sent, options)
            except StatusError as error:
                if error.code != 404 or sent.subresource:
                    raise
            if (config.get("metadata") or {}).get("resourceVersion"):
                raise conflict(self.strategy.resource, name, group=self.strategy.group)
            try:
                return self.create(namespace, applied(None), options, is_applied=True)
            except StatusError as error:
                if error.reason != "AlreadyExists":
                    raise
        raise conflict(self.strategy.resource, name, group=self.strategy.group)

    def _change(
        self,
        namespace: str | None,
        name: str,
        change: Callable[[JSON], JSON],
        sent: updating.Sent,
        options: WriteOptions,
    ) -> Written:
        key = self.key(namespace, name)
        with translated(self.strategy, name):
            for attempt in range(RACE_ATTEMPTS):
                live = self.storage.get(key)
                old = self._stored_form(live)
                new = change(self._stored_form(live))
                self._check_version(new, live, name)
                warnings = updating.finish(self.strategy, new, old, sent, self._parts.clock(), self.siblings)
                if objects.is_same(new, old):
                    return Written(live, warnings=warnings)
                if options.dry_run:
                    return Written(objects.as_stored(key, new, live.revision), warnings=warnings)
                try:
                    return self._store_change(key, new, live, warnings)
                except RevisionConflict:
                    if updating.is_conditional(sent) or attempt == RACE_ATTEMPTS - 1:
                        raise
        raise AssertionError("unreachable: the loop returns or raises")

    def _store_change(self, key: str, new: JSON, live: StoredObject, warnings: list[str]) -> Written:
        if objects.is_deleting(new) and deletion.is_due(self.strategy, new):
            stored = self.storage.delete(key, expected_revision=live.revision)
            self._after(stored, "DELETED")
            return Written(stored, removed=True, warnings=warnings)
        stored = self.storage.update(key, objects.without_type(new), expected_revision=live.revision)
        self._after(stored, "MODIFIED")
        return Written(stored, warnings=warnings)

    # -- deleting -----------------------------------------------------------------------------

    def delete(self, namespace: str | None, name: str, options: DeleteOptions) -> Written:
        """Delete an object, or mark it while its grace or finalizers last; return its last state.

        Raises 404, or 409 where a precondition fails.
        """
        key = self.key(namespace, name)
        with translated(self.strategy, name):
            for attempt in range(RACE_ATTEMPTS):
                live = self.storage.get(key)
                try:
                    return self._delete_once(live, name, options)
                except RevisionConflict:
                    if attempt == RACE_ATTEMPTS - 1:
                        raise
        raise AssertionError("unreachable: the loop returns or raises")

    def _delete_once(self, live: StoredObject, name: str, options: DeleteOptions) -> Written:
        obj = self._stored_form(live)
        deletion.check_preconditions(self.strategy, obj, name, options)
        if self.strategy.resource == "namespaces" and name in deletion.KEPT_NAMESPACES:
            raise forbidden("namespaces", name, "this namespace may not be deleted")
        plan = deletion.plan(self.strategy, obj, options, self._parts.clock())
        if options.dry_run:
            stored = objects.as_stored(live.key, plan.obj, live.revision)
            return Written(stored, removed=plan.removes)
        stored = live
        if plan.writes:
            stored = self.storage.update(
                live.key, objects.without_type(plan.obj), expected_revision=live.revision
            )
        if plan.removes:
            stored = self.storage.delete(live.key, expected_revision=stored.revision)
            self._after(stored, "DELETED")
        elif plan.writes:
            self._after(stored, "MODIFIED")
        return Written(stored, removed=plan.removes)

    def delete_collection(
        self, namespace: str | None, options: ListOptions, delete_options: DeleteOptions
    ) -> Listed:
        """Delete what a list with the same options would give; return it as it was listed."""
        listed = self.list_page(namespace, options)
        for item in listed.items:
            meta_of = item.object()["metadata"]
            try:
                self.delete(meta_of.get("namespace"), meta_of["name"], delete_options)
            except StatusError as error:
                if error.code != 404:
                    raise
        return Listed(listed.items, self.storage.revision(), listed.continue_token, listed.remaining)

    # -- parts --------------------------------------------------------------------------------

    def key(self, namespace: str | None, name: str) -> str:
        """Return the storage key of an object of this resource."""
        return object_key(self._kept_as, namespace if self.strategy.namespaced else None, name)

    def prefix(self, namespace: str | None) -> str:
        """Return the storage prefix of a list of this resource."""
        return prefix(self._kept_as, namespace if self.strategy.namespaced else None)

    def typed(self, stored: StoredObject) -> JSON:
        """Return the object with kind and apiVersion, decoded anew."""
        types = {"kind": self.strategy.kind, "apiVersion": self.strategy.api_version}
        return {**types, **self.strategy.from_stored(stored.object())}

    def as_seen(self, items: Iterable[StoredObject]) -> Iterator[StoredObject]:
        """Yield stored objects of another resource in the shape of this one, a view of it."""
        for item in items:
            yield objects.as_stored(item.key, self.strategy.from_stored(item.object()), item.revision)

    def _stored_form(self, stored: StoredObject) -> JSON:
        types = {"kind": self.strategy.kind, "apiVersion": self.strategy.api_version}
        return {**types, **stored.object()}

    def _prepared(
        self, namespace: str | None, obj: JSON, options: WriteOptions, *, is_applied: bool
    ) -> Prepared:
        obj = self.strategy.to_stored(obj)
        updating.check_new_metadata(obj, namespace=namespace if self.strategy.namespaced else None)
        obj["metadata"]["uid"] = self._parts.new_uid()
        self.strategy.default(obj)
        now = self._parts.clock()
        if not is_applied:  # apply has recorded its fields already; what admission adds is nobody's
            updating.track_create(self.strategy, obj, options.field_manager, now)
        warnings = self._parts.admit(self._kept_as, obj)
        self.strategy.prepare_for_create(obj)
        meta_of = obj["metadata"]
        meta_of.pop("deletionTimestamp", None)
        meta_of.pop("deletionGracePeriodSeconds", None)
        meta_of.pop("selfLink", None)
        meta_of["creationTimestamp"] = kubetime.format_time(now)
        meta_of.pop("generation", None)
        if self.strategy.has_generation:
            meta_of["generation"] = 1
        return obj, warnings + self.strategy.warnings(obj)

    def _check_new(self, obj: JSON) -> None:
        causes = meta.metadata_causes(
            obj["metadata"], namespaced=self.strategy.namespaced, name_errors=self.strategy.name_errors
        )
        causes += self.strategy.validate(obj)
        causes = causes or self.strategy.allocate(obj, None, self.siblings)
        if causes:
            name = obj["metadata"].get("name", "")
            raise invalid(self.strategy.kind, name, causes, group=self.strategy.group)

    def siblings(self) -> Iterator[JSON]:
        """Yield every stored object of this resource, in all namespaces."""
        for item in self.storage.list(prefix(self.strategy.resource)).items:
            yield item.object()

    def _require_namespace(self, namespace: str | None) -> None:
        if not namespace or not self.strategy.namespaced:
            return
        try:
            found = self.storage.get(object_key("namespaces", None, namespace))
        except KeyNotFound:
            raise not_found("namespaces", namespace) from None
        if '"deletionTimestamp"' in found.json and objects.is_deleting(found.object()):
            raise deletion.terminating(self.strategy, namespace)

    def _require_absent(self, key: str, name: str) -> None:
        try:
            self.storage.get(key)
        except KeyNotFound:
            return
        raise self._exists(name)

    def _exists(self, name: str) -> StatusError:
        return already_exists(self.strategy.resource, name, group=self.strategy.group)

    def _check_version(self, new: JSON, live: StoredObject, name: str) -> None:
        sent = (new.get("metadata") or {}).get("resourceVersion", "")
        if sent in ("", "0", None) or sent == str(live.revision):
            return
        try:
            parse_revision(sent)
        except ValueError as error:
            raise StatusError(500, "", str(error)) from None
        raise conflict(self.strategy.resource, name, group=self.strategy.group)

    def _parse_version(self, text: str) -> int:
        try:
            return parse_revision(text)
        except ValueError as error:
            message = f'resourceVersion: Invalid value: "{text}": {error}'
            raise StatusError(500, "", message) from None

    def _matcher(self, options: ListOptions) -> Matches | None:
        labels, fields = options.labels, options.fields
        if labels is None and fields is None:
            return None
        strategy = self.strategy

        def matches(obj: JSON) -> bool:
            if labels is not None and not labels.matches((obj.get("metadata") or {}).get("labels") or {}):
                return False
            return fields is None or fields.matches(strategy.selectable_fields(obj))

        return matches

    def _after(self, stored: StoredObject, event: WriteEvent) -> None:
        self._parts.after_write(self._kept_as, self._stored_form(stored), event)


Registries = dict[tuple[str, str], Registry]  # by (group, resource)


def registries(strategies: Sequence[Strategy], parts: RegistryParts) -> Registries:
    """Return one registry per strategy, by (group, resource)."""
    return {(strategy.group, strategy.resource): Registry(strategy, parts) for strategy in strategies}
