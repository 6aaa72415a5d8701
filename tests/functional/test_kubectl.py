"""A day of kubectl, in every version from 1.24 on: the commands people type, against a real `chalice local`.

`make test` takes the versions at hand; the others are installed by `make test-clients`.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from tests.functional.local_server import chalice_local
from tools import clients

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
    ("version -o yaml", 0, "gitVersion: v1.36"),
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
    ("annotate pod p note=hi", 0, "annotate"),
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
    ("apply view-last-applied configmap/applied", 0, 'a: "2"'),
    ("apply -k {folder}", 0, "configmap/applied"),
    ("kustomize {folder}", 0, "kind: StatefulSet"),
    ("create -f {manifest} --dry-run=client -o yaml", 0, "kind: StatefulSet"),
    ("create -f {manifest}", 1, "AlreadyExists"),
    ("replace -f {replacement}", 0, "configmap/cm replaced"),
    ("explain statefulset.spec.replicas", 0, "replicas"),
    ("explain pods.spec --recursive", 0, "containers"),
    ("get all", 0, "statefulset.apps/st"),
    ("run long --image=busybox --labels=app=long --command -- sh -c echo${IFS}up;sleep${IFS}999", 0, "created"),
    ("wait --for=condition=Ready pod/long --timeout=30s", 0, "condition met"),
    ("exec long -- echo from-exec", 0, "from-exec"),
    ("exec long -- false", 1, "command terminated with exit code 1"),
    ("cp {manifest} long:copied", 0, ""),
    ("exec long -- cat copied", 0, "kind: StatefulSet"),
    ("cp long:copied {folder}/back", 0, ""),
    ("run once --image=busybox --restart=Never -i --rm --command -- echo from-run", 0, "from-run"),
    ("logs long --timestamps --tail=1", 0, "up"),
    ("logs -l app=long --prefix", 0, "[pod/long/long] up"),
    ("logs long --previous", 1, "previous terminated container"),
    ("get pods --sort-by=.metadata.name --show-labels", 0, "app=long"),
    ("get pods -o custom-columns=N:.metadata.name,P:.status.phase", 0, "long"),
    ("get pods -l app=long -o jsonpath={.items[0].spec.nodeName}", 0, "process"),
    ("get pods -o name", 0, "pod/long"),
    ("get pods -A --chunk-size=1", 0, "long"),
    ("get pods -o json -l app=nobody", 0, '"items": []'),
    ("create deployment web --image=busybox --replicas=2 -- sleep 1000", 0, "deployment.apps/web created"),
    ("rollout status deployment/web --timeout=60s", 0, "successfully rolled out"),
    ("set env deployment/web A=b", 0, "env updated"),
    ("set resources deployment/web --requests=cpu=10m", 0, "resource requirements updated"),
    ("set image deployment/web busybox=busybox:2", 0, "image updated"),
    ("rollout status deployment/web --timeout=60s", 0, "successfully rolled out"),
    ("rollout history deployment/web", 0, "REVISION"),
    ("rollout undo deployment/web", 0, "rolled back"),
    ("rollout pause deployment/web", 0, "paused"),
    ("rollout resume deployment/web", 0, "resumed"),
    ("rollout restart deployment/web", 0, "restarted"),
    ("scale deployment/web --replicas=1 --timeout=30s", 0, "scaled"),
    ("expose deployment web --port=80", 0, "service/web exposed"),
    ("get services,endpoints,endpointslices", 0, "service/web"),
    ("autoscale deployment web --min=1 --max=2", 0, "autoscaled"),
    ("get hpa", 0, "Deployment/web"),
    ("create ingress way --rule=a.example/x=web:80", 0, "ingress.networking.k8s.io/way created"),
    ("create service clusterip plain --tcp=80:80", 0, "service/plain created"),
    ("create poddisruptionbudget pdb --selector=app=x --min-available=1", 0, "created"),
    ("create priorityclass important --value=10", 0, "created"),
    ("create clusterrole cr --verb=get --resource=pods", 0, "created"),
    ("create clusterrolebinding crb --clusterrole=cr --user=somebody", 0, "created"),
    ("create secret docker-registry reg --docker-server=r --docker-username=u --docker-password=p", 0, "created"),
    ("create configmap file --from-file={manifest}", 0, "created"),
    ("label nodes process x=y", 0, "labeled"),
    ("cordon process", 0, "node/process cordoned"),
    ("uncordon process", 0, "node/process uncordoned"),
    ("describe node process", 0, "Capacity"),
    ("get --raw /readyz", 0, "ok"),
    ("api-versions", 0, "apps/v1"),
    ("get events --field-selector=reason=Scheduled,involvedObject.name=long", 0, "assigned default/long"),
    ("delete deployment web --cascade=foreground --timeout=60s", 0, 'deployment.apps "web" deleted'),
    ("get pods -l app=web", 0, "No resources found"),
    ("delete pod long --grace-period=1", 0, 'pod "long" deleted'),
    ("delete services,ingresses,hpa --all", 0, "deleted"),
    ("top pods", 0, "CPU(cores)"),
    ("top nodes", 0, "process"),
    ("get widgets", 1, "the server doesn't have a resource type"),
    ("get pod nobody", 1, 'pods "nobody" not found'),
    ("delete -f {manifest}", 0, 'statefulset.apps "st" deleted'),
    ("delete job j", 0, "deleted"),
    ("delete pod p", 0, "deleted"),
    ("delete namespace demo", 0, "deleted"),
    ("get configmaps -A", 0, "cm"),
)  # fmt: skip


# The first minor version that has a command
SINCE = {"events": 26, "auth whoami": 28}
IN_CI = ("1.24", "1.29", "1.34")  # beside the one at hand; every other version is marked slow


def _kubectls() -> Iterator[ParameterSet]:
    """Yield the kubectl commands of PATH and of this Python's environment, and those that tools/clients.py installs."""
    beside = shutil.which("kubectl", path=str(Path(sys.executable).parent))
    for found in dict.fromkeys(each for each in (shutil.which("kubectl"), beside) if each) or ["kubectl"]:
        yield pytest.param(found, marks=pytest.mark.kubectl, id=Path(found).parent.name)
    for version in clients.KUBECTLS:
        marks = [pytest.mark.clients, *([] if version in IN_CI else [pytest.mark.slow])]
        yield pytest.param(str(clients.folder() / f"kubectl-{version}" / "kubectl"), marks=marks, id=version)


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


@pytest.fixture(params=_kubectls())
def kubectl(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kubectl]:
    """Return a kubectl and a server of its own."""
    with chalice_local(tmp_path, "--provider", "process", "--port", "0") as server:
        server.wait_until_ready()
        yield Kubectl(request.param, server.kubeconfig)
        server.end()


def test_a_day_of_commands(kubectl: Kubectl, tmp_path: Path) -> None:
    texts = {
        "manifest": MANIFEST,
        "changed": MANIFEST.replace('a: "1"', 'a: "2"'),
        "replacement": '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cm"}, "data": {"new": "text"}}',
        "kustomization": "resources: [manifest.yaml]",
    }
    for name, text in texts.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    places = {"folder": str(tmp_path), **{name: str(tmp_path / f"{name}.yaml") for name in texts}}
    minor = int(re.findall(r"gitVersion: v1\.(\d+)", kubectl.run("version", "--client", "--output=yaml")[1])[0])

    for line, code, part in DAY:
        if any(line.startswith(command) and minor < since for command, since in SINCE.items()):
            continue
        for name, place in places.items():
            line = line.replace(f"{{{name}}}", place)
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
