"""Quotas: what a namespace may hold, taken before an object is stored and given back when it goes.

As on a real server the numbers that decide are those in the quota's status: taking is one conditional write of it,
so that two creates at once cannot both have the last place. What a crash or a failed create leaves taken is
counted anew by recount(). Compare kubernetes/pkg/quota/v1 and the ResourceQuota admission plugin, v1.36.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from chalicelib.apimachinery.accessors import spec_of, status_of
from chalicelib.apimachinery.rules.quantity import Quantity, parse_quantity
from chalicelib.apimachinery.rules.status import StatusError, forbidden
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.policy import limit_ranges
from chalicelib.controllers.policy.quota_usage import GROUPS, Usage, add, in_scope, missing_resources, usage
from chalicelib.controllers.runtime.background import Later
from chalicelib.registry.keys import parse_key, prefix
from chalicelib.storage.base import (
    KeyNotFound,
    Reader,
    RevisionConflict,
    Storage,
    StoredObject,
)

LOG = logging.getLogger(__name__)

QUOTAS, RANGES = "resourcequotas", "limitranges"
COUNTS_KEPT = 10_000  # by namespace and resource, in memory
TAKE_ATTEMPTS = (
    20  # rounds against other creates in the namespace, each of which ends with one of them served
)
ZERO = Quantity()


class Quotas:
    """Decides about new objects by the ResourceQuotas and LimitRanges of their namespace, and by a limit for all.

    `max_objects` is how many objects of one resource a namespace may hold; 0 is no limit.
    """

    def __init__(self, *, storage: Storage, later: Later, max_objects: int = 0) -> None:
        self._storage = storage
        self._later = later
        self._max_objects = max_objects
        self._guard = threading.Lock()
        self._counts: dict[str, tuple[int, int]] = {}  # by prefix: objects, and the revision as of which
        self._pending: dict[str, tuple[str, JSON]] = {}  # by uid: room is taken for it, it is not stored yet

    def fill_in(self, pod: JSON, reader: Reader) -> None:
        """Give, in place, a new pod the defaults of its namespace's LimitRanges."""
        ranges = _ranges(pod["metadata"].get("namespace") or "", reader)
        if ranges:
            limit_ranges.fill_in(pod, ranges)

    @contextmanager
    def room(self, resource: str, obj: JSON, now: Reader, *, is_dry_run: bool) -> Iterator[None]:
        """Take room for a new object; what is done inside may fail and gives it back. Raises 403.

        `now` is what is stored now, or was a moment ago.
        """
        namespace = obj["metadata"].get("namespace") or ""
        if not namespace:
            yield
            return
        if resource in ("pods", "persistentvolumeclaims"):
            _check_ranges(resource, obj, _ranges(namespace, now))
        self._check_count(resource, obj, namespace, now.revision())
        taken = self._take(resource, obj, now.list(prefix(QUOTAS, namespace)).items, is_dry_run=is_dry_run)
        try:
            yield
        except BaseException:
            if taken:
                self.recount_soon(namespace)
            raise
        finally:
            self._pending.pop(obj["metadata"].get("uid", ""), None)

    def object_gone(self, namespace: str) -> None:
        """Have a namespace counted anew, if it has quotas at all: something there went, or ended."""
        if namespace and self._storage.list(prefix(QUOTAS, namespace), limit=1).items:
            self.recount_soon(namespace)

    def recount_soon(self, namespace: str) -> None:
        """Have a namespace counted anew."""
        self._later(partial(self.recount, namespace))

    def recount(self, namespace: str) -> None:
        """Write into every quota of a namespace what is used of it. Repeatable."""
        for item in self._storage.list(prefix(QUOTAS, namespace)).items:
            for _ in range(TAKE_ATTEMPTS):
                if self._recount_once(item.key, namespace):
                    break

    def _recount_once(self, key: str, namespace: str) -> bool:
        """Count for one quota; False if somebody took from it meanwhile: the count is out of date then."""
        with self._guard:
            try:
                stored = self._storage.get(key)
                changed = _with_used(stored.object(), used=self._used(stored.object(), namespace))
                if changed is not None:
                    self._storage.update(key, changed, expected_revision=stored.revision)
            except KeyNotFound:
                return True
            except RevisionConflict:
                return False
        return True

    def sweep(self) -> None:
        """Count every namespace that has a quota."""
        namespaces = {parse_key(item.key)[1] for item in self._storage.list(prefix(QUOTAS)).items}
        for namespace in sorted(namespaces):
            self.recount(namespace)

    def _check_count(self, resource: str, obj: JSON, namespace: str, now: int) -> None:
        if not self._max_objects or resource == "events":
            return
        count = self._count(prefix(resource, namespace), now)
        if count >= self._max_objects:
            limit = self._max_objects
            why = f"exceeded quota: namespace-objects, requested: count/{resource}=1, used: count/{resource}={count}"
            raise _forbidden(resource, obj, f"{why}, limited: count/{resource}={limit}")

    def _count(self, counted: str, now: int) -> int:
        """Return how many objects are under a prefix at revision `now`; while there is room for sure, at most so many.

        To count costs as much as there is. But each write adds one object at most: as long as all since the
        last count, or ever, would fit, there is no need to.
        """
        count, revision = self._counts.get(counted, (0, 0))
        most = count + now - revision
        if most < self._max_objects:
            return most
        count = self._storage.count(counted)
        if len(self._counts) >= COUNTS_KEPT:
            self._counts.clear()
        self._counts[counted] = (count, now)
        return count

    def _take(self, resource: str, obj: JSON, quotas: list[StoredObject], *, is_dry_run: bool) -> bool:
        """Take from every quota of the namespace that counts the object; return whether there was one."""
        namespace = obj["metadata"]["namespace"]
        asked = usage(resource, obj) if quotas else {}
        counting = [item for item in quotas if _counts(item.object(), resource, obj, asked)]
        if is_dry_run:
            for item in counting:
                _check(item.object(), resource, obj, asked, self._used(item.object(), namespace))
            return False
        if not counting:
            return False
        with self._guard:  # who is refused by a number that is out of date counts anew, with nobody between
            try:
                for item in counting:
                    self._take_from(item, resource, obj, asked)
            except StatusError:
                self.recount_soon(namespace)  # what the quotas before this one have given
                raise
            self._pending[obj["metadata"]["uid"]] = (resource, obj)
        return True

    def _take_from(self, item: StoredObject, resource: str, obj: JSON, asked: Usage) -> None:
        for attempt in range(TAKE_ATTEMPTS):
            try:
                stored = self._storage.get(item.key)
                quota = stored.object()
                used = self._used_with_room(quota, resource, obj, asked)
                hard = spec_of(quota).get("hard") or {}
                more = {name: used.get(name, ZERO) + asked.get(name, ZERO) for name in hard}
                changed = _with_used(quota, used=more)
                if changed is not None:
                    self._storage.update(stored.key, changed, expected_revision=stored.revision)
                return
            except KeyNotFound:
                return
            except RevisionConflict:
                if attempt == TAKE_ATTEMPTS - 1:
                    name = parse_key(item.key)[2]
                    raise _forbidden(resource, obj, f"quota {name} is written too often; try again") from None

    def _used_with_room(self, quota: JSON, resource: str, obj: JSON, asked: Usage) -> Usage:
        """Return what is used of a quota that has room for what is asked. Raises 403 if it has none."""
        used = _status_usage(quota)
        if used:
            try:
                _check(quota, resource, obj, asked, used)
            except StatusError:
                used = {}
        if not used:  # nobody has counted yet, or the number is too high: something went a moment ago
            used = self._used(quota, obj["metadata"]["namespace"])
            _check(quota, resource, obj, asked, used)
        return used

    def _used(self, quota: JSON, namespace: str) -> Usage:
        """Return what is used of a quota by what is stored now, or about to be by this process."""
        hard = spec_of(quota).get("hard") or {}
        total: Usage = {}
        resources = _resources_of(hard)
        pending = dict(self._pending)
        for resource in sorted(resources):
            for item in self._storage.list(prefix(resource, namespace)).items:
                obj = item.object()
                pending.pop(obj["metadata"]["uid"], None)
                if in_scope(resource, obj, quota):
                    total = add(total, usage(resource, obj))
        for resource, obj in pending.values():
            if resource in resources and obj["metadata"].get("namespace") == namespace:
                total = add(total, usage(resource, obj) if in_scope(resource, obj, quota) else {})
        return {name: total.get(name, ZERO) for name in hard}


def _ranges(namespace: str, reader: Reader) -> list[JSON]:
    return [item.object() for item in reader.list(prefix(RANGES, namespace)).items]


def _check_ranges(resource: str, obj: JSON, ranges: list[JSON]) -> None:
    problems_of = limit_ranges.pod_problems if resource == "pods" else limit_ranges.claim_problems
    problems = list(dict.fromkeys(problems_of(obj, ranges)))
    if problems:
        why = problems[0] if len(problems) == 1 else f"[{', '.join(problems)}]"
        raise _forbidden(resource, obj, why)


def _resources_of(hard: JSON) -> set[str]:
    """Return the resources, as they are stored, whose objects a quota counts."""
    found = set()
    for name in hard:
        if name.startswith("count/"):
            resource, _, group = name.removeprefix("count/").partition(".")
            is_built_in = f"count/{resource}.{group}" if group else f"count/{resource}"
            found.add(resource if is_built_in in usage_names(resource) else f"{resource}.{group}")
        elif "persistentvolumeclaims" in name or "storageclass" in name or name == "requests.storage":
            found.add("persistentvolumeclaims")
        elif name.startswith("services"):
            found.add("services")
        elif name in ("secrets", "configmaps", "resourcequotas", "replicationcontrollers"):
            found.add(name)
        else:
            found.add("pods")
    return found


def usage_names(resource: str) -> set[str]:
    """Return the names by which quotas count the objects of a built-in resource."""
    group = GROUPS.get(resource, "")
    return {f"count/{resource}.{group}" if group else f"count/{resource}"}


def _counts(quota: JSON, resource: str, obj: JSON, asked: Usage) -> bool:
    hard = spec_of(quota).get("hard") or {}
    wants = bool(asked.keys() & hard.keys()) or (resource == "pods" and bool(missing_resources(obj, hard)))
    return wants and in_scope(resource, obj, quota)


def _check(quota: JSON, resource: str, obj: JSON, asked: Usage, used: Usage) -> None:
    """Raise 403 if a quota has no room for what is asked, or demands what the object leaves out."""
    hard = spec_of(quota).get("hard") or {}
    name = quota["metadata"]["name"]
    if resource == "pods":
        missing = missing_resources(obj, sorted(hard))
        if missing:
            words = "; ".join(f"{key} for: {','.join(sorted(each))}" for key, each in missing.items())
            raise _forbidden(resource, obj, f"failed quota: {name}: must specify {words}")
    beyond = [
        key
        for key in sorted(asked.keys() & hard.keys())
        if used.get(key, ZERO) + asked[key] > parse_quantity(str(hard[key])) and asked[key] > ZERO
    ]
    if beyond:
        requested = ",".join(f"{key}={asked[key]}" for key in beyond)
        so_far = ",".join(f"{key}={used.get(key, ZERO)}" for key in beyond)
        limited = ",".join(f"{key}={hard[key]}" for key in beyond)
        why = f"exceeded quota: {name}, requested: {requested}, used: {so_far}, limited: {limited}"
        raise _forbidden(resource, obj, why)


def _status_usage(quota: JSON) -> Usage:
    used = status_of(quota).get("used") or {}
    return {name: parse_quantity(str(amount)) for name, amount in used.items()}


def _with_used(quota: JSON, used: Usage) -> JSON | None:
    hard = spec_of(quota).get("hard") or {}
    status = {"hard": dict(hard), "used": {name: str(used.get(name, ZERO)) for name in hard}} if hard else {}
    return None if status == status_of(quota) else {**quota, "status": status}


def _forbidden(resource: str, obj: JSON, why: str) -> StatusError:
    return forbidden(resource, obj["metadata"].get("name", ""), why, group=GROUPS.get(resource, ""))
