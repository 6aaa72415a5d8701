"""Secrets of a job, such as its user's credentials, which go when the job has ended, rather than when its pod goes.

That is kept for a day or for ever, to show how it ended. An annotation asks for this.
"""

from __future__ import annotations

import logging
from contextlib import suppress

from chalicelib.apimachinery.accessors import annotations_of, is_terminal, metadata_of, owners_of, spec_of
from chalicelib.apimachinery.rules.status import StatusError
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.runtime.objects import DeleteObject, paged
from chalicelib.resources.configuration.secrets import DELETE_AT_END
from chalicelib.resources.workloads.jobs import final_condition
from chalicelib.storage.base import KeyNotFound, Storage
from chalicelib.storage.keys import object_key, parse_key

LOG = logging.getLogger(__name__)


class JobSecrets:
    """Deletes marked Secrets all of whose owners are pods and Jobs that have ended. Safe to repeat."""

    def __init__(self, *, storage: Storage, delete: DeleteObject) -> None:
        self._storage = storage
        self._delete = delete

    def owner_ended(self, owner: JSON) -> None:
        """Delete those that a pod or Job which has ended mounts and owns. Raises StorageError."""
        pod_spec = spec_of(owner).get("template", owner).get("spec") or {}
        for volume in pod_spec.get("volumes") or ():
            if name := (volume.get("secret") or {}).get("secretName"):
                self._delete_over(object_key("secrets", metadata_of(owner).get("namespace"), name))

    def sweep(self) -> None:
        """Do the same for those whose owner's end was missed. Raises StorageError."""
        for item in paged(self._storage, "secrets"):
            if f'"{DELETE_AT_END}"' in item.json:
                self._delete_over(item.key)

    def _delete_over(self, key: str) -> None:
        with suppress(KeyNotFound):
            secret = self._storage.get(key).object()
            owners, metadata = owners_of(secret), metadata_of(secret)
            if annotations_of(secret).get(DELETE_AT_END) != "true" or not owners:
                return
            found = [self._storage.get_by_uid(each["uid"]) for each in owners]
            if not all(has_ended(parse_key(each.key)[0], each.object()) for each in found):
                return
            try:
                self._delete("secrets", metadata["namespace"], metadata["name"], uid=metadata["uid"])
            except StatusError as error:
                if error.code not in (404, 409):
                    LOG.warning("secret stays name=%s message=%s", metadata["name"], error.message)


def has_ended(resource: str, obj: JSON) -> bool:
    """Return whether an object is a pod or Job that has ended for good."""
    if resource == "pods":
        return is_terminal(obj)
    return resource == "jobs" and final_condition(obj) is not None
