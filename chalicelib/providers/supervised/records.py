"""What provider and supervisor tell each other: a plan over a socket, records and requests in files.

Times are integers, nanoseconds since 1970 UTC. Files are replaced whole, so a reader never sees half of one.
"""

from __future__ import annotations

import json
import os
from typing import Any, Literal, NotRequired, TypedDict

INTENT_FILE = "intent.json"  # the first record, written before anything is started
STATE_FILE = "state.json"  # the latest record; the supervisor alone writes it while it lives
STOP_FILE = "stop.json"  # the wish that the task end
RESTART_FILE = "restart-{}.json"  # the wish that a container of that name be restarted
VARIABLES_FILE = "variables.json"  # the wish to know a container's variables, which nobody but the supervisor keeps
VARIABLES_FIFO = "variables"  # and where to write them, as a line of JSON
CONTROL_FIFO = "control"  # a byte in here makes the supervisor look for wishes
SUPERVISOR_LOCK = "supervisor.lock"  # held by the supervisor for as long as it lives
INPUT_FIFO = "input"  # in a container's directory: the standard input of its latest run
INPUT_LEFT = "input-left"  # beside it: somebody who was attached has left
TASK_LOCK = "lock"  # held while a task is prepared, repaired or removed
MARKER = "SPARKANYWHERE_CONTAINER"  # variable by which we know our processes: handle/container

Restart = Literal["never", "on-failure", "always"]
Phase = Literal["pending", "running", "stopped"]
ContainerPhase = Literal["waiting", "running", "stopped"]


class MountPlan(TypedDict):
    """What of the host a container sees at `target`: the file or directory `source`.

    How: `bind` mounts it, at a mount point that is made if need be; `show` has a directory's entries seen there, of an
    image, and what is written beside them is the container's own; `replace` mounts it where there is a directory.
    """

    source: str
    target: str
    read_only: bool
    how: Literal["bind", "show", "replace"]


class ContainerPlan(TypedDict):
    """One container, resolved to what the operating system understands."""

    name: str
    argv: list[str]
    env: dict[str, str]
    cwd: str
    init: bool
    restart: Restart
    stop_argv: list[str]
    no_new_privileges: bool
    memory_mib: int | None  # more than that ends it; None: no limit
    input: Literal["none", "once", "open"]  # once: it ends when the first who attaches leaves
    mounts: list[MountPlan] | None  # parents first; None: it runs in the host's namespaces


class ContainerRecord(TypedDict):
    """What is known of one container; `process` is the id of its latest main process.

    `last` is the record of the run before, as it ended; supervisors of before this field leave it out. `places` are its
    paths and where on the host they lie, where it has no mount namespace.
    """

    name: str
    image: str
    phase: ContainerPhase
    exit_code: int | None
    reason: str
    message: str
    started_at: int | None
    finished_at: int | None
    restarts: int
    process: int
    last: NotRequired[ContainerRecord | None]
    places: NotRequired[list[tuple[str, str]]]


class Record(TypedDict):
    """What is known of one task."""

    uid: str
    handle: str
    version: int
    phase: Phase
    reason: str
    message: str
    address: str
    labels: list[tuple[str, str]]
    created_at: int
    started_at: int | None
    stopped_at: int | None
    containers: list[ContainerRecord]
    ports: NotRequired[list[tuple[int, int]]]  # declared ones, and those that the task has of its machine instead


class Plan(TypedDict):
    """All that a supervisor is told. `backoff_seconds` is the wait before a second restart."""

    directory: str
    listeners: str
    containers: list[ContainerPlan]
    record: Record
    backoff_seconds: float
    stop_grace_seconds: float
    log_bytes: int
    log_files: int


class VariablesRequest(TypedDict):
    """The wish to know a container's variables."""

    container: str


class StopRequest(TypedDict):
    """The wish that a task end."""

    grace_seconds: float
    reason: str


class RestartRequest(TypedDict):
    """The wish that a container's run, the one after so many restarts, end and another follow."""

    grace_seconds: float
    restarts: int


def write_json(path: str, value: Any) -> None:  # Any: json takes what json takes
    """Replace the file at `path`, readable by its owner alone. Raises OSError."""
    draft = f"{path}.{os.getpid()}.new"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(value, file, separators=(",", ":"))
    os.replace(draft, path)


def read_json(path: str) -> Any:  # Any: the caller knows which of the shapes above it is
    """Return the content of the file at `path`, None if there is none."""
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        return None


def tell_listeners(listeners: str, handle: str) -> None:
    """Write the handle into every FIFO in the directory `listeners`; those nobody reads are passed over."""
    try:
        names = os.listdir(listeners)
    except OSError:
        return
    for name in names:
        try:
            descriptor = os.open(os.path.join(listeners, name), os.O_WRONLY | os.O_NONBLOCK)
        except OSError:  # ENXIO: its reader is gone
            continue
        try:
            os.write(descriptor, handle.encode() + b"\n")
        except OSError:  # full: its reader will look at everything anyway, if later
            pass
        finally:
            os.close(descriptor)
