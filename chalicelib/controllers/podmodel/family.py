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


def heads_of(storage: Storage, obj: JSON) -> list[JSON]:
    """Return the stored pods that own an object, themselves or by a workload of theirs: those it is a member of.

    Several only where several owners are named.
    """
    namespace = metadata_of(obj).get("namespace", "")
    heads: list[JSON] = []
    seen: set[str] = set()
    generation = [obj]
    for _ in range(GENERATIONS):
        above: list[JSON] = []
        for reference in [each for owned in generation for each in owners_of(owned)]:
            uid = reference.get("uid") or ""  # a new object has not been validated yet
            if uid in seen:
                continue
            seen.add(uid)
            try:
                stored = storage.get_by_uid(uid)
            except KeyNotFound:
                continue
            resource, owner = parse_key(stored.key)[0], stored.object()
            if can_own(owner, namespace):
                heads += [owner] if resource == "pods" else []
                above += [owner] if resource in BETWEEN else []
        generation = above
    return heads


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
