"""The control plane in a container (docs/anywhere.md) before a real engine, killed and started again.

No registry can be reached: a Debian with Python of our own making stands for python:3.13-slim, and wheels for PyPI.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from sparkanywhere.project import PROJECT
from sparkanywhere.spark.base_image import ensure_base
from tests.docker_images import ensure_busybox
from tests.waiting import until
from tests.wheel import PIP, build

pytestmark = [pytest.mark.slow, pytest.mark.docker, pytest.mark.image, pytest.mark.kubectl, pytest.mark.timeout(600)]

IMAGE = NAME = INSTANCE = "sparkanywhere-server-test"
SOCKET = "/var/run/docker.sock"
PORT = 18433
BUILD_SECONDS = 400
SECONDS = 60


def run(*command: str | Path, **environ: str) -> str:
    """Run a command that must succeed; return what it prints."""
    made = subprocess.run(
        command, capture_output=True, text=True, timeout=BUILD_SECONDS, env={**os.environ, **environ}, check=False
    )
    assert made.returncode == 0, made.stdout + made.stderr
    return made.stdout


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the image, built as `make server-image` does."""
    wheels = tmp_path_factory.mktemp("wheels")
    run(*PIP, "wheel", "--wheel-dir", wheels, f"{build(wheels)}[aws,azure,docker]")
    client = docker.APIClient()
    base = ensure_base(client, ("python3-venv",), lambda _step: None)
    arguments = ("--build-arg", f"BASE={base}", "--build-arg", "PIP_NO_INDEX=1")
    run("docker", "build", "--file", PROJECT / "images/server/Dockerfile", *arguments, "--tag", IMAGE, wheels)
    ensure_busybox(client)
    return IMAGE


@pytest.fixture
def server(image: str) -> Iterator[str]:
    """Return the name of a container that runs the control plane, with a volume of its own."""
    environ = ("--env", "SPARKANYWHERE_TOKEN=chosen", "--env", f"SPARKANYWHERE_INSTANCE={INSTANCE}")
    group = ("--group-add", str(Path(SOCKET).stat().st_gid))
    shared = ("--network", "host", *group, "--volume", f"{SOCKET}:{SOCKET}", *environ)
    serve = ("serve", "--tls", "--port", str(PORT), "--provider", "docker")
    run("docker", "run", "--detach", "--name", NAME, "--volume", "/state", *shared, image, *serve)
    yield NAME
    run("docker", "kill", NAME)
    run("docker", "run", "--rm", "--volumes-from", NAME, *shared, image, "down", "--instance", INSTANCE)
    run("docker", "rm", "--volumes", NAME)


def test_pods_of_a_server_in_a_container_outlive_its_end(server: str, tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"

    def kubectl(*words: str) -> str:
        return run("kubectl", *words, KUBECONFIG=str(kubeconfig))

    def is_ready() -> bool:
        path = f"{server}:/state/sparkanywhere/{INSTANCE}/kubeconfig"
        copied = subprocess.run(["docker", "cp", path, kubeconfig], capture_output=True, timeout=SECONDS, check=False)
        environ = {**os.environ, "KUBECONFIG": str(kubeconfig)}
        ready = ("kubectl", "get", "--raw", "/readyz")
        return copied.returncode == 0 and not subprocess.run(ready, env=environ, capture_output=True).returncode

    until(is_ready, "the server to answer", seconds=SECONDS)
    script = "until test -e /tmp/told; do sleep 0.2; done; exit 3"
    kubectl(
        "run", "lasting", "--image=busybox", "--image-pull-policy=Never", "--restart=Never", "--", "sh", "-c", script
    )
    kubectl("wait", "--for=condition=Ready", "pod/lasting", f"--timeout={SECONDS}s")

    run("docker", "kill", server)
    run("docker", "start", server)
    until(is_ready, "the server to answer again", seconds=SECONDS)
    kubectl("exec", "lasting", "--", "touch", "/tmp/told")

    kubectl("wait", "--for=jsonpath={.status.phase}=Failed", "pod/lasting", f"--timeout={SECONDS}s")
    code = "{.status.containerStatuses[0].state.terminated.exitCode}"
    assert kubectl("get", "pod", "lasting", f"--output=jsonpath={code}") == "3"
    kubectl("delete", "pod", "lasting")
