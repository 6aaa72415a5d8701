"""The verb create: what a new object goes through before it is stored."""

from __future__ import annotations

import copy

from chalicelib.apimachinery.accessors import is_deleting, metadata_of
from chalicelib.apimachinery.rules import meta
from chalicelib.apimachinery.rules import time as kubetime
from chalicelib.apimachinery.rules.status import StatusError, already_exists, invalid, not_found
from chalicelib.apimachinery.types import JSON
from chalicelib.registry import deletion, objects, updating
from chalicelib.registry.errors import translated
from chalicelib.registry.keys import object_key
from chalicelib.registry.options import WriteOptions, Written
from chalicelib.registry.parts import Place
from chalicelib.storage.base import KeyExists, KeyNotFound, Reader

Prepared = tuple[JSON, list[str]]  # an object ready to be checked and stored, and warnings

GENERATE_NAME_ATTEMPTS = 8  # as a real server: a clash of five random letters is rare


class CreateVerb(Place):
    """create, with names made of generateName."""

    def create(
        self, namespace: str | None, obj: JSON, options: WriteOptions, *, is_applied: bool = False
    ) -> Written:
        """Store a new object and return it. Raises 409 if the name is taken, 422, 404 for the namespace."""
        sent = obj
        sent_metadata = metadata_of(sent)
        prefix_of_name = sent_metadata.get("generateName", "") if not sent_metadata.get("name") else ""
        for attempt in range(GENERATE_NAME_ATTEMPTS):
            if prefix_of_name:
                # each try starts anew: some kinds write their name into labels (jobs, namespaces)
                obj = copy.deepcopy(sent)
                obj["metadata"]["name"] = meta.generate_name(prefix_of_name, self._parts.pick)
            now = self.storage.view()  # of the namespace, its limits and quotas, and what a pod refers to
            obj, warnings = self._prepared(namespace, obj, options, now, is_applied=is_applied)
            self._check_new(obj)
            if options.permit is not None:
                options.permit(obj)
            name = obj["metadata"].get("name", "")
            key = self.key(namespace, name)
            with (
                translated(self.strategy, name),
                self._parts.room(self._kept_as, obj, now, options.dry_run),
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

    def _prepared(
        self, namespace: str | None, obj: JSON, options: WriteOptions, now: Reader, *, is_applied: bool
    ) -> Prepared:
        obj = self.strategy.to_stored(obj)
        updating.check_new_metadata(obj, namespace=namespace if self.strategy.namespaced else None)
        self._require_namespace(namespace, now)
        obj["metadata"]["uid"] = self._parts.new_uid()
        self.strategy.default(obj)
        moment = self._parts.clock()
        if not is_applied:  # apply has recorded its fields already; what admission adds is nobody's
            updating.track_create(self.strategy, obj, options.field_manager, moment)
        warnings = self._parts.admit(self._kept_as, obj, now)
        self.strategy.prepare_for_create(obj)
        meta_of = obj["metadata"]
        meta_of.pop("deletionTimestamp", None)
        meta_of.pop("deletionGracePeriodSeconds", None)
        meta_of.pop("selfLink", None)
        meta_of["creationTimestamp"] = kubetime.format_time(moment)
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

    def _require_namespace(self, namespace: str | None, now: Reader) -> None:
        if not namespace or not self.strategy.namespaced:
            return
        try:
            found = now.get(object_key("namespaces", None, namespace))
        except KeyNotFound:
            raise not_found("namespaces", namespace) from None
        if '"deletionTimestamp"' in found.json and is_deleting(found.object()):
            raise deletion.terminating(self.strategy, namespace)

    def _require_absent(self, key: str, name: str) -> None:
        try:
            self.storage.get(key)
        except KeyNotFound:
            return
        raise self._exists(name)

    def _exists(self, name: str) -> StatusError:
        return already_exists(self.strategy.resource, name, group=self.strategy.group)
