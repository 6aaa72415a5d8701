"""Garbage: what goes when its owner goes, and the finalizers that wait for it.

Background, Foreground and Orphan as in kubernetes/pkg/controller/garbagecollector (v1.36): a dependent lives while
one of its owners does; owners count by uid, in the dependent's namespace or in none, and stay for ever where their
kind is not served. Deletes go through the Registry, so that pods end gracefully and each delete triggers the next.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

from chalicelib.apimachinery.accessors import is_deleting, metadata_of, owners_of
from chalicelib.apimachinery.rules.meta import FOREGROUND, ORPHAN
from chalicelib.apimachinery.rules.status import StatusError
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.family import can_own, dependents_of
from chalicelib.controllers.podmodel.index import PodIndex
from chalicelib.controllers.runtime.objects import DELETING, DeleteObject, Propagation, ServedKinds, paged
from chalicelib.storage.base import KeyNotFound, Storage, StoredObject
from chalicelib.storage.keys import parse_key, stored_metadata
from chalicelib.storage.updates import guaranteed_update

LOG = logging.getLogger(__name__)

RACE_ATTEMPTS = 5  # reads of an object that keeps changing; then the next sweep has it

_OWNERS = re.compile(r'"ownerReferences":\s*\[([^\]]*)\]')
_UID = re.compile(r'"uid":\s*"([^"]+)"')


class Garbage:
    """Collects what is owned. Safe to call from many threads, and to repeat."""

    def __init__(
        self, *, storage: Storage, index: PodIndex, resources: Iterable[str], kinds: ServedKinds, delete: DeleteObject
    ) -> None:
        self._storage = storage
        self._index = index
        self._resources = resources
        self._kinds = kinds
        self._delete = delete
        self._unswept: list[str] = []  # resources that a sweep was broken off before

    def owner_gone(self, owner: JSON) -> None:
        """Collect what a removed object owned, and let go of owners that waited for it to go."""
        for dependent in self._dependents(owner):
            self._reconcile(dependent.key, _uid(dependent), gone=owner["metadata"]["uid"])
        for reference in owners_of(owner):
            if reference.get("blockOwnerDeletion"):
                self.release(reference["uid"])

    def dependents_stored(self, objects: Iterable[JSON]) -> None:
        """Collect those that were stored after their owners had gone: whoever made them had not heard of that yet.

        Each owner is looked for once: it is gone for all of them, or there after all of them were stored.
        """
        leaving: dict[tuple[str, str], bool] = {}
        for obj in objects:
            metadata = obj["metadata"]
            namespace = metadata.get("namespace", "")
            for each in owners_of(obj):
                owner = each["uid"], namespace
                if owner not in leaving:
                    leaving[owner] = self._leaves(each, namespace)
            if any(leaving[each["uid"], namespace] for each in owners_of(obj)):
                with suppress(KeyNotFound):
                    self._reconcile(self._storage.get_by_uid(metadata["uid"]).key, metadata["uid"])

    def is_held(self, obj: JSON) -> bool:
        """Return whether a deleting object waits for its dependents (see release), or for nothing.

        Nothing is what holds one whose deletion was written by a process that died before the removal.
        """
        finalizers = set(obj["metadata"].get("finalizers") or ())
        is_left = not finalizers and obj["metadata"].get("deletionGracePeriodSeconds") == 0
        return is_deleting(obj) and (is_left or bool({FOREGROUND, ORPHAN} & finalizers))

    def release(self, uid: str) -> None:
        """Do for a deleting object what its finalizers ask: orphan its dependents, or delete them first."""
        try:
            stored = self._storage.get_by_uid(uid)
        except KeyNotFound:
            return
        obj = stored.object()
        if not self.is_held(obj):
            return
        dependents = self._dependents(obj)
        if ORPHAN in (obj["metadata"].get("finalizers") or ()):
            for dependent in dependents:
                self._drop_owners(dependent, {uid})
        else:
            for dependent in dependents:
                self._reconcile(dependent.key, _uid(dependent))
            left = [item.object() for item in self._dependents(obj)]
            blocking = [each for obj in left for each in owners_of(obj) if each.get("blockOwnerDeletion")]
            if any(each["uid"] == uid for each in blocking):
                return
        # A Background delete takes these finalizers off. No revision: what is being deleted stays so.
        self._delete_stored(stored, obj, revision=0, propagation="Background")

    def sweep(self) -> Iterator[None]:
        """Find dependents of owners that are gone, and finalizers that were missed: one resource after the other.

        One that is broken off between two is gone on with by the next.
        """
        self._unswept = self._unswept or ["pods", *(each for each in self._resources if each != "pods")]
        places: dict[str, str | None] = {}  # the namespaces of owners by uid, None of those that are gone
        while self._unswept:
            if self._unswept[0] == "pods":
                self._sweep_pods(places)
            else:
                for item in paged(self._storage, self._unswept[0]):
                    named = _OWNERS.search(item.json)  # the text tells cheaply that nothing is to be done
                    uids = _UID.findall(named[1]) if named else []
                    self._look_after(item.key, item.json, uids, places)
            del self._unswept[0]
            yield

    def _sweep_pods(self, places: dict[str, str | None]) -> None:
        snapshot = self._index.look()
        places |= {uid: pod.namespace for uid, pod in snapshot.by_uid.items()}
        for pod in snapshot.by_uid.values():
            self._look_after(pod.key, pod.json, pod.owners, places)

    def _look_after(self, key: str, text: str, owners: Sequence[str], places: dict[str, str | None]) -> None:
        """Release an object that waits for its dependents, or collect one that an owner of its is gone of."""
        if DELETING in text:
            obj: JSON = json.loads(text)
            if self.is_held(obj):
                self.release(obj["metadata"]["uid"])
                return
        for uid in owners:
            if uid not in places:
                owner = self._find(uid)
                places[uid] = None if owner is None else metadata_of(owner).get("namespace", "")
        namespace = parse_key(key)[1]
        if not all(places[uid] in ("", namespace) for uid in owners):
            self._reconcile(key)

    def _reconcile(self, key: str, uid: str = "", *, gone: str = "") -> None:
        """Delete a dependent none of whose owners stays; of one that stays, drop the owners that are gone.

        Decided by what is stored now: it may have been orphaned between the reading and the delete. `uid` is that of
        the object that is meant, "" for whichever there is. `gone` is the uid of an owner that is known to be gone,
        whose kind may have gone with it.
        """
        for _ in range(RACE_ATTEMPTS):
            try:
                current = self._storage.get(key)
            except KeyNotFound:
                return
            obj = current.object()
            if uid and obj["metadata"]["uid"] != uid:
                return
            owners, namespace = owners_of(obj), obj["metadata"].get("namespace", "")
            leaving = [each for each in owners if each["uid"] == gone or self._leaves(each, namespace)]
            if len(leaving) < len(owners) or not owners:
                self._drop_owners(current, {each["uid"] for each in leaving})
                return
            if is_deleting(obj):
                return
            propagation = self._propagation(obj)
            if self._delete_stored(current, obj, revision=current.revision, propagation=propagation):
                return
        LOG.warning("garbage stays key=%s: it keeps changing", key)

    def _dependents(self, owner: JSON) -> list[StoredObject]:
        metadata = owner["metadata"]
        return dependents_of(self._storage, metadata["uid"], metadata.get("namespace", ""))

    def _find(self, uid: str) -> JSON | None:
        try:
            return self._storage.get_by_uid(uid).object()
        except KeyNotFound:
            return None

    def _leaves(self, reference: JSON, namespace: str) -> bool:
        """Return whether an owner of an object in `namespace` is gone, or itself waits for what it owns to go.

        One of a kind that is not served, or of another scope than the object's, can't be looked up, and stays.
        """
        is_namespaced = self._kinds.is_namespaced(reference["apiVersion"], reference["kind"])
        if is_namespaced is None or (is_namespaced and not namespace):
            return False
        owner = self._find(reference["uid"])
        return owner is None or not can_own(owner, namespace) or _waits(owner)

    def _propagation(self, obj: JSON) -> Propagation:
        """Return how an object that no owner keeps is to be deleted.

        Where an owner waits for it, what it owns goes first in its turn, down to the last of a chain; unless that
        waits already, in a circle. Else as the object's own finalizers say.
        """
        finalizers = obj["metadata"].get("finalizers") or ()
        if any(_waits(owner) for each in owners_of(obj) if (owner := self._find(each["uid"]))):
            below = [item.object() for item in self._dependents(obj)]
            if below and not any(_waits(each) for each in below):
                return "Foreground"
        if ORPHAN in finalizers:
            return "Orphan"
        return "Foreground" if FOREGROUND in finalizers else "Background"

    def _drop_owners(self, dependent: StoredObject, uids: set[str]) -> None:
        if not uids:
            return
        wanted = dependent.object()["metadata"]["uid"]

        def change(obj: JSON) -> JSON | None:
            if obj["metadata"]["uid"] != wanted:
                return None
            metadata = dict(obj["metadata"])
            kept = [each for each in metadata.pop("ownerReferences", None) or () if each["uid"] not in uids]
            return {**obj, "metadata": {**metadata, **({"ownerReferences": kept} if kept else {})}}

        try:
            guaranteed_update(self._storage, dependent.key, change)
        except KeyNotFound:
            return

    def _delete_stored(self, stored: StoredObject, obj: JSON, *, revision: int, propagation: Propagation) -> bool:
        """Delete one object, at that revision; return whether there is nothing left to do about it."""
        resource, namespace, name = parse_key(stored.key)
        uid = obj["metadata"]["uid"]
        try:
            self._delete(resource, namespace, name, uid=uid, revision=revision, propagation=propagation)
        except StatusError as error:
            if error.code == 409:
                return False
            if error.code != 404:
                LOG.warning("garbage stays key=%s code=%s message=%s", stored.key, error.code, error.message)
        return True


def _waits(owner: JSON) -> bool:
    """Return whether a deleting object is held until its dependents are gone."""
    return is_deleting(owner) and FOREGROUND in (owner["metadata"].get("finalizers") or ())


def _uid(stored: StoredObject) -> str:
    return str(stored_metadata(stored.json)["uid"])
