"""Registry: the verbs of one resource, the same for every resource. Raises only StatusError.

Compare k8s.io/apiserver/pkg/registry/generic/registry/store.go (v1.36).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace

from chalicelib.apimachinery.accessors import annotations_of, is_deleting
from chalicelib.apimachinery.rules import meta
from chalicelib.apimachinery.rules.names import path_segment_errors
from chalicelib.apimachinery.rules.retry import retried
from chalicelib.apimachinery.rules.status import bad_request
from chalicelib.apimachinery.types import JSON
from chalicelib.registry import deletion, listing, patching, writing
from chalicelib.registry.listing import Listed
from chalicelib.registry.options import DeleteOptions, ListOptions, Patch, WriteOptions, Written
from chalicelib.registry.parts import EVERYTHING, RegistryParts, Scope, WriteEvent, seen_by, translated
from chalicelib.registry.strategy import Strategy
from chalicelib.registry.watch import Watch, start_watch
from chalicelib.storage.base import Change, KeyExists, KeyNotFound, RevisionConflict, StoredObject
from chalicelib.storage.keys import object_key, prefix
from chalicelib.storage.shared_commits import SharedCommits, Transact
from chalicelib.storage.updates import remove_with

RACE_ATTEMPTS = 20  # a patch, a delete or an unconditional update meets other writers at most this often
GENERATE_NAME_ATTEMPTS = 8  # as a real server: a clash of five random letters is rare


class Registry:
    """All verbs on one resource. Safe to call from many threads."""

    def __init__(self, strategy: Strategy, parts: RegistryParts, scope: Scope = EVERYTHING) -> None:
        self.strategy, self.storage = strategy, parts.storage
        self._parts = parts
        self._transact: Transact = parts.storage.transact
        self._types = {"kind": strategy.kind, "apiVersion": strategy.api_version}
        self.scope = scope

    def within(self, scope: Scope) -> Registry:
        """Return the registry for one request whose rights hold in `scope` only."""
        return Registry(self.strategy, self._parts, scope)

    def key(self, namespace: str | None, name: str) -> str:
        """Return the storage key of an object of this resource. Raises 400 for a name that is no segment of a path."""
        if wrong := path_segment_errors(name) or path_segment_errors(namespace or ""):
            raise bad_request(f'Name parameter invalid: "{name}": {wrong[0]}')
        return object_key(self.strategy.kept_as, namespace if self.strategy.namespaced else None, name)

    def prefix(self, namespace: str | None) -> str:
        """Return the storage prefix of a list of this resource."""
        return prefix(self.strategy.kept_as, namespace if self.strategy.namespaced else None)

    def typed(self, stored: StoredObject) -> JSON:
        """Return the object with kind and apiVersion, decoded anew."""
        return {**self._types, **self.strategy.from_stored(stored.object())}

    def siblings(self) -> Iterator[JSON]:
        """Return every stored object of this resource, in all namespaces."""
        return (item.object() for item in self.storage.list(prefix(self.strategy.resource)).items)

    def get(self, namespace: str | None, name: str, *, resource_version: str = "") -> StoredObject:
        """Return one object. Raises 404, or 504 for a resourceVersion of the future."""
        with translated(self.strategy, name):
            if resource_version not in ("", "0"):
                asked = listing.required_revision(resource_version)
                listing.wait_for_revision(self.storage, self.prefix(namespace), asked)
            stored = self.storage.get(self.key(namespace, name))
        self.scope.check_read(stored)
        return stored

    def list_page(self, namespace: str | None, options: ListOptions) -> Listed:
        """Return one page of a list; a watch from its revision misses nothing."""
        matches = seen_by(self.scope, listing.matcher(self.strategy, options))
        with translated(self.strategy, ""):
            return listing.list_page(self.storage, self.prefix(namespace), options, matches)

    def watch(self, namespace: str | None, options: ListOptions, *, seconds: float) -> Watch:
        """Return a watch that ends after `seconds`, from options.resource_version on."""
        with translated(self.strategy, ""):
            matches = seen_by(self.scope, listing.matcher(self.strategy, options))
            return start_watch(self.storage, self.prefix(namespace), options, matches, seconds=seconds)

    def create(self, namespace: str | None, obj: JSON, options: WriteOptions) -> Written:
        """Store a new object and return it. Raises 409 if the name is taken, 422, 404 for the namespace."""
        with translated(self.strategy, writing.metadata(obj).get("name", "")):
            return self._create(namespace, obj, options)

    def create_if_missing(self, namespace: str | None, obj: JSON, options: WriteOptions) -> None:
        """Make sure that an object of that name is there; may be repeated."""
        with translated(self.strategy, obj["metadata"]["name"]), suppress(KeyExists):
            self._require_absent(self.key(namespace, obj["metadata"]["name"]))
            self._create(namespace, obj, options)

    def _create(self, namespace: str | None, obj: JSON, options: WriteOptions, *, is_applied: bool = False) -> Written:
        sent = writing.metadata(obj)
        if sent.get("name") or not sent.get("generateName"):
            return self._create_once(namespace, obj, options, is_applied=is_applied)

        def create_named() -> Written:
            # each try starts anew: some kinds write their name into labels (jobs, namespaces)
            named = copy.deepcopy(obj)
            named["metadata"]["name"] = meta.generate_name(sent["generateName"], self._parts.pick)
            return self._create_once(namespace, named, options, is_applied=is_applied)

        return retried(create_named, on=KeyExists, attempts=GENERATE_NAME_ATTEMPTS)

    def _create_once(self, namespace: str | None, obj: JSON, options: WriteOptions, *, is_applied: bool) -> Written:
        obj, kept_as = self.strategy.to_stored(obj), self.strategy.kept_as
        namespace = namespace if self.strategy.namespaced else None
        now = writing.place_new(self.strategy, self.storage, obj, namespace, options.known)
        self.scope.check_new(kept_as, obj)
        manager = "" if is_applied else options.field_manager  # apply has recorded its fields already
        warnings = writing.prepare_new(self.strategy, self._parts, obj, now, manager=manager, siblings=self.siblings)
        if options.marks:
            obj["metadata"]["annotations"] = {**annotations_of(obj), **options.marks}
        if options.permit is not None:
            options.permit(obj, None)
        with self._parts.admission.reserve(kept_as, obj, now, user=options.user, is_dry_run=options.dry_run):
            key = object_key(kept_as, namespace, obj["metadata"].get("name", ""))
            if options.dry_run:
                self._require_absent(key)
                return Written(writing.as_stored(key, obj, 0), created=True, warnings=warnings)
            stored = writing.store_new(self._parts, kept_as, key, obj)
        self._written(stored, obj, "ADDED")
        return Written(stored, created=True, warnings=warnings)

    def _require_absent(self, key: str) -> None:
        with suppress(KeyNotFound):
            self.storage.get(key)
            raise KeyExists(key)

    def update(
        self, namespace: str | None, name: str, obj: JSON, options: WriteOptions, *, subresource: str = ""
    ) -> Written:
        """Replace an object (or its status) and return it; writes nothing if nothing changed.

        Creates what is missing where the kind lets a PUT do so. Raises 404, 409 for a stale resourceVersion or
        foreign uid, 422.
        """
        writing.check_addressed(obj, name=name, namespace=namespace)
        sent = self.strategy.to_stored(obj)
        how = writing.Change(options.field_manager, subresource)
        with translated(self.strategy, name):
            try:
                return self._change(namespace, name, lambda live: writing.replaced(live, sent), how, options)
            except KeyNotFound:
                if subresource or not self.strategy.creates_on_update:
                    raise
            missing = {"kind": self.strategy.kind, "metadata": {"name": name, "namespace": namespace or ""}}
            new = writing.replaced(missing, obj)  # a uid means another object than the one that is missing
            new["metadata"].pop("resourceVersion", None)
            if options.permit_create is not None:
                options.permit_create()
            return self._create(namespace, new, options)

    def patch(
        self, namespace: str | None, name: str, patch: Patch, options: WriteOptions, *, subresource: str = ""
    ) -> Written:
        """Apply a patch and return the object; an apply patch creates what is missing.

        Repeated against other writers unless the patch names a resourceVersion.
        """
        how = writing.Change(options.field_manager, subresource, is_apply=patch.type == "apply")
        if how.is_apply:
            return self._apply(namespace, name, patch, options, how)

        complaints: list[str] = []  # of the last try: the object it met may have had other fields

        def changed(live: JSON) -> JSON:
            patched, complaints[:] = patching.patched(self.strategy, self.strategy.from_stored(live), patch)
            patched = self.strategy.to_stored(patched)
            writing.check_addressed(patched, name=name, namespace=namespace)
            return patched

        with translated(self.strategy, name):
            written = self._change(namespace, name, changed, how, options)
        return replace(written, warnings=[*complaints, *written.warnings])

    def _apply(
        self, namespace: str | None, name: str, patch: Patch, options: WriteOptions, how: writing.Change
    ) -> Written:
        config = patching.checked_apply(self.strategy, patch.document, name=name, namespace=namespace)
        now = self._parts.clock()

        def applied(live: JSON | None) -> JSON:
            return patching.applied(self.strategy, live, config, how, now=now, force=options.force)

        def change_or_create() -> Written:
            try:
                return self._change(namespace, name, applied, how, options)
            except KeyNotFound:
                if how.subresource:
                    raise
            writing.check_may_create(self.strategy, config, name)
            if options.permit_create is not None:
                options.permit_create()
            return self._create(namespace, applied(None), options, is_applied=True)

        with translated(self.strategy, name):
            return retried(change_or_create, on=KeyExists, attempts=RACE_ATTEMPTS)

    def _change(
        self,
        namespace: str | None,
        name: str,
        change: Callable[[JSON], JSON],
        how: writing.Change,
        options: WriteOptions,
    ) -> Written:
        """Store what `change` makes of the live object, anew while other writers interfere. Raises StorageErrors."""
        key = self.key(namespace, name)

        def change_once() -> Written:
            live = self.storage.get(key)
            old = self._stored_form(live)
            self.scope.check_write(self.strategy.kept_as, old)
            new = change(self._stored_form(live))
            writing.check_version(self.strategy, new, live.revision, name)
            warnings = self._parts.admission.complete_change(self.strategy.kept_as, how.subresource, new, old)
            warnings += writing.complete_changed(self.strategy, new, old, how, self._parts.clock(), self.siblings)
            self.scope.check_change(self.strategy.kept_as, old, new)
            if writing.is_same(new, old):
                return Written(live, warnings=warnings)
            if options.permit is not None:
                options.permit(new, old)
            with self._parts.admission.admit_change(self.strategy.kept_as, new, old, is_dry_run=options.dry_run):
                if options.dry_run:
                    return Written(writing.as_stored(key, new, live.revision), warnings=warnings)
                if is_deleting(new) and deletion.is_due(self.strategy, new):
                    return Written(self._remove(live, new), removed=True, warnings=warnings)
                stored = self.storage.update(key, writing.without_type(new), expected_revision=live.revision)
            self._written(stored, new, "MODIFIED")
            return Written(stored, warnings=warnings)

        return retried(change_once, on=RevisionConflict, attempts=RACE_ATTEMPTS)

    def delete(self, namespace: str | None, name: str, options: DeleteOptions) -> Written:
        """Delete an object, or mark it while its grace or finalizers last; return its last state.

        Raises 404, or 409 where a precondition fails.
        """
        key = self.key(namespace, name)

        def delete_once() -> Written:
            live = self.storage.get(key)
            obj = self._stored_form(live)
            self.scope.check_delete(self.strategy.kept_as, obj, options)
            deletion.check_preconditions(self.strategy, obj, name, options)
            deletion.check_may_go(self.strategy, name)
            plan = deletion.plan(self.strategy, obj, options, self._parts.clock())
            if options.dry_run:
                return Written(writing.as_stored(key, plan.obj, live.revision), removed=plan.removes)
            if plan.writes:
                marked = writing.without_type(plan.obj)
                live = self._transact([Change("MODIFIED", key, marked, live.revision)])[0]
            if plan.removes:
                live = self._remove(live, plan.obj)
            elif plan.writes:
                self._written(live, plan.obj, "MODIFIED")
            return Written(live, removed=plan.removes)

        with translated(self.strategy, name):
            return retried(delete_once, on=RevisionConflict, attempts=RACE_ATTEMPTS)

    def delete_collection(self, namespace: str | None, options: ListOptions, delete_options: DeleteOptions) -> Listed:
        """Delete what a list with the same options would give; return it as it was listed. May be repeated.

        Several at a time, whose marks share transactions. Raises what one fails with, when those under way are done.
        """
        listed = self.list_page(namespace, options)
        together = Registry(self.strategy, self._parts, self.scope)
        together._transact = SharedCommits(self.storage.transact)
        deletion.delete_each(listed.items, lambda inside, name: together.delete(inside, name, delete_options))
        return replace(listed, revision=self.storage.revision())

    def _stored_form(self, stored: StoredObject) -> JSON:
        return {**self._types, **stored.object()}

    def _remove(self, live: StoredObject, last: JSON) -> StoredObject:
        beside = self._parts.observer.before_removal(self.strategy.kept_as, last)
        stored = remove_with(self.storage, live, beside)
        self._parts.observer.after_write(self.strategy.kept_as, self._stored_form(stored), "DELETED")
        return stored

    def _written(self, stored: StoredObject, obj: JSON, event: WriteEvent) -> None:
        obj["metadata"]["resourceVersion"] = str(stored.revision)
        self._parts.observer.after_write(self.strategy.kept_as, {**obj, **self._types}, event)


Registries = dict[tuple[str, str], Registry]  # by registry_key


def registry_key(group: str, version: str, resource: str) -> tuple[str, str]:
    """Return the key of a resource's registry: (group, resource), with a version that is not the preferred one."""
    return (f"{group}/{version}" if version else group, resource)
