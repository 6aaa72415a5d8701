"""DockerProvider: tasks as containers of a Docker engine."""

from __future__ import annotations

import logging
import socket
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

import docker
import docker.errors

from chalicelib.providers.base import (
    Capacity,
    LogOptions,
    Observer,
    ProviderUnavailable,
    Task,
    TaskNotFound,
    TaskState,
)
from chalicelib.providers.docker import admission, engine, labels, logs, mounts, pause_image, record
from chalicelib.providers.docker.boxes import Box
from chalicelib.providers.docker.container_spec import Surroundings
from chalicelib.providers.docker.engine import Client
from chalicelib.providers.docker.events import EventFollower
from chalicelib.providers.docker.images import FIRST_PAUSE_SECONDS
from chalicelib.providers.docker.launcher import STARTERS, Launcher
from chalicelib.providers.docker.ledger import Ledger
from chalicelib.providers.docker.network import SUBNETS, TaskNetwork
from chalicelib.providers.docker.stopper import Stopper
from chalicelib.providers.docker.task_state import has_ended

LOGGER = logging.getLogger(__name__)

FORWARDED = "host-gateway"  # the engine puts in the address that leads to the machine it serves


def utc_now() -> datetime:
    """Return the time of day, aware UTC."""
    return datetime.now(UTC)


class DockerProvider:
    """Runs tasks on the Docker engine behind `connect`; see providers/base.py for the contract.

    Everything it makes carries the label of `control_plane_id`, by which another instance, after a crash of
    this one, finds it again. `host_paths` are the folders of the engine's machine that tasks may mount;
    `host_names` are names under which tasks reach the control plane, at the network's gateway.
    """

    name = "docker"

    def __init__(
        self,
        control_plane_id: str,
        *,
        connect: Callable[[], Client] = engine.connect,
        host_paths: tuple[str, ...] = (),
        host_names: tuple[str, ...] = (),
        allow_privileged: bool = False,
        subnets: str = SUBNETS,
        clock: Callable[[], datetime] = utc_now,
        pull_pause_seconds: float = FIRST_PAUSE_SECONDS,
        starters: int = STARTERS,
    ) -> None:
        self._id = control_plane_id
        self._connect = connect
        self._host_paths = host_paths
        self._host_names = host_names
        self._allow_privileged = allow_privileged
        self._subnets = subnets
        self._clock = clock
        self._pull_pause_seconds = pull_pause_seconds
        self._starters = starters
        self._ledger = Ledger(clock=clock)
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
            pause_image.ensure(self._client, str(info.get("Architecture", "")))
            self._network = TaskNetwork(self._client, self._id, subnets=self._subnets)
            self._network.ensure()
            self._ledger.host_address = self._network.gateway
            self._is_gateway_ours = _is_ours(self._network.gateway)
            self._launcher = Launcher(
                self._client,
                ledger=self._ledger,
                network=self._network,
                around=self._surroundings,
                clock=self._clock,
                first_pause_seconds=self._pull_pause_seconds,
                starters=self._starters,
            )
            self._stopper = Stopper(self._client, live=self._live, kill=self._launcher.kill, look=self._look)
            self._events = EventFollower(self._client, self._id, on_event=self._on_event, resync=self._resync)
            self._adopt_records()
            self._events.start()
            self._is_open = True

    @property
    def listen_addresses(self) -> tuple[str, ...]:
        """Addresses of this machine at which tasks look for the control plane.

        Normally the gateway of their network. Where the engine runs in a virtual machine (Docker Desktop) that
        is none of ours; there the engine forwards to our loopback, and no further address is needed.
        """
        self.open()
        return (self._network.gateway,) if self._is_gateway_ours else ()

    @property
    def bridge(self) -> str:
        """Name of the network interface that a firewall must let in, for tasks to reach the control plane."""
        self.open()
        return self._network.bridge

    def _surroundings(self) -> Surroundings:
        return Surroundings(
            ground=mounts.Ground(control_plane_id=self._id, host_paths=self._host_paths),
            network=self._network.name,
            gateway=self._network.gateway,
            control_plane=self._network.gateway if self._is_gateway_ours else FORWARDED,
            host_names=self._host_names,
            cpus=self._machine.cpus,
        )

    # --- the contract

    def run(self, task: Task) -> TaskState:
        """Create the task's containers, or begin to fetch its image; the start follows on another thread."""
        self.open()
        known = self._ledger.entry(task.uid)
        if known is None or known.state is None:
            admission.check(task, self._machine, allow_privileged=self._allow_privileged)
            self._launcher.launch(task)
            known = self._ledger.entry(task.uid)
        if known is None or known.state is None:  # removed by another thread meanwhile
            raise ProviderUnavailable(
                "TaskRemoved", f"task {task.uid} was removed while it was being created"
            )
        return known.state

    def stop(self, handle: str, *, grace_seconds: float, reason: str = "") -> None:
        """Ask the task to end; see the contract."""
        self.open()
        entry = self._ledger.stopping(handle, reason)
        if entry is None:
            raise TaskNotFound(handle)
        if not self._events.is_connected:
            raise ProviderUnavailable(engine.UNAVAILABLE, "The Docker engine does not answer.")
        if not any(box.has_started for box in self._ledger.boxes(handle)):
            threading.Thread(target=self._cancel, args=(handle, grace_seconds), daemon=True).start()
            return
        self._stopper.stop(handle, grace_seconds=grace_seconds)

    def _cancel(self, uid: str, grace_seconds: float) -> None:
        """End a task that has not started, or was just about to."""
        try:
            with self._launcher.lock(uid):
                self._launcher.drop(uid)
                self._refresh(uid)
                if any(box.has_started for box in self._ledger.boxes(uid)):
                    self._stopper.stop(uid, grace_seconds=grace_seconds)
                    return
                created = self._ledger.boxes(uid)
                self._ledger.cancel(uid)
                for container_id in [box.id for box in created] + self._ids({labels.UID: uid}):
                    self._launcher.remove_container(container_id)
        except (docker.errors.APIError, ProviderUnavailable) as error:
            LOGGER.warning(
                "event=cancel-failed task=%s error=%s", uid, error
            )  # stop() is repeated by a resync

    def remove(self, handle: str) -> None:
        """Kill what runs of the task, and forget its containers, volumes and address."""
        self.open()
        with self._launcher.lock(handle), engine.reachable():
            self._launcher.drop(handle)
            entry = self._ledger.stopping(handle, "Removed")
            held = {box.address for box in self._ledger.boxes(handle)}
            self._ledger.forget(handle)
            for container_id in self._ids({labels.UID: handle}):
                self._launcher.remove_container(container_id)
            self._launcher.remove_volumes(handle)
            if entry is not None:
                for address in held - {"", self._network.gateway}:
                    self._network.give_back(address)

    def describe(self, handles: Sequence[str]) -> list[TaskState]:
        """Return the states of the tasks still known, anew from the engine if its news do not reach us."""
        self.open()
        if not self._events.is_connected:
            self._resync()
        return self._ledger.states(handles)

    def list_tasks(self) -> list[TaskState]:
        """Return all tasks, as the engine has them now."""
        self.open()
        self._resync()
        return self._ledger.states()

    def logs(self, handle: str, container: str, options: LogOptions) -> Iterator[bytes]:
        """Yield a container's output; one that is not there yet has none."""
        self.open()
        entry = self._ledger.entry(handle)
        if entry is None or entry.state is None:
            raise TaskNotFound(handle)
        if all(state.name != container for state in entry.state.containers):
            raise TaskNotFound(f"{handle} has no container {container!r}")

        def find(seconds: float) -> tuple[Box | None, bool]:
            if seconds:
                self._ledger.await_news(seconds)
            named = [box for box in self._ledger.boxes(handle) if box.name == container]
            return (named[0] if named else None), self._may_start(handle)

        return logs.read(self._client, find, options)

    def _may_start(self, handle: str) -> bool:
        """Say whether containers of the task may yet be started."""
        entry = self._ledger.entry(handle)
        over = entry is None or entry.is_stopping or entry.state is None or entry.state.phase == "stopped"
        return not over

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
        self._ledger.report_to(observe)

    def close(self) -> None:
        """End all threads; the tasks run on, and their states can still be read."""
        with self._opening:
            if self._is_open:
                self._launcher.close()
                self._stopper.close()
                self._events.close()
                self._client.close()  # only its connections: a later call makes new ones
            self._ledger.close()

    # --- what the engine says

    def _on_event(self, action: str, container_id: str, attributes: dict[str, str]) -> None:
        role = attributes.get(labels.ROLE)
        if role in ("record", "loader"):
            return
        uid = attributes.get(labels.UID, "")
        if action == "destroy":
            self._settle(self._ledger.gone(container_id))
            return
        if self._ledger.entry(uid) is not None:  # else its launch will tell, or it was removed
            self._look(container_id)

    def _look(self, container_id: str) -> None:
        """Ask the engine about a container and act on what is new."""
        try:
            box = self._launcher.inspect(container_id)
        except docker.errors.NotFound:
            self._settle(self._ledger.gone(container_id))
            return
        self._ledger.update([box])
        self._settle(box.uid)

    def _settle(self, uid: str | None) -> None:
        """Have the next step of a task taken, and give its address back if it has ended."""
        boxes = self._ledger.boxes(uid) if uid else []
        if not uid or not boxes:
            return
        if has_ended(boxes) and not any(box.is_live for box in boxes):
            for address in {box.address for box in boxes} - {"", self._network.gateway}:
                self._network.give_back(address)
        else:
            self._launcher.advance_soon(uid)

    def _resync(self) -> None:
        """Bring the ledger up to the engine's state. Raises ProviderUnavailable."""
        with engine.reachable():
            listed = self._client.containers(all=True, filters={"label": self._label()})
        tasks: dict[str, list[Box]] = defaultdict(list)
        present: set[str] = set()
        for item in listed:
            if item["Labels"].get(labels.ROLE) in ("record", "loader"):
                continue
            present.add(item["Id"])
            try:
                box = self._current(item["Id"], str(item["State"]))
            except docker.errors.NotFound:
                present.discard(item["Id"])
                continue
            tasks[box.uid].append(box)
        for uid in self._ledger.uids():
            for box in self._ledger.boxes(uid):
                if box.id not in present:
                    self._ledger.gone(box.id)
        for uid, boxes in tasks.items():
            self._take_over(uid, boxes)

    def _current(self, container_id: str, status: str) -> Box:
        """Return a container's state, from memory if it cannot have changed since."""
        known = self._ledger.find_box(container_id)
        if known and known.status == status and not known.restarts_itself:
            return known
        return self._launcher.inspect(container_id)

    def _take_over(self, uid: str, boxes: list[Box]) -> None:
        """Adopt a task found in the engine, or bring a known one up to date."""
        if self._ledger.entry(uid) is None:
            with self._launcher.lock(uid):
                if self._ledger.entry(uid) is None and not self._launcher.is_complete(boxes):
                    for box in boxes:  # a launch of ours died before anything could run
                        self._launcher.remove_container(box.id)
                    return
            LOGGER.info("event=adopted task=%s", uid)
        if not has_ended(boxes) or any(box.is_live for box in boxes):
            for box in boxes:
                if box.address and box.address != self._network.gateway:
                    self._network.hold(box.address)
        self._ledger.update(boxes)
        self._settle(uid)

    def _adopt_records(self) -> None:
        """Go on with tasks whose images were on their way when the last instance died; drop loaders."""
        made: set[str] = set()
        records: list[str] = []
        with engine.reachable():
            for item in self._client.containers(all=True, filters={"label": self._label()}):
                role = item["Labels"].get(labels.ROLE)
                if role == "loader":
                    self._launcher.remove_container(item["Id"], volumes=False)
                elif role == "record":
                    records.append(item["Id"])
                else:
                    made.add(item["Labels"].get(labels.UID, ""))
            for container_id in records:
                task = record.read(self._client, container_id)
                if task is not None and task.uid not in made:
                    self._launcher.launch(task)

    def _refresh(self, uid: str) -> None:
        boxes = []
        for box in self._ledger.boxes(uid):
            try:
                boxes.append(self._launcher.inspect(box.id))
            except docker.errors.NotFound:
                self._ledger.gone(box.id)
        self._ledger.update(boxes)

    def _live(self, uid: str) -> list[Box]:
        return [box for box in self._ledger.boxes(uid) if box.is_live and box.role != "holder"]

    def _label(self, more: dict[str, str] | None = None) -> list[str]:
        wanted = labels.of_control_plane(self._id) | (more or {})
        return [f"{key}={value}" for key, value in wanted.items()]

    def _ids(self, more: dict[str, str]) -> list[str]:
        return [
            item["Id"] for item in self._client.containers(all=True, filters={"label": self._label(more)})
        ]


def _is_ours(address: str) -> bool:
    """Say whether this machine has the address."""
    with socket.socket() as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True
