"""The verbs get, list and watch of one resource."""

from __future__ import annotations

import json
import time

from chalicelib.apimachinery.rules.status import StatusError
from chalicelib.registry import listing
from chalicelib.registry.errors import translated
from chalicelib.registry.listing import Listed, Matches, parse_revision, wait_for_revision
from chalicelib.registry.options import ListOptions
from chalicelib.registry.parts import Place
from chalicelib.registry.watch import Watch
from chalicelib.storage.base import StoredObject
from chalicelib.storage.encoding import stored_metadata


class ReadVerbs(Place):
    """get, list and watch: they change nothing."""

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

        def matches(text: str) -> bool:
            if labels is not None and not labels.matches(stored_metadata(text).get("labels")):
                return False
            return fields is None or fields.matches(strategy.selectable_fields(json.loads(text)))

        return matches
