"""Fargate on a Docker engine: each task an address of its own, its containers started, watched and stopped as ECS does.

A small container holds the task's network; the task's own share it, as they share an interface on Fargate. It also
serves the role's credentials, those of our STS, at the address that SDKs have built in ("Task IAM role", ECS Developer
Guide 2026). Security groups and billing are left out.
"""

from __future__ import annotations

import json
import queue
import threading
import time
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import docker
import docker.errors
from docker.types import Mount

from tests.aws_box.ecs_task import Document, EcsTask
from tests.aws_box.fake_logs import FakeLogs
from tests.aws_box.fake_sts import FakeSts
from tests.aws_box.wire import Answer, HttpServer, Request
from tests.docker_images import ensure_busybox

LABEL = "sparkanywhere-box"
POLL_SECONDS = 0.1
ENGINE_SECONDS = 60
KILLED = 137
OUT_OF_MEMORY_SECONDS = 3.0
LOG_SECONDS = 10
CREDENTIALS = "/credentials"
# What holds a task's network until it is removed.
HOLDS = (
    'ip addr add 169.254.170.2/32 dev lo && mkdir /www && echo "$ROLE" > /www/credentials'
    " && httpd -p 169.254.170.2:80 -h /www && echo serves && exec sleep 86400"
)
OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"
PULL_ERROR = (
    "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref"
    " {image}: {image}: not found"
)


@dataclass(frozen=True, slots=True)
class StartSeconds:
    """How long the steps of a task's start take at least, in seconds."""

    placement: float = 0.0  # from RunTask until a place and a network interface are had
    pull: float = 0.0
    containers: float = 0.0  # from the end of the pull until the first of them starts


class Fargate:
    """Runs tasks' containers. Keeps nothing of them after close()."""

    def __init__(self, logs: FakeLogs, sts: FakeSts, start_seconds: StartSeconds | None = None) -> None:
        self._client: Any = docker.from_env(timeout=ENGINE_SECONDS)
        self._logs = logs
        self._sts = sts
        self._start_seconds = start_seconds or StartSeconds()
        self._id = uuid.uuid4().hex[:12]
        self._holder = ensure_busybox(self._client.api)
        self._network = self._client.networks.create(f"{LABEL}-{self._id}", labels={LABEL: self._id})
        self._network.reload()
        self.host: str = self._network.attrs["IPAM"]["Config"][0]["Gateway"]
        self._metadata: dict[str, Document] = {}
        self._server = HttpServer(self._serve_metadata, host=self.host)
        self._threads: list[threading.Thread] = []
        self.dooms: list[str] = []  # stop reasons: one for each of the next tasks, which then dies in provisioning

    def start(self, task: EcsTask) -> None:
        """Run a task in a thread of its own."""
        task.begin()
        if self.dooms:
            task.ask_to_stop("TaskFailedToStart", self.dooms.pop(0))
        thread = threading.Thread(target=_TaskRun(self, task).run, daemon=True)
        self._threads.append(thread)
        thread.start()

    def interrupt(self, task: EcsTask) -> None:
        """Take a task's Spot capacity away: notice and SIGTERM come together, SIGKILL after the stopTimeout."""
        task.ask_to_stop("SpotInterruption", "Your Spot Task was interrupted.")

    def kill(self, task: EcsTask, container: str) -> None:
        """Kill a container's processes, as the kernel would."""
        self._client.containers.get(f"{task.id}-{container}").kill()

    def read(self, task: EcsTask, container: str, path: str) -> str:
        """Return the text of a file in a container that runs."""
        ran = self._client.containers.get(f"{task.id}-{container}").exec_run(["cat", path])
        assert ran.exit_code == 0, ran.output
        return str(ran.output.decode()).strip()

    def running(self) -> list[str]:
        """Return the names of the containers that run."""
        return [each.name for each in self._client.containers.list(filters={"label": f"{LABEL}={self._id}"})]

    def close(self) -> None:
        """Remove every container, volume and network of this box."""
        only = {"label": f"{LABEL}={self._id}"}
        for each in self._client.containers.list(all=True, filters=only):
            self._quietly(lambda each=each: each.remove(force=True, v=True))
        for thread in self._threads:
            thread.join(ENGINE_SECONDS)
        for each in self._client.containers.list(all=True, filters=only):
            self._quietly(lambda each=each: each.remove(force=True, v=True))
        for each in self._client.volumes.list(filters=only):
            self._quietly(lambda each=each: each.remove(force=True))
        self._quietly(self._network.remove)
        self._server.close()
        self._client.close()

    def _quietly(self, act: Any) -> None:
        try:
            act()
        except docker.errors.APIError:
            return  # already gone

    def _serve_metadata(self, request: Request) -> Answer:
        found = self._metadata.get(request.target.removeprefix("/v4/").partition("/")[0])
        return Answer(200 if found else 404, json.dumps(found or {}).encode(), [("Content-Type", "application/json")])


class _TaskRun:
    """One task on its way from its network to its end."""

    def __init__(self, fargate: Fargate, task: EcsTask) -> None:
        self._fargate = fargate
        self._client = fargate._client
        self._task = task
        self._labels = {LABEL: fargate._id}
        self._started: dict[str, Any] = {}  # containers of the engine by name
        self._codes: dict[str, int] = {}
        self._ended: queue.Queue[tuple[str, int]] = queue.Queue()
        self._readers: list[threading.Thread] = []
        self._holder: Any = None

    def run(self) -> None:
        """Do it all."""
        task = self._task
        try:
            missing = "" if task.stop_asked.is_set() else self._missing_image()
            if missing:
                task.ask_to_stop("TaskFailedToStart", PULL_ERROR.format(image=missing))
            if not task.stop_asked.is_set():
                self._live()
            self._stop_containers()
        except docker.errors.APIError as error:
            task.ask_to_stop("TaskFailedToStart", f"CannotStartContainerError: {error.explanation}")
            self._stop_containers()
        self._clean_up()

    def _missing_image(self) -> str:
        seconds = self._fargate._start_seconds
        self._task.stop_asked.wait(seconds.placement)
        self._task.change(pullStartedAt=time.time())
        for definition in self._task.containers:
            try:
                self._client.images.get(definition["image"])
            except docker.errors.ImageNotFound:
                return str(definition["image"])
        self._task.stop_asked.wait(seconds.pull)
        self._task.change(pullStoppedAt=time.time())
        self._task.stop_asked.wait(seconds.containers)
        return ""

    def _live(self) -> None:
        task = self._task
        self._holder = self._client.containers.run(
            self._fargate._holder,
            ["sh", "-c", HOLDS],
            name=f"{task.id}-network",
            network=self._fargate._network.name,
            environment={"ROLE": self._fargate._sts.session(task.session).as_ecs_gives_them().decode()},
            cap_add=["NET_ADMIN"],
            labels=self._labels,
            detach=True,
            stop_signal="SIGKILL",
        )
        while not self._holder.logs() and not task.stop_asked.wait(POLL_SECONDS):
            continue
        self._holder.reload()
        network = self._holder.attrs["NetworkSettings"]["Networks"][self._fargate._network.name]
        self._address = network["IPAddress"]
        task.attach(self._address)
        for volume in task.definition.get("volumes", []):
            self._client.volumes.create(f"{task.id}-{volume['name']}", labels=self._labels)
        while not task.stop_asked.is_set():
            self._start_ready()
            self._take_ends()

    def _start_ready(self) -> None:
        for definition in self._task.containers:
            name = definition["name"]
            if name not in self._started and all(map(self._holds, definition.get("dependsOn", []))):
                self._start(definition)
        essential = [each["name"] for each in self._task.containers if each.get("essential", True)]
        status = self._task.document["lastStatus"]
        if status == "PENDING" and all(name in self._started for name in essential):
            self._task.change("RUNNING", startedAt=time.time())

    def _holds(self, dependency: Document) -> bool:
        name = dependency["containerName"]
        if dependency["condition"] == "START":
            return name in self._started
        if dependency["condition"] == "COMPLETE":
            return name in self._codes
        if self._codes.get(name, 0) != 0:
            self._task.ask_to_stop("TaskFailedToStart", "Task failed to start")
        return self._codes.get(name) == 0

    def _start(self, definition: Document) -> None:
        task, name = self._task, definition["name"]
        overrides = self._override(name)
        key = uuid.uuid4().hex
        self._fargate._metadata[key] = self._metadata_of(definition)
        environment = {each["name"]: each["value"] for each in definition.get("environment", [])}
        environment |= {each["name"]: each["value"] for each in overrides.get("environment", [])}
        environment["ECS_CONTAINER_METADATA_URI_V4"] = f"{self._fargate._server.url}/v4/{key}"
        environment["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = CREDENTIALS
        linux = definition.get("linuxParameters") or {}
        memory = definition.get("memory") or int(task.definition["memory"])
        container = self._client.containers.create(
            definition["image"],
            overrides.get("command", definition.get("command")) or None,
            entrypoint=definition.get("entryPoint"),
            name=f"{task.id}-{name}",
            environment=environment,
            network_mode=f"container:{self._holder.id}",
            user=definition.get("user") or None,
            read_only=definition.get("readonlyRootFilesystem", False),
            init=linux.get("initProcessEnabled", False),
            cap_drop=(linux.get("capabilities") or {}).get("drop"),
            tmpfs={
                each["containerPath"]: ",".join([f"size={each['size']}m", *each.get("mountOptions", [])])
                for each in linux.get("tmpfs", [])
            },
            mounts=[self._mount(each) for each in definition.get("mountPoints", [])],
            mem_limit=f"{memory}m",
            memswap_limit=f"{memory}m",
            labels=self._labels,
        )
        container.start()
        self._started[name] = container
        task.change_container(name, lastStatus="RUNNING", runtimeId=f"{task.id}-{key[:10]}")
        reader = threading.Thread(target=self._read_log, args=(definition, container), daemon=True)
        self._readers.append(reader)
        reader.start()
        threading.Thread(target=self._wait, args=(name, container, reader), daemon=True).start()

    def _override(self, name: str) -> Document:
        every = self._task.document["overrides"].get("containerOverrides", [])
        return next((each for each in every if each["name"] == name), {})

    def _metadata_of(self, definition: Document) -> Document:
        return {
            "DockerId": f"{self._task.id}-1",
            "Name": definition["name"],
            "Image": definition["image"],
            "Labels": {"com.amazonaws.ecs.task-arn": self._task.arn},
            "DesiredStatus": "RUNNING",
            "KnownStatus": "PENDING",
            "Networks": [{"NetworkMode": "awsvpc", "IPv4Addresses": [self._address], "AttachmentIndex": 0}],
        }

    def _mount(self, point: Document) -> Mount:
        source = f"{self._task.id}-{point['sourceVolume']}"
        return Mount(
            point["containerPath"], source, read_only=point.get("readOnly", False), no_copy=True, type="volume"
        )

    def _wait(self, name: str, container: Any, reader: threading.Thread) -> None:
        try:
            code = container.wait(timeout=None)["StatusCode"]
        except (docker.errors.APIError, OSError):
            code = 137  # removed under our hands
        reader.join(LOG_SECONDS)  # awslogs delivers what it holds before the container counts as stopped
        self._ended.put((name, code))

    def _read_log(self, definition: Document, container: Any) -> None:
        options = definition["logConfiguration"]["options"]
        stream = f"{options['awslogs-stream-prefix']}/{definition['name']}/{self._task.id}"
        rest, count = b"", 0
        try:
            for piece in container.logs(stream=True, follow=True, timestamps=True):
                *lines, rest = (rest + piece).split(b"\n")
                self._put(options["awslogs-group"], stream, lines)
                count += len(lines)
            # an engine may end the stream of a container that ends before its last lines
            missed = container.logs(timestamps=True).splitlines()[count:]
        except (docker.errors.APIError, OSError):
            return
        self._put(options["awslogs-group"], stream, missed)

    def _put(self, group: str, stream: str, lines: list[bytes]) -> None:
        for line in lines:
            stamp, _, text = line.decode(errors="replace").partition(" ")
            self._fargate._logs.put(group, stream, _milliseconds(stamp), text)

    def _take_ends(self) -> None:
        try:
            name, code = self._ended.get(timeout=POLL_SECONDS)
        except queue.Empty:
            return
        self._take_end(name, code)
        definition = next(each for each in self._task.containers if each["name"] == name)
        if definition.get("essential", True):
            self._task.ask_to_stop("EssentialContainerExited", "Essential container in task exited")

    def _take_end(self, name: str, code: int) -> None:
        self._codes[name] = code
        fields: Document = {"lastStatus": "STOPPED", "exitCode": code}
        if self._is_out_of_memory(name, code):
            fields["reason"] = OUT_OF_MEMORY
        self._task.change_container(name, **fields)

    def _is_out_of_memory(self, name: str, code: int) -> bool:
        """Return whether the kernel has killed a container for its memory, which the engine may hear after its end."""
        patience = OUT_OF_MEMORY_SECONDS if code == KILLED and not self._task.stop_asked.is_set() else 0
        deadline = time.monotonic() + patience
        while True:
            try:
                self._started[name].reload()
            except docker.errors.APIError:
                return False
            if self._started[name].attrs["State"]["OOMKilled"] or time.monotonic() >= deadline:
                return bool(self._started[name].attrs["State"]["OOMKilled"])
            time.sleep(POLL_SECONDS)

    def _stop_containers(self) -> None:
        alive = {name: each for name, each in self._started.items() if name not in self._codes}
        definitions = {each["name"]: each for each in self._task.containers}
        for each in alive.values():
            self._fargate._quietly(lambda each=each: each.kill("SIGTERM"))
        deadlines = {name: time.monotonic() + definitions[name].get("stopTimeout", 30) for name in alive}
        while len(self._codes) < len(self._started):
            try:
                self._take_end(*self._ended.get(timeout=POLL_SECONDS))
            except queue.Empty:
                for name in alive:
                    if name not in self._codes and time.monotonic() >= deadlines[name]:
                        self._fargate._quietly(alive[name].kill)

    def _clean_up(self) -> None:
        task = self._task
        for reader in self._readers:
            reader.join(ENGINE_SECONDS)
        for name in (each["name"] for each in task.containers):
            if name not in self._codes:
                task.change_container(name, announce=False, lastStatus="STOPPED")
        task.change("DEPROVISIONING", executionStoppedAt=time.time())
        for each in [*self._started.values(), *([self._holder] if self._holder else [])]:
            self._fargate._quietly(lambda each=each: each.remove(force=True, v=True))
        for volume in self._client.volumes.list(filters={"label": f"{LABEL}={self._fargate._id}"}):
            if volume.name.startswith(task.id):
                self._fargate._quietly(lambda volume=volume: volume.remove(force=True))
        task.change("STOPPED", stoppedAt=time.time())


def _milliseconds(stamp: str) -> int:
    return int(datetime.fromisoformat(stamp[:26].rstrip("Z") + "+00:00").timestamp() * 1000)
