"""Slurm's own commands and what they answer: squeue, sbatch, scancel, scontrol (slurm.schedmd.com, 22.05 and later)."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from chalicelib.providers.base import ProviderUnavailable, TaskRejected

INSTALL = "apt-get install slurm-client"
ANSWER_SECONDS = 5.0  # run() stays well under 8 seconds; an idle controller answers in 15 ms
SQUEUE_FIELDS = "JobID:|,Name:|,State:|,Reason:|,NodeList:|,exit_code:|,Comment:|"
# Of sbatch's errors those that pass by themselves (slurm_errno.c); all others are about what was asked for.
_PASSES = re.compile(
    r"contact slurm controller|timed out|Connection refused|temporarily|Zero Bytes|Communication|in standby|protocol"
    r"|DNS SRV|configuration source|too busy|job limit|QOSMaxSubmit|Unspecified error",
    re.IGNORECASE,
)
_UNDER_WAY = {"RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT"}
_WAITING = {"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "RESV_DEL_HOLD"}
_GONE = re.compile(r"DOWN|DRAIN|FAIL|NOT_RESPONDING|UNKNOWN|FUTURE|POWER(?:ING|ED)_DOWN")


@dataclass(frozen=True, slots=True)
class Job:
    """A job as squeue tells of it; exit_code is the batch script's, 0 until it ends."""

    id: int
    name: str
    state: str
    reason: str = ""
    nodes: str = ""
    exit_code: int = 0
    comment: str = ""

    @property
    def waits(self) -> bool:
        """Return whether it has no node yet."""
        return self.state in _WAITING

    @property
    def has_ended(self) -> bool:
        """Return whether it has ended, also in a way that we don't know of."""
        return self.state not in _UNDER_WAY | _WAITING


@dataclass(frozen=True, slots=True)
class Queue:
    """All jobs of ours that Slurm remembered at a time, in seconds since 1970."""

    asked_at: float = 0.0
    jobs: tuple[Job, ...] = ()

    def job(self, number: int, handle: str) -> Job | None:
        """Return a task's job with this number: a slurmctld that has crashed may give it again, to another's."""
        return next((job for job in self.jobs if job.id == number and job.name.endswith(f".{handle}")), None)

    def of_handle(self, handle: str) -> Job | None:
        """Return the first job of a task: a lost answer of sbatch may leave a second one, which ends at once."""
        named = [job for job in self.jobs if job.name.endswith(f".{handle}")]
        return min(named, key=lambda job: job.id, default=None)


@dataclass(frozen=True, slots=True)
class Node:
    """A node that takes jobs."""

    name: str
    address: str
    architecture: str
    cpus: int
    memory_mib: int
    gpus: int
    partitions: tuple[str, ...]


class SlurmClient:
    """Runs Slurm's commands as the user of this process. `comment` marks the jobs of one control plane."""

    def __init__(self, environ: Mapping[str, str], *, comment: str = "") -> None:
        self._environ = {name: environ[name] for name in environ if name == "PATH" or name.startswith("SLURM_CONF")}
        self._environ.setdefault("PATH", os.defpath)
        self._comment = comment

    def queue(self) -> Queue:
        """Return all jobs of this control plane's, by one call. Raises ProviderUnavailable."""
        asked_at = time.time()
        words = ("--noheader", "--states=all", f"--user={os.getuid()}", f"--Format={SQUEUE_FIELDS}")
        jobs = parse_queue(self._ask("squeue", *words))
        return Queue(asked_at, tuple(job for job in jobs if job.comment == self._comment))

    def submit(self, words: Sequence[str], script: str) -> int:
        """Submit a job; return its id. Raises ProviderUnavailable, where it may have been taken all the same.

        Raises TaskRejected with Slurm's own words for a job that it does not take.
        """
        told = self._ask("sbatch", "--parsable", f"--comment={self._comment}", *words, script=script)
        return int(told.strip().partition(";")[0])

    def signal(self, job: int, name: str) -> None:
        """Send a signal to a job's script alone; a job that has ended is no error. Raises ProviderUnavailable."""
        self._cancel("--batch", f"--signal={name}", str(job))

    def cancel(self, job: int) -> None:
        """End a job: SIGTERM to all of it, and SIGKILL after the site's KillWait. Repeatable."""
        self._cancel(str(job))

    def _cancel(self, *words: str) -> None:
        try:
            self._ask("scancel", *words)
        except TaskRejected as error:
            if "Invalid job id" not in error.message and "already" not in error.message:
                raise ProviderUnavailable("SlurmRefused", error.message) from error

    def nodes(self) -> list[Node]:
        """Return all nodes that take jobs. Raises ProviderUnavailable."""
        return list(parse_nodes(self._ask("scontrol", "--oneliner", "show", "nodes")))

    def version(self) -> str:
        """Return as what Slurm's commands know themselves: "slurm-wlm 22.05.8". Raises ProviderUnavailable."""
        return self._ask("sinfo", "--version").strip()

    def _ask(self, *command: str, script: str | None = None) -> str:
        try:
            asked = subprocess.run(
                command,
                env=self._environ,
                input=script,
                stdin=subprocess.DEVNULL if script is None else None,
                capture_output=True,
                text=True,
                timeout=ANSWER_SECONDS,
                check=False,
            )
        except FileNotFoundError as error:
            message = f"Slurm's command {command[0]} is not installed here: {INSTALL}"
            raise ProviderUnavailable("SlurmMissing", message) from error
        except subprocess.TimeoutExpired as error:
            message = f"{command[0]} has no answer after {ANSWER_SECONDS:.0f} s"
            raise ProviderUnavailable("SlurmUnavailable", message) from error
        except OSError as error:
            raise ProviderUnavailable("SlurmUnavailable", f"{command[0]} cannot be run: {error}") from error
        if asked.returncode == 0:
            return asked.stdout
        why = (asked.stderr.strip().splitlines() or [f"{command[0]} failed"])[-1]
        if command[0] not in ("sbatch", "scancel") or _PASSES.search(why):
            raise ProviderUnavailable("SlurmUnavailable", why)
        raise TaskRejected("SlurmRefused", why)


def parse_queue(text: str) -> Iterator[Job]:
    """Yield what squeue says by SQUEUE_FIELDS; a name with a bar in it is none of ours."""
    for line in text.splitlines():
        words = line.split("|")
        if len(words) == SQUEUE_FIELDS.count("|") + 1 and words[0].isdigit():
            number, name, state, reason, nodes, code, comment = words[:-1]
            yield Job(int(number), name, state, reason, nodes, int(code) >> 8 if code.isdigit() else 0, comment)


def parse_nodes(text: str) -> Iterator[Node]:
    """Yield what `scontrol --oneliner show nodes` says of nodes that are not down or drained."""
    for line in text.splitlines():
        found = dict(word.split("=", 1) for word in line.split() if "=" in word)
        if "NodeName" not in found or _GONE.search(found.get("State", "")):
            continue
        gpus = re.findall(r"gpu(?::[^:,(]+)?:(\d+)", found.get("Gres", ""))
        yield Node(
            name=found["NodeName"],
            address=found.get("NodeAddr", ""),
            architecture={"x86_64": "amd64", "aarch64": "arm64"}.get(found.get("Arch", ""), found.get("Arch", "")),
            cpus=int(found.get("CPUTot", 0)),
            memory_mib=int(found.get("RealMemory", 0)),
            gpus=sum(map(int, gpus)),
            partitions=tuple(found.get("Partitions", "").split(",")),
        )
