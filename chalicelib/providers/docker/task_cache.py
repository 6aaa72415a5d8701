"""What the provider knows of its tasks, and the one place that tells others of a change.

Only a picture of the engine: it is filled from labels at the start and after every gap. Versions are the
clock's nanoseconds, always growing, so that those of a restarted control plane are newer than the last one's.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

from chalicelib.providers.base import ContainerState, Fetch, Observer, Task, TaskNotFound, TaskState
from chalicelib.providers.docker.snapshots import ContainerSnapshot
from chalicelib.providers.docker.task_state import Wait, task_state

LOG = logging.getLogger(__name__)

OBSERVE_TRIES = 3  # of one state; what still fails is left to the controller's resync
OBSERVE_PAUSE_SECONDS = 0.5


@dataclass
class Entry:
    """One task. Until its containers are made, `task` says what it will be and `waits` what it waits for."""

    uid: str
    snapshots: dict[str, ContainerSnapshot] = field(default_factory=dict)  # by container id
    task: Task | None = None
    waits: dict[str, Wait] = field(default_factory=dict)  # by image
    times: dict[str, datetime] = field(default_factory=dict)
    created_at: datetime | None = None
    stop_reason: str = ""
    is_stopping: bool = False
    fetched: dict[str, Fetch] = field(default_factory=dict)  # how its images were had, as far as we saw it
    start_asked: set[str] = field(default_factory=set)  # ids: none is ever started twice
    restart_asked: set[str] = field(default_factory=set)  # ids of those that the engine ends to start them again
    state: TaskState | None = None


class TaskCache:
    """All entries by uid, and the queue of states to report. Thread-safe."""

    def __init__(self, *, clock: Callable[[], datetime]) -> None:
        self.host_address = ""
        self._clock = clock
        self._lock = threading.Condition()  # of a reentrant lock
        self._entries: dict[str, Entry] = {}
        self._last_version = 0
        self._reports: queue.SimpleQueue[TaskState | None] = queue.SimpleQueue()
        self._closed = threading.Event()

    def entry(self, uid: str) -> Entry | None:
        """Return the entry, to be read and, by its own launch only, changed."""
        with self._lock:
            return self._entries.get(uid)

    def uids(self) -> list[str]:
        """Return every uid known."""
        with self._lock:
            return list(self._entries)

    def states(self, uids: Iterable[str] | None = None) -> list[TaskState]:
        """Return the last states of these tasks, of all if None; unknown ones are left out."""
        with self._lock:
            entries = self._entries.values() if uids is None else map(self._entries.get, uids)
            return [entry.state for entry in entries if entry and entry.state]

    def snapshots(self, uid: str) -> list[ContainerSnapshot]:
        """Return what is known of a task's containers."""
        with self._lock:
            entry = self._entries.get(uid)
            return list(entry.snapshots.values()) if entry else []

    def may_go_on(self, uid: str) -> bool:
        """Return whether containers of the task may yet be started."""
        entry = self.entry(uid)
        over = entry is None or entry.is_stopping or entry.state is None or entry.state.phase == "stopped"
        return not over

    def live_containers(self, uid: str) -> list[ContainerSnapshot]:
        """Return the containers of a task that live, but for the one that holds its network."""
        return [each for each in self.snapshots(uid) if each.is_live and each.role != "sandbox"]

    def running_container(self, uid: str, name: str) -> ContainerSnapshot:
        """Return a container that runs. Raises TaskNotFound."""
        for snapshot in self.live_containers(uid):
            if snapshot.name == name and snapshot.status == "running":
                return snapshot
        raise TaskNotFound(f"task {uid}: container {name} does not run")

    def find_container(self, container_id: str) -> ContainerSnapshot | None:
        """Return the container with this id, if it is ours and known."""
        with self._lock:
            for entry in self._entries.values():
                if container_id in entry.snapshots:
                    return entry.snapshots[container_id]
        return None

    def await_news(self, seconds: float) -> None:
        """Wait until something changes, but not longer than that."""
        with self._lock:
            self._lock.wait(seconds)

    def expect(self, task: Task) -> Entry:
        """Note a task whose containers cannot be made yet."""
        with self._lock:
            entry = self._entries.setdefault(task.uid, Entry(uid=task.uid, created_at=self._clock()))
            entry.task = task
            return entry

    def wait(self, uid: str, image: str, wait: Wait) -> None:
        """Note why a task's containers of that image are not there yet, and report it."""
        with self._lock:
            entry = self._entries.get(uid)
            if entry and not entry.snapshots and not entry.is_stopping:
                entry.waits[image] = wait
                entry.times.setdefault("pull_started", self._clock())
                self._publish(entry)

    def pulled(self, uid: str, image: str, fetch: Fetch) -> None:
        """Note that an image has come; when it was first asked for is known here."""
        with self._lock:
            if entry := self._entries.get(uid):
                now = self._clock()
                asked = (now - entry.times.get("pull_started", now)).total_seconds()
                entry.waits.pop(image, None)
                entry.times["pull_stopped"] = now
                entry.fetched[image] = replace(fetch, asked_seconds=max(asked, fetch.seconds))

    def made(self, snapshots: Iterable[ContainerSnapshot]) -> None:
        """Take in containers just made: what of their images was not fetched for them was there."""
        new = list(snapshots)
        with self._lock:
            for snapshot in new:
                entry = self._entries.setdefault(snapshot.uid, Entry(uid=snapshot.uid))
                entry.fetched.setdefault(snapshot.image, Fetch())
            self.update(new)

    def update(self, snapshots: Iterable[ContainerSnapshot], *, adopt: bool = True) -> None:
        """Put these containers in the place of what was known of them, and report tasks that changed.

        Without `adopt` those of unknown tasks are passed over: news may come late of one that was removed.
        """
        with self._lock:
            touched: dict[str, Entry] = {}
            for snapshot in snapshots:
                if not adopt and snapshot.uid not in self._entries:
                    continue
                entry = self._entries.setdefault(snapshot.uid, Entry(uid=snapshot.uid))
                known = entry.snapshots.get(snapshot.id)
                if known and known.status == "called off":
                    continue
                if known and not snapshot.previous_end and known.started_at == snapshot.started_at:
                    # the engine no longer says when the run before this one ended
                    snapshot = replace(snapshot, previous_end=known.previous_end)
                if snapshot.status == "exited" and snapshot.restarts_itself and snapshot.id in entry.restart_asked:
                    snapshot = replace(snapshot, status="restarting", restart_asked=True)
                entry.snapshots[snapshot.id] = snapshot
                touched[snapshot.uid] = entry
            for entry in touched.values():
                self._publish(entry)

    def gone(self, container_id: str) -> str | None:
        """Note that somebody removed a container of ours; return the uid of its task, None if not ours."""
        with self._lock:
            snapshot = self.find_container(container_id)
            if snapshot is None:
                return None
            if not snapshot.has_ended:  # the logs of an ended one are lost, its end is not
                entry = self._entries[snapshot.uid]
                entry.snapshots[container_id] = replace(snapshot, status="removed", finished_at=self._clock())
                self._publish(entry)
            return snapshot.uid

    def stopping(self, uid: str, reason: str) -> Entry | None:
        """Note that a task is to end and nothing more of it may start; return its entry."""
        with self._lock:
            if entry := self._entries.get(uid):
                entry.is_stopping = True
                entry.stop_reason = entry.stop_reason or reason
            return entry

    def may_start(self, uid: str, container_id: str) -> bool:
        """Say, once for each container, whether it may be started now."""
        with self._lock:
            entry = self._entries.get(uid)
            if entry is None or entry.is_stopping or container_id in entry.start_asked:
                return False
            entry.start_asked.add(container_id)
            return True

    def may_start_again(self, uid: str) -> None:
        """Take back what may_start() noted, for containers that are still to be started."""
        with self._lock:
            if entry := self._entries.get(uid):
                entry.start_asked -= {each.id for each in entry.snapshots.values() if each.status == "created"}

    def restarting(self, uid: str, container_id: str) -> bool:
        """Note that the engine will end a container and start it again; False if it is or may not be."""
        with self._lock:
            entry = self._entries.get(uid)
            if entry is None or entry.is_stopping or container_id in entry.restart_asked:
                return False
            entry.restart_asked.add(container_id)
            return True

    def restarted(self, uid: str, container_id: str) -> None:
        """Take back what restarting() noted."""
        with self._lock:
            if entry := self._entries.get(uid):
                entry.restart_asked.discard(container_id)

    def call_off(self, uid: str) -> None:
        """Note that what has not started of a task that is to end never will. No start is under way."""
        with self._lock:
            if entry := self._entries.get(uid):
                why, now = entry.stop_reason or "Stopped", self._clock()
                for each in [each for each in entry.snapshots.values() if each.may_start]:
                    entry.snapshots[each.id] = replace(each, status="called off", error=why, finished_at=now)
                if not entry.snapshots:
                    said = next((wait.message for wait in entry.waits.values() if wait.message), "")
                    entry.waits = {"": Wait(why, said, is_final=True)}
                self._publish(entry)

    def forget(self, uid: str) -> None:
        """Drop all that is known of a task."""
        with self._lock:
            self._entries.pop(uid, None)

    def _publish(self, entry: Entry) -> None:
        """Compute the state and, if it differs from the last one, give it a version and queue it."""
        state = self._state(entry)
        if entry.state is not None and replace(entry.state, version=0) == state:
            return
        now = int(self._clock().timestamp() * 1_000_000_000)
        self._last_version = max(self._last_version + 1, now)
        entry.state = replace(state, version=self._last_version)
        self._reports.put(entry.state)
        self._lock.notify_all()

    def _state(self, entry: Entry) -> TaskState:
        times = tuple(sorted(entry.times.items()))
        if entry.snapshots:
            snapshots = list(entry.snapshots.values())
            state = task_state(snapshots, host_address=self.host_address, stop_reason=entry.stop_reason)
            made = [replace(each, fetch=entry.fetched.get(each.image)) for each in state.containers]
            return replace(state, times=times, containers=tuple(made))
        final = next((wait for wait in entry.waits.values() if wait.is_final), None)
        known = entry.state.containers if entry.state else ()
        names = [(each.name, each.image) for each in known]
        if entry.task:
            names = [(container.name, container.image) for container in entry.task.containers]
        waits = [(name, image, final or entry.waits.get(image, Wait())) for name, image in names]
        containers = [
            ContainerState(name, "waiting", reason=wait.reason, message=wait.message, image=image)
            for name, image, wait in waits
        ]
        return TaskState(
            uid=entry.uid,
            handle=entry.uid,
            phase="stopped" if final else "pending",
            containers=tuple(containers),
            host_address=self.host_address,
            reason=final.reason if final else "",
            message=final.message if final else "",
            created_at=entry.created_at,
            stopped_at=self._clock() if final else None,
            times=times,
            labels=entry.task.labels if entry.task else (entry.state.labels if entry.state else ()),
        )

    def report_to(self, observe: Observer) -> None:
        """Begin to hand states to `observe`, from a thread of its own, in order; those of now first."""

        def report() -> None:
            while (state := self._reports.get()) is not None and not self._closed.is_set():
                for attempt in range(1, OBSERVE_TRIES + 1):
                    try:
                        observe(state)
                        break
                    except Exception:  # an observer's failure must not end the reports of all other tasks
                        LOG.exception("event=observe-failed task=%s try=%d", state.uid, attempt)
                        self._closed.wait(OBSERVE_PAUSE_SECONDS)

        threading.Thread(target=report, name="docker-reports", daemon=True).start()

    def close(self) -> None:
        """End reporting; repeatable."""
        self._closed.set()
        self._reports.put(None)
