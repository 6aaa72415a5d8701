"""Steps about single pods: both architectures, what is inside of them, how they end, what AWS refuses."""

from __future__ import annotations

import re
import time

from chalicelib.apimachinery.accessors import phase_of, status_of
from chalicelib.apimachinery.types import JSON
from sparkanywhere.aws.smoke.ground import FINALIZER, Ground, expect
from sparkanywhere.aws.smoke.step import Step, step

MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
USER = 185  # Spark's, in its images
STAYS_SECONDS = 40  # longer than ECS's own 30 s
REFUSED_SECONDS = 180.0


def _runs_on(arch: str) -> Step:
    def run(ground: Ground) -> str:
        name, began = f"pod-{arch}", time.monotonic()
        ground.start(name, "uname -m; exit 7", spec={"nodeSelector": {"kubernetes.io/arch": arch}})
        pod = ground.wait_until_ended(name)
        ended = _terminated(pod)
        expect(ended.get("exitCode") == 7, f"it ended with {ended}")
        ground.log_with(name, MACHINES[arch])
        return f"ran on {MACHINES[arch]}, over after {time.monotonic() - began:.0f} s"

    return Step(f"pod-{arch}", f"a pod runs on {arch}; exit code and log come back", 0.001, 1.5, run)


@step("pod-contents", usd=0.001, minutes=2)
def contents(ground: Ground) -> str:
    """Try environment, files, token, address in its status, tmpfs of its user."""
    ground.create("configmaps", _object("ConfigMap", "contents", data={"name": "file-of-a-map"}))
    ground.create("secrets", _object("Secret", "contents", stringData={"key": "file-of-a-secret"}))
    script = (
        'echo "env=$GREETING map=$(cat /maps/name) secret=$(cat /secrets/key) ip=$POD_IP user=$(id -u)";'
        " test -s /var/run/secrets/kubernetes.io/serviceaccount/token && echo token=there;"
        ' echo "memory=$(stat -c %a /memory)"; touch /memory/mine && echo memory=written'
    )
    ground.start(
        "contents",
        script,
        env=[
            {"name": "GREETING", "value": 'it\'s "quoted" $HOME'},
            {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        ],
        volumeMounts=[{"name": name, "mountPath": f"/{name}"} for name in ("maps", "secrets", "memory")],
        spec={
            "securityContext": {"runAsUser": USER},
            "volumes": [
                {"name": "maps", "configMap": {"name": "contents"}},
                {"name": "secrets", "secret": {"secretName": "contents"}},
                {"name": "memory", "emptyDir": {"medium": "Memory"}},
            ],
        },
    )
    pod = ground.wait_until_ended("contents")
    expect(phase_of(pod) == "Succeeded", f"the pod is {phase_of(pod)}: {_terminated(pod)}")
    log, address = ground.log_with("contents", "memory="), str(status_of(pod).get("podIP", ""))
    for words in (
        'env=it\'s "quoted" $HOME map=file-of-a-map secret=file-of-a-secret',
        f"ip={address} user={USER}",
        "token=there",
        "memory=written",
    ):
        expect(words in log, f"{words!r} is not in its log: {log!r}")
    expect(bool(re.search(r"^memory=1?777$", log, re.MULTILINE)), f"not every user may write to memory: {log!r}")
    return "environment, files, token, address and tmpfs are as the pod asks"


@step("pod-stop", usd=0.001, minutes=3)
def stop(ground: Ground) -> str:
    """Try a preStop hook, and a grace of 120 s, which is more than ECS's own 30."""
    told = f"cat /hooked; sleep {STAYS_SECONDS}; echo ended by itself; exit 0"
    script = f"trap '{told}' TERM; echo up; while :; do sleep 1; done"
    hook = {"preStop": {"exec": {"command": ["sh", "-c", "echo hooked > /hooked"]}}}
    ground.create(
        "pods",
        _object(
            "Pod",
            "stopped",
            metadata={"finalizers": [FINALIZER]},
            spec={
                "restartPolicy": "Never",
                "terminationGracePeriodSeconds": 120,
                "containers": [
                    {
                        "name": "main",
                        "image": ground.images["small"],
                        "command": ["sh", "-c", script],
                        "lifecycle": hook,
                    }
                ],
            },
        ),
    )
    ground.wait_for("stopped", lambda pod: phase_of(pod) == "Running", "Running")
    ground.log_with("stopped", "up")
    ground.call("DELETE", f"{ground.path('pods')}/stopped")
    pod = ground.wait_until_ended("stopped")
    ended = _terminated(pod)
    log = ground.log_with("stopped", "ended by itself")
    expect("hooked" in log, f"the preStop hook did not run: {log!r}")
    expect(ended.get("exitCode") == 0, f"it was killed before its 120 s: {ended}")
    return f"preStop ran, and {STAYS_SECONDS} s of the grace of 120 were left to it"


@step("bad-image", usd=0.001, minutes=2)
def bad_image(ground: Ground) -> str:
    """Try an image that is not there: it shows with ECS's exact words."""
    image = f"{ground.images['small'].rpartition(':')[0]}:no-such-tag"
    ground.start("bad-image", "true", image=image)
    pod = ground.wait_for(
        "bad-image", lambda pod: bool(_waiting(pod)), "waiting for its image", seconds=REFUSED_SECONDS
    )
    waiting = _waiting(pod)
    expect("Pull" in waiting.get("reason", ""), f"it waits for another reason: {waiting}")
    return f"{waiting['reason']}: {waiting.get('message')}"


@step("bad-role", usd=0.0, minutes=2)
def bad_role(ground: Ground) -> str:
    """Try a role outside of the deployment's path: it is refused, with IAM's exact words."""
    arn = f"arn:{ground.site.partition}:iam::{ground.site.account}:role/outside-of-the-path"
    annotations = {"eks.amazonaws.com/role-arn": arn}
    ground.create("serviceaccounts", _object("ServiceAccount", "outside", metadata={"annotations": annotations}))
    ground.start("bad-role", "true", spec={"serviceAccountName": "outside"})
    pod = ground.wait_for("bad-role", lambda pod: bool(_obstacle(pod)), "refused", seconds=REFUSED_SECONDS)
    return _obstacle(pod)


def _object(kind: str, name: str, *, metadata: JSON | None = None, **more: JSON) -> JSON:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, **(metadata or {})}, **more}


def _container_state(pod: JSON) -> JSON:
    found = status_of(pod).get("containerStatuses") or [{}]
    state: JSON = found[0].get("state") or {}
    return state


def _terminated(pod: JSON) -> JSON:
    return _container_state(pod).get("terminated") or {}


def _waiting(pod: JSON) -> JSON:
    """Return why a container waits for more than its turn, {} while nothing is wrong."""
    waiting: JSON = _container_state(pod).get("waiting") or {}
    return waiting if waiting.get("reason") not in (None, "ContainerCreating", "PodInitializing") else {}


def _obstacle(pod: JSON) -> str:
    """Return in its own words why a pod does not start, "" while nothing is wrong."""
    if waiting := _waiting(pod):
        return f"{waiting['reason']}: {waiting.get('message')}"
    for each in status_of(pod).get("conditions") or ():
        if each.get("type") == "PodScheduled" and each.get("status") == "False":
            return f"{each.get('reason')}: {each.get('message')}"
    return ""


STEPS = (_runs_on("amd64"), _runs_on("arm64"), contents, stop, bad_image, bad_role)
