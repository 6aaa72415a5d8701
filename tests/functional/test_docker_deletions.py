"""A pod that is deleted while it starts is gone soon, and so are its containers, whatever the engine was doing."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib.plane.control_plane import ControlPlane
from chalicelib.providers.docker.engine import connect
from chalicelib.providers.docker.provider import DockerProvider
from tests.api_client import PODS, ApiClient, Json
from tests.contract.test_host import local_settings
from tests.functional.docker_tasks import ours
from tests.waiting import SECONDS, until

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]

# What a start asks of the engine, one call after the other.
STEPS = ("create_container_from_config", "put_archive", "inspect_container", "inspect_volume", "start", "containers")

FEWEST_STEPS = 8  # of any start: each container is created, looked at and started, with a step before and after each


class SteppedEngine:
    """A client of the engine that has the test do something before and after each step."""

    def __init__(self, on_step: Callable[[], None]) -> None:
        self._client: Any = connect()
        self._on_step = on_step

    def __getattr__(self, name: str) -> Any:  # what the SDK's client has
        found = getattr(self._client, name)
        if name not in STEPS:
            return found

        def step(*arguments: Any, **options: Any) -> Any:
            self._on_step()
            try:
                return found(*arguments, **options)
            finally:
                self._on_step()

        return step


class World:
    """A control plane on Docker, and a pod of it that is deleted at one step of its start."""

    def __init__(self, state: Path, control_plane: str) -> None:
        provider = DockerProvider(control_plane, connect=lambda: SteppedEngine(self._step))
        self._plane = ControlPlane(local_settings(state, "sqlite"), provider=provider)
        self.api = ApiClient(self._plane)
        self._lock = threading.Lock()
        self._left = -1  # steps until the deletion
        self._plane.start()

    def _step(self) -> None:
        with self._lock:
            self._left -= 1
            is_due = self._left == 0
        if is_due:
            deletion = threading.Thread(target=self.delete)
            deletion.start()
            deletion.join(timeout=SECONDS)
            assert not deletion.is_alive()

    def delete(self) -> None:
        """Delete the pod, once it is there."""
        until(lambda: self.api.request("DELETE", f"{PODS}/p").status == 200, "the pod to be deleted")

    def run_and_delete(self, pod: Json, *, last: str, step: int) -> bool:
        """Run the pod and have it deleted at a step of its start; return whether it came to that step.

        `last` is the container whose run ends the start.
        """
        with self._lock:
            self._left = step
        self.api.create(PODS, pod)
        until(lambda: self._left <= 0 or self.runs(last), "the step, or the pod to run")
        with self._lock:
            came, self._left = self._left <= 0, -1
        if not came:
            self.delete()
        until(self.is_gone, f"the pod to be gone that was deleted at step {step}")
        return came

    def runs(self, container: str) -> bool:
        """Return whether a container of the pod runs."""
        answer = self.api.request("GET", f"{PODS}/p")
        status = answer.body["status"] if answer.status == 200 else {}
        found = [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
        return any(each["name"] == container and "running" in each["state"] for each in found)

    def is_gone(self) -> bool:
        """Return whether there is no such pod."""
        return self.api.request("GET", f"{PODS}/p").status == 404

    def close(self) -> None:
        """End the control plane."""
        self._plane.close()


@pytest.fixture
def world(tmp_path: Path, control_plane: str) -> Iterator[World]:
    """Yield a control plane."""
    one = World(tmp_path, control_plane)
    yield one
    one.close()


def pod_of(*mains: str, inits: tuple[str, ...] = ()) -> Json:
    """Return a pod whose containers run these commands."""
    containers, before = (
        [{"name": f"{kind}{number}", "image": "busybox", "imagePullPolicy": "IfNotPresent", "command": line.split()}
         for number, line in enumerate(lines)]
        for kind, lines in (("main", mains), ("init", inits))
    )  # fmt: skip
    spec = {"containers": containers, "initContainers": before, "terminationGracePeriodSeconds": 1}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {**spec, "restartPolicy": "Never"}}


# Pods, and the container of each whose run ends the start.
STARTS = {
    "one": (pod_of("sleep 600"), "main0"),
    "init": (pod_of("sleep 600", inits=("true", "true")), "main0"),
    "several": (pod_of("sleep 600", "sleep 600", inits=("true",)), "main1"),
    "init that runs": (pod_of("sleep 600", "sleep 600", inits=("sleep 600", "true")), "init0"),
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name == "several" else pytest.mark.slow) for name in STARTS]
)
def test_a_pod_deleted_at_any_step_of_its_start_is_gone(
    world: World, name: str, engine: Any, control_plane: str
) -> None:
    pod, last = STARTS[name]

    for step in itertools.count(1):
        came = world.run_and_delete(pod, last=last, step=step)

        until(lambda: ours(engine, control_plane) == [], f"its containers to be gone after step {step}")
        if not came:
            break

    assert step > FEWEST_STEPS


@pytest.mark.slow
def test_a_pod_deleted_at_any_moment_of_its_start_is_gone(world: World, engine: Any, control_plane: str) -> None:
    draw = random.Random(14)

    for _ in range(30):
        world.api.create(PODS, draw.choice([pod for pod, _ in STARTS.values()]))
        time.sleep(draw.uniform(0, 0.8))
        world.delete()
        until(world.is_gone, "the pod to be gone")

    until(lambda: ours(engine, control_plane) == [], "the containers to be gone")
