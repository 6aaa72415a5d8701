"""One container group: what Azure would say of it, with a task of an engine behind it."""

from __future__ import annotations

import base64
import copy
import threading
import time
import uuid
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from chalicelib.providers import base

Document = dict[str, Any]

RESTARTS: dict[str, base.Restart] = {"Never": "never", "OnFailure": "on-failure", "Always": "always"}
TRY_SECONDS = 0.05  # between two tries of a provisioning that has failed
RUNNING_BYTES, ENDED_BYTES, ENDED_LINES = 4 * 2**20, 16 * 2**10, 1000


@dataclass
class Behaviour:
    """What of Azure's habits the box shows."""

    create_seconds: float = 0.0
    lists_views: bool = False  # whether a list tells of containers
    restarts_failed: bool = False  # in spite of restartPolicy Never
    restarts_on_put: bool = True  # a changed body, or a group that has ended
    in_images: tuple[str, ...] = ()  # folders of this machine that stand for what images hold, at the same paths
    failing: list[str] = field(default_factory=list)  # messages: one for each of the next groups, which then never runs


class ContainerGroup:
    """Runs one group's containers by `engine` until delete()."""

    def __init__(self, name: str, body: Document, engine: base.Provider, behaviour: Behaviour) -> None:
        self.name, self.body, self.tries = name, body, 0
        self.uid = str(uuid.uuid4())  # of the engine's task
        self._engine, self._behaviour = engine, behaviour
        self._provisioning, self._failure, self._handle = "Pending", "", ""
        self._failing = behaviour.failing.pop(0) if behaviour.failing else ""
        self.said: list[str] | None = None  # a log in place of the container's own
        self._stop_asked = False
        self._deleted = threading.Event()
        self._lock = threading.RLock()
        self._thread = threading.Thread(target=self._provision, daemon=True)
        self._thread.start()

    def _provision(self) -> None:
        self._provisioning = "Creating"
        self._deleted.wait(self._behaviour.create_seconds)
        while not self._deleted.is_set():
            self.tries += 1
            try:
                if self._failing:
                    raise base.TaskRejected("Failing", self._failing)
                with self._lock:
                    if not self._deleted.is_set():
                        self._handle = self._engine.run(_task(self, self._behaviour)).handle
                self._provisioning = "Succeeded"
                return
            except base.RefusedError as error:
                self._failure, self._provisioning = error.message, "Failed"
                self._deleted.wait(TRY_SECONDS)

    @property
    def is_over(self) -> bool:
        """Return whether no container runs or will."""
        state = self._state()
        return state is not None and state.phase == "stopped"

    @property
    def restarts(self) -> int:
        """Return how often a container was started again."""
        state = self._state()
        return max((each.restarts for each in state.containers), default=0) if state else 0

    def _state(self) -> base.TaskState | None:
        found = self._engine.describe([self._handle]) if self._handle else []
        return found[0] if found else None

    def document(self, *, with_view: bool) -> Document:
        """Return the group as Azure writes it: nothing of what was secret."""
        document = copy.deepcopy(self.body)
        properties = document["properties"]
        for each in properties["volumes"]:
            if "secret" in each:
                each["secret"] = {}
        for each in (*properties["containers"], *properties.get("initContainers", ())):
            for variable in each["properties"].get("environmentVariables") or ():
                variable.pop("secureValue", None)
        state = self._state()
        document |= {"name": self.name, "type": "Microsoft.ContainerInstance/containerGroups"}
        properties["provisioningState"] = self._provisioning
        if state and state.address and self._provisioning == "Succeeded":
            properties["ipAddress"]["ip"] = state.address
        if with_view:
            self._add_views(properties, state)
        return document

    def _add_views(self, properties: Document, state: base.TaskState | None) -> None:
        known = {each.name: each for each in state.containers} if state else {}
        for each in (*properties["containers"], *properties.get("initContainers", ())):
            container = known.get(each["name"])
            if container:
                each["properties"]["instanceView"] = _view(container)
        properties["instanceView"] = {"state": self._summary(state), "events": []}
        if self._failure:
            moment = _text(datetime.now(UTC))
            event = {"count": self.tries, "name": "Failed", "message": self._failure, "type": "Warning"}
            properties["instanceView"]["events"].append({**event, "firstTimestamp": moment, "lastTimestamp": moment})

    def _summary(self, state: base.TaskState | None) -> str:
        if state is None or state.phase == "pending":
            return "Failed" if self._provisioning == "Failed" else "Pending"
        if state.phase == "running":
            return "Running"
        return (
            "Stopped"
            if self._stop_asked
            else "Failed"
            if any(each.exit_code for each in state.containers)
            else "Succeeded"
        )

    def log(self, container: str, *, timestamps: bool) -> str:
        """Return what there is of a container's log: much less once it has ended."""
        state = self._state()
        ran = {each.name: each for each in state.containers} if state else {}
        if container not in ran or (ran[container].phase == "waiting" and not ran[container].restarts):
            raise KeyError(container)
        if self.said:
            now = _text(datetime.now(UTC))
            return "".join(f"{now} {line}\n" for line in self.said[-ENDED_LINES:])
        said = b"".join(self._engine.logs(self._handle, container, base.LogOptions(timestamps=timestamps)))
        if ran[container].phase == "stopped":
            said = b"".join(said.splitlines(keepends=True)[-ENDED_LINES:])[-ENDED_BYTES:]
        return said[-RUNNING_BYTES:].decode(errors="replace")

    def stop(self) -> None:
        """Ask the containers to end, as Azure does: 30 seconds from SIGTERM to SIGKILL."""
        self._stop_asked = True
        self._engine.stop(self._handle, grace_seconds=30)

    def delete(self) -> None:
        """End everything."""
        self._deleted.set()
        with self._lock:
            if self._handle:
                self._engine.remove(self._handle)
        self._thread.join()


def _task(group: ContainerGroup, behaviour: Behaviour) -> base.Task:
    properties = group.body["properties"]
    restart = RESTARTS[properties["restartPolicy"]]
    mains = [
        _container(each, "on-failure" if behaviour.restarts_failed else restart) for each in properties["containers"]
    ]
    inits = [_container(each, "never", init=True) for each in properties.get("initContainers", ())]
    held = {f"image-{number}": path for number, path in enumerate(behaviour.in_images)}
    mounts = tuple(base.Mount(name, path, read_only=True) for name, path in held.items())
    return base.Task(
        uid=group.uid,
        group="azure",
        name=group.name,
        containers=tuple(replace(each, mounts=(*each.mounts, *mounts)) for each in (*inits, *mains)),
        volumes=(
            *map(_volume, properties["volumes"]),
            *(base.Volume(name, "host", source=path) for name, path in held.items()),
        ),
    )


def _container(each: Document, restart: base.Restart, *, init: bool = False) -> base.Container:
    properties = each["properties"]
    security = properties.get("securityContext") or {}
    user = ":".join(str(security[key]) for key in ("runAsUser", "runAsGroup") if key in security)
    requests = (properties.get("resources") or {}).get("requests") or {}
    return base.Container(
        name=each["name"],
        image=properties["image"],
        command=tuple(properties["command"]) if properties.get("command") else None,
        env=tuple(
            (variable["name"], variable.get("secureValue", variable.get("value", "")))
            for variable in properties.get("environmentVariables") or ()
        ),
        mounts=tuple(
            base.Mount(mount["name"], mount["mountPath"], read_only=mount.get("readOnly", False))
            for mount in properties.get("volumeMounts") or ()
        ),
        memory_mib=int(requests["memoryInGB"] * 1024) if requests else None,
        user=user,
        init=init,
        restart=restart,
    )


def _volume(each: Document) -> base.Volume:
    if "secret" in each:
        files = tuple(base.File(path, base64.b64decode(text)) for path, text in each["secret"].items())
        return base.Volume(each["name"], "files", files)
    return base.Volume(each["name"], "scratch")


def _view(state: base.ContainerState) -> Document:
    view: Document = {"restartCount": state.restarts, "currentState": _container_state(state), "events": []}
    if state.last:
        view["previousState"] = _container_state(state.last)
    started = state.started_at or datetime.now(UTC)
    if state.phase != "waiting":
        for name in ("Pulling", "Pulled", "Created", "Started"):
            moment = _text(started)
            event = {"count": 1, "name": name, "message": f"{name} {state.image}", "type": "Normal"}
            view["events"].append({**event, "firstTimestamp": moment, "lastTimestamp": moment})
    return view


def _container_state(state: base.ContainerState) -> Document:
    if state.phase == "waiting":
        return {"state": "Waiting", "detailStatus": state.message}
    found: Document = {"state": "Running", "startTime": _text(state.started_at), "detailStatus": ""}
    if state.phase == "stopped":
        if state.exit_code is None:
            return {"state": "Waiting", "detailStatus": state.message}
        detail = "OOMKilled" if state.reason == "OOMKilled" else "Error" if state.exit_code else "Completed"
        ended = {"state": "Terminated", "exitCode": state.exit_code, "detailStatus": detail}
        found |= {**ended, "finishTime": _text(state.finished_at)}
    return found


def _text(moment: datetime | None) -> str:
    return (moment or datetime.fromtimestamp(time.time(), UTC)).strftime("%Y-%m-%dT%H:%M:%S.%f0Z")
