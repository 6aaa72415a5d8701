"""Ownership: what an object owns, and families of pods, a driver and the executors that it owns.

An owner counts in its own namespace, one of the cluster's in all; a reference to any other is ignored, as in
kubernetes/pkg/controller/garbagecollector (v1.36).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from chalicelib.apimachinery.accessors import metadata_of, owners_of
from chalicelib.apimachinery.types import JSON
from chalicelib.resources.catalogue import WORKLOADS
from chalicelib.storage.base import KeyNotFound, Reader, Storage, StoredObject
from chalicelib.storage.keys import parse_key, stored_metadata


def dependents_of(storage: Storage, uid: str, namespace: str) -> list[StoredObject]:
    """Return what an object owns; `namespace` is its own, "" for one of the cluster's."""
    found = storage.list_by_owner(uid)
    return [each for each in found if not namespace or parse_key(each.key)[1] == namespace]


def can_own(owner: JSON, namespace: str) -> bool:
    """Return whether an object may own one in `namespace`."""
    return metadata_of(owner).get("namespace", "") in ("", namespace)


def owners_above(
    obj: JSON, find_by_uid: Callable[[str], StoredObject | None], *, through: Callable[[str], bool]
) -> Iterator[tuple[str, StoredObject | None]]:
    """Yield the owners of an object, nearest first: uid, and what is stored of it; None if it may not own the object.

    Owners of owners follow of those resources that `through` holds for, however many generations there are. Owners
    count by uid alone: the kind and the name of a reference are whatever its writer says.
    """
    namespace = metadata_of(obj).get("namespace", "")
    seen: set[str] = set()
    generation = [obj]
    while generation:
        above: list[JSON] = []
        for reference in [each for owned in generation for each in owners_of(owned)]:
            uid = reference.get("uid") or ""  # a new object has not been validated yet
            if uid in seen:
                continue
            seen.add(uid)
            stored = find_by_uid(uid)
            owner = stored.object() if stored else {}
            if stored is None or not can_own(owner, namespace):
                yield uid, None
                continue
            yield uid, stored
            above += [owner] if through(parse_key(stored.key)[0]) else []
        generation = above


def _find(reader: Reader, uid: str) -> StoredObject | None:
    try:
        return reader.get_by_uid(uid)
    except KeyNotFound:
        return None


def heads_of(reader: Reader, obj: JSON) -> list[JSON]:
    """Return the stored pods that own an object, themselves or by a workload of theirs: those it is a member of.

    Several only where several owners are named.
    """
    above = owners_above(obj, partial(_find, reader), through=WORKLOADS.__contains__)
    return [stored.object() for _, stored in above if stored and parse_key(stored.key)[0] == "pods"]


def attempts_of(storage: Storage, pod: JSON) -> list[JSON]:
    """Return the other stored pods of the Job that made this one: what it tried before, or beside it."""
    uid, namespace = pod["metadata"]["uid"], pod["metadata"].get("namespace", "")
    above = owners_above(pod, partial(_find, storage), through=lambda _: False)
    jobs = [owner for owner, stored in above if stored and parse_key(stored.key)[0] == "jobs"]
    owned = [each for job in jobs for each in dependents_of(storage, job, namespace)]
    pods = [each.object() for each in owned if parse_key(each.key)[0] == "pods"]
    return [each for each in pods if each["metadata"]["uid"] != uid]


def members_of(storage: Storage, uid: str, namespace: str) -> list[JSON]:
    """Return the stored pods that an object of that namespace owns, itself or by workloads, each once."""
    found: list[JSON] = []
    seen, owners = {uid}, [uid]
    while owners:
        for stored in dependents_of(storage, owners.pop(), namespace):
            resource = parse_key(stored.key)[0]
            own_uid = stored_metadata(stored.json)["uid"]
            if own_uid in seen:
                continue
            seen.add(own_uid)
            if resource == "pods":
                found.append(stored.object())
            elif resource in WORKLOADS:
                owners.append(own_uid)
    return found
