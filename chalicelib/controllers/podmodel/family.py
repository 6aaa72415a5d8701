"""Ownership: what an object owns, and families of pods, a driver and the executors that it owns.

An owner counts in its own namespace, one of the cluster's in all; a reference to any other is ignored, as in
kubernetes/pkg/controller/garbagecollector (v1.36).
"""

from __future__ import annotations

from chalicelib.apimachinery.accessors import metadata_of, owners_of
from chalicelib.apimachinery.types import JSON
from chalicelib.storage.base import KeyNotFound, Storage, StoredObject
from chalicelib.storage.keys import parse_key

BETWEEN = ("statefulsets", "deployments", "replicasets", "jobs")  # what may stand between two pods
GENERATIONS = 3  # a Deployment's pods are its ReplicaSet's


def dependents_of(storage: Storage, uid: str, namespace: str) -> list[StoredObject]:
    """Return what an object owns; `namespace` is its own, "" for one of the cluster's."""
    found = storage.list_by_owner(uid)
    return [each for each in found if not namespace or parse_key(each.key)[1] == namespace]


def can_own(owner: JSON, namespace: str) -> bool:
    """Return whether an object may own one in `namespace`."""
    return metadata_of(owner).get("namespace", "") in ("", namespace)


def head_of(storage: Storage, pod: JSON) -> JSON | None:
    """Return the pod that owns this one, itself or by what it owns; None if no pod does (any more)."""
    obj, namespace = pod, metadata_of(pod).get("namespace", "")
    for _ in range(GENERATIONS):
        owners = owners_of(obj)
        owner = next((each for each in owners if each.get("controller")), owners[0] if owners else None)
        if not owner or not owner.get("uid"):  # a new pod has not been validated yet
            return None
        try:
            stored = storage.get_by_uid(owner["uid"])
        except KeyNotFound:
            return None
        resource, obj = parse_key(stored.key)[0], stored.object()
        if not can_own(obj, namespace) or resource not in ("pods", *BETWEEN):
            return None
        if resource == "pods":
            return obj
    return None


def attempts_of(storage: Storage, pod: JSON) -> list[JSON]:
    """Return the other stored pods of the Job that made this one: what it tried before, or beside it."""
    uid, namespace = pod["metadata"]["uid"], pod["metadata"].get("namespace", "")
    jobs = [each["uid"] for each in owners_of(pod) if each.get("kind") == "Job"]
    pods = [each for job in jobs for each in members_of(storage, job, namespace, 1)]
    return [each for each in pods if each["metadata"]["uid"] != uid]


def members_of(storage: Storage, uid: str, namespace: str, generations: int = GENERATIONS) -> list[JSON]:
    """Return the stored pods that an object of that namespace owns, itself or by what it owns."""
    found: list[JSON] = []
    for stored in dependents_of(storage, uid, namespace):
        resource = parse_key(stored.key)[0]
        if resource == "pods":
            found.append(stored.object())
        elif resource in BETWEEN and generations > 1:
            found += members_of(storage, stored.object()["metadata"]["uid"], namespace, generations - 1)
    return found
