"""BudgetScope: what a job with a spending limit may not do, so that it can neither lift the limit nor leave it.

It binds whoever calls with a pod's own token, whatever rights its service account has; users it does not.
"""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.apimachinery.accessors import annotations_of, metadata_of, owners_of
from chalicelib.apimachinery.rules.meta import ORPHAN
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.family import heads_of
from chalicelib.endpoints.auth.owned_scope import Refuse
from chalicelib.registry.options import DeleteOptions
from chalicelib.resources.catalogue import WORKLOADS
from chalicelib.resources.pods.marks import MAX_USD
from chalicelib.storage.base import KeyNotFound, Storage, StoredObject
from chalicelib.storage.keys import parse_key

RUN_PODS = ("pods", *WORKLOADS)


class BudgetScope:
    """The scope of one request by a pod of a job; `heads` are the pods with a limit that it counts for."""

    owner = ""

    def __init__(self, heads: Sequence[JSON], *, storage: Storage, refuse: Refuse) -> None:
        self._heads = heads
        self._storage = storage
        self._refuse = refuse

    def sees(self, metadata: JSON) -> bool:
        """Return True: a limit hides nothing."""
        del metadata
        return True

    def check_read(self, stored: StoredObject) -> None:
        """Do nothing."""

    def check_new(self, resource: str, obj: JSON) -> None:
        """Have what runs pods count for the limit: make it one of the head's own, in place."""
        if resource not in RUN_PODS:
            return
        self._check_owners(obj, set())
        metadata = metadata_of(obj)
        for head in self._heads:
            found = head["metadata"]
            if found["namespace"] != metadata.get("namespace"):
                raise self._refuse(f"{self._whose()} makes pods in its own namespace only")
            if not self._counts_for(head, obj):
                reference = {"apiVersion": "v1", "kind": "Pod", "name": found["name"], "uid": found["uid"]}
                metadata["ownerReferences"] = [*owners_of(obj), reference]

    def check_write(self, resource: str, obj: JSON) -> None:
        """Check that a workload counts for the limit: others may be anybody's."""
        if resource not in WORKLOADS:
            return
        if not all(self._counts_for(head, obj) for head in self._heads):
            raise self._refuse(f"{self._whose()} changes workloads of its own only")

    def check_change(self, resource: str, old: JSON, new: JSON) -> None:
        """Check that the limit stays, and what counts for it."""
        if resource not in RUN_PODS:
            return
        if annotations_of(new).get(MAX_USD) != annotations_of(old).get(MAX_USD):
            raise self._refuse(f"{self._whose()} does not change {MAX_USD}")
        before = {each.get("uid") for each in owners_of(old)}
        self._check_owners(new, before)
        left = before - {each.get("uid") for each in owners_of(new)}
        finalizers = set(metadata_of(new).get("finalizers") or ()) - set(metadata_of(old).get("finalizers") or ())
        if left or ORPHAN in finalizers:
            raise self._refuse(f"{self._whose()} keeps what it owns")

    def check_delete(self, resource: str, obj: JSON, options: DeleteOptions) -> None:
        """Check that a delete is of the job's own and leaves no pods behind."""
        self.check_write(resource, obj)
        if resource in RUN_PODS and options.propagation == "Orphan":
            raise self._refuse(f"{self._whose()} keeps what it owns: ask for propagationPolicy Background")

    def _check_owners(self, obj: JSON, known: set[str | None]) -> None:
        """Check that no new owner keeps an object when the head is gone: each is the head, or runs pods for it."""
        for uid in {each.get("uid") or "" for each in owners_of(obj)} - known:
            try:
                stored = self._storage.get_by_uid(uid)
            except KeyNotFound:
                stored = None
            if stored is None or parse_key(stored.key)[0] not in RUN_PODS or not self._is_ours(stored.object()):
                raise self._refuse(f"{self._whose()} names no owners but its own")

    def _is_ours(self, owner: JSON) -> bool:
        uid = owner["metadata"]["uid"]
        return any(head["metadata"]["uid"] == uid or self._counts_for(head, owner) for head in self._heads)

    def _counts_for(self, head: JSON, obj: JSON) -> bool:
        uid = head["metadata"]["uid"]
        if any(each.get("uid") == uid for each in owners_of(obj)):
            return True
        return any(each["metadata"]["uid"] == uid for each in heads_of(self._storage, obj))

    def _whose(self) -> str:
        return f"a job with a spending limit (pod {self._heads[0]['metadata']['name']})"
