"""A Provider that runs nothing but passes the provider contract; tests of higher layers steer it by hand."""

from __future__ import annotations

import queue
import re
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from chalicelib.providers.base import (
    Capacity,
    Container,
    ContainerState,
    LogOptions,
    Observer,
    ProviderError,
    Task,
    TaskNotFound,
    TaskState,
)

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass
class _Entry:
    task: Task
    state: TaskState
    output: dict[str, bytes] = field(default_factory=dict)
    waits: bool = False  # reserved, and not begun yet
    killed_at: datetime | None = None  # when the grace of a task that ignores SIGTERM is over


class FakeProvider:
    """Keeps tasks in memory. Thread-safe.

    A container whose command is ("sh", "-c", script) does what the script says, out of `echo WORDS`,
    `exit N` and `sleep N` parted by `;`: a sleep lasts until the task is stopped or finish() is called.
    Any other container runs until then too.
    """

    name = "fake"

    def __init__(self, *, clock: Callable[[], datetime] = _utc_now, hold_pending: bool = False) -> None:
        self.tasks: list[Task] = []  # every task that was ever started, in order
        self.forgotten: list[TaskState] = []  # of tasks that were removed, their last states
        self.stops: list[tuple[str, float]] = []  # (handle, grace_seconds) of every stop()
        self.failures: list[ProviderError] = []  # run() raises these first, one a call
        self.hold_pending = hold_pending  # tasks stay pending until begin()
        self.ignores_sigterm = False  # tasks last until their grace is over by the clock, see end_graces()
        self._clock = clock
        self._guard = threading.RLock()
        self._entries: dict[str, _Entry] = {}
        self._news: queue.Queue[TaskState | None] = queue.Queue()
        self._thread: threading.Thread | None = None

    def run(self, task: Task) -> TaskState:
        """Start the task, or find it. Raises what stands in `failures`."""
        with self._guard:
            handle = f"fake-{task.uid}" + (f"-{task.attempt}" if task.attempt else "")
            if handle not in self._entries:
                if self.failures:
                    raise self.failures.pop(0)
                self.tasks.append(task)
                self._entries[handle] = _Entry(task, self._first_state(task, handle))
                self._tell(handle)
                if not self.hold_pending:
                    self.begin(handle)
            return self._entries[handle].state

    def shape(self, task: Task) -> str:
        """Return images and mounts, where a container has what; of Spark's own folders all but their UUIDs."""
        kept = str([(each.name, each.image, each.mounts, each.memory_mib) for each in task.containers])
        return UUID.sub("", kept)

    def reserve(self, task: Task) -> TaskState:
        """Start a task that stays pending until begin(), which runs what it was bound to last."""
        with self._guard:
            holds, self.hold_pending = self.hold_pending, True
            try:
                state = self.run(task)
            finally:
                self.hold_pending = holds
            self._entries[state.handle].waits = True
            return state

    def bind(self, handle: str, task: Task) -> TaskState:
        """Let the next begin() of a reserved task run that one."""
        with self._guard:
            entry = self._entry(handle)
            if entry.state.phase == "stopped":
                raise TaskNotFound(handle)
            if entry.waits:
                entry.task = task
            return replace(entry.state, uid=task.uid)

    def _first_state(self, task: Task, handle: str) -> TaskState:
        number = len(self.tasks)
        waiting = [
            ContainerState(one.name, "waiting", reason="ContainerCreating", image=one.image) for one in task.containers
        ]
        return TaskState(
            uid=task.uid,
            handle=handle,
            phase="pending",
            containers=tuple(waiting),
            definition="fake:1",
            address=f"10.0.{number // 250}.{number % 250 + 1}",
            host_address="10.0.255.1",
            created_at=self._clock(),
            times=(("pull_started", self._clock()),),
            labels=task.labels,
        )

    def begin(self, handle: str) -> None:
        """Let a pending task run."""
        with self._guard:
            entry = self._entries[handle]
            entry.waits = False
            started = [self._begun(one, known) for one, known in zip(*self._pairs(entry), strict=True)]
            self._change(handle, phase="running", started_at=self._clock(), containers=tuple(started))
            for container in entry.task.containers:
                self._play(handle, container)

    @staticmethod
    def _pairs(entry: _Entry) -> tuple[tuple[Container, ...], tuple[ContainerState, ...]]:
        return entry.task.containers, entry.state.containers

    def _begun(self, container: Container, known: ContainerState) -> ContainerState:
        container_id = f"fake-{container.name}"
        return replace(known, phase="running", reason="", started_at=self._clock(), container_id=container_id)

    def _play(self, handle: str, container: Container) -> None:
        command = container.command or ()
        if command[:2] != ("sh", "-c"):
            return
        for statement in command[2].split(";"):
            verb, _, rest = statement.strip().partition(" ")
            if verb == "echo":
                self.say(handle, container.name, rest.encode() + b"\n")
            elif verb == "exit":
                self.finish(handle, int(rest), container=container.name)
                return
            elif verb == "sleep":
                return
            else:
                raise AssertionError(f"the fake can't do {statement!r}")
        self.finish(handle, 0, container=container.name)

    def say(self, handle: str, container: str, output: bytes) -> None:
        """Add to a container's output."""
        with self._guard:
            known = self._entries[handle].output
            known[container] = known.get(container, b"") + output

    def finish(self, handle: str, exit_code: int | None, *, container: str = "", reason: str = "") -> None:
        """End a container, or all that run; with the last one ends the task. No exit code: nobody saw it."""
        with self._guard:
            why = reason or ("Completed" if exit_code == 0 else "Error")
            ended = [
                replace(one, phase="stopped", exit_code=exit_code, reason=why, finished_at=self._clock())
                if one.phase != "stopped" and container in ("", one.name)
                else one
                for one in self._entries[handle].state.containers
            ]
            self._change(handle, containers=tuple(ended))
            if all(one.phase == "stopped" for one in ended):
                self._change(handle, phase="stopped", stopped_at=self._clock(), reason=reason)

    def update(self, handle: str, state: Callable[[TaskState], TaskState]) -> None:
        """Replace a task's state by what `state` makes of it, and tell the observer."""
        with self._guard:
            entry = self._entries[handle]
            entry.state = replace(state(entry.state), version=entry.state.version + 1)
            self._tell(handle)

    def _change(self, handle: str, **fields: object) -> None:
        self.update(handle, lambda state: replace(state, **fields))  # type: ignore[arg-type]  # names are checked

    def _tell(self, handle: str) -> None:
        self._news.put(self._entries[handle].state)

    def _entry(self, handle: str) -> _Entry:
        try:
            return self._entries[handle]
        except KeyError:
            raise TaskNotFound(handle) from None

    def stop(self, handle: str, *, grace_seconds: float, reason: str = "") -> None:
        """End the task at once, as one does that heeds SIGTERM; one that ignores it, when its grace is over."""
        with self._guard:
            entry = self._entry(handle)
            self.stops.append((handle, grace_seconds))
            if entry.state.phase == "stopped":
                return
            if self.ignores_sigterm:
                end = self._clock() + timedelta(seconds=grace_seconds)
                entry.killed_at = min(end, entry.killed_at or end)
                self.end_graces()
                return
            self.finish(handle, 143)
            self._change(handle, reason=reason)

    def end_graces(self) -> None:
        """Kill the tasks whose grace is over."""
        with self._guard:
            for handle, entry in self._entries.items():
                if entry.killed_at and entry.killed_at <= self._clock() and entry.state.phase != "stopped":
                    self.finish(handle, 137)

    def remove(self, handle: str) -> None:
        """Forget the task."""
        with self._guard:
            if entry := self._entries.pop(handle, None):
                end = entry.state.stopped_at if entry.state.phase == "stopped" else None
                self.forgotten.append(replace(entry.state, phase="stopped", stopped_at=end or self._clock()))

    def describe(self, handles: Sequence[str]) -> list[TaskState]:
        """Return the states of those that are known."""
        with self._guard:
            return [self._entries[handle].state for handle in handles if handle in self._entries]

    def list_tasks(self, known: Collection[str] = ()) -> list[TaskState]:
        """Return the states of all but the known."""
        with self._guard:
            return [entry.state for handle, entry in self._entries.items() if handle not in known]

    def logs(self, handle: str, container: str, options: LogOptions) -> Iterator[bytes]:
        """Yield what the container said, as a whole or its last lines; following ends at once."""
        with self._guard:
            entry = self._entry(handle)
            if container not in [one.name for one in entry.task.containers]:
                raise TaskNotFound(f"{handle} has no container {container}")
            said = b"" if options.stream == "stderr" else entry.output.get(container, b"")
            lines = said.splitlines(keepends=True)
        wanted = lines if options.tail_lines is None else lines[max(0, len(lines) - options.tail_lines) :]
        stamp = self._clock().strftime("%Y-%m-%dT%H:%M:%S.%f000Z ").encode() if options.timestamps else b""
        return iter([b"".join(stamp + line for line in wanted)[: options.limit_bytes]])

    def warnings(self, task: Task) -> list[str]:
        """Return a sentence for each GPU wish, so that callers have something to pass on."""
        return [f'container "{one.name}": no GPUs in the fake' for one in task.containers if one.gpus]

    def capacities(self) -> list[Capacity]:
        """Return a machine of four processors and 16 GiB."""
        return [Capacity("amd64", 4000, 16 * 1024)]

    def start(self, observe: Observer) -> None:
        """Report what has happened so far and what will."""

        def work() -> None:
            while (state := self._news.get()) is not None:
                observe(state)
                self._news.task_done()
            self._news.task_done()

        self._thread = threading.Thread(target=work, name="fake-provider", daemon=True)
        self._thread.start()

    def settle(self) -> None:
        """Wait until everything so far has been observed."""
        self._news.join()

    def close(self) -> None:
        """Stop reporting."""
        if self._thread is not None:
            self._news.put(None)
            self._thread.join()
            self._thread = None


class SlowProvider(FakeProvider):
    """Does `meanwhile` once, while it starts a task."""

    meanwhile: Callable[[], object] | None = None

    def run(self, task: Task) -> TaskState:
        """Start the task; the world moves on before the caller hears of it."""
        state = super().run(task)
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile:
            meanwhile()
        return state
