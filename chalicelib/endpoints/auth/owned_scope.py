"""OwnedScope: rights over what one pod owns, itself or by what it owns. Drivers have theirs so.

Membership goes by the uids in ownerReferences, not by labels, which anybody who may create a pod can choose: an
object names its owner once, and naming a foreign one gives rights over the object, not over the owner's others.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import cached_property

from chalicelib.apimachinery.accessors import labels_of, metadata_of, owners_of, spec_of
from chalicelib.apimachinery.rules.status import StatusError
from chalicelib.apimachinery.types import JSON
from chalicelib.endpoints.auth.rbac import Rbac
from chalicelib.endpoints.http.requests import RequestInfo
from chalicelib.registry.options import DeleteOptions
from chalicelib.resources.catalogue import WORKLOADS
from chalicelib.storage.base import KeyNotFound, Storage, StoredObject
from chalicelib.storage.keys import stored_metadata

APPLICATION = "spark-app-selector"  # the label by which Spark, and Services, find an application's pods

Refuse = Callable[[str], StatusError]  # of a reason, which ends the sentence


def account_of(pod_spec: JSON) -> str:
    """Return the name of a pod's service account."""
    return str(pod_spec.get("serviceAccountName") or pod_spec.get("serviceAccount") or "default")


class OwnedScope:
    """The scope of one request by, or as, a pod. Safe to call from the threads that delete a collection for it."""

    def __init__(self, owner: str, info: RequestInfo, *, storage: Storage, rbac: Rbac, refuse: Refuse) -> None:
        self.owner = owner
        self._namespace = info.namespace
        self._user = info.user
        self._storage = storage
        self._rbac = rbac
        self._refuse = refuse
        self._is_ours = {owner: True}  # by uid, as far as it has been asked for

    @cached_property
    def _pod(self) -> JSON:
        own = self._user.pod()  # not that of a user as whom somebody else acts
        if own and own["metadata"]["uid"] == self.owner:
            return own
        try:
            return self._storage.get_by_uid(self.owner).object()
        except KeyNotFound:
            raise self._refuse("the pod that has these rights is gone") from None

    def sees(self, metadata: JSON) -> bool:
        """Return whether an object is the pod, or belongs to it."""
        if metadata.get("namespace", "") != self._namespace:
            return False
        references = metadata.get("ownerReferences") or ()
        return metadata.get("uid") == self.owner or any(self._owns(each.get("uid") or "") for each in references)

    def check_read(self, stored: StoredObject) -> None:
        """Check that the object belongs to the pod."""
        self._check_seen(stored_metadata(stored.json))

    def check_write(self, resource: str, obj: JSON) -> None:
        """Check that the object belongs to the pod."""
        del resource
        self._check_seen(metadata_of(obj))

    def check_new(self, resource: str, obj: JSON) -> None:
        """Check a new object, and make it the pod's own: by an owner reference, and by its application's label."""
        metadata = metadata_of(obj)
        self._check_owners(obj, set())
        if not any(self._owns(each.get("uid") or "") for each in owners_of(obj)):
            named = {"name": self._pod["metadata"]["name"], "uid": self.owner}
            metadata["ownerReferences"] = [*owners_of(obj), {"apiVersion": "v1", "kind": "Pod", **named}]
        self._label(metadata)
        self._check_pods(resource, obj)

    def check_change(self, resource: str, old: JSON, new: JSON) -> None:
        """Check that an object stays the pod's, and joins no other application."""
        self._check_seen(metadata_of(new))
        self._check_owners(new, {each.get("uid") for each in owners_of(old)})
        if labels_of(new).get(APPLICATION) != labels_of(old).get(APPLICATION):
            self._label(metadata_of(new))
        if spec_of(new) != spec_of(old):
            self._check_pods(resource, new)

    def check_delete(self, resource: str, obj: JSON, options: DeleteOptions) -> None:
        """Check that the object belongs to the pod."""
        del options
        self.check_write(resource, obj)

    def _owns(self, uid: str) -> bool:
        """Return whether an object is the pod, or its owners and theirs, which may be a circle, lead up to the pod."""
        if uid not in self._is_ours:
            self._is_ours[uid] = self._leads_up(uid)  # written once it is known: other threads read it
        return self._is_ours[uid]

    def _leads_up(self, uid: str) -> bool:
        waiting, seen = [uid], set[str]()
        while waiting:
            each = waiting.pop()
            is_ours = self._is_ours.get(each)
            if is_ours:
                return True
            if is_ours is None and each not in seen:
                seen.add(each)
                with suppress(KeyNotFound):
                    owner = stored_metadata(self._storage.get_by_uid(each).json)
                    if owner.get("namespace", "") == self._namespace:
                        waiting += [above.get("uid") or "" for above in owner.get("ownerReferences") or ()]
        return False

    def _check_seen(self, metadata: JSON) -> None:
        if not self.sees(metadata):
            raise self._refuse(f"it does not belong to pod {self._pod['metadata']['name']}")

    def _check_owners(self, obj: JSON, known: set[str | None]) -> None:
        """Check that the owners are the pod's, or what owns the pod itself: an operator's application."""
        for each in owners_of(obj):
            uid = each.get("uid") or ""
            if uid in known or self._owns(uid):
                continue
            if uid not in {mine.get("uid") for mine in owners_of(self._pod)}:
                raise self._refuse(f"its owner {each.get('kind')} {each.get('name')} is of another application")

    def _label(self, metadata: JSON) -> None:
        wanted = labels_of(self._pod).get(APPLICATION)
        if wanted is None:
            return
        labels = metadata.get("labels") or {}
        if labels.get(APPLICATION, wanted) != wanted:
            raise self._refuse(f"its label {APPLICATION} names another application")
        metadata["labels"] = {**labels, APPLICATION: wanted}

    def _check_pods(self, resource: str, obj: JSON) -> None:
        """Check the pod, or the template that a workload makes pods of."""
        if resource != "pods" and resource not in WORKLOADS:
            return
        spec = spec_of(obj)
        for key in WORKLOADS.get(resource, ()):
            template = spec.get(key) or {}
            self._label(template.setdefault("metadata", {}))
            spec = spec_of(template)
        account = account_of(spec)
        is_own = account == account_of(spec_of(self._pod))
        if not is_own and self._rbac.is_named(self._namespace, account):
            raise self._refuse(f"a binding gives service account {account} rights that the pod itself has not")
