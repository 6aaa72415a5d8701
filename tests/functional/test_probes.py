"""Probes of pods on processes and on Docker: they decide on Ready and restart containers, across a server's restart."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client

from chalicelib.config import Settings
from sparkanywhere.local.providers import engine, remove_leftovers
from tests.docker_images import ensure_busybox
from tests.functional.local_server import LocalServer, chalice_local
from tests.functional.test_pod_streams import core
from tests.waiting import until

# A new run begins without the file that says it is ready.
SCRIPT = "rm -f ready; touch up; while :; do sleep 0.1; done"


@pytest.fixture(params=[(), pytest.param(("--docker",), marks=pytest.mark.docker)], ids=["process", "docker"])
def arguments(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, ...]]:
    """The server's arguments, for a provider; nothing of it is left behind."""
    if request.param:
        ensure_busybox(engine(Settings.from_env()))
    yield ("--port", "0", "--host-paths", str(tmp_path), *request.param)
    remove_leftovers(tmp_path / "sparkanywhere" / "default", Settings.from_env())


class ProbedPod:
    """The pod `probed`, whose files a test makes and removes on this machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(mode=0o777)

    def create(self, server: LocalServer) -> None:
        """Create it."""
        there = str(self.folder)  # also in the container: on processes exec sees the machine's own paths

        def probe(name: str, failures: int) -> dict[str, object]:
            command = {"command": ["test", "-e", f"{there}/{name}"]}
            return {"exec": command, "periodSeconds": 1, "failureThreshold": failures}

        container = {
            "name": "c",
            "image": "busybox",
            "imagePullPolicy": "IfNotPresent",
            "workingDir": there,
            "command": ["sh", "-c", SCRIPT],
            "volumeMounts": [{"name": "state", "mountPath": there}],
            "startupProbe": probe("up", 30),
            "readinessProbe": probe("ready", 1),
            "livenessProbe": probe("up", 2),
        }
        volumes = [{"name": "state", "hostPath": {"path": there}}]
        spec = {"containers": [container], "volumes": volumes, "terminationGracePeriodSeconds": 1}
        pod: Any = {"metadata": {"name": "probed"}, "spec": spec}  # the client takes dicts, its stubs don't
        with core(server) as api:
            api.create_namespaced_pod("default", pod)

    def status(self, server: LocalServer) -> Any:
        """Return the container's status, None before there is one."""
        with core(server) as api:
            found: client.V1Pod = api.read_namespaced_pod("probed", "default")
        statuses = found.status.container_statuses if found.status else None
        return statuses[0] if statuses else None

    def await_status(self, server: LocalServer, **wanted: object) -> None:
        """Wait until the container's status has these fields."""

        def has_come() -> bool:
            status = self.status(server)
            return status is not None and all(getattr(status, key) == value for key, value in wanted.items())

        until(has_come, f"{wanted}")

    def events(self, server: LocalServer) -> set[tuple[str, str]]:
        """Return (reason, message) of the pod's Events."""
        with core(server) as api:
            found = api.list_namespaced_event("default", field_selector="involvedObject.name=probed").items
        return {(str(each.reason), str(each.message)) for each in found}


def test_probes_decide_on_ready_and_restarts(arguments: tuple[str, ...], tmp_path: Path) -> None:
    pod = ProbedPod(tmp_path / "files")
    with chalice_local(tmp_path, *arguments) as server:
        server.wait_until_ready()
        pod.create(server)
        pod.await_status(server, started=True, ready=False)
        until(lambda: ("Unhealthy", "Readiness probe failed: ") in pod.events(server), "the Event")
        (pod.folder / "ready").touch()
        pod.await_status(server, started=True, ready=True)

    with chalice_local(tmp_path, *arguments) as server:  # another one, on the same pod
        server.wait_until_ready()
        assert pod.status(server).ready is True
        (pod.folder / "ready").unlink()
        pod.await_status(server, ready=False)

        (pod.folder / "up").unlink()
        pod.await_status(server, restart_count=1, started=True)

        ended = pod.status(server).last_state.terminated
        assert (ended.exit_code, ended.reason) in ((137, "Error"), (143, "Error"))
        killing = ("Killing", "Container c failed liveness probe, will be restarted")
        until(lambda: killing in pod.events(server), "the Event")
        with core(server) as api:
            api.delete_namespaced_pod("probed", "default", grace_period_seconds=0)
            until(lambda: not api.list_namespaced_pod("default").items, "the pod to be gone")
