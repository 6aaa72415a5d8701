"""What a provider declares of itself: all that other code knows of it before it is built.

A declaration is data and functions that import what they need when they are called, so that reading it costs
nothing: a cold Lambda and a command line's --help load no backend and no SDK. docs/providers.md says how to
write one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Literal

from chalicelib.providers.base import Provider, Task, TaskState
from chalicelib.providers.prices import PriceList
from chalicelib.providers.sizes import SizeTable

Network = Literal["host", "bridge", "site", "remote"]
PayloadSource = Callable[[Task], str]  # the URL that a task fetches its payload by


def no_payloads(_task: Task) -> str:
    """Raise AssertionError: only a remote provider's tasks fetch payloads."""
    raise AssertionError("this provider has no payloads")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderContext:
    """Where a control plane is, as its provider needs it. `settings` are of the type that the declaration names."""

    instance: str  # the control plane's name
    state: Path  # its own folder, which may not exist yet
    cache: Path  # what may be shared by control planes, and be fetched again
    environ: Mapping[str, str]
    settings: Any = None
    region: str = ""
    deployment: str = ""
    payloads: PayloadSource = no_payloads
    api_names: tuple[str, ...] = ()  # under which programs in a pod look for the control plane


@dataclass(frozen=True, slots=True)
class EventSource:
    """Events by which EventBridge tells of tasks.

    `pattern` returns the rule that selects them, None where the environment names none; `state` reads an event's
    detail, of which nothing is sure but that it is JSON.
    """

    pattern: Callable[[Mapping[str, str]], dict[str, Any] | None]
    state: Callable[[dict[str, Any]], TaskState]


@dataclass(frozen=True, slots=True)
class TaskPort:
    """A port that a task listens on, and what the pod knows of the task."""

    task: str  # the provider's name for it
    container_id: str  # of a container that runs in it
    address: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderDeclaration:
    """A provider: what it is called, what it can do, and how to get at it."""

    name: str
    """A DNS label. Pods have it as spec.nodeName; settings and commands choose the provider by it."""

    summary: str
    """What runs the pods, for --help and documents: "containers of a Docker engine"."""

    build: Callable[[ProviderContext], Provider]
    """Returns the provider. Raises ProviderUnavailable where what it needs is missing."""

    settings: type | None = None
    """A dataclass whose fields have a type, a default, and metadata: `doc` (with the unit), `required` where the
    provider cannot be built without it, `option` where `chalice local` has an option for it. Field NAME is the
    variable SPARKANYWHERE_NAME."""

    flag_help: str = ""
    """Help of the option `--NAME` of `chalice local`, short for `--provider NAME`; empty: there is no such option."""

    network: Network = "host"
    """Where pods are: on this machine's own network, where they reach a server on loopback; on this machine with a
    network of their own, `bridge`, from which they reach the addresses that the provider names (HasListenAddresses)
    or a public URL; on machines of a network that this one is in, `site`, from which they reach it by `site_address`;
    or on other machines, `remote`: they reach the control plane over HTTPS, and every caller needs a token."""

    site_address: Callable[[ProviderContext], str] | None = None
    """Returns this machine's address as tasks reach it, where `network` is `site`. Raises ProviderUnavailable."""

    shares_address: bool = False
    """Whether tasks have the address of their machine, others of it too, so that none can count on a port. Where PORT
    stands for one in env values, command, args and file contents, the provider puts a port that is free."""

    opens_declared_ports: bool = False
    """Whether other tasks may find only those ports of a task open that it declares: executors then get a fixed one."""

    launches: bool = True
    """Whether it starts tasks at all. Where not, pods stay Pending and no controller makes any."""

    volumes_last: bool = False
    """Whether a named volume outlives the task that mounts it."""

    volume_files: Callable[[ProviderContext, str, str], Iterator[tuple[str, BinaryIO]]] | None = None
    """Yields name and content of the file at a path of the volume with this source, or of those in a folder there, and
    nothing where neither is; each is read before the next is asked for. Asked on the control plane's own machine, also
    while none runs. Raises ProviderUnavailable. None: volumes cannot be read from outside of tasks."""

    shares_cpu: bool = False
    """Whether tasks may ask for more cpu than there is, alone or together: they get what there is."""

    sizes: SizeTable | None = None
    """The sizes that tasks are given, where they are not those that are asked for."""

    start_seconds: float = 0.0
    """How long it usually takes from asking for a task until it runs."""

    binds_late: bool = False
    """Whether it is BindsLate: a task may be started before it is known what for, and wait."""

    price_list: Callable[[], PriceList] | None = None
    """What tasks cost where the settings name no prices; None: nothing."""

    keeps_ended: bool = True
    """Whether an ended task holds something, such as its log or a folder, until remove() is called."""

    splits_output: bool = False
    """Whether what a container writes to stdout and to stderr can be told apart in its log."""

    not_honoured: tuple[str, ...] = ()
    """What no task ever gets here; `doctor` says it. What a given task does not get, Provider.warnings says."""

    payload: Callable[[Task], str] | None = None
    """Returns what a remote task fetches at its start; None: it is told by its scheduler."""

    events: EventSource | None = None
    """Where changes of tasks are told by events; None: Provider.start reports them."""

    start_advice: Mapping[str, str] = field(default_factory=dict)
    """What makes a phase of a start faster here, a clause without a full stop: by `placement`, `pull`, `start` of a
    task, and by `register`, which is from Spark's start in the driver until its executors are there."""

    log_delay_seconds: float = 0.0
    """How long after a container's end its log may still be incomplete."""

    tunnel: Callable[[TaskPort, int], Sequence[str]] | None = None
    """Returns the command that carries a port of this machine to a task's port until it is ended, where the control
    plane cannot forward to it."""

    session_access: str = ""
    """How to run a command in a pod, where the control plane cannot: the end of the sentence "use ..."."""

    image_engine: Callable[[ProviderContext], Any] | None = None  # Any: a docker.APIClient
    """Returns a connection to the Docker engine that pods' images are built in; None: a Spark that is laid out on
    this machine is what pods run. Raises ProviderUnavailable."""

    check: Callable[[ProviderContext], str] | None = None
    """Returns in a few words what the provider needs and has found here. Raises ProviderUnavailable."""

    leavings: str = ""
    """What clean_up removes, in the plural: "process tasks"."""

    clean_up: Callable[[ProviderContext], int] | None = None
    """Removes all that a control plane without a server has left, and returns how much. Repeatable. Raises
    ProviderUnavailable. None: there is never anything left."""

    @property
    def is_remote(self) -> bool:
        """Return whether pods run on other machines than the control plane's."""
        return self.network == "remote"

    @property
    def is_exposed(self) -> bool:
        """Return whether others reach the ports of pods, and pods this control plane, by a network of many users."""
        return self.network in ("site", "remote")
