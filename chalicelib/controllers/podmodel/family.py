"""Families of pods: a driver and its executors, whether it owns them itself or by a StatefulSet of its."""

from __future__ import annotations

from chalicelib.apimachinery.accessors import owners_of
from chalicelib.apimachinery.types import JSON
from chalicelib.storage.base import KeyNotFound, Storage
from chalicelib.storage.keys import parse_key

BETWEEN = ("statefulsets", "deployments", "replicasets", "jobs")  # what may stand between two pods
GENERATIONS = 3  # a Deployment's pods are its ReplicaSet's


def head_of(storage: Storage, pod: JSON) -> JSON | None:
    """Return the pod that owns this one, itself or by what it owns; None if no pod does (any more)."""
    obj = pod
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
        if resource == "pods":
            return obj
        if resource not in BETWEEN:
            return None
    return None


def attempts_of(storage: Storage, pod: JSON) -> list[JSON]:
    """Return the other stored pods of the Job that made this one: what it tried before, or beside it."""
    uid = pod["metadata"]["uid"]
    jobs = [each["uid"] for each in pod["metadata"].get("ownerReferences") or () if each.get("kind") == "Job"]
    return [each for job in jobs for each in members_of(storage, job, 1) if each["metadata"]["uid"] != uid]


def members_of(storage: Storage, uid: str, generations: int = GENERATIONS) -> list[JSON]:
    """Return the stored pods that the object with that uid owns, itself or by what it owns."""
    found: list[JSON] = []
    for stored in storage.list_by_owner(uid):
        resource = parse_key(stored.key)[0]
        if resource == "pods":
            found.append(stored.object())
        elif resource in BETWEEN and generations > 1:
            found += members_of(storage, stored.object()["metadata"]["uid"], generations - 1)
    return found
