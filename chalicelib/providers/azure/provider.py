"""The provider `azure`: each task a container group of Azure Container Instances.

Nobody tells of changes: the poller asks. A group that has ended, or whose provisioning has failed, which Azure goes on
trying, is written down and deleted at once (ended).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from chalicelib.providers.azure import group, states
from chalicelib.providers.azure.arm import Document, NotFound, ResourceManager
from chalicelib.providers.azure.ended import EndedGroups, read
from chalicelib.providers.azure.group import Site
from chalicelib.providers.azure.poller import Poller
from chalicelib.providers.azure.quotas import Quotas
from chalicelib.providers.base import (
    Capacity,
    LogOptions,
    Observer,
    ProviderUnavailable,
    Task,
    TaskNotFound,
    TaskState,
    ToldInPart,
)
from chalicelib.providers.extensions import Quota

DELETE_AGAIN_MICROS = 60_000_000  # a group may be listed while Azure deletes it; deletes have an hour's quota
FEW = 3  # handles that are asked for one by one; more of them by a list


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often Azure is asked, in seconds. ARM fills a subscription's bucket of reads by 25 a second."""

    poll: float = 2.0
    log: float = 10.0  # between two looks at a log that nobody follows
    follow: float = 2.0


class AzureProvider:
    """Runs tasks in one resource group. Safe to call from many threads."""

    name = "azure"

    def __init__(self, site: Site, manager: ResourceManager, folder: Path, *, pace: Pace | None = None) -> None:
        self._site, self._manager, self._pace = site, manager, pace or Pace()
        self._ended = EndedGroups(folder)
        self._quotas = Quotas(manager)
        self._lock = threading.Lock()  # of what is known
        self._known: dict[str, TaskState] = {}
        self._removed: set[str] = set()
        self._deleted: dict[str, int] = {}  # when, by handle
        self._turns: dict[str, threading.Lock] = {}  # by handle: one starts or ends a group at a time
        self._closed = threading.Event()
        self._poller: Poller | None = None

    def run(self, task: Task) -> TaskState:
        """Ask for the group, or find it: by its name, which is the task's uid and attempt."""
        document, handle = group.body(task, self._site), group.name_of(task)
        with self._turn(handle):
            kept = self._kept(handle)
            if kept:
                return kept
            asked = _now()
            # A PUT would start a group anew that has ended meanwhile.
            raw = self._manager.find(handle) or self._manager.create(handle, document)
            return self._settled(raw, asked)

    def stop(self, handle: str, *, grace_seconds: float, reason: str = "") -> None:
        """Ask Azure to stop the group: SIGTERM, and SIGKILL after the 30 seconds that it gives."""
        del grace_seconds
        with self._turn(handle):
            if self._kept(handle):
                return
            asked, raw = _now(), self._manager.find(handle)
            if raw is None:
                raise TaskNotFound(handle)
            self._ended.keep_reason(handle, reason)
            state = self._settled(raw, asked)
            if state.phase == "pending":  # nothing runs that could be asked to end
                self._end(raw)
            elif state.phase == "running":
                for each in state.containers:
                    self._look(handle, each.name, ended=False)
                with suppress(NotFound):
                    self._manager.stop(handle)

    def remove(self, handle: str) -> None:
        """Delete the group and what is kept of it."""
        with self._turn(handle):
            self._removed.add(handle)
            self._manager.delete(handle)
            self._ended.forget(handle)
            with self._lock:
                self._known.pop(handle, None)
                self._deleted.pop(handle, None)
                self._turns.pop(handle, None)

    def describe(self, handles: Sequence[str]) -> list[TaskState]:
        """Return the states of those that Azure or the folder knows."""
        found = [kept for each in handles if (kept := self._kept(each))]
        known = {each.handle for each in found}
        asked_for = [each for each in dict.fromkeys(handles) if each not in known and each not in self._removed]
        if not asked_for:
            return found
        asked = _now()
        listed = {each["name"]: each for each in self._manager.groups()} if len(asked_for) > FEW else {}
        untold: dict[str, str] = {}
        for handle in asked_for:
            try:
                raw = listed.get(handle)
                if raw is None or not states.has_view(raw):
                    asked, raw = _now(), self._manager.find(handle)
                found += [self._state(raw, asked)] if raw else []
            except ProviderUnavailable as error:
                untold[handle] = str(error)
        if untold:
            why = "; ".join(sorted(set(untold.values()))[:3])
            raise ToldInPart(
                "Unavailable", f"Azure does not tell of {len(untold)} tasks: {why}", states=found, untold=untold
            )
        return found

    def list_tasks(self, known: Collection[str] = ()) -> list[TaskState]:
        """Return the groups of this control plane, those that have ended and are kept included."""
        asked = _now()
        raws = {each["name"]: each for each in self._manager.groups() if states.is_ours(each, self._site.instance)}
        kept = [state for each in self._ended.handles() if each not in known and (state := self._kept(each))]
        wanted = raws.keys() - {each.handle for each in kept} - set(known) - self._removed
        return [*kept, *(self._state(raws[each], asked) for each in sorted(wanted))]

    def logs(self, handle: str, container: str, options: LogOptions) -> Iterator[bytes]:
        """Yield a container's log: what is kept of it, with what Azure has beyond."""
        raw = self._ended.find(handle) or self._manager.find(handle)
        if raw is None or container not in states.container_names(raw):
            raise TaskNotFound(f"{handle} has no container {container}")

        def look() -> bool:
            """Add what is new, and return whether there may be more."""
            state = next(iter(self.describe([handle])), None)
            runs = (
                any(each.name == container and each.phase != "stopped" for each in state.containers) if state else False
            )
            if not self._ended.has(handle):
                self._look(handle, container, ended=not runs)
            return runs

        look()
        path = self._ended.log_path(handle, container)
        return read(path, options, look, pause=lambda: self._may_follow(options))

    def _may_follow(self, options: LogOptions) -> bool:
        is_over = options.until is not None and time.time() >= options.until.timestamp()
        return not is_over and not self._closed.wait(self._pace.follow)

    def log_files(self, handle: str, container: str) -> Sequence[Path]:
        """Return the file of a container's log; see HasLogFiles."""
        raw = self._ended.find(handle)
        if raw is None or container not in states.container_names(raw):
            raise TaskNotFound(f"{handle} has no kept log of {container}")
        path = self._ended.log_path(handle, container)
        path.touch()
        return [path]

    def warnings(self, task: Task) -> list[str]:
        """Name what Azure leaves out. Raises TaskRejected where no group can run the task."""
        return group.unhonoured(task, self._site)

    def capacities(self) -> list[Capacity]:
        """Return Azure's one architecture, without a known end."""
        return [Capacity("amd64")]

    def quotas(self) -> Sequence[Quota]:
        """Return what the subscription may have in this region, as it was within the last hour."""
        return self._quotas.get()

    def start(self, observe: Observer) -> None:
        """Begin to ask for news, one list a poll."""
        self._poller = Poller(self, self._pace, observe, self._closed)
        self._poller.start()

    def close(self) -> None:
        """Stop asking."""
        self._closed.set()
        if self._poller:
            self._poller.join()

    def poll(self) -> tuple[list[TaskState], list[str]]:
        """Return the states that one list tells, and the handles of which it does not tell enough."""
        asked, found, untold = _now(), list[TaskState](), list[str]()
        for each in self._manager.groups():
            if states.is_ours(each, self._site.instance) and each["name"] not in self._removed:
                if states.has_view(each) or states.has_failed(each) or self._ended.has(each["name"]):
                    found.append(self._state(each, asked))
                else:
                    untold.append(each["name"])
        found += [kept for each in self._ended.handles() if (kept := self._kept(each))]
        return found, untold

    def keep_log(self, handle: str, container: str) -> None:
        """Look at the log of a container that runs, so that what Azure drops at its end is kept."""
        self._look(handle, container, ended=False)

    def _look(self, handle: str, container: str, *, ended: bool) -> None:
        with suppress(NotFound):  # no log yet
            self._ended.add_log(handle, container, self._manager.log(handle, container), ended=ended)

    def _kept(self, handle: str) -> TaskState | None:
        """Return the last state of a group that has ended, and is to be told of in the same words for good."""
        if not self._ended.has(handle) or handle in self._removed:
            return None
        with self._lock:
            known = self._known.get(handle)
        if known and known.phase == "stopped":
            return known
        raw = self._ended.find(handle)
        return self._remembered(raw, _now(), ended=True) if raw else None

    def _state(self, raw: Document, asked: int) -> TaskState:
        with self._turn(raw["name"]):
            return self._settled(raw, asked)

    def _settled(self, raw: Document, asked: int) -> TaskState:
        """Return the state of a group that Azure has told of; if it has ended, keep it and delete it."""
        handle = raw["name"]
        if kept := self._kept(handle):
            self._delete(handle)  # the answer to an earlier one may have been lost
            return kept
        if states.has_failed(raw) and not states.has_view(raw):  # a list does not say why
            asked, raw = _now(), self._manager.find(handle) or raw
        state = self._remembered(raw, asked)
        if state.phase == "stopped":
            self._end(raw)
        return state

    def _end(self, raw: Document) -> None:
        handle = raw["name"]
        try:
            for each in states.container_names(raw):
                self._look(handle, each, ended=True)
        except ProviderUnavailable:
            return  # the group keeps the log until it can be had
        self._ended.keep(handle, raw)
        self._remembered(raw, _now(), ended=True)
        self._delete(handle)

    def _delete(self, handle: str) -> None:
        if _now() - self._deleted.get(handle, 0) >= DELETE_AGAIN_MICROS:
            with suppress(ProviderUnavailable):  # it is in the next list
                self._manager.delete(handle)
                self._deleted[handle] = _now()

    def _remembered(self, raw: Document, asked: int, *, ended: bool = False) -> TaskState:
        """Return what is known with this answer: an answer to an older question changes nothing."""
        handle = raw["name"]
        reason = self._ended.reason(handle)
        state = states.task_state(raw, version=asked, reason=reason, ended=ended)
        with self._lock:
            known = self._known.get(handle)
            if known:
                is_late = known.phase == "running" and state.phase == "pending"  # a read of before the last one
                if asked < known.version or known.phase == "stopped" or is_late:
                    return known
                if (raw.get("properties") or {}).get("restartPolicy") == "Never":
                    state = states.kept_ends(state, known)
                if replace(state, version=known.version) == known:
                    return known
            self._known[handle] = state
            return state

    def _turn(self, handle: str) -> threading.Lock:
        with self._lock:
            return self._turns.setdefault(handle, threading.Lock())


def _now() -> int:
    return time.time_ns() // 1000
