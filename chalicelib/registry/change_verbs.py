"""The verbs update and patch, with patches of every kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from chalicelib.apimachinery.accessors import is_deleting, metadata_of
from chalicelib.apimachinery.patching import apply
from chalicelib.apimachinery.rules import causes
from chalicelib.apimachinery.rules.status import StatusError, conflict, invalid
from chalicelib.apimachinery.types import JSON
from chalicelib.registry import deletion, objects, patching, schemas, updating
from chalicelib.registry.create_verb import CreateVerb
from chalicelib.registry.errors import translated
from chalicelib.registry.listing import parse_revision
from chalicelib.registry.options import Patch, WriteOptions, Written
from chalicelib.registry.parts import RACE_ATTEMPTS
from chalicelib.storage.base import RevisionConflict, StoredObject


class ChangeVerbs(CreateVerb):
    """update and patch; an apply patch creates what is missing."""

    def update(
        self, namespace: str | None, name: str, obj: JSON, options: WriteOptions, *, subresource: str = ""
    ) -> Written:
        """Replace an object (or its status) and return it; writes nothing if nothing changed.

        Creates what is missing where the kind lets a PUT do so. Raises 404, 409 for a stale resourceVersion or
        foreign uid, 422.
        """
        updating.check_addressed(obj, name=name, namespace=namespace)
        sent = updating.Sent(self.strategy.to_stored(obj), subresource, options.field_manager)
        try:
            return self._change(namespace, name, lambda live: updating.replaced(live, sent), sent, options)
        except StatusError as error:
            if error.code != 404 or subresource or not self.strategy.creates_on_update:
                raise
        return self._create_by_update(namespace, name, obj, options)

    def _create_by_update(
        self, namespace: str | None, name: str, obj: JSON, options: WriteOptions
    ) -> Written:
        """Create what a PUT found missing; its resourceVersion means nothing, a uid means another object."""
        missing: JSON = {"kind": self.strategy.kind, "metadata": {"name": name, "namespace": namespace or ""}}
        metadata = dict(updating.replaced(missing, updating.Sent(obj, "", ""))["metadata"])
        metadata.pop("resourceVersion", None)
        if options.permit_create is not None:
            options.permit_create()
        return self.create(namespace, {**obj, "metadata": metadata}, options)

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
            if metadata_of(config).get("resourceVersion"):
                raise conflict(self.strategy.resource, name, group=self.strategy.group)
            if metadata_of(config).get("uid"):
                why = f"uid mismatch: the provided object specified uid {config['metadata']['uid']},"
                why += " and no existing object was found"
                raise conflict(self.strategy.resource, name, why, group=self.strategy.group)
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
                if options.permit is not None and not objects.is_same(new, old):
                    options.permit(new)
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
        if is_deleting(new) and deletion.is_due(self.strategy, new):
            stored = self._remove(key, new, expected_revision=live.revision)
            self._after(stored, "DELETED")
            return Written(stored, removed=True, warnings=warnings)
        stored = self.storage.update(key, objects.without_type(new), expected_revision=live.revision)
        self._after(stored, "MODIFIED")
        return Written(stored, warnings=warnings)

    def _check_version(self, new: JSON, live: StoredObject, name: str) -> None:
        sent = metadata_of(new).get("resourceVersion", "")
        if sent in ("", "0", None):
            if self.strategy.unconditional_update:
                return
            why = causes.invalid("metadata.resourceVersion", 0, "must be specified for an update")
            raise invalid(self.strategy.resource, name, [why], group=self.strategy.group)
        if sent == str(live.revision):
            return
        try:
            parse_revision(sent)
        except ValueError as error:
            raise StatusError(500, "", str(error)) from None
        raise conflict(self.strategy.resource, name, group=self.strategy.group)
