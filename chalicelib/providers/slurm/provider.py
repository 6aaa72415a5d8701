"""SlurmProvider: the Provider whose tasks are jobs of Slurm, one each.

A task has a folder that all nodes share (`supervised.directory`); its job runs a supervisor of ours there, which writes
what becomes of the task. Slurm is asked for what that cannot tell: why a job waits, and how one ended that could not
say so. The folder is written before the job is submitted, under whose name it is found again; of two jobs for a task
the one that makes the folder's claim runs it.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NoReturn, Unpack

from chalicelib.private_folder import close_folder, make_private
from chalicelib.providers.base import (
    ADDRESS,
    PORT,
    Capacity,
    Observer,
    ProviderUnavailable,
    Task,
    TaskNotFound,
    TaskRejected,
    TaskState,
    ToldInPart,
)
from chalicelib.providers.interactive import CannotRun, Session, Streams
from chalicelib.providers.slurm import arguments
from chalicelib.providers.slurm.client import Queue, SlurmClient
from chalicelib.providers.slurm.declaration import SlurmSettings
from chalicelib.providers.slurm.endings import BY_ANOTHER
from chalicelib.providers.slurm.job_folder import JobFolder
from chalicelib.providers.slurm.progress import Progress, is_settled
from chalicelib.providers.slurm.watcher import Watcher
from chalicelib.providers.supervised import plan, states, volumes
from chalicelib.providers.supervised.directory import TaskDirectory, handle_of
from chalicelib.providers.supervised.leftovers import sweep
from chalicelib.providers.supervised.own_program import own_program
from chalicelib.providers.supervised.provider import Further, SupervisedTasks
from chalicelib.providers.supervised.records import Record, write_json
from chalicelib.providers.supervised.supervisor import job_entry

REMOVE_SECONDS = 6.0  # for a killed task to be gone
REMOVE_PAUSE_SECONDS = 0.05
CONNECT_SECONDS = 5.0
CAPACITY_SECONDS = 5.0  # how old what is known of nodes may be
WAITING_VERSIONS = 1_000_000  # of records of a task that waits; its supervisor counts on from there
OBSTACLE = "jobs of Slurm share their node"


class SlurmProvider(SupervisedTasks):
    """Runs tasks as jobs of Slurm; see the Provider protocol for what each method promises.

    `folder` belongs to one control plane, and all nodes see it at the same path, as they do `spark_dir`, this code and
    `python`. `address` returns this machine's address as nodes reach it.
    """

    name = "slurm"

    def __init__(
        self,
        folder: Path,
        spark_dir: Path,
        *,
        instance: str,
        settings: SlurmSettings,
        address: Callable[[], str],
        **further: Unpack[Further],
    ) -> None:
        super().__init__(folder, spark_dir, **further)
        self._client = SlurmClient(self._environ, comment=f"sparkanywhere/{instance}")
        self._settings, self._find_address, self._address = settings, address, ""
        self._progress = Progress(now=self._now)
        self._watcher: Watcher | None = None
        self._capacities: tuple[float, list[Capacity]] = (0.0, [])

    @property
    def listen_addresses(self) -> tuple[str, ...]:
        """Return the address at which nodes look for the control plane; see HasListenAddresses."""
        self._address = self._address or self._find_address()
        return (self._address,)

    def run(self, task: Task) -> TaskState:
        """Submit the task's job, or find it; see Provider.run."""
        directory = TaskDirectory(self._tasks, handle_of(f"{task.uid}-{task.attempt}" if task.attempt else task.uid))
        folder = JobFolder(directory)
        if not directory.begun() and folder.submitted() is None:
            volumes.check(task)
            try:
                with directory.locked(make=True):
                    self._begin(task, folder)
            except OSError as error:
                raise ProviderUnavailable("FailedMount", f"the task can't be prepared: {error}") from error
        return self._state(directory.handle, self._known(directory.handle))

    def _begin(self, task: Task, folder: JobFolder) -> None:
        """Prepare the task and submit its job; what a crash or a lost answer has left of either is taken up."""
        directory = folder.directory
        name, since = arguments.job_name(task, directory.handle), time.time()
        if directory.begun() or folder.submitted() is not None:
            return
        if directory.exists() and folder.find(self._client.queue()):
            return
        words = arguments.sbatch_arguments(task, self._settings, name=name, folder=directory.path)
        try:
            self._prepare(task, directory)
            script = arguments.script(
                own_program(self._python, "supervisor.job_entry", "main(sys.argv[2])"), directory.path
            )
            number = self._client.submit(words, script)
        except TaskRejected:  # nothing runs: leave nothing
            directory.discard()
            raise
        folder.note({"job": number, "submitted_at": since, "passing": ""})

    def _prepare(self, task: Task, directory: TaskDirectory) -> None:
        """Write the task's intent and files, for an address that only its node will know."""
        try:
            resolved = self._resolved(task, directory, ADDRESS, isolated=False)
        except ProviderUnavailable:
            directory.discard()
            raise
        prepared = self._plan(task, resolved, directory.path / "nobody", "")
        record = prepared["record"]
        prepared["record"] = {**record, "version": WAITING_VERSIONS}
        job: job_entry.JobPlan = {
            "plan": prepared,
            "address_mark": ADDRESS,
            "port_pattern": PORT.format("([0-9]+)"),
            "peer": self.listen_addresses[0],
        }
        directory.clear()
        write_json(str(directory.path / job_entry.JOB_FILE), job)
        volumes.place(resolved)
        directory.write_intent(record)

    def _state(self, handle: str, record: Record) -> TaskState:
        state = states.task_state(record, host_address=record["address"])
        submitted = JobFolder(TaskDirectory(self._tasks, handle)).submitted()
        passing = submitted["passing"] if submitted else ""
        return replace(state, passing=passing, stopped_by_another=record["reason"] in BY_ANOTHER)

    def stop(self, handle: str, *, grace_seconds: float, reason: str = "") -> None:
        """Ask the task to end; see Provider.stop."""
        directory = self._directory(handle)
        record = self._known(handle)
        if record["phase"] == "stopped":
            return
        folder = JobFolder(directory)
        folder.ask_to_stop({"grace_seconds": grace_seconds, "reason": reason})
        submitted = folder.submitted() or folder.find(self._client.queue())
        if folder.take() or submitted is None:  # it has not begun, and never will
            directory.write_state(states.lost(record, now=self._now(), reason=reason, message=""))
            if submitted:
                self._client.cancel(submitted["job"])
        elif submitted:
            self._client.signal(submitted["job"], "USR1")

    def remove(self, handle: str) -> None:
        """Forget a task, killing it first if need be. Raises ProviderUnavailable if that fails; see Provider.remove."""
        try:
            directory = self._directory(handle)
            self.stop(handle, grace_seconds=0, reason="Removed")
        except TaskNotFound:
            return
        deadline = time.monotonic() + REMOVE_SECONDS
        while not self._is_over(directory):
            if time.monotonic() > deadline:
                if submitted := JobFolder(directory).submitted():
                    self._client.cancel(submitted["job"])  # its supervisor does not hear: Slurm ends it by KillWait
                raise ProviderUnavailable("FailedKillPod", "the task's job does not end")
            time.sleep(REMOVE_PAUSE_SECONDS)
        with contextlib.suppress(FileNotFoundError), directory.locked():
            directory.discard()

    def _is_over(self, directory: TaskDirectory) -> bool:
        record, submitted = directory.record(), JobFolder(directory).submitted()
        if record is None or record["phase"] == "stopped" or submitted is None:
            return True
        queue = self._client.queue()
        job = queue.job(submitted["job"], directory.handle)
        return job is None or job.has_ended

    def describe(self, handles: Sequence[str]) -> list[TaskState]:
        """Return the states of those tasks that are still known."""
        known = self._records(handles)
        told = {handle: record for handle, record in known.items() if is_settled(record)}
        if told.keys() != known.keys():
            try:
                queue = self._client.queue()
            except ProviderUnavailable as error:
                found = [self._state(handle, record) for handle, record in told.items()]
                raise ToldInPart(
                    error.reason, error.message, states=found, untold=known.keys() - told.keys()
                ) from error
            looked = {handle: self._progress.look(TaskDirectory(self._tasks, handle), queue) for handle in known}
            told = {handle: record for handle, record in looked.items() if record is not None}
            if unknown := known.keys() - told.keys():
                found = [self._state(handle, record) for handle, record in told.items()]
                raise ToldInPart("SlurmUnavailable", "a job is about to end", states=found, untold=unknown)
        return [self._state(handle, record) for handle, record in told.items()]

    def list_tasks(self, known: Collection[str] = ()) -> list[TaskState]:  # noqa: ARG002
        """Return the state of every task in the folder."""
        return self.describe(self._handles())

    def exec(self, handle: str, container: str, command: Sequence[str], streams: Streams) -> Session:
        """Raise CannotRun, which says how it is done with Slurm's own means."""
        del container, command, streams
        self._refuse_session(handle)

    def attach(self, handle: str, container: str, streams: Streams) -> Session:
        """Raise CannotRun, as exec."""
        del container, streams
        self._refuse_session(handle)

    def _refuse_session(self, handle: str) -> NoReturn:
        submitted = JobFolder(self._directory(handle)).submitted()
        job = submitted["job"] if submitted else "JOB"
        raise CannotRun(f"not here: use `srun --jobid={job} --overlap --pty sh`")

    def connect(self, handle: str, port: int) -> socket.socket:
        """Return a connection to a port of the task, or to the one that it has instead; see InteractiveProvider."""
        record = self._known(handle)
        if record["phase"] != "running":
            raise TaskNotFound(f"{handle} does not run")
        ports = dict(record.get("ports", ()))
        return socket.create_connection((record["address"], ports.get(port, port)), CONNECT_SECONDS)

    def warnings(self, task: Task) -> list[str]:
        """Return one sentence for each thing the task asks for that jobs don't get."""
        without = replace(task, containers=tuple(replace(each, gpus=0) for each in task.containers))  # which they get
        found = plan.warnings(without, obstacle=OBSTACLE)
        # that there are no namespaces is so for all tasks: the declaration says it
        found = [each.replace("in process mode", "on Slurm") for each in found if OBSTACLE not in each]
        taken = ", ".join(arguments.OPTIONS)
        return found + [f"Slurm is not told {key}: it takes {taken}" for key in arguments.unknown_hints(task)]

    def capacities(self) -> list[Capacity]:
        """Return what the nodes have that take jobs of the partition, for each architecture."""
        if time.monotonic() > self._capacities[0]:
            wanted, totals = self._settings.slurm_partition, dict[str, list[int]]()
            for node in self._client.nodes():
                if not wanted or set(wanted.split(",")) & set(node.partitions):
                    total = totals.setdefault(node.architecture, [0, 0, 0])
                    for at, more in enumerate((node.cpus * 1000, node.memory_mib, node.gpus)):
                        total[at] += more
            found = [Capacity(architecture, *total) for architecture, total in sorted(totals.items())]
            self._capacities = (time.monotonic() + CAPACITY_SECONDS, found)
        return self._capacities[1]

    def start(self, observe: Observer) -> None:
        """Report every known task once, then every change."""
        close_folder(self._tasks.parent)
        make_private(self._tasks)
        sweep(self._tasks)

        def report(handle: str, record: Record) -> None:
            observe(self._state(handle, record))

        self._watcher = Watcher(self._client.queue, handles=self._handles, look=self._look, report=report)
        self._watcher.start()

    def _look(self, handle: str, queue: Queue | None) -> Record | None:
        directory = TaskDirectory(self._tasks, handle)
        if queue is not None:
            return self._progress.look(directory, queue)
        record = directory.record()
        return record if record is not None and (is_settled(record) or record["phase"] != "stopped") else None

    def close(self) -> None:
        """Stop reporting. Tasks run on. May be repeated."""
        if self._watcher is not None:
            self._watcher.close()
            self._watcher = None
