"""The Provider contract: Task in, TaskState out. No Kubernetes word lives below this line.

A task is one or more containers that share an address, started together and ended together. What a task
wants to know only at its start, its own address, stands in it as ADDRESS; the provider puts the
real one in its place wherever it occurs in env values, command, args and file contents.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

THROTTLED = "Throttled"  # the reason of a refusal: too many calls within a second
ADDRESS = "--task-address--"  # stands for the task's own IP address until the provider knows it
PORT = "--task-port-{}--"  # stands for the task's own port where it cannot have this one, see shares_address
PULLING = "Pulling image"  # how the message of a container that waits for its image begins
Restart = Literal["never", "on-failure", "always"]
TaskPhase = Literal["pending", "running", "stopped"]
ContainerPhase = Literal["waiting", "running", "stopped"]
LogStream = Literal["all", "stdout", "stderr"]
VolumeKind = Literal["files", "scratch", "memory", "host", "named"]


class ProviderError(Exception):
    """Base of all that a Provider raises."""


class RefusedError(ProviderError):
    """A task is not started; `reason` is a CamelCase word for status, str() says why."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class TaskRejected(RefusedError):
    """Not as things are: the same task may be asked for again after a while, in case they change.

    `reason` is a kubelet's where there is one: CreateContainerError, InvalidImageName.
    """


class ProviderUnavailable(RefusedError):
    """Not now: repeat later with the same task; within seconds where the reason is THROTTLED."""


class ToldInPart(ProviderUnavailable):
    """Of some tasks it cannot be told now: `states` are those of the others, `untold` the handles of these."""

    def __init__(self, reason: str, message: str, *, states: Sequence[TaskState], untold: Collection[str]) -> None:
        super().__init__(reason, message)
        self.states = states
        self.untold = untold


class TaskNotFound(ProviderError):
    """The provider knows no such task (any more)."""


@dataclass(frozen=True, slots=True)
class File:
    """A file in a volume: path relative to the volume, content, and permission bits."""

    path: str
    content: bytes
    mode: int = 0o644


@dataclass(frozen=True, slots=True)
class Volume:
    """Space that containers of a task mount.

    files: `files`, read-only by intent; scratch: empty disk, gone with the task; memory: the same
    in RAM; host: the path `source` of the machine; named: outlives the task, known as `source`.
    """

    name: str
    kind: VolumeKind
    files: tuple[File, ...] = ()
    source: str = ""
    size_mib: int | None = None


@dataclass(frozen=True, slots=True)
class Mount:
    """A volume (or the part `sub_path` of it) at `path` in a container."""

    volume: str
    path: str
    read_only: bool = False
    sub_path: str = ""


@dataclass(frozen=True, slots=True)
class Container:
    """One container. `command` replaces the image's entry point and `args` its arguments; None keeps.

    cpu_milli and memory_mib are upper limits, None for none. `stop_command` runs in the container before it is asked
    to stop. `init` containers run one after the other, each to exit code 0, before the rest. `user` is uid or uid:gid.
    `stdin` keeps the input open for those who attach; with `stdin_once` it ends when the first of them leaves.
    """

    name: str
    image: str
    command: tuple[str, ...] | None = None
    args: tuple[str, ...] | None = None
    env: tuple[tuple[str, str], ...] = ()
    mounts: tuple[Mount, ...] = ()
    working_dir: str = ""
    cpu_milli: int | None = None
    memory_mib: int | None = None
    gpus: int = 0
    init: bool = False
    restart: Restart = "never"
    stop_command: tuple[str, ...] | None = None
    user: str = ""
    read_only_root: bool = False
    no_new_privileges: bool = False
    privileged: bool = False
    add_capabilities: tuple[str, ...] = ()
    drop_capabilities: tuple[str, ...] = ()
    tty: bool = False
    stdin: bool = False
    stdin_once: bool = False
    pull: Literal["always", "missing", "never"] = "missing"
    ports: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class RegistryLogin:
    """A login for pulling images from `registry`."""

    registry: str
    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Task:
    """What to run. `uid` (and `attempt`) makes run() idempotent; `labels` are copied to whatever the provider starts.

    group and name are for people (a container's name, a log stream's); together they may recur after
    the first has ended. cpu_milli and memory_mib are the sum that must be had; disk_gib likewise.
    `domain` follows the hostname in the task's whole name, which programs find first for its address.
    In `search_domains` the task looks names up, in their order, where the provider serves names (ServiceProvider).
    `placement` and `annotations` carry hints (architecture, capacity type, role) by well-known keys.
    """

    uid: str
    group: str
    name: str
    containers: tuple[Container, ...]
    volumes: tuple[Volume, ...] = ()
    cpu_milli: int = 0
    memory_mib: int = 0
    disk_gib: int = 0
    labels: tuple[tuple[str, str], ...] = ()
    hostname: str = ""
    domain: str = ""
    search_domains: tuple[str, ...] = ()
    host_entries: tuple[tuple[str, str], ...] = ()  # (address, name), as in /etc/hosts
    stop_grace_seconds: int = 30
    logins: tuple[RegistryLogin, ...] = ()
    placement: tuple[tuple[str, str], ...] = ()
    deadline_seconds: int | None = None  # after which it is stopped by whoever has it run
    host_network: bool = False
    # how many tasks of this uid have ended before they began: part of what makes run() idempotent
    attempt: int = 0


@dataclass(frozen=True, slots=True)
class Fetch:
    """How an image was had: fetched in `seconds`, `asked_seconds` after it was asked for; 0 if it was there already."""

    seconds: float = 0.0
    asked_seconds: float = 0.0
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class ContainerState:
    """What is known of one container.

    exit_code is set only if the provider saw it: 128+n for death by signal n. reason is CamelCase (OOMKilled, Error,
    Completed, ErrImagePull, ImagePullBackOff, ContainerCreating, ...). The message of one whose image is being fetched
    begins with PULLING. fetch is None where the provider can't tell. `last` is how the run before ended: told
    while the next is waited for, and perhaps later.
    """

    name: str
    phase: ContainerPhase
    exit_code: int | None = None
    reason: str = ""
    message: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    restarts: int = 0
    container_id: str = ""
    image: str = ""
    fetch: Fetch | None = None
    last: ContainerState | None = None


@dataclass(frozen=True, slots=True)
class TaskState:
    """What is known of one task. `version` grows with every change of the same task: drop older ones.

    `interrupted` says the provider is about to take the task away (a Spot notice), `stopped_by_another` that it was
    ended neither by itself nor by stop() or remove(), where the provider can tell.
    `times` holds further moments by name (pull_started, ...), aware UTC. `size` holds quantities of cpu, memory and
    ephemeral-storage, where a task is given other ones than were asked for. `zone` is the availability zone that it
    runs in, `capacity` what of several kinds it runs on; the name of an interruptible one ends in `spot`. `definition`
    names what the provider has started the task from, where it keeps such a thing and that never changes. `passing` is
    the reason, as of ProviderUnavailable, of a task that has ended before any of it began, for what passes.
    """

    uid: str
    handle: str
    phase: TaskPhase
    containers: tuple[ContainerState, ...] = ()
    address: str = ""
    host_address: str = ""
    reason: str = ""
    message: str = ""
    version: int = 0
    interrupted: bool = False
    stopped_by_another: bool = False
    created_at: datetime | None = None
    started_at: datetime | None = None
    stopped_at: datetime | None = None
    passing: str = ""
    times: tuple[tuple[str, datetime], ...] = ()
    size: tuple[tuple[str, str], ...] = ()
    zone: str = ""
    capacity: str = ""
    definition: str = ""
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class LogOptions:
    """Which part of a log: the last `tail_lines`, lines since a moment, at most `limit_bytes`.

    follow goes on until the container ends or `until` has passed. timestamps puts an RFC 3339 time with nanoseconds
    and a space before each line. previous: of the container before its last restart. stream: what the container
    wrote to one of its streams, where the provider keeps them apart (its declaration's `splits_output`) and it has no
    terminal; where not, stdout is all that there is, and stderr nothing. Not together with tail_lines.
    """

    follow: bool = False
    tail_lines: int | None = None
    since: datetime | None = None
    limit_bytes: int | None = None
    timestamps: bool = False
    previous: bool = False
    until: datetime | None = None
    stream: LogStream = "all"


@dataclass(frozen=True, slots=True)
class Capacity:
    """How much a provider can run: architecture and totals; None where it has no known end."""

    architecture: str
    cpu_milli: int | None = None
    memory_mib: int | None = None
    gpus: int | None = 0


Observer = Callable[[TaskState], None]


class Provider(Protocol):
    """What a backend does. Thread-safe. Only `run` may take long; it stays well under 8 seconds."""

    name: str  # as in its declaration

    def run(self, task: Task) -> TaskState:
        """Start the task, or find it started before under the same uid; return its state.

        Returns once the task is on its way (pending is fine), with its handle. Idempotent on task.uid,
        also after a crash of ours at any point. Raises TaskRejected, ProviderUnavailable.
        """

    def stop(self, handle: str, *, grace_seconds: float, reason: str = "") -> None:
        """Ask the task to end: SIGTERM, and SIGKILL `grace_seconds` later. Returns at once.

        May be repeated, also with a shorter grace. Raises TaskNotFound, ProviderUnavailable.
        """

    def remove(self, handle: str) -> None:
        """Forget an ended task: its logs, files and volumes. A running one is killed. Repeatable."""

    def describe(self, handles: Sequence[str]) -> list[TaskState]:
        """Return the states of those that are still known, in any order.

        Raises ProviderUnavailable where that cannot be told of one of them: ToldInPart if it can of others.
        """

    def list_tasks(self, known: Collection[str] = ()) -> list[TaskState]:
        """Return every task of this control plane's own that runs, and ended ones that hold something still.

        Those are the ones that remove() would free; a provider where they hold nothing may leave them out. Those under
        `known` handles may be left out too, where to tell of them costs something. Raises as describe() does.
        """

    def logs(self, handle: str, container: str, options: LogOptions) -> Iterator[bytes]:
        """Yield the container's output in pieces. Raises TaskNotFound before the first piece.

        Without options.stream, stdout and stderr are one; lines of each are in order. With follow an empty
        piece may come as a sign of life; the caller may stop iterating at any time.
        """

    def warnings(self, task: Task) -> list[str]:
        """Return one sentence for each thing the task asks for that will not be honoured here.

        Raises TaskRejected where run() would, as far as that can be told without starting it.
        """

    def capacities(self) -> list[Capacity]:
        """Return what this provider can run, one entry per architecture.

        The requests of all tasks are kept within the first one's totals; one without totals has no end.
        """

    def start(self, observe: Observer) -> None:
        """Begin to report changes of tasks to `observe`, from a thread of the provider's own.

        What is known when this is called is reported first. After each change the latest state is reported at
        least once, in order per task; states that lasted a moment may be passed over. Providers whose
        news come another way (EventBridge) do nothing.
        """

    def close(self) -> None:
        """Stop reporting and let go of threads and connections. Tasks run on. May be repeated."""
