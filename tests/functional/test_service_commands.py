"""`ui`, `history` and `connect` as they are typed, at a real server; what stands for a driver serves a page alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from sparkanywhere.client.access import find_target
from sparkanywhere.client.kube_client import KubeClient
from sparkanywhere.jobs.services import history_pod
from tests.contexts import context_of
from tests.functional.local_server import PROJECT, LocalServer, chalice_local
from tests.waiting import until

SECONDS = 60.0
PODS = "/api/v1/namespaces/default/pods"
# Serves one page where a driver has its Spark UI: at its own address, port 4041, as another has taken 4040 first.
SCRIPT = """
import http.server, json, os, threading
def serve(port, application, page):
    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            applications = json.dumps([{"id": application}]).encode()
            self.wfile.write(applications if self.path == "/api/v1/applications" else page)
    return http.server.ThreadingHTTPServer((os.environ["POD_IP"], port), Page).serve_forever
threading.Thread(target=serve(4040, "spark-0", b"another's")).start()
own = serve(4041, "spark-1", b"the Spark UI")
print("serves", flush=True)
own()
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    """A control plane on local processes."""
    with chalice_local(tmp_path_factory.mktemp("state"), "--port", "0", "--provider", "process") as running:
        running.wait_until_ready()
        yield running


@pytest.fixture
def kube(server: LocalServer) -> KubeClient:
    return KubeClient(find_target(context_of(server.kubeconfig)).access)


@pytest.fixture
def driver(kube: KubeClient) -> Iterator[str]:
    """A pod that looks like a driver whose UI answers; gone in the end."""
    container = {
        "name": "main",
        "image": "busybox",
        "command": [sys.executable, "-c", SCRIPT],
        "env": [{"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
    }
    labels = {"spark-role": "driver", "spark-app-selector": "spark-1", "spark-app-name": "looked-at"}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "looked-at-driver", "labels": labels},
        "spec": {"restartPolicy": "Never", "containers": [container]},
    }
    kube.create(PODS, pod)
    until(lambda: running(kube) and "serves" in kube.log("default", "looked-at-driver"), "the page")
    yield "looked-at-driver"
    kube.delete(PODS, gracePeriodSeconds="0")
    until(lambda: not kube.get(PODS)["items"], "the pod to be gone")


def running(kube: KubeClient) -> bool:
    """Return whether the pod runs."""
    return bool(kube.get(f"{PODS}/looked-at-driver")["status"].get("phase") == "Running")


def start(server: LocalServer, *arguments: str) -> subprocess.Popen[str]:
    """Start a command."""
    environ = {**os.environ, **context_of(server.kubeconfig), "PYTHONPATH": str(PROJECT)}
    return subprocess.Popen(
        [sys.executable, "-u", "-m", "sparkanywhere", *arguments],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(server: LocalServer, *arguments: str) -> tuple[int, str, str]:
    """Run a command; return its exit code and what it said on both outputs."""
    with start(server, *arguments) as process:
        out, err = process.communicate(timeout=SECONDS)
    return process.returncode, out, err


def page(url: str) -> bytes:
    """Return what is at a URL of this machine."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=SECONDS) as answer:
        return bytes(answer.read())


@pytest.mark.usefixtures("driver")
def test_the_ui_of_a_process_is_at_its_own_address(server: LocalServer) -> None:
    code, url, _ = run(server, "ui", "looked-at")

    assert code == 0
    assert url.strip().endswith(":4041")
    assert page(url.strip()) == b"the Spark UI"


@pytest.mark.parametrize("end", ["Ctrl-C", "of the pod"])
def test_a_forwarded_ui_is_there_until_the_end(server: LocalServer, kube: KubeClient, driver: str, end: str) -> None:
    with start(server, "ui", "looked-at", "--forward") as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert url.startswith("http://localhost:")
        assert page(url) == b"the Spark UI"
        assert process.stderr is not None
        assert "on sparkanywhere" in process.stderr.readline()
        assert "until Ctrl-C" in process.stderr.readline()

        if end == "Ctrl-C":
            process.send_signal(signal.SIGINT)
        else:
            kube.delete(f"{PODS}/{driver}", gracePeriodSeconds="0")
        _, err = process.communicate(timeout=SECONDS)

    assert process.returncode == 0
    assert ("has ended" in err) is (end == "of the pod")


def test_a_driver_that_has_ended_has_no_ui_but_a_history(server: LocalServer, kube: KubeClient) -> None:
    container = {"name": "main", "image": "busybox", "command": ["true"]}
    labels = {"spark-role": "driver", "spark-app-selector": "spark-2", "spark-app-name": "over"}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "over-driver", "labels": labels},
        "spec": {"restartPolicy": "Never", "containers": [container]},
    }
    kube.create(PODS, pod)
    until(lambda: kube.get(f"{PODS}/over-driver")["status"].get("phase") == "Succeeded", "its end")

    code, out, err = run(server, "ui", "over")

    assert (code, out) == (1, "")
    assert "over-driver has no Spark UI: it has ended; `sparkanywhere history`" in err
    kube.delete(PODS)


@pytest.mark.parametrize("command", ["history", "connect"])
def test_stopping_a_server_that_does_not_run_is_no_mistake(server: LocalServer, command: str) -> None:
    code, out, _ = run(server, command, "--stop")

    assert (code, out) == (0, "None runs.\n")


def test_a_history_server_over_other_logs_is_not_taken_for_the_one_asked_for(
    server: LocalServer, kube: KubeClient, tmp_path: Path
) -> None:
    pod = history_pod(image="i", directory="/logs", heap="1g", conf={})
    pod["spec"]["containers"][0] |= {"image": "busybox", "args": [], "command": ["sleep", "60"]}
    name = kube.create(PODS, pod)["metadata"]["name"]

    code, out, err = run(server, "history", "--events", str(tmp_path))

    assert (code, out) == (2, "")
    assert f"{name} runs, over other event logs than --events {tmp_path}" in err
    kube.delete(PODS, gracePeriodSeconds="0")
    until(lambda: not kube.get(PODS)["items"], "the pod to be gone")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("connect", "--spark", "3.5.9"), "Spark 3.5.9 comes without Spark Connect"),
        (("connect", "--executors", "0"), "--executors must be at least 1"),
        (("connect", "--executor-memory", "4x"), "--executor-memory: '4x' is not a memory size"),
        (("history", "--memory", "4x"), "--memory: '4x' is not a memory size"),
        (("history", "--events", "/is/not/there"), "--events /is/not/there is no folder of this machine"),
        (("history", "--conf", "nonsense"), "--conf nonsense is not of the form key=value"),
    ],
)
def test_a_wrong_option_is_one_sentence_and_makes_nothing(
    server: LocalServer, kube: KubeClient, arguments: tuple[str, ...], sentence: str
) -> None:
    code, out, err = run(server, *arguments)

    assert (code, out) == (2, "")
    assert sentence in err
    assert "Traceback" not in err
    for resource in ("pods", "secrets", "persistentvolumeclaims"):
        assert kube.get(f"/api/v1/namespaces/default/{resource}")["items"] == []
