"""ProcessProvider: the Provider whose tasks are groups of local processes.

Each task has a directory (`directory`) and a supervisor (`supervisor`) that outlives us. A task exists from
the moment its intent is written; it has begun once its supervisor has written a state; only one ever does.
"""

from __future__ import annotations

import contextlib
import os
import platform
import socket
import subprocess
import threading
from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Unpack

import psutil

from chalicelib.private_folder import close_folder, make_private
from chalicelib.providers.address import with_address
from chalicelib.providers.base import Capacity, LogOptions, Observer, ProviderUnavailable, Task, TaskNotFound, TaskState
from chalicelib.providers.extensions import ContainerUsage, SharedFolders
from chalicelib.providers.interactive import Session, Streams
from chalicelib.providers.process import addresses, attachment, sessions
from chalicelib.providers.process.services import HostsFiles
from chalicelib.providers.process.supervision import ANSWER_SECONDS, Launcher, Monitor, kill_leftovers
from chalicelib.providers.supervised import isolation, plan, states, volumes
from chalicelib.providers.supervised.directory import TaskDirectory, handle_of
from chalicelib.providers.supervised.leftovers import sweep
from chalicelib.providers.supervised.provider import Further, SupervisedTasks
from chalicelib.providers.supervised.records import Plan, RestartRequest, tell_listeners

REMOVE_SECONDS = 6.0  # until a killed task must be gone; KILL_SECONDS of the supervisor fit in


class ProcessProvider(SupervisedTasks):
    """Runs tasks as processes of this machine; see the Provider protocol for what each method promises.

    `state_dir` belongs to one control plane; `spark_dir` holds the installed Sparks, one per version;
    `environ` is the host's environment, of which tasks see a few harmless variables; `python` is what
    PySpark runs. `namespaces` says whether containers get namespaces of their own, where that can be.
    """

    name = "process"
    shared_folders = SharedFolders(("/",))

    def __init__(
        self, state_dir: Path, spark_dir: Path, *, namespaces: bool = True, **further: Unpack[Further]
    ) -> None:
        super().__init__(state_dir, spark_dir, **further)
        self._listeners = state_dir.absolute() / "listeners"
        self._obstacle = partial(isolation.obstacle, wanted=namespaces)
        self._launcher = Launcher()
        self._monitor: Monitor | None = None
        self._observe: Observer | None = None
        self._reported: dict[str, int] = {}
        self._reporting = threading.Lock()
        self.services = HostsFiles(self._tasks, self._obstacle)

    def run(self, task: Task) -> TaskState:
        """Start the task, or find it; see Provider.run."""
        directory = TaskDirectory(self._tasks, handle_of(task.uid))
        if not directory.begun():
            volumes.check(task)
            try:
                with directory.locked(make=True):
                    claim = directory.claim(ANSWER_SECONDS, unless=directory.begun)
                    if claim is not None:
                        self._begin(task, directory, claim)
                    elif not directory.begun():
                        raise TimeoutError("its supervisor does not begin")
            except (OSError, subprocess.SubprocessError) as error:
                raise ProviderUnavailable("FailedMount", f"the task can't be prepared: {error}") from error
        return states.task_state(self._known(directory.handle))

    def _begin(self, task: Task, directory: TaskDirectory, claim: int) -> None:
        """Prepare the task and start its supervisor. A crash before its end is mended by doing it again."""
        try:
            if directory.begun():
                return
            with contextlib.ExitStack() as guards:
                try:
                    address, guard = addresses.claim(task.uid)
                    if guard is not None:
                        guards.enter_context(guard)
                    prepared = self._prepare(with_address(task, address), directory, address)
                except BaseException:  # leave nothing
                    directory.discard()
                    raise
                self._launcher.launch(prepared, [claim] if guard is None else [claim, guard.fileno()])
        finally:
            os.close(claim)

    def _prepare(self, task: Task, directory: TaskDirectory, address: str) -> Plan:
        """Write the task's intent and files."""
        resolved = self._resolved(task, directory, address, isolated=not self._obstacle())
        prepared = self._plan(task, resolved, self._listeners, address)
        directory.clear()
        directory.write_intent(prepared["record"])
        volumes.place(resolved)
        self.services.write(task, address, directory.hosts)
        return prepared

    def stop(self, handle: str, *, grace_seconds: float, reason: str = "") -> None:
        """Ask the task to end; see Provider.stop."""
        directory = self._directory(handle)
        if self._known(handle)["phase"] == "stopped":
            return
        directory.request_stop({"grace_seconds": grace_seconds, "reason": reason})
        if not directory.has_supervisor():
            self._end(directory, unbegun_reason=reason)

    def restart(self, handle: str, container: str, *, grace_seconds: float) -> None:
        """Have a container ended and started again; see Restarter.restart."""
        record = self._known(handle)
        runs = [one for one in record["containers"] if one["name"] == container and one["phase"] == "running"]
        if record["phase"] != "running" or not runs:
            raise TaskNotFound(f"{handle}: container {container} does not run")
        request: RestartRequest = {"grace_seconds": grace_seconds, "restarts": runs[0]["restarts"]}
        self._directory(handle).request_restart(container, request)

    def _end(self, directory: TaskDirectory, *, unbegun_reason: str = "") -> None:
        """Give a task whose supervisor is gone its last record, and end what is left of it."""
        with contextlib.suppress(FileNotFoundError), directory.locked():
            record = directory.record()
            if record is None or record["phase"] == "stopped" or directory.has_supervisor():
                return
            kill_leftovers(record)
            begun = directory.begun()
            why, message = (states.LOST, "its supervisor was killed") if begun else (unbegun_reason, "")
            directory.write_state(states.lost(record, now=self._now(), reason=why, message=message))
        tell_listeners(str(self._listeners), directory.handle)

    def remove(self, handle: str) -> None:
        """Forget a task, killing it first if need be. Raises ProviderUnavailable if that fails; see Provider.remove."""
        try:
            directory = self._directory(handle)
            self.stop(handle, grace_seconds=0, reason="Removed")
        except TaskNotFound:
            return
        with contextlib.suppress(FileNotFoundError), directory.locked():
            if not directory.remove(REMOVE_SECONDS):
                raise ProviderUnavailable("FailedKillPod", "a process of the task survives SIGKILL")
        with self._reporting:
            self._reported.pop(handle, None)

    def describe(self, handles: Sequence[str]) -> list[TaskState]:
        """Return the states of those tasks that are still known."""
        return [states.task_state(record) for record in self._records(handles).values()]

    def list_tasks(self, known: Collection[str] = ()) -> list[TaskState]:  # noqa: ARG002
        """Return the state of every task in the state directory."""
        return self.describe(self._handles())

    def exec(self, handle: str, container: str, command: Sequence[str], streams: Streams) -> Session:
        """Start a command in a container that runs; see InteractiveProvider.exec."""
        record, directory = self._known(handle), self._directory(handle)
        variables = partial(directory.variables, container)
        return sessions.start_command(record, container, command, streams, variables=variables)

    def attach(self, handle: str, container: str, streams: Streams) -> Session:
        """Feed a container that runs and follow its output; see InteractiveProvider.attach."""
        sessions.main_process(self._known(handle), container)
        output = self.logs(handle, container, LogOptions(follow=True, tail_lines=0))
        return attachment.Attachment(output, self._directory(handle) if streams.stdin else None, container)

    def connect(self, handle: str, port: int) -> socket.socket:
        """Return a connection to a port of the task; see InteractiveProvider.connect."""
        return sessions.connect(self._known(handle), port)

    def measure(self, handle: str) -> list[ContainerUsage]:
        """Return what a task uses; see Measures."""
        return sessions.usages(self._known(handle))

    def warnings(self, task: Task) -> list[str]:
        """Return one sentence for each thing the task asks for that processes don't get."""
        return plan.warnings(task, obstacle=self._obstacle())

    def capacities(self) -> list[Capacity]:
        """Return this machine's processors and memory, and its GPUs of NVIDIA's by their device files."""
        architecture = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
        memory_mib, gpus = psutil.virtual_memory().total // 2**20, len(list(Path("/dev").glob("nvidia[0-9]*")))
        return [Capacity(architecture, (os.cpu_count() or 1) * 1000, memory_mib, gpus)]

    def start(self, observe: Observer) -> None:
        """Report every known task once, then every change."""
        close_folder(self._tasks.parent)
        make_private(self._tasks)
        sweep(self._tasks)
        self._observe = observe
        self._monitor = Monitor(self._listeners, handles=self._handles, check=self._check)
        self._monitor.start()
        self._launcher.fill_reserve()
        threading.Thread(target=self._obstacle, name="process-namespaces", daemon=True).start()  # to know it in time

    def _check(self, handle: str) -> None:
        directory = TaskDirectory(self._tasks, handle)
        record = directory.record()
        if record is not None and record["phase"] != "stopped" and directory.is_orphaned():
            self._end(directory)
            record = directory.record()
        if record is None or self._observe is None:
            return
        with self._reporting:
            if self._reported.get(handle) == record["version"]:
                return
        self._observe(states.task_state(record))
        with self._reporting:
            self._reported[handle] = record["version"]

    def close(self) -> None:
        """Stop reporting. Tasks run on. May be repeated."""
        if self._monitor is not None:
            self._monitor.close()
            self._monitor = None
        self._launcher.close()
