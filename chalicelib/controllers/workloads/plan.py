"""WorkloadPlan: what a workload needs done now; and what all kinds of workloads read of pods. Pure."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from chalicelib.apimachinery.accessors import is_deleting, is_terminal, metadata_of, spec_of, status_of
from chalicelib.apimachinery.rules.meta import SUFFIX_ALPHABET, SUFFIX_LENGTH
from chalicelib.apimachinery.rules.time import find_time
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.container_status import last_end
from chalicelib.controllers.runtime.recorder import News

FIRST_PAUSE_SECONDS = 10.0  # until a failed pod is replaced; doubled with each further failure, as for a Job upstream
LONGEST_PAUSE_SECONDS = 600.0
ENDS_COUNT_SECONDS = 3600.0  # an end that is older slows nothing down
MAX_BASE = 57  # characters of an owner's name in its pods': with dash and suffix they still fit a label


@dataclass(slots=True)
class WorkloadPlan:
    """What to create, change and delete, the status to write, and when to look again (None: when something happens)."""

    status: JSON
    create: list[tuple[str, JSON]] = field(default_factory=list)  # (resource, object)
    scale: list[tuple[JSON, int]] = field(default_factory=list)  # (ReplicaSet, replicas)
    annotate: list[tuple[str, JSON, dict[str, str]]] = field(default_factory=list)  # (resource, object, annotations)
    delete: list[JSON] = field(default_factory=list)  # of what it owns
    removes_owner: bool = False
    due_seconds: float | None = None
    events: list[News] = field(default_factory=list)


def short_hash(*parts: object, length: int = SUFFIX_LENGTH) -> str:
    """Return letters and digits that stand for the parts."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(text.encode()).digest()
    return "".join(SUFFIX_ALPHABET[byte % len(SUFFIX_ALPHABET)] for byte in digest[:length])


def fresh_names(owner: JSON, count: int, taken: Iterable[str], *, start: int = 0) -> list[str]:
    """Return names for new pods of an owner: always the same ones until they are taken."""
    metadata, used = owner["metadata"], set(taken)
    found: list[str] = []
    number = start
    while len(found) < count:
        name = f"{metadata['name'][:MAX_BASE]}-{short_hash(metadata['uid'], number)}"
        number += 1
        if name not in used:
            found.append(name)
            used.add(name)
    return found


def owned_by(owner: JSON, api_version: str, kind: str) -> list[JSON]:
    """Return the ownerReferences of what `owner` controls."""
    metadata = owner["metadata"]
    reference = {"apiVersion": api_version, "kind": kind, "name": metadata["name"], "uid": metadata["uid"]}
    return [{**reference, "controller": True, "blockOwnerDeletion": True}]


def pod_from(template: JSON, *, name: str, namespace: str, owners: list[JSON]) -> JSON:
    """Return a pod made of a template."""
    given = metadata_of(template)
    metadata: JSON = {"name": name, "namespace": namespace, "ownerReferences": owners}
    for key in ("labels", "annotations", "finalizers"):
        if given.get(key):
            metadata[key] = copy.deepcopy(given[key])
    spec = copy.deepcopy(spec_of(template))
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def is_active(pod: JSON) -> bool:
    """Return whether a pod runs or will run, and is not being deleted."""
    return not is_terminal(pod) and not is_deleting(pod)


def ends_of(pods: Iterable[JSON]) -> dict[str, datetime]:
    """Return when each finished pod ended, by its uid, or was created, where nobody saw its end."""
    finished = [pod for pod in pods if is_terminal(pod)]
    ends = {each["metadata"]["uid"]: last_end(each) or created_at(each) for each in finished}
    return {uid: end for uid, end in ends.items() if end is not None}


def created_at(pod: JSON) -> datetime | None:
    """Return when a pod was created."""
    return find_time(pod["metadata"].get("creationTimestamp"))


def pause_seconds(failures: int) -> float:
    """Return how long after the last of so many failures the next pod is made."""
    return 0.0 if failures < 1 else min(FIRST_PAUSE_SECONDS * 2.0 ** min(failures - 1, 10), LONGEST_PAUSE_SECONDS)


def pause_left(ends: Collection[datetime], now: datetime) -> float:
    """Return how long a set waits until it replaces a pod that has ended; the first of an hour costs no wait."""
    if not ends:
        return 0.0
    return pause_seconds(len(ends) - 1) - (now - max(ends)).total_seconds()


def is_ready(pod: JSON) -> bool:
    """Return whether a pod is ready."""
    conditions = status_of(pod).get("conditions") or ()
    return any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)


def names_of(pods: Collection[JSON]) -> set[str]:
    """Return the names of pods."""
    return {pod["metadata"]["name"] for pod in pods}


def without_zeros(status: JSON, *kept: str) -> JSON:
    """Return a status without what is zero or empty, but for the fields that Go always writes."""
    return {key: value for key, value in status.items() if value or key in kept}
