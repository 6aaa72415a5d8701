"""A provider in one file, to copy from: containers' commands are plain processes, started where the server runs.

    make serve PROVIDER=tests.example_provider

It passes the provider contract. A server that is started again finds none of its tasks.
"""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from sparkanywhere.providers import base, declaration

HOST = "127.0.0.1"
FOLLOW_PAUSE_SECONDS = 0.05


class ExampleProvider:
    """Runs tasks as processes of this machine. Volumes, limits, init containers and restarts are left out."""

    name = "example"

    def __init__(self, folder: Path) -> None:
        self._folder = folder  # of logs
        self._guard = threading.RLock()
        self._states: dict[str, base.TaskState] = {}
        self._processes: dict[str, dict[str, subprocess.Popen[bytes]]] = {}  # by handle and container
        self._news: queue.Queue[base.TaskState | None] = queue.Queue()

    def run(self, task: base.Task) -> base.TaskState:
        handle, now = f"{task.uid}-{task.attempt}", datetime.now(UTC)
        with self._guard:
            if handle in self._states:
                return self._states[handle]
            (self._folder / handle).mkdir(parents=True, exist_ok=True)
            self._processes[handle] = {one.name: self._spawn(handle, one) for one in task.containers}
            states = [base.ContainerState(one.name, "running", started_at=now) for one in task.containers]
            state = base.TaskState(task.uid, handle, "running", tuple(states), HOST, labels=task.labels)
            self._change(replace(state, started_at=now))
        for name in self._processes[handle]:
            threading.Thread(target=self._wait, args=(handle, name), daemon=True).start()
        return self._states[handle]

    def _spawn(self, handle: str, one: base.Container) -> subprocess.Popen[bytes]:
        words = [word.replace(base.ADDRESS, HOST) for word in (*(one.command or ()), *(one.args or ()))]
        env = {**os.environ, **{name: value.replace(base.ADDRESS, HOST) for name, value in one.env}}
        with (self._folder / handle / one.name).open("wb") as log:
            try:
                return subprocess.Popen(words or ["true"], env=env, stdout=log, stderr=log, process_group=0)
            except OSError as error:
                raise base.TaskRejected("StartError", str(error)) from error

    def _wait(self, handle: str, container: str) -> None:
        code = self._processes[handle][container].wait()
        code, now = (code if code >= 0 else 128 - code), datetime.now(UTC)
        with self._guard:
            if (state := self._states.get(handle)) is None:
                return  # removed
            known, reason = {one.name: one for one in state.containers}, "Error" if code else "Completed"
            known[container] = base.ContainerState(container, "stopped", code, reason, "", state.started_at, now)
            state = replace(state, containers=tuple(known.values()))
            if all(one.phase == "stopped" for one in state.containers):
                state = replace(state, phase="stopped", stopped_at=now)
            self._change(state)

    def _change(self, state: base.TaskState) -> None:
        self._states[state.handle] = replace(state, version=state.version + 1)
        self._news.put(self._states[state.handle])

    def stop(self, handle: str, *, grace_seconds: float, reason: str = "") -> None:
        with self._guard:
            if handle not in self._states:
                raise base.TaskNotFound(handle)
            if self._states[handle].phase == "running":
                self._change(replace(self._states[handle], reason=reason))
                self._signal(handle, signal.SIGTERM)
                killer = threading.Timer(grace_seconds, self._signal, (handle, signal.SIGKILL))
                killer.daemon = True  # a server that ends does not wait for it
                killer.start()

    def _signal(self, handle: str, number: signal.Signals) -> None:
        for process in self._processes[handle].values():
            with suppress(ProcessLookupError):  # it has ended, and the thread that waits for it has not said so
                if process.poll() is None:
                    os.killpg(process.pid, number)

    def remove(self, handle: str) -> None:
        if self._states.pop(handle, None):
            self._signal(handle, signal.SIGKILL)

    def describe(self, handles: Sequence[str]) -> list[base.TaskState]:
        return [self._states[handle] for handle in handles if handle in self._states]

    def list_tasks(self, known: Collection[str] = ()) -> list[base.TaskState]:  # noqa: ARG002
        return list(self._states.values())

    def logs(self, handle: str, container: str, options: base.LogOptions) -> Iterator[bytes]:
        if handle not in self._states or container not in self._processes[handle]:
            raise base.TaskNotFound(f"{handle} has no container {container}")
        return iter(()) if options.stream == "stderr" else self._read(handle, container, options)

    def _read(self, handle: str, container: str, options: base.LogOptions) -> Iterator[bytes]:
        process = self._processes[handle][container]
        with (self._folder / handle / container).open("rb") as file:
            lines = file.read().splitlines(keepends=True)
            wanted = lines if options.tail_lines is None else lines[len(lines) - options.tail_lines :]
            yield b"".join(wanted)[: options.limit_bytes]
            has_ended = not options.follow
            while not has_ended:
                time.sleep(FOLLOW_PAUSE_SECONDS)
                has_ended = process.poll() is not None
                yield file.read()

    def warnings(self, task: base.Task) -> list[str]:
        return ["the example provider mounts no volumes"] if task.volumes else []

    def capacities(self) -> list[base.Capacity]:
        return [base.Capacity("amd64", cpu_milli=(os.cpu_count() or 1) * 1000)]

    def start(self, observe: base.Observer) -> None:
        def report() -> None:
            for state in iter(self._news.get, None):
                observe(state)

        threading.Thread(target=report, daemon=True).start()

    def close(self) -> None:
        self._news.put(None)  # ends the thread


DECLARATION = declaration.ProviderDeclaration(
    name="example",
    summary="plain processes, as an example",
    build=lambda context: ExampleProvider(context.state / "example"),
    not_honoured=("volumes", "limits", "init containers", "restarts"),
)
