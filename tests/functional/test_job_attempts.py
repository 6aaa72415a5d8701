"""`sparkanywhere run --max-attempts` against a real local server: tried again, told, and nothing left."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sparkanywhere.client.kube_client import KubeClient
from sparkanywhere.local.local_server import LocalServer, ServerOptions
from tests.contexts import context_of
from tests.waiting import until

NAMESPACE = "namespaces/default"
SUBMIT_SECONDS = 200.0  # the pause between two attempts is ten


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LocalServer]:
    """Yield a local control plane that runs pods as processes."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SPARKANYWHERE_")}
    found = LocalServer(ServerOptions(tmp_path / "state", "attempts"), environ)
    found.start()
    yield found
    found.stop()


def left(client: KubeClient) -> list[str]:
    """Return what there is, but for what is the namespace's own."""
    paths = [f"/api/v1/{NAMESPACE}/{each}" for each in ("pods", "configmaps", "secrets", "services")]
    found = [
        item["metadata"]["name"]
        for path in (*paths, f"/apis/batch/v1/{NAMESPACE}/jobs")
        for item in client.get(path)["items"]
    ]
    return [name for name in found if name not in ("kube-root-ca.crt", "kubernetes")]


def run(server: LocalServer, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a job to its end; return what it said."""
    return subprocess.run(
        [sys.executable, "-m", "sparkanywhere", "run", *words],
        env={**os.environ, **context_of(server.kubeconfig)},
        capture_output=True,
        text=True,
        timeout=SUBMIT_SECONDS,
        check=False,
    )


@pytest.mark.spark
def test_a_driver_that_fails_is_tried_again_and_nothing_is_left(server: LocalServer, tmp_path: Path) -> None:
    program = tmp_path / "job.py"
    program.write_text("raise SystemExit(3)\n")
    ran = run(server, "--verbose", "--max-attempts", "2", str(program))

    assert ran.returncode == 3, ran.stdout + ran.stderr
    drivers = {word for word in ran.stderr.split() if word.startswith("job-")}
    assert len(drivers) == 2, ran.stderr
    assert ran.stdout == ""
    client = KubeClient(server.access)
    until(lambda: left(client) == [], "nothing to be left")


EATS = """
import sys
import time
from pathlib import Path

began = Path(sys.argv[1])
is_first = not began.exists()
began.touch()
kept = bytearray(850 * 1024**2)
kept[::4096] = bytes([1]) * len(kept[::4096])
if is_first:
    time.sleep(300)  # until the pod's memory ends it
"""


@pytest.mark.spark
def test_a_driver_out_of_memory_is_tried_again_with_more(server: LocalServer, tmp_path: Path) -> None:
    program = tmp_path / "job.py"
    program.write_text(EATS)
    ran = run(server, "--auto-size", "--driver-memory", "512m", str(program), str(tmp_path / "began"))

    assert ran.returncode == 0, ran.stdout + ran.stderr
    more = "--conf spark.driver.memoryOverhead=768m"
    assert f"--auto-size: attempt 2 of 4, with {more}" in ran.stderr
    assert f"It took {more}: begin with that next time." in ran.stderr
    client = KubeClient(server.access)
    until(lambda: left(client) == [], "nothing to be left")
