"""A provider that only its module's name makes known serves a real control plane: no other line names it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sparkanywhere.local.local_server import LocalServer, ServerOptions
from tests.tools import find

pytestmark = pytest.mark.kubectl

MODULE = "tests.example_provider"
COMMAND_SECONDS = 60


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LocalServer]:
    """Yield a running server, started as `make serve PROVIDER=tests.example_provider` does."""
    server = LocalServer(ServerOptions(tmp_path, "example", provider=MODULE), os.environ)
    server.start()
    yield server
    server.stop()


def kubectl(server: LocalServer, line: str) -> str:
    """Return what a command of kubectl's prints; it must succeed."""
    done = subprocess.run(
        [str(find("kubectl")), "--kubeconfig", str(server.kubeconfig), *line.split(" ")],
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_pod_of_a_provider_from_elsewhere_lives_and_ends(server: LocalServer) -> None:
    kubectl(server, "run hello --image=any --restart=Never -- sh -c echo${IFS}hello;sleep${IFS}600")
    kubectl(server, "wait --for=condition=Ready pod/hello --timeout=30s")
    kubectl(server, "wait --for=condition=Ready node/example --timeout=30s")

    node = kubectl(server, "get pod hello -o jsonpath={.spec.nodeName}")
    log = kubectl(server, "logs hello --tail=1")
    deleted = kubectl(server, "delete pod hello --grace-period=1")

    assert (node, log) == ("example", "hello\n")
    assert 'pod "hello" deleted' in deleted
    assert kubectl(server, "get pods -o name") == ""


def test_its_exit_code_becomes_the_pods(server: LocalServer) -> None:
    kubectl(server, "run failing --image=any --restart=Never -- sh -c exit${IFS}3")
    kubectl(server, "wait --for=jsonpath={.status.phase}=Failed pod/failing --timeout=30s")

    code = kubectl(server, "get pod failing -o jsonpath={.status.containerStatuses[0].state.terminated.exitCode}")

    assert code == "3"
