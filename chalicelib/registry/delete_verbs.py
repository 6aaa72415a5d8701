"""The verbs delete and deletecollection."""

from __future__ import annotations

from chalicelib.apimachinery.rules.status import StatusError
from chalicelib.registry import deletion, objects
from chalicelib.registry.errors import translated
from chalicelib.registry.listing import Listed
from chalicelib.registry.options import DeleteOptions, ListOptions, Written
from chalicelib.registry.parts import RACE_ATTEMPTS
from chalicelib.registry.read_verbs import ReadVerbs
from chalicelib.storage.base import RevisionConflict, StoredObject


class DeleteVerbs(ReadVerbs):
    """delete, of one object or of all that a list gives."""

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
        deletion.check_may_go(self.strategy, name)
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
            stored = self._remove(live.key, plan.obj, expected_revision=stored.revision)
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
