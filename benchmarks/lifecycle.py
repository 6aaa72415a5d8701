"""Pods through their whole life in one process: POST, launch, run, succeed, DELETE; beside few and many stored pods.

The provider is the fake of the tests, so what is measured is the API, the controllers and durable SQLite alone.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chalicelib.config import Settings
from chalicelib.plane.control_plane import ControlPlane
from tests.api_client import ApiClient, pod
from tests.fake_provider import FakeProvider

PODS = 1000
STORED = (100, 1000, 10_000)
WAIT_SECONDS = 120.0
PAUSE_SECONDS = 0.005
GOAL = 1.5  # cost beside the most stored pods over that beside the fewest: flat but for noise
NAMESPACES = "/api/v1/namespaces"


@dataclass(frozen=True, slots=True)
class Lives:
    """What the lives of PODS pods took."""

    stored: int
    wall_seconds: float
    cpu_seconds: float

    @property
    def cpu_ms(self) -> float:
        """Return processor time a pod, in milliseconds."""
        return self.cpu_seconds / PODS * 1000


def run() -> str:
    """Measure with each number of stored pods; return the table."""
    with tempfile.TemporaryDirectory() as state:
        provider = FakeProvider()
        plane = ControlPlane(Settings(provider="process", state=str(Path(state))), provider=provider)
        plane.start()
        try:
            return table(measure(plane, provider))
        finally:
            plane.close()


def measure(plane: ControlPlane, provider: FakeProvider) -> list[Lives]:
    """Return what the lives took beside each number of stored pods."""
    api = ApiClient(plane)
    for namespace in ("stored", "living"):
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
        api.request("POST", NAMESPACES, body)
    live(api, provider, "warm", count=50)
    finished = finished_pod(api, provider)
    found: list[Lives] = []
    stored = 1
    for wanted in STORED:
        for number in range(stored, wanted):
            store_copy(plane, finished, number)
        stored = wanted
        wall, cpu = time.perf_counter(), time.process_time()
        live(api, provider, f"beside-{wanted}", count=PODS)
        found.append(Lives(wanted, time.perf_counter() - wall, time.process_time() - cpu))
    return found


def live(api: ApiClient, provider: FakeProvider, prefix: str, *, count: int) -> None:
    """Take that many pods through their life, each step for all of them."""
    path = f"{NAMESPACES}/living/pods"
    names = [f"{prefix}-{number}" for number in range(count)]
    before = len(provider.tasks)
    for name in names:
        expect(api.request("POST", path, pod_that_runs(name)).status == 201, f"{name} was created")
    wait_for(lambda: len(provider.tasks) == before + count, "all pods to be launched")
    provider.settle()
    for task in provider.tasks[before:]:
        provider.finish(f"fake-{task.uid}", 0)
    provider.settle()
    phases = [item["status"]["phase"] for item in api.request("GET", path).json()["items"]]
    expect(phases == ["Succeeded"] * count, "all have succeeded")
    for name in names:
        expect(api.request("DELETE", f"{path}/{name}").status == 200, f"{name} was deleted")
    wait_for(lambda: not api.request("GET", path, query={"limit": "1"}).json()["items"], "all to be gone")


def pod_that_runs(name: str) -> dict[str, Any]:
    """Return a pod that runs until it is finished by hand."""
    made: dict[str, Any] = pod(name)
    made["spec"]["containers"][0]["command"] = ["sleep", "1"]
    return made


def finished_pod(api: ApiClient, provider: FakeProvider) -> dict[str, Any]:
    """Return a pod that has succeeded, as it is stored."""
    path = f"{NAMESPACES}/stored/pods"
    before = len(provider.tasks)
    api.request("POST", path, pod_that_runs("stored-0"))
    wait_for(lambda: len(provider.tasks) > before, "the pod to be launched")
    provider.settle()
    provider.finish(f"fake-{provider.tasks[-1].uid}", 0)
    provider.settle()
    return api.plane.base.storage.get("/registry/pods/stored/stored-0").object()


def store_copy(plane: ControlPlane, finished: dict[str, Any], number: int) -> None:
    """Store one more pod that has finished."""
    name = f"stored-{number}"
    copy = finished | {"metadata": finished["metadata"] | {"name": name, "uid": f"uid-of-{name}"}}
    plane.base.storage.create(f"/registry/pods/stored/{name}", copy)


def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Return once `condition` holds. Raises RuntimeError after WAIT_SECONDS."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        expect(time.monotonic() < deadline, f"waited for {what}")
        time.sleep(PAUSE_SECONDS)


def expect(is_so: bool, what: str) -> None:
    """Raise RuntimeError if it is not so: a benchmark of something that fails says nothing."""
    if not is_so:
        raise RuntimeError(f"not so: {what}")


def table(found: list[Lives]) -> str:
    """Return the Markdown of what was measured."""
    lines = ["| other pods stored | seconds | processor ms a pod | relative | goal |", "|--:|--:|--:|--:|---|"]
    for lives in found:
        ratio = lives.cpu_ms / found[0].cpu_ms
        numbers = f"{lives.wall_seconds:.1f} | {lives.cpu_ms:.2f} | {ratio:.2f}x"
        lines.append(f"| {lives.stored:,} | {numbers} | {f'{GOAL}x' if lives is found[-1] else ''} |")
    return "\n".join(lines)
