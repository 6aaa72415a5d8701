"""Third-party clients, unmodified, against a real server: each does what its guide shows, and helm installs a chart.

The programs are ours (tests/functional/clients) and run in the clients' own environments (tools/clients.py).
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.config import Settings
from sparkanywhere.spark.spark_distribution import ensure
from tests.functional.local_server import LocalServer, chalice_local
from tools import clients

pytestmark = [pytest.mark.clients]

PROGRAMS = Path(__file__).parent / "clients"
PROGRAM_SECONDS = 240  # most take five; a loaded machine gets patience
GUIDES = {
    "lightkube_guide.py": "python",
    "kr8s_guide.py": "python",
    "kubernetes_guide.py": "python",
    "kubernetes_asyncio_guide.py": "python",
    "kopf_guide.py": "python",
    "client_node_guide.mjs": "node",
    "airflow_guide.py": "airflow",
}
CHART = {
    "Chart.yaml": "{apiVersion: v2, name: guide, version: 0.1.0}",
    "values.yaml": "{replicas: 1, text: first}",
    "templates/all.yaml": """
apiVersion: v1
kind: ConfigMap
metadata: {name: "{{ .Release.Name }}"}
data: {text: "{{ .Values.text }}"}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: "{{ .Release.Name }}"}
spec:
  replicas: {{ .Values.replicas }}
  selector: {matchLabels: {app: guide}}
  template:
    metadata: {labels: {app: guide}}
    spec: {terminationGracePeriodSeconds: 1, containers: [{name: c, image: busybox, command: [sleep, "1000"]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: "{{ .Release.Name }}-test", annotations: {helm.sh/hook: test}}
spec: {restartPolicy: Never, containers: [{name: c, image: busybox, command: ["true"]}]}
---
apiVersion: batch/v1
kind: Job
metadata: {name: "{{ .Release.Name }}-before", annotations: {helm.sh/hook: "pre-install,pre-upgrade"}}
spec:
  template: {spec: {restartPolicy: Never, containers: [{name: c, image: busybox, command: ["true"]}]}}
""",
}
# helm's arguments, exit code, and a part of what it prints. One after the other: each builds on those before.
HELM: tuple[tuple[str, int, str], ...] = (
    ("lint {chart}", 0, "0 chart(s) failed"),
    ("install guide {chart} --wait --timeout 90s", 0, "STATUS: deployed"),
    ("list", 0, "guide"),
    ("test guide", 0, "Succeeded"),
    ("upgrade guide {chart} --set replicas=2,text=second --wait --timeout 90s", 0, "STATUS: deployed"),
    ("get values guide", 0, "text: second"),
    ("history guide", 0, "superseded"),
    ("install guide {chart}", 1, "a name that is still in use"),
    ("rollback guide 1 --wait --timeout 90s", 0, "Rollback was a success"),
    ("get manifest guide", 0, "text: \"first\""),
    ("status guide", 0, "REVISION: 3"),
    ("uninstall guide --wait --timeout 90s", 0, "uninstalled"),
    ("list", 0, "NAME"),
)  # fmt: skip
HELMS = ("1.24", "1.31", "1.37")  # the wheels of these kubectls bring helm 3.9, 3.17 and 4


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    """Yield a server as clients expect one: with TLS, a token, and pods that run."""
    state = tmp_path_factory.mktemp("state")
    with chalice_local(state, "--provider", "process", "--port", "0", "--tls", "--token", "guide") as made:
        made.wait_until_ready()
        yield made
        made.end()


def run(server: LocalServer, *command: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a client as the server's kubeconfig has it; what it prints is in stdout."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    return subprocess.run(
        [str(word) for word in command],
        env={**kept, "KUBECONFIG": str(server.kubeconfig), "AIRFLOW_HOME": str(cwd)},
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PROGRAM_SECONDS,
        check=False,
    )


@pytest.mark.parametrize("guide", GUIDES)
def test_a_client_does_what_its_guide_shows(server: LocalServer, tmp_path: Path, guide: str) -> None:
    environment = clients.folder() / GUIDES[guide] / "bin"
    program = PROGRAMS / guide
    if guide.endswith(".mjs"):  # Node looks for packages beside the program
        program = tmp_path / guide
        program.write_text((PROGRAMS / guide).read_text())
        (tmp_path / "node_modules").symlink_to(clients.folder() / "npm" / "node_modules")

    done = run(server, environment / ("node" if guide.endswith(".mjs") else "python"), program, cwd=tmp_path)

    assert done.returncode == 0, done.stdout


@pytest.mark.spark
def test_spark_on_k8s_submits_follows_and_kills(server: LocalServer, tmp_path: Path) -> None:
    ensure("4.3.0", cache=Settings.from_env().cache_dir(), environ=os.environ)

    program = PROGRAMS / "spark_on_k8s_guide.py"
    done = run(server, clients.python("spark-on-k8s"), program, cwd=tmp_path)

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("version", HELMS)
def test_helm_installs_upgrades_rolls_back_and_uninstalls_a_chart(
    server: LocalServer, tmp_path: Path, version: str
) -> None:
    for name, text in CHART.items():
        file = tmp_path / "guide" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    for line, code, part in HELM:
        words = line.replace("{chart}", str(tmp_path / "guide")).split(" ")
        done = run(server, clients.folder() / f"kubectl-{version}" / "helm", *words, cwd=tmp_path)
        assert (done.returncode, part in done.stdout) == (code, True), f"helm {line}\n{done.stdout}"
