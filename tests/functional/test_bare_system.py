"""A local server on a system without anything that only Linux has, as macOS is: forced here, see docs/systems.md."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from chalicelib import system
from sparkanywhere.client.kube_client import ApiError, KubeClient
from sparkanywhere.local.local_server import LocalServer, ServerOptions
from tests.e2e.spark_cluster import processes_below, without_own_settings
from tests.waiting import until

pytestmark = [pytest.mark.timeout(120)]

PODS = "/api/v1/namespaces/default/pods"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LocalServer]:
    """Yield a server that has just been started."""
    bare = {system.VARIABLE: system.EVERYTHING}
    one = LocalServer(ServerOptions(tmp_path, "bare", settings=bare), without_own_settings())
    one.start()
    yield one
    one.stop()


def run_pod(client: KubeClient, script: str) -> None:
    """Create the pod `one` and wait until it runs."""
    container = {"name": "main", "image": "busybox", "command": ["sh", "-c", script]}
    client.create(PODS, {"metadata": {"name": "one"}, "spec": {"containers": [container]}})
    until(lambda: client.get(f"{PODS}/one")["status"]["phase"] == "Running", "the pod to run")


def down(state: Path) -> str:
    """Run `sparkanywhere down` and return what it says."""
    env = {
        **without_own_settings(),
        "SPARKANYWHERE_STATE": str(state),
        system.VARIABLE: system.EVERYTHING,
        "PYTHONPATH": os.getcwd(),
    }
    command = [sys.executable, "-m", "sparkanywhere", "down"]
    return subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, check=True).stdout


def test_nobody_is_let_in_without_the_token(server: LocalServer) -> None:
    stranger = replace(server.access, token="")

    with pytest.raises(ApiError) as refused:
        KubeClient(stranger).get(PODS)

    assert refused.value.code == 403
    assert KubeClient(server.access).get(PODS)["items"] == []


def test_a_pod_outlives_a_killed_server_and_is_the_next_ones_to_end(server: LocalServer) -> None:
    run_pod(KubeClient(server.access), "sleep 600 & sleep 600")

    server.kill()
    assert processes_below(server.folder)
    client = KubeClient(server.start())
    assert client.get(f"{PODS}/one")["status"]["phase"] == "Running"
    client.delete(f"{PODS}/one", gracePeriodSeconds="1")

    until(lambda: not client.get(PODS)["items"], "the pod to be gone")
    assert processes_below(server.folder) == []


def test_what_a_killed_server_has_left_is_removed_by_down(server: LocalServer, tmp_path: Path) -> None:
    run_pod(KubeClient(server.access), "setsid sleep 600 & sleep 600")
    server.kill()

    said = down(tmp_path)

    assert "1 process tasks" in said
    assert processes_below(server.folder) == []
