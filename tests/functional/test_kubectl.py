"""A day of kubectl, in the versions at hand: every command people type, against a real `chalice local`."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.functional.local_server import chalice_local

pytestmark = [pytest.mark.kubectl]

COMMAND_SECONDS = 60  # for one command: most take a tenth of a second, a loaded machine gets patience
WAIT_REQUESTS = 15  # a wait of three seconds asks a handful of times; a loop without rest asks thousands
MANIFEST = """
apiVersion: v1
kind: ConfigMap
metadata: {name: applied}
data: {a: "1"}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: st}
spec:
  serviceName: st
  replicas: 2
  podManagementPolicy: Parallel
  selector: {matchLabels: {app: st}}
  template:
    metadata: {labels: {app: st}}
    spec: {terminationGracePeriodSeconds: 1, containers: [{name: c, image: busybox, command: [sleep, "1000"]}]}
"""
# Command, exit code, and a part of what it prints. One after the other: each builds on those before.
DAY: tuple[tuple[str, int, str], ...] = (
    ("version", 0, "Server Version: v1.36"),
    ("cluster-info", 0, "is running at"),
    ("get nodes -o wide", 0, "process   Ready"),
    ("api-resources", 0, "statefulsets"),
    ("create namespace demo", 0, "namespace/demo created"),
    ("create configmap cm --from-literal=a=b", 0, "configmap/cm created"),
    ("create secret generic s --from-literal=a=b", 0, "secret/s created"),
    ("create serviceaccount sa", 0, "serviceaccount/sa created"),
    ("create token sa", 0, "eyJ"),
    ("create role r --verb=get,list --resource=pods", 0, "created"),
    ("create rolebinding rb --role=r --serviceaccount=default:sa", 0, "created"),
    ("create quota q --hard=pods=10 -n demo", 0, "resourcequota/q created"),
    ("auth can-i delete pods", 0, "yes"),
    ("auth can-i list pods --as=system:serviceaccount:default:sa", 0, "yes"),
    ("auth can-i delete pods --as=system:serviceaccount:default:sa", 1, "no"),
    ("auth whoami", 0, "sparkanywhere-admin"),
    ("create job j --image=busybox -- echo from-a-job", 0, "job.batch/j created"),
    ("wait --for=condition=complete job/j --timeout=30s", 0, "condition met"),
    ("logs job/j", 0, "from-a-job"),
    ("describe job j", 0, "Completed"),
    ("create cronjob cron --image=busybox --schedule=0_0_31_2_* -- true", 1, "expected exactly 5 fields"),
    ("create cronjob cron --image=busybox --schedule=@yearly -- echo from-a-cronjob", 0, "cronjob.batch/cron created"),
    ("create job by-hand --from=cronjob/cron", 0, "job.batch/by-hand created"),
    ("wait --for=condition=complete job/by-hand --timeout=30s", 0, "condition met"),
    ("logs job/by-hand", 0, "from-a-cronjob"),
    ("get cronjobs", 0, "@yearly"),
    ("create ingress web --rule=a.example/*=svc:80", 0, "Ingress is stored and has no effect here"),
    ("run p --image=busybox --restart=Never -- echo hello", 0, "pod/p created"),
    ("wait --for=jsonpath={.status.phase}=Succeeded pod/p --timeout=30s", 0, "condition met"),
    ("logs p", 0, "hello"),
    ("describe pod p", 0, "Scheduled"),
    ("events", 0, "Successfully assigned default/p to process"),
    ("get pods -o wide", 0, "Completed"),
    ("get pod p -o yaml", 0, "kind: Pod"),
    ("get pods --field-selector=status.phase=Succeeded -l run=p", 0, "Completed"),
    ("label pod p x=y", 0, "labeled"),
    ("annotate pod p note=hi", 0, "annotated"),
    ("patch configmap cm -p {\"data\":{\"z\":\"w\"}}", 0, "patched"),
    ("patch configmap cm --type=json -p [{\"op\":\"remove\",\"path\":\"/data/z\"}]", 0, "patched"),
    ("apply -f {manifest}", 0, "statefulset.apps/st created"),
    ("apply -f {manifest}", 0, "configmap/applied unchanged"),
    ("diff -f {manifest}", 0, ""),
    ("apply -f {changed} --dry-run=server", 0, "(server dry run)"),
    ("diff -f {changed}", 1, '+  a: "2"'),
    ("apply --server-side --force-conflicts -f {changed}", 0, "serverside-applied"),
    ("rollout status sts/st --timeout=30s", 0, "2 new pods have been updated"),
    ("scale sts/st --replicas=1", 0, "scaled"),
    ("autoscale sts st --max=3", 0, "HorizontalPodAutoscaler is stored and has no effect here"),
    ("get hpa", 0, "StatefulSet/st"),
    ("explain statefulset.spec.replicas", 0, "replicas <integer>"),
    ("get all", 0, "statefulset.apps/st"),
    ("top pods", 1, "Metrics API not available"),
    ("get widgets", 1, "the server doesn't have a resource type"),
    ("get pod nobody", 1, 'pods "nobody" not found'),
    ("delete -f {manifest}", 0, 'statefulset.apps "st" deleted'),
    ("delete job j", 0, "deleted"),
    ("delete pod p", 0, "deleted"),
    ("delete namespace demo", 0, "deleted"),
    ("get configmaps -A", 0, "cm"),
)  # fmt: skip


def _kubectls() -> list[str]:
    """Return the kubectl commands at hand: that of PATH, and that of this Python's environment."""
    beside = shutil.which("kubectl", path=str(Path(sys.executable).parent))
    return list(dict.fromkeys(each for each in (shutil.which("kubectl"), beside) if each)) or ["kubectl"]


@dataclass(frozen=True)
class Kubectl:
    """One kubectl on one server."""

    command: str
    kubeconfig: Path

    def run(self, *arguments: str) -> tuple[int, str]:
        """Run a command; return its exit code and all that it printed."""
        done = subprocess.run(
            [self.command, "--kubeconfig", str(self.kubeconfig), *arguments],
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr


@pytest.fixture(params=_kubectls(), ids=lambda path: str(Path(path).parent.name))
def kubectl(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kubectl]:
    """Return a kubectl and a server of its own."""
    with chalice_local(tmp_path, "--provider", "process", "--port", "0") as server:
        server.wait_until_ready()
        yield Kubectl(request.param, server.kubeconfig)
        server.end()


def test_a_day_of_commands(kubectl: Kubectl, tmp_path: Path) -> None:
    files = {"manifest": tmp_path / "manifest.yaml", "changed": tmp_path / "changed.yaml"}
    files["manifest"].write_text(MANIFEST)
    files["changed"].write_text(MANIFEST.replace('a: "1"', 'a: "2"'))

    for line, code, part in DAY:
        for name, file in files.items():
            line = line.replace(f"{{{name}}}", str(file))
        got, output = kubectl.run(*line.split(" "))

        assert (got, part in output) == (code, True), f"kubectl {line}\n{output}"


def test_a_wait_asks_now_and_then_and_not_all_the_time(kubectl: Kubectl) -> None:
    manifest = '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"gated"},"spec":{"schedulingGates":[{"name":"a/b"}],'
    manifest += '"containers":[{"name":"c","image":"i"}]}}'
    created = subprocess.run(
        [kubectl.command, "--kubeconfig", str(kubectl.kubeconfig), "create", "-f", "-"],
        input=manifest, text=True, capture_output=True, timeout=COMMAND_SECONDS, check=False,
    )  # fmt: skip
    assert created.returncode == 0, created.stderr

    code, output = kubectl.run("wait", "--for=condition=Ready", "pod/gated", "--timeout=3s", "-v=6")

    assert code == 1
    assert "timed out waiting for the condition" in output
    assert output.count("/pods") < WAIT_REQUESTS, output
