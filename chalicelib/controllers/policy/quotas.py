"""Quotas: what a namespace may hold, taken before an object is stored and given back when it goes.

As on a real server the numbers that decide are those in the quota's status: taking is one conditional write of it,
so that two creates at once cannot both have the last place. What a crash or a failed create leaves taken is
counted anew by recount(). Compare kubernetes/pkg/quota/v1 and the ResourceQuota admission plugin, v1.36.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import partial

from chalicelib.apimachinery.accessors import metadata_of, status_of
from chalicelib.apimachinery.rules.quantity import parse_quantity
from chalicelib.apimachinery.rules.status import StatusError, forbidden
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.parked import name_of_parked, place_given
from chalicelib.controllers.policy import limit_ranges
from chalicelib.controllers.policy.quota_usage import (
    GROUPS,
    Amounts,
    add,
    counted_resource,
    hard_limits,
    less,
    missing_resources,
    usage,
)
from chalicelib.controllers.runtime.background import Later
from chalicelib.resources.pods.totals import ZERO
from chalicelib.storage.base import KeyNotFound, Reader, RevisionConflict, Storage, StoredObject
from chalicelib.storage.keys import object_key, parse_key, prefix
from chalicelib.storage.updates import guaranteed_update

QUOTAS, RANGES = "resourcequotas", "limitranges"
COUNTS_KEPT = 10_000  # by namespace and resource, in memory
# Rounds against other creates in the namespace, each of which ends with one of them served.
TAKE_ATTEMPTS = 20


class Quotas:
    """Decides about new objects by the ResourceQuotas and LimitRanges of their namespace, and by a limit for all.

    `max_objects` is how many objects of one resource a namespace may hold; 0 is no limit.
    """

    def __init__(self, *, storage: Storage, later: Later, max_objects: int = 0) -> None:
        self._storage = storage
        self._later = later
        self._max_objects = max_objects
        self._guard = threading.Lock()
        # by resource and namespace: objects, and the revision as of which
        self._counts: dict[tuple[str, str], tuple[int, int]] = {}
        self._pending: dict[str, tuple[str, JSON]] = {}  # by uid: reserved for, not stored yet

    def fill_in(self, pod: JSON, reader: Reader) -> None:
        """Give, in place, a pod the defaults of its namespace's LimitRanges."""
        ranges = _ranges(pod["metadata"].get("namespace") or "", reader)
        if ranges:
            limit_ranges.fill_in(pod, ranges)

    def reserve(self, resource: str, obj: JSON, now: Reader, *, is_dry_run: bool) -> AbstractContextManager[None]:
        """Reserve quota for a new object, which is stored inside the context. Raises 403.

        What fails inside gives it back. `now` is what is stored now, or was a moment ago.
        """
        namespace = obj["metadata"].get("namespace") or ""
        if not namespace:
            return nullcontext()
        quotas, revision = now.list(prefix(QUOTAS, namespace)).items, now.revision()
        _hold_to_ranges(resource, obj, now)
        self._check_count(resource, obj, namespace, revision)
        asked = self._asked(resource, obj, is_dry_run=is_dry_run) if quotas else {}
        if quotas and self._take(resource, obj, asked, quotas, is_dry_run=is_dry_run):
            return self._reservation(obj)
        return nullcontext()

    def reserve_change(self, resource: str, new: JSON, old: JSON, *, is_dry_run: bool) -> AbstractContextManager[None]:
        """Reserve what a changed object, which is stored inside the context, uses more than before. Raises 403.

        A pod that is resized, a claim that is expanded. What it uses less is given back. LimitRanges bound a changed
        object as they bound a new one, whether it grows or not.
        """
        namespace, after, before = new["metadata"].get("namespace") or "", usage(resource, new), usage(resource, old)
        if namespace and limit_ranges.bounded(resource, new) != limit_ranges.bounded(resource, old):
            _hold_to_ranges(resource, new, self._storage)
        if not namespace or after == before:
            return nullcontext()
        more = {name: each for name, each in less(after, before).items() if each > ZERO}
        quotas = self._storage.list(prefix(QUOTAS, namespace)).items
        if more and quotas:
            self._take(resource, new, more, quotas, is_dry_run=is_dry_run)
        return self._reservation(new, counts_anew=True) if quotas and not is_dry_run else nullcontext()

    @contextmanager
    def _reservation(self, obj: JSON, *, counts_anew: bool = False) -> Iterator[None]:
        try:
            yield
        except BaseException:
            counts_anew = True
            raise
        finally:
            self._pending.pop(obj["metadata"]["uid"], None)
            if counts_anew:
                self.recount_soon(obj["metadata"]["namespace"])

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
        """Count for one quota; False if it was written meanwhile, which makes the count out of date."""
        with self._guard:
            try:
                stored = self._storage.get(key)
                changed = _with_used(stored.object(), self._used(stored.object(), namespace))
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
        """Raise 403 if a namespace holds as many objects of a resource as it may; `now` is the store's revision.

        To count costs as much as there is. But each write adds one object at most: as long as all since the
        last count, or ever, would fit, there is no need to.
        """
        if not self._max_objects or resource == "events":
            return
        counted = (resource, namespace)
        count, revision = self._counts.get(counted, (0, 0))
        if count + now - revision < self._max_objects:
            return
        count = self._storage.count(prefix(resource, namespace))
        if len(self._counts) >= COUNTS_KEPT:
            self._counts.clear()
        self._counts[counted] = (count, now)
        if count >= self._max_objects:
            name = f"count/{resource}"
            why = f"exceeded quota: namespace-objects, requested: {name}=1, used: {name}={count}"
            raise _forbidden(resource, obj, f"{why}, limited: {name}={self._max_objects}")

    def _take(self, resource: str, obj: JSON, asked: Amounts, quotas: list[StoredObject], *, is_dry_run: bool) -> bool:
        """Take from every quota of the namespace that counts the object; return whether there was one."""
        namespace = obj["metadata"]["namespace"]
        counting = []
        for item in quotas:
            hard = hard_limits(item.object())
            if asked.keys() & hard.keys() or (resource == "pods" and missing_resources(obj, hard)):
                counting.append(item)
        if is_dry_run:
            for item in counting:
                _check(item.object(), resource, obj, asked, self._used(item.object(), namespace))
            return False
        if not counting:
            return False
        try:
            with self._guard:  # a refusal by a number that is out of date counts anew, with no other between
                for item in counting:
                    self._take_from(item, resource, obj, asked)
                self._pending[obj["metadata"]["uid"]] = (resource, obj)
        except StatusError:
            self.recount_soon(namespace)  # what the quotas before this one have given
            raise
        return True

    def _asked(self, resource: str, obj: JSON, *, is_dry_run: bool) -> Amounts:
        """Return what an object uses beyond what the pod holds already whose place it takes, and write that it does."""
        asked, place = usage(resource, obj), name_of_parked(obj) if resource == "pods" else ""
        if not place:
            return asked
        held: JSON | None = None

        def give(parked: JSON) -> JSON | None:
            nonlocal held
            held = place_given(parked, obj)
            return None if is_dry_run else held

        try:
            guaranteed_update(self._storage, object_key("pods", obj["metadata"]["namespace"], place), give)
        except KeyNotFound:
            return asked
        return less(asked, usage(resource, held)) if held else asked

    def _take_from(self, item: StoredObject, resource: str, obj: JSON, asked: Amounts) -> None:
        for attempt in range(TAKE_ATTEMPTS):
            try:
                stored = self._storage.get(item.key)
                quota = stored.object()
                used = self._checked_usage(quota, resource, obj, asked)
                changed = _with_used(quota, add(used, asked))
                if changed is not None:
                    self._storage.update(stored.key, changed, expected_revision=stored.revision)
                return
            except KeyNotFound:
                return
            except RevisionConflict:
                if attempt == TAKE_ATTEMPTS - 1:
                    name = parse_key(item.key)[2]
                    raise _forbidden(resource, obj, f"quota {name} is written too often; try again") from None

    def _checked_usage(self, quota: JSON, resource: str, obj: JSON, asked: Amounts) -> Amounts:
        """Return what is used of a quota that allows what is asked. Raises 403 if it does not."""
        known = status_of(quota).get("used")
        if known:
            used = {name: parse_quantity(str(amount)) for name, amount in known.items()}
            with suppress(StatusError):  # too high a number: something went a moment ago
                _check(quota, resource, obj, asked, used)
                return used
        used = self._used(quota, obj["metadata"]["namespace"])
        _check(quota, resource, obj, asked, used)
        return used

    def _used(self, quota: JSON, namespace: str) -> Amounts:
        """Return what is used of a quota by what is stored now, or about to be by this process."""
        total: Amounts = {}
        resources = {counted_resource(name) for name in hard_limits(quota)}
        pending = dict(self._pending)
        for resource in sorted(resources):
            for item in self._storage.list(prefix(resource, namespace)).items:
                obj = item.object()
                _, coming = pending.pop(obj["metadata"]["uid"], ("", obj))
                total = add(total, usage(resource, coming))
        for resource, obj in pending.values():
            if resource in resources and obj["metadata"].get("namespace") == namespace:
                total = add(total, usage(resource, obj))
        return total


def _ranges(namespace: str, reader: Reader) -> list[JSON]:
    return [item.object() for item in reader.list(prefix(RANGES, namespace)).items]


def _hold_to_ranges(resource: str, obj: JSON, reader: Reader) -> None:
    """Raise 403 for what the LimitRanges of its namespace do not let be."""
    if not limit_ranges.bounded(resource, obj):
        return
    ranges = _ranges(obj["metadata"]["namespace"], reader)
    if problems := limit_ranges.problems(resource, obj, ranges) if ranges else []:
        why = problems[0] if len(problems) == 1 else f"[{', '.join(problems)}]"
        raise _forbidden(resource, obj, why)


def _check(quota: JSON, resource: str, obj: JSON, asked: Amounts, used: Amounts) -> None:
    """Raise 403 if a quota has no room for what is asked, or demands what the object leaves out."""
    hard = hard_limits(quota)
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


def _with_used(quota: JSON, used: Amounts) -> JSON | None:
    hard = hard_limits(quota)
    status = {"hard": dict(hard), "used": {name: str(used.get(name, ZERO)) for name in hard}} if hard else {}
    return None if status == status_of(quota) else {**quota, "status": status}


def _forbidden(resource: str, obj: JSON, why: str) -> StatusError:
    return forbidden(resource, metadata_of(obj).get("name", ""), why, group=GROUPS.get(resource, ""))
