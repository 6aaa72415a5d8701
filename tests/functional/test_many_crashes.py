"""Servers that are killed again and again while pods come and go: nothing is lost, runs twice, or is left behind."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from chalicelib.providers.docker import labels
from chalicelib.providers.docker.cleanup import down
from tests.aws_box.package import Package
from tests.functional.pod_storm import PODS, Api, LocalServers, Storm, check_ends, delete_all, weather
from tests.functional.task_storm import FunctionStorm
from tests.waiting import in_thread, until

PROCESS = ("--provider", "process")
# A server that dies between the end of a deleted pod and the removal of its task leaves the task's folder. The resync
# takes it for an orphan after two minutes, and looks once a minute, twice: too long for all but one storm.
ORPHAN_SECONDS = 360.0
MANY = 300  # pods
ROOM = 3  # pods that a node has memory for
LOOK_SECONDS = 0.1
TOKEN = "of-this-test"
STORMS = [
    pytest.param(Storm(seed=1, pods=20, kills=3), id="small"),
    pytest.param(Storm(seed=2, pods=20, kills=4, servers=2), id="two servers"),
    pytest.param(Storm(seed=3, pods=MANY, kills=25), id="large", marks=[pytest.mark.slow, pytest.mark.timeout(900)]),
]


def free_ports(count: int) -> list[int]:
    """Return ports of 127.0.0.1 that nobody listens on."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def processes_of(folder: Path) -> list[str]:
    """Return the command lines of the living processes that know the folder."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            words = [*process.cmdline(), *process.environ().values()]
            if process.pid != psutil.Process().pid and any(str(folder) in word for word in words):
                found.append(" ".join(process.cmdline()))
    return found


def check_folders(tasks: Path) -> None:
    """Wait until the folders of all tasks are gone."""
    try:
        until(lambda: not any(tasks.iterdir()), "all folders to be gone", seconds=ORPHAN_SECONDS)
    except AssertionError:
        raise AssertionError({str(path): sorted(os.listdir(path)) for path in tasks.iterdir()}) from None


def bound(api: Api) -> int:
    """Return how many pods have a node and have not ended, 0 while nobody answers."""
    reply = api.ask("GET", PODS)
    if reply is None or reply.status != 200:
        return 0
    pods = reply.json()["items"]
    ended = ("Succeeded", "Failed")
    return sum("nodeName" in pod["spec"] and pod["status"]["phase"] not in ended for pod in pods)


@contextlib.contextmanager
def watching(look: Callable[[], object]) -> Iterator[None]:
    """Look again and again meanwhile."""
    over = threading.Event()

    def run() -> None:
        while not over.wait(LOOK_SECONDS):
            look()

    with in_thread(run, over):
        yield


@pytest.mark.docker
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_containers_come_to_their_right_end_once_whatever_is_killed(engine: Any, tmp_path: Path) -> None:
    storm = Storm(seed=5, pods=36, kills=6)
    state, marks = tmp_path / "state", tmp_path / "marks"
    marks.mkdir()
    ports = free_ports(1)
    options = ("--docker", "--no-tls", "--token", TOKEN, "--host-paths", str(marks))
    api = Api(ports, f"Authorization: Bearer {TOKEN}\r\n")
    mounted = {
        "container": {"volumeMounts": [{"name": "marks", "mountPath": "/marks"}]},
        "pod": {"volumes": [{"name": "marks", "hostPath": {"path": str(marks)}}]},
    }

    with contextlib.closing(LocalServers(state, ports, *options)) as servers:
        weather(storm, api, servers.strike, marks="/marks", volumes=mounted)
        control_plane = (servers.kubeconfig.parent / "control-plane-id").read_text().strip()
        try:
            check_ends(storm, api, marks)
            delete_all(api)
            of_pods = {"label": [f"{labels.CONTROL_PLANE}={control_plane}", labels.UID]}
            until(
                lambda: not engine.containers(all=True, filters=of_pods),
                "all containers of pods to be gone",
                seconds=ORPHAN_SECONDS,
            )
        finally:
            down(engine, control_plane)


@pytest.mark.parametrize("storm", STORMS)
def test_pods_come_to_their_right_end_once_whatever_is_killed(storm: Storm, tmp_path: Path) -> None:
    state, marks = tmp_path / "state", tmp_path / "marks"
    marks.mkdir()
    ports = free_ports(storm.servers)
    api = Api(ports[:1])

    with contextlib.closing(LocalServers(state, ports, *PROCESS)) as servers:
        weather(storm, Api(ports), servers.strike, marks=str(marks), volumes={})
        check_ends(storm, api, marks)
        delete_all(api)
        tasks = state / "sparkanywhere" / "default" / "pods" / "tasks"
        if storm.pods >= MANY:
            check_folders(tasks)

    until(lambda: processes_of(state) == [], "all processes to be gone")


def test_no_more_runs_than_there_is_room_for_whatever_is_killed(tmp_path: Path) -> None:
    bounds = {"SPARKANYWHERE_NODE_MEMORY_MIB": str(ROOM * 1024)}
    storm = Storm(seed=8, pods=24, kills=4, servers=2)
    state, marks = tmp_path / "state", tmp_path / "marks"
    marks.mkdir()
    ports = free_ports(storm.servers)
    asks = {"container": {"resources": {"requests": {"memory": "1Gi"}}}}
    most: list[int] = []

    with contextlib.closing(LocalServers(state, ports, *PROCESS, environ=bounds)) as servers:
        with watching(lambda: most.append(bound(Api(ports)))):
            weather(storm, Api(ports), servers.strike, marks=str(marks), volumes=asks)
            check_ends(storm, Api(ports[:1]), marks)
        delete_all(Api(ports[:1]))

    assert max(most) == ROOM


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_tasks_come_to_their_right_end_once_whatever_the_functions_lose(package: Package, tmp_path: Path) -> None:
    storm, marks = Storm(seed=6, pods=30, kills=4), tmp_path / "marks"
    marks.mkdir()

    with contextlib.closing(FunctionStorm(package, tmp_path, marks, seed=storm.seed)) as aws:
        weather(storm, aws.api, aws.strike, marks=str(marks), volumes={})
        aws.calm()
        check_ends(storm, aws.api, marks)
        delete_all(aws.api)
        until(lambda: not aws.living(), "all tasks to be gone", seconds=ORPHAN_SECONDS)

    assert aws.killed >= storm.kills
    assert aws.events.dropped > 0
