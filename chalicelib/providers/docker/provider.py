"""DockerProvider: tasks as containers of a Docker engine."""

from __future__ import annotations

import functools
import os
import socket
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime

import docker
import docker.errors

from chalicelib.providers.base import Capacity, LogOptions, Observer, ProviderUnavailable, Task, TaskNotFound, TaskState
from chalicelib.providers.docker import admission, engine, logs, mounts, pause_image, sessions
from chalicelib.providers.docker.container_spec import HostContext
from chalicelib.providers.docker.containers import Containers
from chalicelib.providers.docker.creator import Creator
from chalicelib.providers.docker.engine import Client
from chalicelib.providers.docker.events import EventFollower
from chalicelib.providers.docker.images import FIRST_PAUSE_SECONDS
from chalicelib.providers.docker.launcher import STARTERS, Launcher
from chalicelib.providers.docker.network import SUBNETS, TaskNetwork
from chalicelib.providers.docker.services.container import ServicesContainer
from chalicelib.providers.docker.snapshots import ContainerSnapshot
from chalicelib.providers.docker.stopper import Stopper
from chalicelib.providers.docker.task_cache import TaskCache
from chalicelib.providers.docker.watcher import Watcher
from chalicelib.providers.extensions import ContainerUsage, SharedFolders
from chalicelib.providers.interactive import Session, Streams

CONNECT_SECONDS = 5.0  # to a port on this machine's own network
FORWARDED = "host-gateway"  # the engine puts in the address that leads to the machine it serves


def utc_now() -> datetime:
    """Return the time of day, aware UTC."""
    return datetime.now(UTC)


class DockerProvider:
    """Runs tasks on the Docker engine behind `connect`; see providers/base.py for the contract.

    Everything it makes carries the label of `control_plane_id`, by which another instance, after a crash of
    this one, finds it again. `host_paths` are the folders of the engine's machine that tasks may mount;
    `host_names` are names under which tasks reach the control plane, at the network's gateway. `service_image` is the
    image of the services container, "" for a Spark image of ours; with None there is no such container.
    """

    name = "docker"
    shared_folders: SharedFolders | None = None  # until it is open

    def __init__(
        self,
        control_plane_id: str,
        *,
        connect: Callable[[], Client] = engine.connect,
        host_paths: tuple[str, ...] = (),
        host_names: tuple[str, ...] = (),
        allow_privileged: bool = False,
        service_image: str | None = None,
        subnets: str = SUBNETS,
        clock: Callable[[], datetime] = utc_now,
        pull_pause_seconds: float = FIRST_PAUSE_SECONDS,
        starters: int = STARTERS,
    ) -> None:
        self._id = control_plane_id
        self._connect = connect
        self._host_paths, self._host_names = host_paths, host_names
        self._allow_privileged = allow_privileged
        self._service_image = service_image
        self._subnets = subnets
        self._clock = clock
        self._pull_pause_seconds, self._starters = pull_pause_seconds, starters
        self._cache = TaskCache(clock=clock)
        self._opening = threading.Lock()
        self._is_open = False

    # --- coming up

    def open(self) -> None:
        """Connect, find or make the network, take over what runs. Repeatable. Raises ProviderUnavailable."""
        with self._opening:
            if self._is_open:
                return
            self._client = self._connect()
            info = engine.machine(self._client)
            self._machine = admission.machine(info)
            self.shared_folders = engine.shared_folders(self._client, info, self._host_paths)
            pause_image.ensure(self._client, self._machine.architecture)
            self._network = TaskNetwork(self._client, self._id, subnets=self._subnets)
            self._network.ensure()
            self._cache.host_address = self._network.gateway
            self._is_gateway_ours = self._network.is_reached(info)
            self._containers = Containers(self._client, self._id)
            control_plane = self._network.gateway if self._is_gateway_ours else FORWARDED
            self._services = ServicesContainer(
                self._containers, self._network, image=self._service_image, control_plane=control_plane
            )
            self._services.start_soon()
            self._launcher = Launcher(
                self._containers,
                Creator(self._containers, self._network, self._host_context),
                self._cache,
                clock=self._clock,
                first_pause_seconds=self._pull_pause_seconds,
                starters=self._starters,
            )
            self._watcher = Watcher(self._containers, self._cache, self._launcher, self._network)
            self._stopper = Stopper(
                self._client, live=self._cache.live_containers, kill=self._containers.kill, look=self._watcher.look
            )
            self._events = EventFollower(
                self._client, self._id, on_event=self._watcher.on_event, resync=self._watcher.resync
            )
            self._watcher.adopt_records()
            self._events.start()
            self._is_open = True

    def _host_context(self) -> HostContext:
        host = HostContext(
            context=mounts.MountContext(
                control_plane_id=self._id,
                host_paths=self._host_paths,
                resolve=os.path.realpath if engine.is_local(self._client) else None,
                mounts_parts=engine.mounts_parts(self._client),
            ),
            network=self._network.name,
            gateway=self._network.gateway,
            control_plane=self._services.control_plane,
            host_names=self._host_names,
            cpus=self._machine.cpus,
        )
        return self._services.seen_by(host)

    @property
    def listen_addresses(self) -> tuple[str, ...]:
        """Addresses of this machine at which tasks look for the control plane.

        Normally the gateway of their network. Where the engine runs in a virtual machine (Docker Desktop) that
        is none of ours; there the engine forwards to our loopback, and no further address is needed.
        """
        self.open()
        return (self._network.gateway,) if self._is_gateway_ours else ()

    @property
    def services(self) -> ServicesContainer:
        """Return what serves names and addresses of services."""
        self.open()
        return self._services

    # --- the contract

    def run(self, task: Task) -> TaskState:
        """Create the task's containers, or begin to fetch its image; the start follows on another thread."""
        self.open()
        known = self._cache.entry(task.uid)
        if known is None or known.state is None:
            admission.check(task, self._machine, allow_privileged=self._allow_privileged)
            self._launcher.launch(task)
            known = self._cache.entry(task.uid)
        if known is None or known.state is None:  # removed by another thread meanwhile
            raise ProviderUnavailable("TaskRemoved", f"task {task.uid} was removed while it was made")
        return known.state

    def stop(self, handle: str, *, grace_seconds: float, reason: str = "") -> None:
        """Ask the task to end; see the contract."""
        self.open()
        entry = self._cache.stopping(handle, reason)
        if entry is None:
            raise TaskNotFound(handle)
        if not self._events.is_connected:
            raise ProviderUnavailable(engine.UNAVAILABLE, "The Docker engine does not answer.")
        snapshots = self._cache.snapshots(handle)
        end = functools.partial(self._stopper.stop, handle, grace_seconds=grace_seconds)
        if snapshots and not any(each.may_start for each in snapshots):
            end()
        else:
            threading.Thread(target=self._watcher.call_off, args=(handle, end), daemon=True).start()

    def restart(self, handle: str, container: str, *, grace_seconds: float) -> None:
        """Have a container ended and started again; see Restarter.restart."""
        snapshot = self._running(handle, container)
        if not self._cache.restarting(handle, snapshot.id):
            return

        def work() -> None:
            try:
                self._stopper.end_run(snapshot, grace_seconds=grace_seconds)
            finally:
                self._cache.restarted(handle, snapshot.id)
                if not self._cache.may_go_on(handle):  # it was to end meanwhile: the run that was asked to has
                    self._containers.kill(snapshot.id, "SIGKILL")
                self._watcher.look(snapshot.id)

        threading.Thread(target=work, name="docker-restart", daemon=True).start()

    def remove(self, handle: str) -> None:
        """Kill what runs of the task, and forget its containers, volumes and address."""
        self.open()
        with self._launcher.lock(handle):
            self._launcher.drop(handle)
            self._cache.stopping(handle, "Removed")
            addresses = {each.address for each in self._cache.snapshots(handle)}
            self._cache.forget(handle)
            self._containers.remove_task(handle)
            for address in addresses - {"", self._network.gateway}:
                self._network.give_back(address)

    def describe(self, handles: Sequence[str]) -> list[TaskState]:
        """Return the states of the tasks still known, anew from the engine if its news do not reach us."""
        self.open()
        if not self._events.is_connected:
            self._watcher.resync()
        return self._cache.states(handles)

    def list_tasks(self, known: Collection[str] = ()) -> list[TaskState]:  # noqa: ARG002
        """Return all tasks, as the engine has them now."""
        self.open()
        self._watcher.resync()
        return self._cache.states()

    def logs(self, handle: str, container: str, options: LogOptions) -> Iterator[bytes]:
        """Yield a container's output; one that is not there yet has none."""
        self.open()
        entry = self._cache.entry(handle)
        if entry is None or entry.state is None:
            raise TaskNotFound(handle)
        if all(state.name != container for state in entry.state.containers):
            raise TaskNotFound(f"{handle} has no container {container!r}")
        for snapshot in self._cache.snapshots(handle):
            if snapshot.name == container and snapshot.restarts_itself:
                with suppress(docker.errors.APIError):  # the border between two runs must be true now
                    self._watcher.look(snapshot.id)

        def find(seconds: float) -> tuple[ContainerSnapshot | None, bool]:
            if seconds:
                self._cache.await_news(seconds)
            there = [each for each in self._cache.snapshots(handle) if each.status != "called off"]
            named = [each for each in there if each.name == container]
            return (named[0] if named else None), self._cache.may_go_on(handle)

        return logs.read(self._client, find, options)

    def exec(self, handle: str, container: str, command: Sequence[str], streams: Streams) -> Session:
        """Start a command in a container that runs; see InteractiveProvider."""
        return sessions.run_command(self._client, self._running(handle, container), command, streams)

    def attach(self, handle: str, container: str, streams: Streams) -> Session:
        """Hold the input and output of a container that runs; see InteractiveProvider."""
        return sessions.hold(self._client, self._running(handle, container), streams)

    def connect(self, handle: str, port: int) -> socket.socket:
        """Return a connection to a port of a task's address (not its loopback); see InteractiveProvider."""
        self.open()
        live = self._cache.live_containers(handle)
        if not live:
            raise TaskNotFound(f"task {handle} does not run")
        return socket.create_connection((live[0].address, port), timeout=CONNECT_SECONDS)

    def measure(self, handle: str) -> list[ContainerUsage]:
        """Return what a task uses; see Measures."""
        return self._containers.usages(self._cache.live_containers(handle))

    def _running(self, handle: str, container: str) -> ContainerSnapshot:
        self.open()
        return self._cache.running_container(handle, container)

    def keep_volumes(self, wanted: Callable[[], Collection[str]]) -> None:
        """Remove named volumes that nobody wants; see VolumeKeeper."""
        self.open()
        self._containers.keep_volumes(wanted)

    def warnings(self, task: Task) -> list[str]:
        """Return one sentence for each thing that is not honoured here."""
        return admission.warnings(task)

    def capacities(self) -> list[Capacity]:
        """Return the size of the engine's machine."""
        self.open()
        return [admission.capacity(self._machine)]

    def start(self, observe: Observer) -> None:
        """Report every change from now on, and what was found at the start."""
        self.open()
        self._cache.report_to(observe)

    def close(self) -> None:
        """End all threads; the tasks run on, and their states can still be read. Without a task nobody needs names."""
        with self._opening:
            if self._is_open:
                if all(state.phase == "stopped" for state in self._cache.states()):
                    self._services.remove()
                    self._network.let_down()
                # of the client only its connections: a later call makes new ones
                for each in (self._launcher, self._stopper, self._events, self._client):
                    each.close()
            self._cache.close()
